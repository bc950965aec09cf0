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
