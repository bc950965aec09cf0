"""``chinchilla-lib corpus``: list, build, check and compare tokenised corpora."""

import argparse
import json
import logging
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from chinchilla_lib import workspace
from chinchilla_lib._format import format_count
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.corpus.files import file_documents, files_source
from chinchilla_lib.corpus.leaks import LEAKS
from chinchilla_lib.corpus.overlap import NGRAM_WORDS, find_overlap, read_documents
from chinchilla_lib.corpus.pages import PAGES
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.recipe import ENGLISH, Part, Recipe
from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.corpus.sources import SOURCES, find_source
from chinchilla_lib.corpus.zipf import ZIPF_RECALL, ZipfRecall
from chinchilla_lib.errors import InputError

__all__ = ["register"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib corpus list
  chinchilla-lib corpus prepare sotu --vocab-size 512 --out shards
  chinchilla-lib corpus prepare files book.txt notes/ --name mine
  chinchilla-lib corpus prepare mix --part wikitext2=3:2 --part stdlib=1
  chinchilla-lib corpus overlap --corpus-dir shards --against exam.jsonl
"""

_OTHERS: Final = {
    ENGLISH: "sotu, wikitext2 and debian-docs, each once; without what cannot be had (English)",
    "files": "your own text: files, folders, JSON lines, also compressed by gzip",
    "mix": "sources in given shares, as Table A1 of the paper",
    ZIPF_RECALL: "random triples of exactly known entropy",
    "sotu-leaked": "a part of sotu, with near-copies of held-out passages in the training text",
    "sotu-unleaked": "the same, with other text in place of the copies",
    "pages-clean": "pages of Debian's documentation, a part of english",
    "pages-raw": "the same pages with their markup and all else that cleaning drops",
}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMG]?)B?")


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "corpus",
        help=COMMANDS["corpus"],
        description="List, build, check and compare tokenised corpora.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the corpora that can be prepared").set_defaults(run=_list)
    prepare = actions.add_parser(
        "prepare",
        help="clean, split and tokenise a corpus into checked shards",
        description="Clean, split and tokenise a corpus into checked shards; whole shards of the same "
        "corpus are checked and kept, damaged ones made again. Interrupted work goes on where it stopped.",
        epilog=_EXAMPLES,
    )
    _register_prepare(prepare.add_subparsers(dest="name", required=True, metavar="CORPUS"))

    show = actions.add_parser("show", help="check prepared shards and say what they hold")
    show.set_defaults(run=_show)
    overlap = actions.add_parser(
        "overlap",
        help="report how much of the held-out or another text occurs in training",
        description=f"Report the share of runs of words (by default {NGRAM_WORDS}, as for GPT-3) of an "
        "evaluation text that occur word for word in the training side.",
    )
    overlap.add_argument(
        "--against",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="evaluation text (text, folders, .jsonl); by default the held-out side of the corpus",
    )
    overlap.add_argument("--words", type=int, default=NGRAM_WORDS, metavar="N", help="words in a run (13)")
    overlap.add_argument("--text-field", default="text", metavar="FIELD", help="field of JSON lines (text)")
    overlap.set_defaults(run=_overlap)
    for command in (show, overlap):
        command.add_argument("--corpus-dir", type=Path, required=True, metavar="DIR", help="prepared shards")
        command.add_argument("--json", action="store_true", help="print JSON")


def _register_prepare(corpora: Any) -> None:
    for name, title in {**{s.name: s.title for s in SOURCES.values()}, **_OTHERS}.items():
        parser = corpora.add_parser(name, help=title, description=title, epilog=_EXAMPLES)
        parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the shards (in the workspace)")
        default = ZipfRecall.vocab_size if name == ZIPF_RECALL else 512
        parser.add_argument(
            "--vocab-size", type=int, default=default, metavar="V", help=f"tokens ({default})"
        )
        if name not in (ZIPF_RECALL, *LEAKS, *PAGES):
            parser.add_argument("--limit", type=_size, metavar="SIZE", help="text per source, such as 500MB")
        if name == "files":
            parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="files and folders")
            parser.add_argument("--name", dest="called", default="files", help="what to call it (files)")
            parser.add_argument("--text-field", default="text", metavar="FIELD", help="of JSON lines (text)")
            parser.add_argument("--heldout-share", type=float, default=0.1, metavar="X", help="(0.1)")
        elif name == "mix":
            parser.add_argument(
                "--part",
                type=_part,
                action="append",
                required=True,
                metavar="SOURCE=WEIGHT[:EPOCHS]",
                help="a source, its weight in the mix and how often it may come up (once); repeatable",
            )
            parser.add_argument("--name", dest="called", default="mix", help="what to call it (mix)")
        elif name == ZIPF_RECALL:
            for option in ("s", "eps"):
                value = getattr(ZipfRecall, option)
                parser.add_argument(
                    f"--{option}", type=float, default=value, help=f"see the library ({value})"
                )
            parser.add_argument("--tokens", type=int, default=ZipfRecall.n_tokens, help="to train on (16M)")
            parser.add_argument("--seed", type=int, default=0, help="(0)")
        parser.set_defaults(run=_prepare)


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = int(float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]) if match else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 2GB")
    return size


def _part(text: str) -> Part:
    match = re.fullmatch(r"([\w-]+)=([\d.eE+-]+)(?::([\d.eE+-]+))?", text)
    try:
        if match is None:
            raise ValueError
        numbers = float(match[2]), float(match[3] or 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form SOURCE=WEIGHT[:EPOCHS]") from None
    try:
        return Part(find_source(match[1]), *numbers)
    except InputError as error:  # argparse would swallow its message
        raise argparse.ArgumentTypeError(str(error)) from None


def _list(options: argparse.Namespace) -> int:
    rows = [(s.name, s.title, s.licence) for s in SOURCES.values()]
    rows += [(name, title, "") for name, title in _OTHERS.items()]
    for name, title, licence in rows:
        print(f"{name:<14}{title}" + (f"\n{'':<14}licence: {licence}" if licence else ""))
    return 0


def _prepare(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    corpus: str | Recipe | ZipfRecall = options.name
    called = getattr(options, "called", options.name)
    if options.name == "files":
        source = files_source(
            options.paths,
            name=called,
            text_field=options.text_field,
            validation_share=options.heldout_share,
        )
        corpus = Recipe(called, (Part(source),))
    elif options.name == "mix":
        corpus = Recipe(called, tuple(options.part))
    elif options.name == ZIPF_RECALL:
        corpus = ZipfRecall(options.vocab_size, options.s, options.eps, options.tokens, options.seed)
    out = options.out or workspace.folder("corpora", f"{called}-{options.vocab_size}")
    limit = getattr(options, "limit", None)
    _print_shards(prepare_corpus(corpus, out, vocab_size=options.vocab_size, limit_bytes=limit))
    return 0


def _show(options: argparse.Namespace) -> int:
    shards = open_shards(options.corpus_dir)
    if options.json:
        print(json.dumps({"identity": shards.identity, **shards.manifest}, indent=1))
    else:
        _print_shards(shards)
    return 0


def _print_shards(shards: Shards) -> None:
    print(f"{shards.name} in {shards.folder}: {shards.manifest['version']}, identity {shards.identity}")
    print(f"licence: {shards.manifest['licence']}")
    if cleaning := shards.manifest.get("cleaning"):
        print(", ".join(f"{key.removeprefix('n_').replace('_', ' ')} {n}" for key, n in cleaning.items()))
    if entropy := shards.manifest.get("entropy_nats_per_token"):
        print(f"entropy: {entropy:.5f} nats per token")
    for name, split in (("train", shards.train), ("validation", shards.validation)):
        print(
            f"{name:<11}{len(split.document_starts):>6} documents "
            f"{format_count(split.n_tokens):>8} tokens  {split.n_bytes / split.n_tokens:.2f} bytes per token"
        )
    subsets = shards.manifest.get("subsets", [])
    for row in subsets if len(subsets) > 1 else ():
        print(
            f"  {row['source']:<14}{row['share']:>7.1%} {format_count(row['tokens']):>8} tokens, "
            f"{format_count(row['unique_tokens'])} unique, {row['epochs']:.2f} epochs"
        )


def _overlap(options: argparse.Namespace) -> int:
    shards = open_shards(options.corpus_dir)
    evaluation = (
        file_documents(options.against, text_field=options.text_field)
        if options.against
        else read_documents(shards, shards.validation, side="validation")
    )
    training = read_documents(shards, shards.train, side="train")
    overlap = find_overlap(evaluation, training, n_words=options.words)
    shares = overlap.document_shares
    if options.json:
        documents = [
            {"name": name, "ngrams": int(n), "found": int(f)}
            for name, n, f in zip(overlap.names, overlap.n_ngrams, overlap.n_found, strict=True)
        ]
        print(json.dumps({"words": options.words, "share": overlap.share, "documents": documents}, indent=1))
        return 0
    print(
        f"{overlap.share:.2%} of {int(overlap.n_ngrams.sum())} runs of {options.words} words in "
        f"{len(shares)} documents occur in the training text of {shards.name}"
    )
    for i in np.argsort(-shares, kind="stable")[:10]:
        if shares[i] > 0:
            print(f"  {shares[i]:>7.2%}  {overlap.names[i]}")
    return 0
