import json
from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.corpus import sources
from tests.tiny_corpus import invented_documents


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``sotu`` a corpus of invented words."""
    source = replace(
        sources.SOURCES["sotu"], documents=lambda: iter(invented_documents()), validation_share=0.2
    )
    monkeypatch.setitem(sources.SOURCES, "sotu", source)


def test_prepare_writes_shards_and_says_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["corpus", "prepare", "sotu", "--vocab-size", "300", "--out", str(tmp_path / "c")]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "identity" in first and "licence" in first and "bytes per token" in first
    assert (tmp_path / "c" / "manifest.json").is_file()
    assert main(arguments) == 0
    assert capsys.readouterr().out == first


def test_the_workspace_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path))
    assert main(["corpus", "prepare", "sotu", "--vocab-size", "300"]) == 0
    assert (tmp_path / "corpora" / "sotu-300" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["prepare", "massivetext"], "massivetext"),
        (["prepare", "sotu", "--vocab-size", "3"], "vocab_size is 3"),
        (["prepare", "sotu", "--vocab-size", "many"], "many"),
        (["prepare", "sotu", "--limit", "much"], "'much' is not a size such as 500MB"),
        (["prepare", "files", "nowhere.txt"], "nowhere.txt does not exist"),
        (["prepare", "mix", "--part", "sotu"], "'sotu' is not of the form SOURCE=WEIGHT[:EPOCHS]"),
        (["prepare", "mix", "--part", "moon=1"], "'moon'"),
        (["show", "--corpus-dir", "nowhere"], "prepare the corpus first"),
        (["unmake"], "unmake"),
        ([], "ACTION"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path))
    assert main(["corpus", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("chinchilla-lib: error:") and named in error


def test_ones_own_text_is_prepared_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, document in enumerate(invented_documents(30)):
        (tmp_path / f"{i:02d}.txt").write_text(document.text)
    paths = [str(path) for path in sorted(tmp_path.glob("*.txt"))]
    out = str(tmp_path / "shards")
    options = ["--vocab-size", "300", "--name", "mine", "--heldout-share", "0.3", "--out", out]
    assert main(["corpus", "prepare", "files", *paths, *options]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"mine in {out}: 30 files") and "read 30" in printed
    assert main(["corpus", "show", "--corpus-dir", out]) == 0
    assert capsys.readouterr().out == printed
    assert main(["corpus", "show", "--corpus-dir", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["made_from"]["vocab_size"] == 300


def test_a_mix_reports_its_shares_and_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(
        sources.SOURCES["stdlib"],
        documents=lambda: iter(invented_documents(seed=7)),
        validation_share=0.2,
    )
    monkeypatch.setitem(sources.SOURCES, "stdlib", other)
    parts = ["--part", "sotu=3:1.5", "--part", "stdlib=1"]
    arguments = ["corpus", "prepare", "mix", *parts, "--vocab-size", "300", "--out", str(tmp_path / "c")]
    assert main(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.split()[0] == "sotu" and float(first.split()[-2]) == pytest.approx(1.5, abs=0.03)
    assert second.split()[0] == "stdlib" and second.split()[1].startswith("25.")


def test_random_triples_tell_their_entropy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--vocab-size", "64", "--tokens", "5000", "--out", str(tmp_path / "c")]
    assert main(["corpus", "prepare", "zipf-recall", *options]) == 0
    assert "entropy: 1.25851 nats per token" in capsys.readouterr().out


def test_the_list_names_every_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list"]) == 0
    printed = capsys.readouterr().out
    for name in (*sources.SOURCES, "english", "files", "mix", "zipf-recall"):
        assert f"\n{name:<14}" in f"\n{printed}"
