"""Documents: what a source yields, and how its text is cleaned."""

import re
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Document", "clean_document", "clean_text"]

# Control characters, and halves of surrogate pairs, which UTF-8 cannot hold.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Document:
    """One text with a name that says where it came from.

    Attributes
    ----------
    name, text : str
    side : {"train", "validation"} or None
        The side that the publisher of the text gave it; None where the split is ours to make.
    """

    name: str
    text: str
    side: Literal["train", "validation"] | None = None


def clean_text(text: str) -> str:
    """Unify line ends, drop control characters, trailing blanks and runs of empty lines.

    Letters are left as they are: the paper's tokenizer, too, applies no NFKC normalisation
    (section 4.1, Table A8).

    Examples
    --------
    >>> clean_text("Two  blanks stay.   " + chr(13) + chr(10) + chr(7) + "A bell goes.").splitlines()
    ['Two  blanks stay.', 'A bell goes.']
    """
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"))
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip() + "\n"


def clean_document(document: Document, *, min_characters: int = 200) -> Document | None:
    """Return the document with its text cleaned; None when that is shorter than ``min_characters``.

    Examples
    --------
    >>> clean_document(Document("short", "Too short to keep.")) is None
    True
    """
    text = clean_text(document.text)
    return replace(document, text=text) if len(text) >= min_characters else None
