"""Documents: cleaning, exact de-duplication and a split that depends on nothing but the text."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from chinchilla_lib.errors import InputError

__all__ = ["Cleaning", "Document", "clean_documents", "clean_text", "split_documents"]

_CONTROL = {c: None for c in range(32) if chr(c) not in "\n\t"} | {127: None}
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Document:
    """One text with a name that says where it came from."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text in UTF-8, as 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Cleaning:
    """What cleaning kept and dropped, in documents."""

    n_read: int
    n_too_short: int
    n_duplicate: int
    n_kept: int


def clean_text(text: str) -> str:
    """Unify line ends, drop control characters, trailing blanks and runs of empty lines.

    Letters are left as they are: the paper's tokenizer, too, applies no NFKC normalisation
    (section 4.1, Table A8).
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").translate(_CONTROL)
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip() + "\n"


def clean_documents(
    documents: Iterable[Document], *, min_characters: int = 200
) -> tuple[list[Document], Cleaning]:
    """Clean each document; drop short ones and those that repeat an earlier one.

    Two documents are the same when their letters and digits are, whatever the case,
    the spacing and the punctuation.

    Parameters
    ----------
    documents : iterable of Document
    min_characters : int
        Documents shorter than this after cleaning are dropped.

    Returns
    -------
    list of Document, Cleaning
        What is kept, in the order read, and the counts.
    """
    seen: set[bytes] = set()
    kept: list[Document] = []
    n_read = n_too_short = n_duplicate = 0
    for document in documents:
        n_read += 1
        text = clean_text(document.text)
        if len(text) < min_characters:
            n_too_short += 1
            continue
        letters = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())
        key = hashlib.sha256(letters.encode()).digest()
        if key in seen:
            n_duplicate += 1
            continue
        seen.add(key)
        kept.append(Document(document.name, text))
    return kept, Cleaning(n_read, n_too_short, n_duplicate, len(kept))


def split_documents(
    documents: Iterable[Document], *, validation_share: float
) -> tuple[list[Document], list[Document]]:
    """Split into training and validation by the hash of each document.

    A document's side depends on its own text alone, so adding or reordering documents
    moves none of the others.

    Parameters
    ----------
    documents : iterable of Document
    validation_share : float
        Expected share of documents held out, between 0 and 1.

    Returns
    -------
    train, validation : list of Document

    Raises
    ------
    InputError
        If the share is not between 0 and 1, or a side is empty.
    """
    if not 0 < validation_share < 1:
        raise InputError(f"validation_share is {validation_share}; it must lie between 0 and 1")
    train: list[Document] = []
    validation: list[Document] = []
    threshold = int(validation_share * 2**64)
    for document in documents:
        side = validation if int(document.digest[:16], 16) < threshold else train
        side.append(document)
    if not train or not validation:
        raise InputError(
            f"the split left {len(train)} training and {len(validation)} validation documents; "
            "both need one at least: add documents or change validation_share"
        )
    return train, validation
