"""A byte-level BPE, trained on the training documents only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.shards import TokenisedText
from chinchilla_lib.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import tokenizers

__all__ = ["END_OF_TEXT", "Tokenizer", "check_vocab_size", "train_tokenizer"]

END_OF_TEXT = "<|endoftext|>"
_BATCH_CHARACTERS = 1 << 20
_PROBE = "".join(
    map(
        chr,
        (*range(0x800), *range(0x800, 0xD800, 0x1000), 0xE000, 0xF000, *range(0x10000, 0x110000, 0x10000)),
    )
)
"""A text with every byte that UTF-8 has."""


class Tokenizer:
    """Text to token ids and back, without loss.

    Token 0 marks the start of a document. Every byte is a token, so nothing is unknown;
    no Unicode normalisation is applied (section 4.1, Table A8).

    Parameters
    ----------
    backend : tokenizers.Tokenizer
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        # Text that happens to spell the marker is text.
        backend.encode_special_tokens = True
        self._backend = backend

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a tokenizer written by :meth:`save`.

        Raises
        ------
        InputError
            If the file is missing, damaged, or something else.
        """
        try:
            tokenizer = cls(_library().Tokenizer.from_str(path.read_text(encoding="utf-8")))
            whole = tokenizer.decode(tokenizer.encode([_PROBE])[0]) == _PROBE
        except (KeyboardInterrupt, MissingExtraError):
            raise
        except BaseException as error:  # the library raises bare ones, and a panic is no Exception
            raise InputError(f"{path}: not a tokenizer that can be read ({str(error)[:200]})") from None
        if not whole:
            raise InputError(f"{path}: a tokenizer that does not give text back as it was, so none of ours")
        return tokenizer

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        path.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The tokenizer as JSON."""
        return str(self._backend.to_str())

    @property
    def vocab_size(self) -> int:
        """Number of tokens, the marker included."""
        return int(self._backend.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without the marker."""
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts))]

    def tokenise(self, documents: Sequence[Document]) -> TokenisedText:
        """Tokens of the documents, each with its marker."""
        parts = [
            np.array([0, *ids], dtype=np.uint16)
            for batch in _batches(documents)
            for ids in self.encode([document.text for document in batch])
        ]
        return TokenisedText(
            tokens=np.concatenate([np.zeros(0, dtype=np.uint16), *parts]),
            lengths=np.array([len(part) for part in parts], dtype=np.int64),
            names=[document.name for document in documents],
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids; the marker is dropped."""
        return str(self._backend.decode([int(i) for i in ids], skip_special_tokens=True))

    def token_bytes(self) -> npt.NDArray[np.uint16]:
        """Bytes of UTF-8 that each token stands for, shape (vocab_size,); 0 for the marker.

        They turn nats per token into bits per byte.
        """
        tokens = [self._backend.id_to_token(i) for i in range(self.vocab_size)]
        # In the byte-level alphabet one character stands for one byte.
        return np.array([0 if t == END_OF_TEXT else len(str(t)) for t in tokens], dtype=np.uint16)


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE.

    Parameters
    ----------
    texts : iterable of str
        Training documents only: the held-out text must not shape the vocabulary.
    vocab_size : int
        Between 257 (the bytes and the marker) and 65,535 (ids are stored in 16 bits).

    Returns
    -------
    Tokenizer

    Raises
    ------
    InputError
        If vocab_size is out of range, or the text is too small for so many merges.

    Examples
    --------
    >>> tokenizer = train_tokenizer(["the cat and the hat"] * 50, vocab_size=265)
    >>> tokenizer.vocab_size
    265
    """
    check_vocab_size(vocab_size)
    library = _library()
    backend = library.Tokenizer(library.models.BPE())
    backend.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = Tokenizer(backend)
    if tokenizer.vocab_size != vocab_size:
        raise InputError(
            f"the text allows {tokenizer.vocab_size} tokens, not vocab_size={vocab_size}: "
            "give more text or ask for fewer tokens"
        )
    return tokenizer


def check_vocab_size(vocab_size: int) -> None:
    """Raise InputError unless the size lies between 257 and 65,535."""
    if not 257 <= vocab_size <= 65535:
        raise InputError(f"vocab_size is {vocab_size}; it must lie between 257 and 65535")


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Stretches of about as many characters: enough for all cores, no burden on memory."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise MissingExtraError("tokenizers", "train") from error
    return tokenizers
