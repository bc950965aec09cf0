"""Tasks run on a model by lm-eval."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.adapter import HarnessModel
from chinchilla_lib.evaluation.models import LanguageModel
from chinchilla_lib.evaluation.progress import Progress
from chinchilla_lib.evaluation.scores import Score, TaskScore, summarise_metric
from chinchilla_lib.evaluation.tasks import BenchmarkTask, LoadedTask

try:
    from lm_eval import evaluate
    from lm_eval.tasks import TaskManager
except ImportError as error:
    raise MissingExtraError("lm_eval", "eval") from error

__all__ = ["run_task"]


def run_task(
    model: LanguageModel,
    loaded: LoadedTask,
    *,
    n_items: int | None = None,
    n_shots: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
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
        Called before the start, with what it will cost, and as answers come.

    Raises
    ------
    InputError
        If there are fewer examples, or no item is asked for.
    """
    started = time.perf_counter()
    task = loaded.task
    n_shots = task.shots[0] if n_shots is None else n_shots
    if n_shots and not loaded.examples:
        raise InputError(f"n_shots is {n_shots}; task {task.name} was loaded without examples")
    configs = loaded.to_configs(n_items)
    ready = TaskManager(include_defaults=False).load(list(configs.values()))
    for part in ready["tasks"].values():
        part.set_config(key="num_fewshot", value=n_shots)
    # Not simple_evaluate: it asks git for the folder's commit, and git complains where there is none.
    results = evaluate(HarnessModel(model, on_progress), ready, bootstrap_iters=0, log_samples=True)
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
        example=next(str(text) for text in samples[0]["arguments"][0] if text),
        samples=tuple(samples),
        seconds=time.perf_counter() - started,
    )


def _summarise_all(task: BenchmarkTask, samples: Sequence[dict[str, Any]]) -> dict[str, Score]:
    return {
        metric["metric"]: summarise_metric(metric["aggregation"], [s[metric["metric"]] for s in samples])
        for metric in task.config["metric_list"]
    }
