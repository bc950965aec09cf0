"""The pages for lecturers: tables from the assignments, figures as files; and no solution anywhere."""

import html
import re
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest

from book._tools import lecturers
from book._tools.project import Project
from coursework._tools.hidden import collapsed, hidden_lines

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "coursework/masters").glob("*/master.py"))
SECRETS = {path.parent.name: hidden_lines(path.read_text(encoding="utf-8")) for path in MASTERS}


def test_every_assignment_has_a_row_and_a_measured_time(project: Project) -> None:
    table, measured = lecturers.assignments(project), lecturers.seconds(project)
    for path in MASTERS:
        assert f"| {path.parent.name[:2].upper()} " in table
        assert f"{path.parent.name[:2].upper()} " in measured
    assert len(table.splitlines()) == 2 + len(MASTERS)


def test_figures_leave_the_chapter_with_their_description() -> None:
    data = {"image/png": "x", "image/svg+xml": "<svg/>"}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=data)])
    cell.metadata["mystnb"] = {"image": {"alt": "A picture"}}
    document = nbformat.v4.new_notebook(cells=[cell])
    assert lecturers.take_figures(document) == [("A picture", "<svg/>")]
    assert dict(cell.outputs[0].data) == {"image/png": "x"}


@pytest.mark.book
def test_every_figure_of_the_book_is_offered_as_svg_with_a_description(site: Path) -> None:
    page = (site / "book" / "slides.html").read_text(encoding="utf-8")
    links = re.findall(r'href="\.\./_static/figures/([\w.-]+\.svg)"[^>]*>[^<]*</a>: ?([^<]*)', page)
    files = {path.name for path in (site / "_static/figures").glob("*.svg")}
    assert len(files) > 60 and {name for name, _ in links} == files
    assert [name for name, text in links if len(text.strip()) < 20] == []
    assert all(path.read_text().lstrip().startswith("<?xml") for path in (site / "_static/figures").iterdir())


def test_secrets_are_many() -> None:
    assert {name: len(lines) > 50 for name, lines in SECRETS.items()} == dict.fromkeys(SECRETS, True)


@pytest.mark.book
def test_the_site_holds_no_solution_of_an_assignment(site: Path) -> None:
    texts = []
    for path in site.rglob("*"):
        if path.suffix in {".html", ".ipynb", ".md", ".js", ".json", ".txt", ".py"} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            texts.append(collapsed(html.unescape(re.sub(r"<[^>]+>", "", text)).replace("\\n", " ")))
    whole = "\n".join(texts)
    assert "Hoffmann" in whole
    assert [line for lines in SECRETS.values() for line in lines if line in whole] == []


def test_wheel_and_sdist_hold_no_coursework(tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel], [sdist] = list(tmp_path.glob("*.whl")), list(tmp_path.glob("*.tar.gz"))
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as source:
        names = [*archive.namelist(), *source.getnames()]
    assert len(names) > 100
    assert [name for name in names if "coursework" in name or "master" in name] == []
