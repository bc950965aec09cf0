"""What prose promises: commands that exist, code that runs, addresses of the right form, labels."""

import ast
import doctest
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from book._tools.project import Project
from chinchilla_lib.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").rglob("*.md"))]
BLOCK = re.compile(r"^```(?:\{code-block\} )?(\w+)\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^chinchilla-lib .*$", re.M)
ADDRESS = re.compile(r"https?://[^\s<>\"'`\\)\]}]+")
ARXIV = re.compile(r"https://arxiv\.org/(abs|pdf)/\d{4}\.\d{4,5}(v\d+)?")
DOI = re.compile(r"https://doi\.org/10\.\d{4,9}/\S+")


def prose() -> Iterator[tuple[str, str]]:
    """Name and text of every page and of every notebook's words."""
    for path in [*PAGES, ROOT / "book/references.bib"]:
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def blocks(*languages: str) -> list[tuple[str, str]]:
    """Page and text of every block of code in these languages."""
    return [
        (path.name, code)
        for path in PAGES
        for lang, code in BLOCK.findall(path.read_text())
        if lang in languages
    ]


def test_python_in_prose_runs() -> None:
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    for name, code in blocks("python", "pycon", "ipython3"):
        if ">>>" in code:
            runner.run(parser.get_doctest(code, {}, name, name, 0))
        else:
            exec(compile(ast.parse(code), name, "exec"), {})
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize(
    ("name", "line"),
    [(n, line) for n, code in blocks("sh", "bash", "console") for line in COMMAND.findall(code)],
)
def test_commands_in_prose_are_understood(name: str, line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    options = _parser(arguments).parse_args(arguments)
    assert callable(options.run)


def test_addresses_have_the_form_of_addresses() -> None:
    found = [(name, address.rstrip(".,;:")) for name, text in prose() for address in ADDRESS.findall(text)]
    assert len(found) > 50
    wrong = [
        (name, address)
        for name, address in found
        if not address.startswith("https://")
        or ("arxiv.org" in address and not ARXIV.fullmatch(address))
        or ("doi.org" in address and not DOI.fullmatch(address))
        or not re.match(r"https://[\w-]+(\.[\w-]+)+(/|$)", address)
    ]
    assert wrong == []


def test_every_page_of_prose_has_a_label_of_its_own(project: Project) -> None:
    labels = []
    for page in project.pages():
        path = project.root / f"{page}.md"
        if path.exists():
            label = re.match(r"\(([a-z][a-z0-9-]*)\)=\n+# ", path.read_text(encoding="utf-8"))
            assert label is not None, f"{page} does not begin with (label)= and its title"
            labels.append(label[1])
    assert len(set(labels)) == len(labels) > 10


def test_places_on_a_page_are_linked_by_label() -> None:
    """Identifiers that a tool derives from a heading differ between tools; labels do not."""
    derived = [
        (name, link)
        for name, text in prose()
        for link in re.findall(r"\]\(([^)\s]*#[^)\s]*)\)", text)
        if not link.startswith("https://")
        and not re.search(rf"^\({re.escape(link.split('#')[1])}\)=$", text, re.M)
    ]
    assert derived == []
