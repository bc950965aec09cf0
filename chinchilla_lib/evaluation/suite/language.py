"""Language modelling: WikiText (section 4.2.1) and The Pile (Table A5): how well whole texts are foretold.

Each text is a document of its own, read from its beginning in windows as long as the model.

**WikiText.** WikiText-2 and WikiText-103 share their test articles, so the raw file of the one serves both:
`wikitext2` and `wikitext103` ask the same and differ in name. The model reads the articles without the
spacing around punctuation. A perplexity for each word spreads the same log-likelihood over the words that the
data set counts: what stands between spaces in the original, and the end of each line, 245,569 in all with one
line before the first title. The paper (7.16, Gopher 7.75) does not print how it counts. lm-eval leaves the
ends of lines out, which gives fewer words and so a larger perplexity. Bits for each byte count the bytes that
the model read; lm-eval divides by those of the original, spacing and all, of which there are 4 per cent more.

**The Pile.** Bits for each byte of documents, by subset. The test file is no longer offered by its authors'
host, as Books3 in it was withdrawn for its authors' rights; whoever has the file may put it into the data
folder, as may who has documents of a subset of other origin, one JSON object a line. Subsets that Table A5
does not print are passed over.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.corpus.wikitext import fetch_wikitext_test, plain_text, read_articles
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.sources import FileSource, Item
from chinchilla_lib.evaluation.tasks import TEXT, BenchmarkTask
from chinchilla_lib.reference import load_paper_table

__all__ = ["LANGUAGE", "WikiTextArticles", "count_words", "pile_subsets"]

_BY_WORD: Final = {
    "metric": "word_perplexity",
    "aggregation": "weighted_perplexity",
    "higher_is_better": False,
}
_BY_BYTE: Final = {**_BY_WORD, "metric": "byte_perplexity"}
_BITS: Final = {"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}


def count_words(lines: Iterable[str]) -> int:
    """Words of an article as WikiText counts them: between spaces, and one for the end of each line.

    Examples
    --------
    >>> count_words([" = Dogs = \\n", " \\n", " A dog 's ear . \\n"])
    11
    """
    return sum(len(line.split()) + 1 for line in lines)


class WikiTextArticles:
    """The test articles, from the package that the corpus `wikitext2` comes from."""

    def find(self, task: str) -> Path:
        """The raw file, downloaded if need be.

        Raises
        ------
        InputError
            If it is neither here nor to be had.
        """
        try:
            return fetch_wikitext_test()
        except InputError as error:
            raise InputError(f"task {task}: {error}") from None

    def read(self, path: Path) -> Iterator[tuple[str, Item]]:
        """Each article, with the words by which a message names its place."""
        if ".jsonl" in path.suffixes:  # items as they are read here
            yield from FileSource(path.name).read(path)
            return
        for title, lines in read_articles(path):
            item = {"title": title, "text": plain_text(lines), "n_words": count_words(lines)}
            yield f"{path}: article {title}", item


@cache
def pile_subsets() -> frozenset[str]:
    """Names of the subsets in Table A5."""
    return frozenset(row["subset"] for row in load_paper_table("table_a5_pile_bpb").rows)


def _pile(row: Mapping[str, Any]) -> Iterable[Item]:
    subset = re.sub(r"[^a-z0-9]+", "_", row["meta"]["pile_set_name"].lower()).strip("_")
    if subset in pile_subsets():
        yield {"subset": subset, "text": row["text"]}


def _spread(item: Item, results: Sequence[float]) -> dict[str, tuple[float, int]]:
    """A text's log-likelihood, with the words or bytes it is spread over."""
    (total,) = results
    n_bytes = len(item["text"].encode())
    spread = {"byte_perplexity": (total, n_bytes), "bits_per_byte": (total, n_bytes)}
    return {"word_perplexity": (total, item["n_words"]), **spread} if "n_words" in item else spread


_ROLLING: Final = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": lambda item: item["text"],
    "process_results": _spread,
}


def _wikitext(name: str) -> BenchmarkTask:
    return BenchmarkTask(
        name,
        "4.2.1",
        WikiTextArticles(),
        "articles",
        {
            "title": TEXT,
            "text": TEXT,
            "n_words": ("a number of words", lambda x: isinstance(x, int) and x > 0),
        },
        {**_ROLLING, "metric_list": [_BY_WORD, _BY_BYTE, _BITS]},
    )


LANGUAGE: Final = (
    _wikitext("wikitext103"),
    _wikitext("wikitext2"),
    BenchmarkTask(
        "pile",
        "4.2.1, Table A5",
        FileSource("pile_test.jsonl", to_items=_pile),
        "documents of the subsets of Table A5",
        {
            "subset": ("a subset of Table A5", lambda x: isinstance(x, str) and x in pile_subsets()),
            "text": TEXT,
        },
        {**_ROLLING, "metric_list": [_BY_BYTE, _BITS]},
        group="subset",
    ),
)
"""No examples before a text. Errors take documents as independent."""
