"""Models that can be evaluated: our checkpoints, and those of Hugging Face."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.packing import Pack, pack_sequences
from chinchilla_lib.evaluation.readers import Reader, read_own, read_transformers
from chinchilla_lib.evaluation.smollm2 import fetch_smollm2
from chinchilla_lib.training.checkpoint import load_model

__all__ = ["HuggingFaceModel", "LanguageModel", "OwnModel", "open_model", "weights_sha256"]

_SAME = 1e-3  # logits of a tree against those of its branches; float32 leaves some 1e-5


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
        Token that stands for an empty context when a text is drawn.
    end_of_text : int
        Token that stands for an empty context, and ends a text.
    takes_trees : bool
        Whether it computes packs of several sequences.
    """

    name: str
    sha256: str
    max_length: int
    begin_of_text: int
    end_of_text: int
    takes_trees: bool

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without marks at its ends."""
        ...

    def decode(self, tokens: list[int]) -> str:
        """Text of token ids."""
        ...

    def logits(self, pack: Pack, at: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the token after each of some nodes, float32, shape (len(at), vocabulary)."""
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

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return self._tokenizer.encode([text])[0]

    def decode(self, tokens: list[int]) -> str:
        """Text of token ids."""
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

    def reader(self) -> Reader:
        """What reads several texts at once, token by token, from their beginning."""
        return read_own(self._model)


class HuggingFaceModel:
    """A causal model of Transformers, in float32 on the CPU. Weights are read from safetensors only.

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
            ).eval()
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(f"{name}: no causal model of Hugging Face could be loaded ({first})") from None
        self.name, self.sha256 = name, weights_sha256(self._model)
        self.max_length = int(getattr(self._model.config, "max_position_embeddings", 2048))
        begin, self.end_of_text = self._tokenizer.bos_token_id, int(self._tokenizer.eos_token_id)
        self.begin_of_text = self.end_of_text if begin is None else int(begin)
        self.takes_trees = True
        self.takes_trees = self._tree_equals_branches()

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without marks at its ends."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, tokens: list[int]) -> str:
        """Text of token ids."""
        return str(self._tokenizer.decode(tokens))

    @torch.inference_mode()
    def logits(self, pack: Pack, at: npt.NDArray[np.int64]) -> Tensor:
        """Logits of the token after each of some nodes."""
        asked = {}
        if self.takes_trees:
            asked["attention_mask"] = torch.from_numpy(pack.mask)[None, None]
            asked["position_ids"] = torch.from_numpy(pack.positions)[None]
        output = self._model(
            input_ids=torch.from_numpy(pack.tokens)[None],
            logits_to_keep=torch.from_numpy(at),
            use_cache=False,
            **asked,
        )
        logits: Tensor = output.logits[0]
        return logits

    def reader(self) -> Reader:
        """What reads several texts at once, token by token, from their beginning."""
        return read_transformers(self._model)

    def _tree_equals_branches(self) -> bool:
        """Whether the model heeds the mask of a tree; tried, since not all do."""
        rng = np.random.default_rng(0)
        begin, *ends = (rng.integers(10, 200, size=n).tolist() for n in (5, 3, 4))
        sequences = [begin + end for end in ends]
        try:
            (tree,) = pack_sequences(sequences, max_nodes=100)
            together = self.logits(tree, np.arange(len(tree.tokens)))
        except (ValueError, RuntimeError, TypeError, IndexError):
            return False
        for i, sequence in enumerate(sequences):
            (alone,) = pack_sequences([sequence], max_nodes=0)
            expected = self.logits(alone, np.arange(len(sequence)))
            if (together[torch.from_numpy(tree.paths[i])] - expected).abs().max() > _SAME:
                return False
        return True


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


def weights_sha256(model: Any) -> str:
    """SHA-256 of the names and weights of a model of Transformers."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(weight.contiguous().numpy()).cast("B"))
    return digest.hexdigest()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "eval") from error
    return transformers
