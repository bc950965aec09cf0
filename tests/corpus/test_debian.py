import gzip
import logging
import shutil
import subprocess
from pathlib import Path

import pytest

from chinchilla_lib.corpus import debian
from chinchilla_lib.corpus.debian import (
    debian_documents,
    debian_pages,
    fetch_debian,
    html_paragraphs,
    is_prose,
)
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.errors import InputError

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb (Debian, Ubuntu)")

PROSE = "Sentences of some length, made of letters for the most part, are what a model of language reads."
OTHER = "Another paragraph that is long enough to be kept and that no page before this one has printed."


def build_package(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """A package file of that name, made by dpkg-deb."""
    root = folder / f"root-{name}"
    (root / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    (root / "DEBIAN" / "control").write_text(control)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    command = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(folder / f"{name}_1_all.deb")]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(root)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of packages, empty."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    (tmp_path / "debian").mkdir()
    return tmp_path / "debian"


def test_paragraphs_of_a_page() -> None:
    page = """<html><head><title>No</title></head><body><nav><ul><li>up</li></ul></nav>
    <h1>Title</h1><p>One &lt;b&gt;
    two</p><table><tr><td>cell</td></tr></table><!-- <p>no</p> --><div>three<br/>four <i>five</i></div>
    <PRE>x = 1</PRE><script>if (a < b) {}</script></body></html>"""
    assert list(html_paragraphs(page)) == ["Title", "One <b> two", "three", "four five"]


@pytest.mark.parametrize(
    ("text", "kept"), [(PROSE, True), ("Too short to be prose.", False), ("0x1f, 0x2e; " * 10, False)]
)
def test_prose_is_told_from_the_rest(text: str, kept: bool) -> None:
    assert is_prose(text) is kept


@needs_dpkg
def test_packages_become_documents_without_repeats(data: Path) -> None:
    page = f"<p>{PROSE}</p><p>{OTHER}</p><pre>{PROSE.upper()}</pre>"
    build_package(data, "git-doc", {"usr/doc/a.html": page.encode(), "usr/doc/a.txt": PROSE.encode()})
    entries = f"word\n  {OTHER}\nsecond\n  {PROSE} Indeed.\n"
    build_package(data, "dict-wn", {"usr/share/wn.dict.dz": gzip.compress(entries.encode())})
    assert [(d.name, d.text) for d in debian_documents()] == [
        ("dict-wn/usr/share/wn.dict.dz#0", f"word {OTHER}\n\nsecond {PROSE} Indeed."),
        ("git-doc/usr/doc/a.html#0", f"{PROSE}\n\n{OTHER}"),
    ]


@needs_dpkg
def test_what_is_here_is_not_fetched_and_what_is_missing_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build_package(data, "git-doc", {"usr/doc/a.html": PROSE.encode()})
    asked: list[str] = []

    def refuse(command: list[str], *, folder: Path, what: str) -> None:
        asked.append(command[-1])
        raise InputError(f"{what} cannot be had: no network")

    monkeypatch.setattr(debian, "run_tool", refuse)
    with caplog.at_level(logging.WARNING):
        files = fetch_debian()
    assert list(files) == ["git-doc_1_all.deb"] and len(files["git-doc_1_all.deb"]) == 64
    assert "git-doc" not in asked and len(asked) == 9
    assert "debian-docs goes without: perl-doc cannot be had: no network" in caplog.text
    (data / "git-doc_1_all.deb").unlink()
    with pytest.raises(InputError, match=r"no network; or put the \.deb files into .*debian"):
        fetch_debian()


def test_without_the_tool_the_message_names_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(data))
    with pytest.raises(InputError, match="needs 'dpkg-deb'"):
        fetch_debian()


@needs_dpkg
def test_pages_are_the_files_as_they_are(data: Path) -> None:
    page = f"<nav>up</nav><p>{PROSE}</p><p>{PROSE}</p>"
    build_package(data, "git-doc", {"usr/doc/a.html": page.encode(), "usr/doc/a.txt": PROSE.encode()})
    build_package(data, "dict-wn", {"usr/share/wn.dict.dz": gzip.compress(OTHER.encode())})
    assert list(debian_pages()) == [Document("git-doc/usr/doc/a.html", page)]
    assert [d.name for d in debian_documents() if d.name.startswith("git")] == ["git-doc/usr/doc/a.html#0"]
