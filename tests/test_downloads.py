import io
import sys
from http.client import IncompleteRead
from pathlib import Path
from urllib.request import Request

import pytest

from chinchilla_lib.downloads import _TlsAlways, data_folder, download_file, file_sha256, run_tool
from chinchilla_lib.errors import InputError


def test_a_folder_of_ones_own_comes_before_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHINCHILLA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder("a", "b") == tmp_path / "cache" / "chinchilla-lib" / "a" / "b"
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "mine"))
    assert data_folder("a") == tmp_path / "mine" / "a"


def test_the_digest_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "abc").startswith(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
    )


def test_a_tool_works_in_its_folder(tmp_path: Path) -> None:
    run_tool([sys.executable, "-c", "open('here', 'w')"], folder=tmp_path, what="a file")
    assert (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-tool-anywhere"], "a file cannot be had: this machine has no 'no-such-tool-anywhere'"),
        (
            [sys.executable, "-c", "import sys; print('first\\nno network', file=sys.stderr); sys.exit(3)"],
            "a file cannot be had: python.* says 'no network'",
        ),
        ([sys.executable, "-c", "import sys; sys.exit(1)"], "says 'no reason given'"),
    ],
)
def test_what_could_not_be_had_is_said_with_the_reason(
    command: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run_tool(command, folder=tmp_path, what="a file")


def test_a_file_is_downloaded_whole(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"abc")
    download_file((tmp_path / "there").as_uri(), tmp_path / "new" / "here", what="a file")
    assert (tmp_path / "new" / "here").read_bytes() == b"abc"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["here"]


def test_an_address_without_the_file_is_named(tmp_path: Path) -> None:
    url = (tmp_path / "nothing").as_uri()
    with pytest.raises(InputError, match=f"a file cannot be had from {url}: "):
        download_file(url, tmp_path / "here", what="a file")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_cut_short_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise IncompleteRead(b"ab", 1)

    monkeypatch.setattr("chinchilla_lib.downloads._open", lambda url, timeout: Cut())
    with pytest.raises(InputError, match="a file cannot be had from https://nowhere: IncompleteRead"):
        download_file("https://nowhere", tmp_path / "here", what="a file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://example.org/runs.csv", "ftp://example.org/runs.csv", "data:,runs"])
def test_nothing_is_downloaded_without_tls(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="is neither https nor a file of this machine"):
        download_file(url, tmp_path / "here", what="a file")
    assert list(tmp_path.iterdir()) == []


def test_a_redirection_away_from_tls_is_refused() -> None:
    request = Request("https://example.org/runs.csv")
    again = _TlsAlways().redirect_request(request, None, 302, "Found", {}, "https://example.org/b.csv")
    assert again.full_url == "https://example.org/b.csv"
    with pytest.raises(OSError, match="'http' is neither https"):
        _TlsAlways().redirect_request(request, None, 302, "Found", {}, "http://example.org/b.csv")
