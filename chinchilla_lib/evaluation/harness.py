"""A model of ours or of Hugging Face as lm-eval's, and tasks run by it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import LanguageModel
from chinchilla_lib.evaluation.packing import pack_sequences
from chinchilla_lib.evaluation.scores import Score, TaskScore, summarise_metric
from chinchilla_lib.evaluation.tasks import BenchmarkTask, LoadedTask

try:
    from lm_eval import simple_evaluate, utils
    from lm_eval.api.model import TemplateLM
    from lm_eval.tasks import TaskManager
except ImportError as error:
    raise MissingExtraError("lm_eval", "eval") from error

__all__ = ["HarnessModel", "run_task"]

_MOST_TOKENS: Final = 64


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A model behind lm-eval's interface: log-likelihood, rolling log-likelihood, greedy generation.

    Parameters
    ----------
    model : LanguageModel
    on_progress : callable, optional
        Called with the number of requests just done.
    """

    def __init__(self, model: LanguageModel, on_progress: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._language_model, self._on_progress = model, on_progress

    @property
    def eot_token_id(self) -> int:
        """The mark of an empty context."""
        return self._language_model.end_of_text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids; marks are never added."""
        return self._language_model.encode(string)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        pairs = [self._fill(context, continuation) for _, context, continuation in requests]
        return score_continuations(self._language_model, pairs, on_progress=self._on_progress)

    def _fill(self, context: list[int], continuation: list[int]) -> tuple[list[int], list[int]]:
        """Where a token crosses the border of context and answer, the answer takes it.

        lm-eval cuts the tokens of both together behind as many as the context alone has. If the answer then
        has none, its last token is the one that crosses, and is what is scored.
        """
        if continuation:
            return context or [self.eot_token_id], continuation
        return context[:-1] or [self.eot_token_id], context[-1:]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts, in windows as long as the model that do not overlap."""
        windows, owner = [], []
        for i, request in enumerate(requests):
            (text,) = request.args
            for window in utils.get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.eot_token_id,
                max_seq_len=self._language_model.max_length,
                context_len=1,
            ):
                windows.append(utils.make_disjoint_window(window))
                owner.append(i)
        scores = score_continuations(self._language_model, windows, on_progress=self._on_progress)
        totals = [0.0] * len(requests)
        for i, (score, _) in zip(owner, scores, strict=True):
            totals[i] += score
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """The likeliest token again and again, until a stop text, the end of text, or the most tokens."""
        return [self._generate(*request.args) for request in requests]

    def _generate(self, context: str, options: dict[str, Any]) -> str:
        model = self._language_model
        until = options.get("until") or []
        stops = [until] if isinstance(until, str) else list(until)
        tokens = self.tok_encode(context) or [self.eot_token_id]
        made: list[int] = []
        for _ in range(int(options.get("max_gen_toks", _MOST_TOKENS))):
            (pack,) = pack_sequences([[*tokens, *made][-model.max_length :]], max_nodes=0)
            token = int(model.logits(pack, np.array([len(pack.tokens) - 1]))[0].argmax())
            if token == self.eot_token_id:
                break
            made.append(token)
            text = model.decode(made)
            if any(stop and stop in text for stop in stops):
                break
        text = model.decode(made)
        for stop in stops:
            text = text.split(stop)[0] if stop else text
        return text


def run_task(
    model: LanguageModel,
    loaded: LoadedTask,
    *,
    n_items: int | None = None,
    n_shots: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> TaskScore:
    """Run a task on its first items.

    Parameters
    ----------
    model : LanguageModel
    loaded : LoadedTask
    n_items : int, optional
        All when not given; of a task with parts, from each in turn.
    n_shots : int, optional
        Examples before each item; as the paper has it when not given.
    on_progress : callable, optional
        Called with the number of requests just done.

    Raises
    ------
    InputError
        If there are fewer examples.
    """
    started = time.perf_counter()
    task = loaded.task
    n_shots = task.shots[0] if n_shots is None else n_shots
    if n_shots and not loaded.examples:
        raise InputError(f"n_shots is {n_shots}; task {task.name} was loaded without examples")
    configs = loaded.to_configs(n_items)
    results = simple_evaluate(
        model=HarnessModel(model, on_progress),
        tasks=list(configs.values()),
        num_fewshot=n_shots,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),
        log_samples=True,
    )
    by_part = {
        part: [{**sample, "item_index": int(sample["doc"]["item_index"])} for sample in found]
        for part, config in configs.items()
        if (found := results["samples"][config["task"]])
    }
    samples = sorted((s for found in by_part.values() for s in found), key=lambda s: int(s["item_index"]))
    return TaskScore(
        task=task.name,
        version=task.version,
        n_items=len(samples),
        n_shots=n_shots,
        metrics=_summarise_all(task, samples),
        parts={part: _summarise_all(task, found) for part, found in by_part.items()} if task.group else {},
        sha256=loaded.sha256,
        examples_from=loaded.examples_from if n_shots else "",
        example=str(samples[0]["arguments"][0][0]),
        samples=tuple(samples),
        seconds=time.perf_counter() - started,
    )


def _summarise_all(task: BenchmarkTask, samples: Sequence[dict[str, Any]]) -> dict[str, Score]:
    return {
        metric["metric"]: summarise_metric(metric["aggregation"], [s[metric["metric"]] for s in samples])
        for metric in task.config["metric_list"]
    }
