"""How much held-out text of our corpora occurs in training? ``python -m benchmarks.overlap``.

Runs of 13 words of every corpus prepared in the workspace, one line for each. Reads all text: minutes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from chinchilla_lib import workspace
from chinchilla_lib.corpus.overlap import NGRAM_WORDS, find_overlap, read_documents
from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.reference.recorded import record_computation

__all__ = ["main", "measure"]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "overlap"
_MANY: Final = 0.5


def measure(shards: Shards) -> dict[str, str | int]:
    """Overlap of the two sides of one corpus.

    Parameters
    ----------
    shards : Shards
        With text.
    """
    overlap = find_overlap(
        read_documents(shards, shards.validation, side="validation"),
        read_documents(shards, shards.train, side="train"),
    )
    return {
        "corpus": shards.name,
        "identity": shards.identity,
        "train_tokens": shards.train.n_tokens,
        "words": NGRAM_WORDS,
        "n_documents": len(overlap.names),
        "n_ngrams": int(overlap.n_ngrams.sum()),
        "n_found": int(overlap.n_found.sum()),
        "documents_with_any": int(np.count_nonzero(overlap.n_found)),
        "documents_half_found": int(np.count_nonzero(overlap.document_shares >= _MANY)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the corpora named, and record them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlap", description=__doc__)
    parser.add_argument("corpora", nargs="+", metavar="CORPUS", help="folders in the workspace")
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FOLDER", help="where to record it")
    options = parser.parse_args(arguments)
    corpora = [open_shards(workspace.folder("corpora", name)) for name in options.corpora]
    record_computation(
        options.record,
        f"python -m benchmarks.overlap {' '.join(options.corpora)}",
        lambda: [measure(shards) for shards in corpora],
        n_runs=len(corpora),
        corpus=", ".join(shards.identity for shards in corpora),
    )
    sys.stdout.write((options.record / "runs.csv").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
