from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus import pages, prepare
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.overlap import read_documents
from chinchilla_lib.corpus.pages import PAGES, Pages
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents, train_tiny_tokenizer, write_documents

N_TOKENS = 5_000


def named(i: int, text: str) -> Document:
    """Two documents to a page, and every third page from a package that is not of HTML."""
    package = "dict-wn" if i // 2 % 3 == 2 else "git-doc"
    return Document(f"{package}/page{i // 2}.html#{i % 2}", text)


DOCUMENTS = [named(i, document.text) for i, document in enumerate(invented_documents(60, 200))]


def page_of(name: str) -> str:
    return name.rpartition("#")[0]


@pytest.fixture
def base(tmp_path: Path) -> Shards:
    tokenizer = train_tiny_tokenizer(DOCUMENTS)
    return write_documents(tmp_path / "base", DOCUMENTS, tokenizer, name="english", version="1")


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages as they would be unpacked."""
    names = dict.fromkeys(page_of(d.name) for d in DOCUMENTS)
    raw = [
        Document(page, "".join(f"<p>{d.text}</p>" for d in DOCUMENTS if page_of(d.name) == page))
        for page in names
    ]
    monkeypatch.setattr(pages, "debian_pages", lambda: iter(raw))
    monkeypatch.setattr(pages, "fetch_debian", lambda: {"git-doc_1_all.deb": "0" * 64})


def test_both_are_the_same_pages_before_and_after(base: Shards, tmp_path: Path) -> None:
    both = {name: Pages(name, base, N_TOKENS).write(tmp_path / name) for name in PAGES}
    texts = {
        name: {
            side: list(read_documents(s, split, side=side))
            for side, split in (("train", s.train), ("validation", s.validation))
        }
        for name, s in both.items()
    }
    clean, raw = texts["pages-clean"], texts["pages-raw"]
    assert clean["validation"] == raw["validation"]
    held_out = {document.name for document in clean["validation"]}
    assert held_out and all(name.startswith("git-doc/") for name in held_out)
    assert not held_out & {document.name for document in clean["train"] + raw["train"]}

    known = {document.text: page_of(document.name) for document in DOCUMENTS}
    assert all(known[document.text] == document.name for document in clean["train"])
    assert {document.name for document in clean["train"]} == {document.name for document in raw["train"]}
    for page in raw["train"]:
        assert page.text.startswith("<p>") and page.text.count("</p>") == 2
        assert all(document.text in page.text for document in clean["train"] if document.name == page.name)
    longest = max(np.diff(both["pages-clean"].train.document_starts))
    assert N_TOKENS <= both["pages-clean"].train.n_tokens < N_TOKENS + 3 * longest
    assert both["pages-raw"].manifest["downloads"]


def test_they_are_prepared_by_name(base: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_base", lambda name, folder, vocab_size: base)
    monkeypatch.setattr(prepare, "Pages", partial(Pages, n_tokens=N_TOKENS))
    first = prepare_corpus("pages-raw", tmp_path / "c", vocab_size=300)
    written = (tmp_path / "c" / "manifest.json").stat().st_mtime_ns
    assert prepare_corpus("pages-raw", tmp_path / "c", vocab_size=300).identity == first.identity
    assert (tmp_path / "c" / "manifest.json").stat().st_mtime_ns == written


def test_too_few_pages_are_refused(base: Shards, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"n_tokens is 4000000; the pages of 'english' have \d+ training tokens"
    ):
        Pages("pages-clean", base).write(tmp_path / "c")
