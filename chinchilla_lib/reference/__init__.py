"""Numbers that others published, each with its source and how far it was checked."""

from chinchilla_lib.reference.laws import LAWS, PublishedLaw, find_law
from chinchilla_lib.reference.published import PublishedTable, load_published
from chinchilla_lib.reference.tables import (
    CONFIDENCE,
    PAPER_TABLES,
    PaperTable,
    load_paper_table,
    load_shapes,
)

__all__ = [
    "CONFIDENCE",
    "LAWS",
    "PAPER_TABLES",
    "PaperTable",
    "PublishedLaw",
    "PublishedTable",
    "find_law",
    "load_paper_table",
    "load_published",
    "load_shapes",
]
