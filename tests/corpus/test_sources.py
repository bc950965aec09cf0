import itertools

import pytest

from chinchilla_lib.corpus.sources import SOURCES, find_source
from chinchilla_lib.errors import InputError


@pytest.mark.parametrize("name", ["sotu", "stdlib", "site-packages"])
def test_a_source_yields_the_same_text_in_the_same_order(name: str) -> None:
    source = SOURCES[name]
    assert list(itertools.islice(source.documents(), 5)) == list(itertools.islice(source.documents(), 5))
    assert source.version()
    assert source.licence


def test_sotu_has_the_messages() -> None:
    documents = list(SOURCES["sotu"].documents())
    assert len(documents) >= 249
    assert documents[0].text.startswith("Fellow-Citizens of the Senate and House of Representatives")


def test_stdlib_leaves_tests_out() -> None:
    names = [document.name for document in SOURCES["stdlib"].documents()]
    assert "stdlib/argparse.py" in names
    assert not any("/test/" in name or "/site-packages/" in name for name in names)


def test_every_source_knows_its_version_without_a_network() -> None:
    assert all(source.version() and source.licence for source in SOURCES.values())


def test_site_packages_has_the_packages_in_use() -> None:
    names = {document.name for document in itertools.islice(SOURCES["site-packages"].documents(), 300)}
    assert any(name.startswith("site-packages/") for name in names)
    assert not any("/tests/" in name for name in names)


def test_an_unknown_corpus_is_refused_with_the_list() -> None:
    with pytest.raises(InputError, match=r"'massivetext'.*sotu, stdlib.*english"):
        find_source("massivetext")
