"""Numbers that others published, each with its source and how far it was checked."""

from chinchilla_lib.reference.tables import (
    CONFIDENCE,
    PAPER_TABLES,
    PaperTable,
    load_paper_table,
    load_shapes,
)

__all__ = ["CONFIDENCE", "PAPER_TABLES", "PaperTable", "load_paper_table", "load_shapes"]
