"""The chapters for the browser: which they are, how they begin there, where the book links to them."""

import json
import shutil
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest

from book._tools import exercises, lite
from book._tools.address import Address
from book._tools.notebooks import notebook_path
from book._tools.project import BuildError, Project, digest, files_under

NAME = "flop-accounting"


@pytest.fixture(scope="module")
def checkout(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The library and two chapters, one of which needs torch; the site is built."""
    copy = Project(tmp_path_factory.mktemp("checkout"))
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(project.root / name, copy.root)
    for folder in ("chinchilla_lib", "notebooks"):
        shutil.copytree(project.root / folder, copy.root / folder)
    chapters = "".join(f"      - file: notebooks/{name}\n" for name in (NAME, "one-training-run"))
    (copy.root / "_toc.yml").write_text(
        f"root: book/intro\nparts:\n  - caption: A\n    chapters:\n{chapters}"
    )
    lite.build(copy)
    return copy


def test_site_holds_the_chapters_and_the_library(checkout: Project) -> None:
    assert [path.name for path in (checkout.lite / "files").iterdir()] == [f"{NAME}.ipynb"]
    index = json.loads((checkout.lite / "pypi" / "all.json").read_text())
    [[release]] = index["chinchilla-lib"]["releases"].values()
    with zipfile.ZipFile(checkout.lite / "pypi" / release["filename"]) as wheel:
        for path in files_under(checkout.package):
            assert wheel.read(path.relative_to(checkout.root).as_posix()) == path.read_bytes()
    settings = json.loads((checkout.lite / "jupyter-lite.json").read_text())["jupyter-config-data"]
    assert settings["exposeAppInBrowser"]
    [plugin] = settings["litePluginSettings"].values()
    assert plugin["pipliteUrls"][0].startswith("./pypi/all.json")


def test_published_links_lead_into_the_site(project: Project, checkout: Project) -> None:
    below = lite.address(project, NAME).removeprefix(f"{Address.read(project).site}{lite.FOLDER}/")
    parts = urlsplit(below)
    assert (checkout.lite / parts.path).is_file()
    [name] = parse_qs(parts.query)["path"]
    assert (checkout.lite / "files" / name).is_file()


def test_an_unchanged_tree_is_not_built_again_a_changed_one_is(
    checkout: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digest(lite.site_files(checkout))
    lite.build(checkout)
    assert "up to date" in capsys.readouterr().out
    path = notebook_path(checkout, NAME)
    text = path.read_text()
    wanted = lite.inputs(checkout)
    path.write_text(text.replace("# Parameters and FLOPs", "# Other"))
    assert lite.inputs(checkout) != wanted
    path.write_text(text)
    checkout.step("lite").path.unlink()
    lite.build(checkout)
    assert digest(lite.site_files(checkout)) == before, "equal sources give equal sites"


def test_a_failing_build_says_its_last_words(checkout: Project, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)the wheel could not be built:\nNo module named"):
        lite.run(["python3", "-c", "exit('No module named x')"], tmp_path, tmp_path / "log", "the wheel")


def test_chapter_installs_the_library_in_place_of_colabs_cell(project: Project) -> None:
    text = notebook_path(project, NAME).read_text()
    changed = lite.for_browser(text, NAME)
    before, after = nbformat.reads(text, as_version=4), nbformat.reads(changed, as_version=4)
    nbformat.validate(after)
    assert after.cells[1].source == lite.INSTALL and "google.colab" not in changed
    assert after.metadata.kernelspec == lite.KERNEL
    written = exercises.pairs(before, NAME)
    others = {cell.id for cell in before.cells[2:]} - {cell.id for pair in written for cell in pair[:2]}
    sources = {cell.id: cell.source for cell in after.cells}
    assert all(sources[cell.id] == cell.source for cell in before.cells if cell.id in others)


def test_chapter_shows_an_exercise_before_its_solution(project: Project) -> None:
    text = notebook_path(project, NAME).read_text()
    written = exercises.pairs(nbformat.reads(text, as_version=4), NAME)
    cells = nbformat.reads(lite.for_browser(text, NAME), as_version=4).cells
    assert written
    for task, cell, begun in written:
        (number,) = (n for n, one in enumerate(cells) if one.id == cell.id)
        assert cells[number - 1].source == f"{task.source}\n\n```python\n{begun}\n```"
        assert cells[number].source == exercises.solution(cell.source)
        assert cells[number].metadata.jupyter.source_hidden


def test_book_links_to_chapters_of_the_browser_below_their_opening(project: Project) -> None:
    text = notebook_path(project, NAME).read_bytes()
    shown = nbformat.reads(lite.linked(project, NAME, text).decode(), as_version=4)
    nbformat.validate(shown)
    link = shown.cells.pop(1)
    assert lite.address(project, NAME) in link.source and "jsDelivr" in link.source
    assert shown.cells == nbformat.reads(text.decode(), as_version=4).cells


def test_book_does_not_link_to_others(project: Project) -> None:
    name = next(iter(lite.LEFT_OUT))
    assert name not in lite.chapters(project)
    assert lite.linked(project, name, b"as it was") == b"as it was"


@pytest.mark.book
def test_pages_of_the_chapters_have_the_link(project: Project, site: Path) -> None:
    for name in project.notebook_names():
        html = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert (lite.address(project, name) in html) == (name in lite.chapters(project)), name
