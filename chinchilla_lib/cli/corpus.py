"""``chinchilla-lib corpus``: build and check a tokenised corpus."""

import argparse
import logging
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib._format import format_count
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.sources import SOURCES

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
example:
  chinchilla-lib corpus prepare sotu --vocab-size 512 --out shards
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "corpus",
        help=COMMANDS["corpus"],
        description="Build and check a tokenised corpus.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = actions.add_parser(
        "prepare",
        help="clean, split and tokenise a corpus into checked shards",
        description="Clean, split and tokenise a corpus into checked shards; whole shards of the same "
        "corpus are checked and kept.\n\n"
        + "\n".join(f"  {source.name:<8}{source.title}" for source in SOURCES.values()),
        epilog=_EXAMPLES,
    )
    prepare.add_argument("name", choices=list(SOURCES), help="the corpus")
    prepare.add_argument("--vocab-size", type=int, default=512, metavar="V", help="tokens of the BPE (512)")
    prepare.add_argument("--out", type=Path, metavar="DIR", help="folder of the shards (in the workspace)")
    prepare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prepare the corpus and print what came of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out = options.out or workspace.folder("corpora", f"{options.name}-{options.vocab_size}")
    shards = prepare_corpus(options.name, out, vocab_size=options.vocab_size)
    print(f"{shards.name} in {out}: {shards.manifest['version']}, identity {shards.identity}")
    print(f"licence: {shards.manifest['licence']}")
    for name, split in (("train", shards.train), ("validation", shards.validation)):
        print(
            f"{name:<11}{len(split.document_starts):>6} documents "
            f"{format_count(split.n_tokens):>8} tokens  {split.n_bytes / split.n_tokens:.2f} bytes per token"
        )
    return 0
