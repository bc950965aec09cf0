"""Pages of documentation before and after they are cleaned: two corpora of the same pages.

The one holds what :mod:`chinchilla_lib.corpus.debian` keeps of each page: paragraphs of prose, each once. The
other holds the files, with their markup, navigation, tables, and paragraphs that other pages have, too.
Tokenizer and held-out text are the same, and clean.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.debian import PAGE_PACKAGES, debian_pages, fetch_debian
from chinchilla_lib.corpus.shards import Shards, Split, TokenisedText, write_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError

__all__ = ["BASE", "PAGES", "Pages"]

BASE: Final = "english"
"""The corpus whose tokenizer, held-out and clean text they take."""

PAGES: Final = {"pages-clean": True, "pages-raw": False}
"""By name, whether the pages are cleaned."""


@dataclass(frozen=True)
class Pages:
    """One of the two corpora.

    Attributes
    ----------
    name : str
        A key of `PAGES`.
    base : Shards
    n_tokens : int
        Pages are taken, in an order drawn at random, until their clean text has so many tokens.
    """

    name: str
    base: Shards
    n_tokens: int = 4_000_000

    def is_in(self, shards: Shards) -> bool:
        """Whether the shards hold this very corpus."""
        return bool(shards.manifest.get("pages") == self._settings())

    def write(self, folder: Path) -> Shards:
        """Write the corpus as shards.

        Parameters
        ----------
        folder : pathlib.Path

        Returns
        -------
        Shards

        Raises
        ------
        InputError
            If the base has too few pages or none held out, their packages cannot be had, or the folder holds
            something else than shards.
        """
        tokenizer = Tokenizer.load(self.base.folder / "tokenizer.json")
        held_out = self._documents("validation")
        pages = self._choose(self._documents("train"), {page for page, _ in held_out})
        if PAGES[self.name]:
            texts = [_text(pages, self.base.train)]
            downloads: dict[str, str] = {}
        else:
            downloads = fetch_debian()
            chosen = {page for page, _ in pages}
            texts = [tokenizer.tokenise([page for page in debian_pages() if page.name in chosen])]
        return write_shards(
            folder,
            name=self.name,
            version=self.base.manifest["version"],
            licence=self.base.manifest["licence"],
            token_bytes=self.base.token_bytes,
            train=texts,
            validation=[_text(held_out, self.base.validation)],
            details={"pages": self._settings(), "downloads": downloads},
            tokenizer_json=tokenizer.to_json(),
        )

    def _settings(self) -> dict[str, Any]:
        return {"base": self.base.identity, "n_tokens": self.n_tokens, "clean": PAGES[self.name]}

    def _documents(self, side: str) -> list[tuple[str, int]]:
        """Page and index of each document of a side that was cut from one."""
        names = (self.base.folder / f"{side}-documents.txt").read_text(encoding="utf-8").splitlines()
        return [
            (name.rpartition("#")[0], i)
            for i, name in enumerate(names)
            if name.partition("/")[0] in PAGE_PACKAGES
        ]

    def _choose(self, documents: list[tuple[str, int]], held_out: set[str]) -> list[tuple[str, int]]:
        """Documents of the pages that are taken: those without a part that is held out."""
        by_page: dict[str, list[int]] = {}
        for page, i in documents:
            if page not in held_out:
                by_page.setdefault(page, []).append(i)
        lengths = _lengths(self.base.train)
        names, chosen, n = sorted(by_page), list[tuple[str, int]](), 0
        for k in np.random.default_rng(0x9A6E5).permutation(len(names)):
            if n >= self.n_tokens:
                break
            chosen += [(names[k], i) for i in by_page[names[k]]]
            n += int(lengths[by_page[names[k]]].sum())
        if n < self.n_tokens or not held_out:
            raise InputError(
                f"n_tokens is {self.n_tokens}; the pages of {self.base.name!r} have {n} training tokens, and "
                f"{len(held_out)} pages are held out: prepare it where Debian's packages can be had"
            )
        return chosen


def _lengths(split: Split) -> npt.NDArray[np.int64]:
    return np.diff(np.append(split.document_starts, split.n_tokens))


def _text(documents: list[tuple[str, int]], split: Split) -> TokenisedText:
    """Some documents of a side."""
    tokens, lengths = np.concatenate(split.shards), _lengths(split)
    index = np.array([i for _, i in documents], dtype=np.int64)
    parts = [tokens[split.document_starts[i] :][: lengths[i]] for i in index]
    return TokenisedText(np.concatenate(parts), lengths[index], [page for page, _ in documents])
