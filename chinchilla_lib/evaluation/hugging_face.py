"""Causal models of Hugging Face's Transformers, in float32 on the CPU."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.packing import Pack, pack_sequences
from chinchilla_lib.evaluation.readers import Reader, read_transformers

__all__ = ["HuggingFaceModel", "weights_sha256"]

State = list[tuple[Tensor, Tensor]]  # keys and values of each layer, shape (1, heads, columns, width)

_SAME: Final = 1e-3  # logits of a tree against those of its branches; float32 leaves some 1e-5
_UNKNOWN_LENGTH: Final = 2048
_MOST_UNSET: Final = 10**9  # what tokenizers say who know no length is more
_BATCH: Final = 32
_MOST_CACHED: Final = 32_768  # tokens of a batch whose keys and values are held
_SHORTEST_STEM: Final = 16


class HuggingFaceModel:
    """A causal model of Transformers. Weights are read from safetensors only.

    Tokens that a text begins with, what stands for an empty context, and the length are as lm-eval's own
    backend has them.

    Parameters
    ----------
    name : str
        A folder, or a name on the hub.

    Raises
    ------
    InputError
        If it cannot be loaded.
    MissingExtraError
        If transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        transformers = _transformers()
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            ).train(False)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(f"{name}: no causal model of Hugging Face could be loaded ({first})") from None
        self.name, self.sha256 = name, weights_sha256(self._model)
        self.max_length = _max_length(self._model.config.get_text_config(), self._tokenizer)
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        self.end_of_text = int(end if end is not None else begin)
        self.begin_of_text = int(begin if begin is not None else end)
        self._ends = {self.end_of_text, *_as_list(self._model.generation_config.eos_token_id)}
        self._marks = self._marks_before()
        self._new_cache = transformers.DynamicCache
        self.takes_trees = _sees_all(self._model.config.get_text_config(), self.max_length)
        self.takes_trees = self.takes_trees and self._agrees(stems=False)
        self.keeps_states = self.takes_trees and self._agrees(stems=True)

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        """Token ids of a text; behind the marks its tokenizer puts before a text, if they are asked for.

        A text that begins with the mark itself gets no other.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        if marks and not text.startswith(str(self._tokenizer.decode([self.begin_of_text]))):
            return [*self._marks, *ids]
        return ids

    def decode(self, tokens: list[int], *, marks: bool = True) -> str:
        """Text of token ids, with or without that of marks."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=not marks))

    def logits(self, pack: Pack, at: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the token after each of some nodes of a pack without a stem."""
        return self.extend(pack, at, None)[0]

    @torch.inference_mode()
    def extend(
        self, pack: Pack, at: npt.NDArray[np.int64], state: State | None
    ) -> tuple[Tensor, State | None]:
        """Logits of the token after each of some nodes, and what the pack after this one can go on from."""
        cache = self._new_cache() if self.takes_trees else None
        if cache is not None and state is not None and len(pack.stem):
            for layer, pair in enumerate(state):
                cache.update(*(_take(x, pack.stem) for x in pair), layer)
        asked: dict[str, Any] = {}
        if not pack.is_line:
            asked["attention_mask"] = torch.from_numpy(pack.mask)[None, None]
            asked["position_ids"] = torch.from_numpy(pack.positions)[None]
        output = self._model(
            input_ids=torch.from_numpy(pack.tokens)[None],
            logits_to_keep=torch.from_numpy(at),
            past_key_values=cache,
            use_cache=cache is not None,
            **asked,
        )
        logits: Tensor = output.logits[0]
        return logits, None if cache is None else [(layer.keys, layer.values) for layer in cache.layers]

    @torch.inference_mode()
    def continue_greedily(
        self,
        prompts: Sequence[list[int]],
        n_tokens: int,
        finished: Callable[[int, list[int]], bool],
    ) -> Iterator[tuple[int, list[int]]]:
        """As `LanguageModel.continue_greedily`, in batches padded on the left."""
        stem = _common(prompts) if self.takes_trees else []
        base = self._read(stem) if len(stem) >= _SHORTEST_STEM else None
        n_stem = len(stem) if base is not None else 0
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        while order:
            n_rows = max(1, min(_BATCH, _MOST_CACHED // (len(prompts[order[0]]) + n_tokens)))
            rows, order = order[:n_rows], order[n_rows:]
            yield from self._continue_batch(
                rows, [prompts[i][n_stem:] for i in rows], n_stem, copy.deepcopy(base), n_tokens, finished
            )

    def reader(self) -> Reader:
        """What reads several texts at once, token by token, from their beginning."""
        return read_transformers(self._model)

    def _read(self, tokens: list[int]) -> Any:
        cache = self._new_cache()
        self._model(input_ids=torch.tensor([tokens]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache

    def _continue_batch(
        self,
        rows: list[int],
        prompts: list[list[int]],
        n_stem: int,
        cache: Any,
        n_tokens: int,
        finished: Callable[[int, list[int]], bool],
    ) -> Iterator[tuple[int, list[int]]]:
        longest = max(map(len, prompts))
        padding = torch.tensor([longest - len(prompt) for prompt in prompts])
        tokens = torch.tensor([[self.end_of_text] * (longest - len(prompt)) + prompt for prompt in prompts])
        seen = torch.ones(len(rows), n_stem + longest, dtype=torch.long)
        for row, n in enumerate(padding.tolist()):
            seen[row, n_stem : n_stem + n] = 0
        if cache is not None:
            cache.batch_repeat_interleave(len(rows))
        made: dict[int, list[int]] = {i: [] for i in rows}
        live = list(rows)  # what the rows of the batch are; some may have ended
        for step in range(n_tokens):
            at = (seen.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            output = self._model(
                input_ids=tokens, attention_mask=seen, position_ids=at, past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            cache, best = output.past_key_values, output.logits[:, -1].argmax(-1)
            for i, token in zip(live, best.tolist(), strict=True):
                if i not in made:
                    continue
                if token not in self._ends:
                    made[i].append(token)
                if token in self._ends or step == n_tokens - 1 or finished(i, made[i]):
                    yield i, made.pop(i)
            if not made:
                return
            tokens, seen = best[:, None], torch.nn.functional.pad(seen, (0, 1), value=1)
            if 2 * len(made) <= len(live):  # half of the work would be for nothing
                kept = torch.tensor([row for row, i in enumerate(live) if i in made])
                cache.batch_select_indices(kept)
                tokens, seen, live = tokens[kept], seen[kept], [i for i in live if i in made]

    def _marks_before(self) -> list[int]:
        """What its tokenizer puts before a text."""
        bare = self._tokenizer.encode("a", add_special_tokens=False)
        marked: list[int] = self._tokenizer.encode("a")
        starts = (k for k in range(len(marked)) if marked[k : k + len(bare)] == bare)
        return marked[: next(starts, 0)]

    def _agrees(self, *, stems: bool) -> bool:
        """Whether the model heeds the mask of a tree, and goes on from a stem; tried, since not all do."""
        rng = np.random.default_rng(0)
        begin, *ends = (rng.integers(10, 200, size=n).tolist() for n in (20, 3, 4, 5, 6))
        sequences = [begin + end for end in ends]
        state = None
        packs = pack_sequences(
            sequences, max_nodes=30 if stems else 100, first_needed=[20] * len(ends), stems=stems
        )
        try:
            for pack in packs:
                found, state = self.extend(pack, np.arange(len(pack.tokens)), state)
                for i, path in pack.paths.items():
                    (alone,) = pack_sequences([sequences[i]], max_nodes=0)
                    expected = self.logits(alone, np.arange(20, len(sequences[i])))
                    at = torch.from_numpy(path[20:] - len(pack.stem))
                    if (found[at] - expected).abs().max() > _SAME:
                        return False
        except (AttributeError, ValueError, RuntimeError, TypeError, IndexError):
            return False
        return True


def weights_sha256(model: Any) -> str:
    """SHA-256 of the names and weights of a model of Transformers."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(weight.contiguous().numpy()).cast("B"))
    return digest.hexdigest()


def _take(x: Tensor, columns: npt.NDArray[np.int64]) -> Tensor:
    n = len(columns)
    if columns[-1] == n - 1:  # they rise, so these are the first
        return x[:, :, :n]
    return x.index_select(2, torch.from_numpy(columns))


def _common(sequences: Sequence[list[int]]) -> list[int]:
    """What all begin with, one token at least left of each."""
    if not sequences:
        return []
    first, last = min(sequences), max(sequences)
    n = 0
    while n < min(map(len, sequences)) - 1 and first[n] == last[n]:
        n += 1
    return first[:n]


def _as_list(value: int | list[int] | None) -> list[int]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _max_length(config: Any, tokenizer: Any) -> int:
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if (value := getattr(config, name, None)) is not None:
            return int(value)
    length = getattr(tokenizer, "model_max_length", None)
    return int(length) if length is not None and length < _MOST_UNSET else _UNKNOWN_LENGTH


def _sees_all(config: Any, max_length: int) -> bool:
    """Whether every layer looks back to the beginning: a mask of ours says nothing of a window."""
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if kinds is not None:
        return all(kind == "full_attention" for kind in kinds)
    return window is None or window >= max_length


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "eval") from error
    return transformers
