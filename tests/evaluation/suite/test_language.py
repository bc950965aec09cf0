import gzip
import json
import math
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.suite import language
from chinchilla_lib.evaluation.suite.language import LANGUAGE, pile_subsets
from chinchilla_lib.evaluation.tasks import load_task
from tests.evaluation.suite.case import Case

TEXT = "the dog sees the cat"
ARTICLE = {"title": "Dogs", "text": TEXT, "n_words": 7}
CASES = {
    "wikitext103": Case(ARTICLE, [("", TEXT)]),
    "wikitext2": Case(ARTICLE, [("", TEXT)]),
    "pile": Case(
        {"subset": "pile_cc", "text": TEXT},
        [("", TEXT)],
        row={"text": TEXT, "meta": {"pile_set_name": "Pile-CC"}},
    ),
}
WIKITEXT, _, PILE = LANGUAGE
RAW = " \n = Dogs = \n \n A dog 's ear , 1 @,@ 000 . \n = = Cats = = \n They purr . \n = Cats = \n Purr . \n"
NAMES = [
    "Pile-CC",
    "PubMed Abstracts",
    "StackExchange",
    "Github",
    "OpenWebText2",
    "ArXiv",
    "USPTO Backgrounds",
    "FreeLaw",
    "PubMed Central",
    "DM Mathematics",
    "HackerNews",
    "NIH ExPorter",
    "OpenSubtitles",
    "EuroParl",
    "Books3",
    "PhilPapers",
    "Gutenberg (PG-19)",
    "BookCorpus2",
    "Ubuntu IRC",
]


def test_articles_are_read_without_spacing_and_counted_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "test.raw.gz"
    path.write_bytes(gzip.compress(RAW.encode()))
    monkeypatch.setattr(language, "fetch_wikitext_test", lambda: path)
    loaded = load_task(WIKITEXT)
    assert [item["title"] for item in loaded.items] == ["Dogs", "Cats"]
    assert loaded.items[0]["text"] == "= Dogs =\n\nA dog's ear, 1,000.\n= = Cats = =\nThey purr.\n"
    n_words = [item["n_words"] for item in loaded.items]
    assert n_words == [(3 + 0 + 9 + 5 + 3) + 5, (3 + 2) + 2]
    assert sum(n_words) + 1 == len(RAW.replace("\n", "<end>").split())  # as WikiText counts its tokens


def test_a_file_that_cannot_be_had_names_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise InputError("it lies on the moon")

    monkeypatch.setattr(language, "fetch_wikitext_test", refuse)
    with pytest.raises(InputError, match="task wikitext103: it lies on the moon"):
        load_task(WIKITEXT)


@pytest.mark.filterwarnings("ignore")  # of lm_eval
@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_a_texts_likelihood_is_spread_over_words_and_bytes(own_model: OwnModel, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="the extra eval is not installed")
    from chinchilla_lib.evaluation.harness import run_task

    (tmp_path / "hub").mkdir()
    path = tmp_path / "hub" / "items.jsonl"
    path.write_text(json.dumps(ARTICLE) + "\n", encoding="utf-8")
    metrics = run_task(own_model, load_task(WIKITEXT, path)).metrics
    nats = len(TEXT) * math.log(metrics["byte_perplexity"].value)
    assert metrics["bits_per_byte"].value == pytest.approx(nats / math.log(2) / len(TEXT))
    assert metrics["word_perplexity"].value == pytest.approx(math.exp(nats / 7))
    assert nats > len(TEXT.split()) * math.log(2)  # an untrained model is far from certain


def test_subsets_of_the_pile_are_those_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "pile_test.jsonl"
    rows = [{"text": TEXT, "meta": {"pile_set_name": name}} for name in (*NAMES, "Enron Emails")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    subsets = [item["subset"] for item in load_task(PILE, path).items]
    assert len(subsets) == 19 and set(subsets) == pile_subsets()
    for broken, message in (
        ({"text": TEXT}, "line 1: it lacks 'meta'"),
        ({"text": TEXT, "meta": "Pile-CC"}, "line 1: it has another form"),
        ({"text": "", "meta": {"pile_set_name": "ArXiv"}}, "line 1, field 'text': found ''"),
        ({"text": TEXT, "meta": {"pile_set_name": "Enron Emails"}}, "the file is empty"),
    ):
        path.write_text(json.dumps(broken) + "\n", encoding="utf-8")
        with pytest.raises(InputError, match=message):
            load_task(PILE, path)
