"""Models that can be evaluated: what is asked of them, and our checkpoints."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.hugging_face import HuggingFaceModel, weights_sha256
from chinchilla_lib.evaluation.packing import Pack, pack_sequences
from chinchilla_lib.evaluation.readers import Reader, read_own
from chinchilla_lib.evaluation.smollm2 import fetch_smollm2
from chinchilla_lib.training.checkpoint import load_model

__all__ = ["HuggingFaceModel", "LanguageModel", "OwnModel", "open_model", "weights_sha256"]


class LanguageModel(Protocol):
    """What the evaluation asks of a model.

    Attributes
    ----------
    name : str
    sha256 : str
        Of its weights.
    max_length : int
        Tokens it reads at most.
    begin_of_text : int
        Token that stands for an empty context.
    end_of_text : int
        Token that ends what is written.
    takes_trees : bool
        Whether it computes packs of several sequences.
    keeps_states : bool
        Whether a pack can go on from the one before.
    """

    name: str
    sha256: str
    max_length: int
    begin_of_text: int
    end_of_text: int
    takes_trees: bool
    keeps_states: bool

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        """Token ids of a text; behind the marks that texts begin with, if they are asked for."""
        ...

    def decode(self, tokens: list[int], *, marks: bool = True) -> str:
        """Text of token ids, with or without that of marks."""
        ...

    def logits(self, pack: Pack, at: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the token after each of some nodes of a pack without a stem.

        They are float32, shape (len(at), vocabulary).
        """
        ...

    def extend(self, pack: Pack, at: npt.NDArray[np.int64], state: Any) -> tuple[Tensor, Any]:
        """The same, going on from the state that the pack before has left, and what this one leaves."""
        ...

    def continue_greedily(
        self, prompts: Sequence[list[int]], n_tokens: int, finished: Callable[[int, list[int]], bool]
    ) -> Iterator[tuple[int, list[int]]]:
        """The likeliest tokens after each prompt, up to the end of text.

        Parameters
        ----------
        prompts : sequence of list of int
            None empty, each so short that an answer fits behind it.
        n_tokens : int
            Of an answer, at most.
        finished : callable
            Of the index of a prompt and the tokens made after it: whether they are enough.

        Yields
        ------
        (int, list of int)
            Index of a prompt and its answer, in any order.
        """
        ...

    def reader(self) -> Reader:
        """What reads several texts at once, token by token, from their beginning."""
        ...


class OwnModel:
    """A checkpoint of ours with its tokenizer.

    Parameters
    ----------
    path : pathlib.Path
        A file of :func:`~chinchilla_lib.training.checkpoint.save_model`.
    tokenizer : pathlib.Path
        ``tokenizer.json`` of the corpus it was trained on.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the tokenizer has another vocabulary.
    """

    begin_of_text = end_of_text = 0
    keeps_states = False

    def __init__(self, path: Path, tokenizer: Path) -> None:
        if not tokenizer.is_file():
            raise InputError(f"{tokenizer}: there is no such file; give the tokenizer.json of the corpus")
        self._model, self.config = load_model(path)
        self._tokenizer = Tokenizer.load(tokenizer)
        shape = self.config.shape
        if self._tokenizer.vocab_size != shape.vocab_size:
            raise InputError(
                f"{tokenizer}: it has {self._tokenizer.vocab_size} tokens, the model {shape.vocab_size}; "
                "give the tokenizer of the corpus it was trained on"
            )
        self.name, self.max_length, self.sha256 = path.stem, shape.seq_len, file_sha256(path)
        self.takes_trees = shape.family != "gopher"  # whose distances are those of one sequence

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        """Token ids of a text, which has no marks."""
        return self._tokenizer.encode([text])[0]

    def decode(self, tokens: list[int], *, marks: bool = True) -> str:
        """Text of token ids; marks have none."""
        return self._tokenizer.decode(tokens)

    @torch.inference_mode()
    def logits(self, pack: Pack, at: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the token after each of some nodes."""
        tokens = torch.from_numpy(pack.tokens)[None]
        if not self.takes_trees:
            hidden = self._model.hidden(tokens)
        else:
            hidden = self._model.hidden(tokens, torch.from_numpy(pack.positions), torch.from_numpy(pack.mask))
        return self._model.to_logits(hidden[0, torch.from_numpy(at)])

    def extend(self, pack: Pack, at: npt.NDArray[np.int64], state: None) -> tuple[Tensor, None]:
        """The same; no state is kept."""
        return self.logits(pack, at), None

    def continue_greedily(
        self, prompts: Sequence[list[int]], n_tokens: int, finished: Callable[[int, list[int]], bool]
    ) -> Iterator[tuple[int, list[int]]]:
        """The likeliest tokens after each prompt; all of it is read again for each."""
        for i, prompt in enumerate(prompts):
            made: list[int] = []
            while len(made) < n_tokens and not (made and finished(i, made)):
                (pack,) = pack_sequences([[*prompt, *made]], max_nodes=0)
                token = int(self.logits(pack, np.array([len(pack.tokens) - 1]))[0].argmax())
                if token == self.end_of_text:
                    break
                made.append(token)
            yield i, made

    def reader(self) -> Reader:
        """What reads several texts at once, token by token, from their beginning."""
        return read_own(self._model)


def open_model(name: str, *, tokenizer: Path | None = None, corpora: Iterable[Path] = ()) -> LanguageModel:
    """The model that a name stands for.

    Parameters
    ----------
    name : str
        A file of :func:`~chinchilla_lib.training.checkpoint.save_model`, a folder with one such file, or a
        folder or name of Hugging Face; ``"smollm2"`` is the quantised model of
        :func:`~chinchilla_lib.evaluation.smollm2.fetch_smollm2`.
    tokenizer : pathlib.Path, optional
        Of a checkpoint of ours; else ``tokenizer.json`` beside it, or that of the corpus it was trained on.
    corpora : iterable of pathlib.Path
        Folders of prepared corpora in which the latter is looked for.

    Raises
    ------
    InputError
        If it cannot be loaded, or no tokenizer is found for it.
    """
    if name == "smollm2":
        fetched = fetch_smollm2()
        model = HuggingFaceModel(str(fetched.folder))
        model.name = fetched.name
        return model
    path = Path(name)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path] if path.is_file() else []
    if not files or (path.is_dir() and (path / "config.json").is_file()):
        return HuggingFaceModel(name)
    if len(files) > 1:
        raise InputError(f"{path}: it holds {len(files)} checkpoints; name one, such as {files[0].name}")
    (file,) = files
    return OwnModel(file, tokenizer or _find_tokenizer(file, corpora))


def _find_tokenizer(file: Path, corpora: Iterable[Path]) -> Path:
    beside = file.with_name("tokenizer.json")
    if beside.is_file():
        return beside
    corpus = load_model(file)[1].corpus
    for folder in corpora:
        manifest = folder / "manifest.json"
        if manifest.is_file() and file_sha256(manifest)[:16] == corpus:
            return folder / "tokenizer.json"
    raise InputError(
        f"{file}: no tokenizer.json lies beside it, and corpus {corpus}, on which it was trained, is not "
        "prepared here; give --tokenizer FILE"
    )
