"""How much of an evaluation text occurs word for word in the training text.

The unit is a run of 13 words, as in the contamination study of GPT-3 (Brown et al. 2020, appendix C): short
enough to survive an edited sentence, long enough that set phrases do not count.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.ngrams import hash_ngrams, plain_words
from chinchilla_lib.corpus.shards import Shards, Split
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError

__all__ = ["NGRAM_WORDS", "Overlap", "find_overlap", "read_documents"]

NGRAM_WORDS: Final = 13


@dataclass(frozen=True, eq=False)
class Overlap:
    """What of each evaluation document occurs in training.

    Attributes
    ----------
    names : tuple of str
        Of the evaluation documents.
    n_ngrams, n_found : ndarray
        Runs of words in each, and those of them that occur in training, shape (n_documents,).
    """

    names: tuple[str, ...]
    n_ngrams: npt.NDArray[np.int64]
    n_found: npt.NDArray[np.int64]

    @property
    def share(self) -> float:
        """Share of all runs that occur in training, between 0 and 1."""
        return float(self.n_found.sum() / max(self.n_ngrams.sum(), 1))

    @property
    def document_shares(self) -> npt.NDArray[np.float64]:
        """Share of each document's runs that occur in training, shape (n_documents,)."""
        return np.asarray(self.n_found / np.maximum(self.n_ngrams, 1))


def find_overlap(
    evaluation: Iterable[Document], training: Iterable[Document], *, n_words: int = NGRAM_WORDS
) -> Overlap:
    """Look for the runs of words of the evaluation text in the training text.

    Memory holds some 20 bytes for each word of the evaluation text, and of the training text one document.

    Parameters
    ----------
    evaluation, training : iterable of Document
        Evaluation documents with fewer words than a run are compared as a whole.
    n_words : int
        Words in a run.

    Returns
    -------
    Overlap

    Raises
    ------
    InputError
        If there is no evaluation document.

    Examples
    --------
    >>> text = "one two three four five six seven"
    >>> seen, unseen = Document("a", text), Document("b", text.replace("four", "eight"))
    >>> found = find_overlap([seen, unseen], [Document("c", text)], n_words=5)
    >>> found.n_found.tolist(), found.n_ngrams.tolist()
    ([3, 0], [3, 3])
    """
    names: list[str] = []
    hashes: list[npt.NDArray[np.uint64]] = []
    for document in evaluation:
        names.append(document.name)
        hashes.append(hash_ngrams(plain_words(document.text), n_words))
    if not names:
        raise InputError("there is no evaluation text to look for: give files that hold some")
    wanted, index = np.unique(np.concatenate(hashes), return_inverse=True)
    found = np.zeros(len(wanted), dtype=bool)
    for document in training:
        present = hash_ngrams(plain_words(document.text), n_words)
        at = np.minimum(np.searchsorted(wanted, present), len(wanted) - 1)
        found[at[wanted[at] == present]] = True
    lengths = np.array([len(part) for part in hashes], dtype=np.int64)
    n_found = np.add.reduceat(found[index], np.cumsum(lengths) - lengths, dtype=np.int64)
    return Overlap(tuple(names), lengths, n_found)


def read_documents(shards: Shards, split: Split, *, side: str) -> Iterator[Document]:
    """Text of the documents of one side, read back from its tokens.

    Parameters
    ----------
    shards : Shards
    split : Split
        ``shards.train`` or ``shards.validation``.
    side : str
        Its name among the files: ``"train"`` or ``"validation"``.

    Raises
    ------
    InputError
        If the corpus has no text.
    """
    path = shards.folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{shards.folder} holds {shards.name!r}, which has tokens but no text to compare")
    tokenizer = Tokenizer.load(path)
    with (shards.folder / f"{side}-documents.txt").open(encoding="utf-8") as names:
        first = 0
        for shard in split.shards:
            inside = (split.document_starts >= first) & (split.document_starts < first + len(shard))
            for tokens in np.split(shard, split.document_starts[inside][1:] - first):
                yield Document(next(names).rstrip("\n"), tokenizer.decode(tokens.tolist()))
            first += len(shard)
