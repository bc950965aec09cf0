"""What counts as a change, and when a step need not be done again."""

from pathlib import Path

import pytest

from book._tools.project import Project, Step, code_of, digest, duration


@pytest.mark.parametrize(
    "other",
    [
        '"""Other words."""\nx = 1\n\n\ndef f(a):\n    "doc"\n    return a\n',
        "x = 1  # a comment\ndef f(a): return (a)\n",
    ],
)
def test_comments_docstrings_and_layout_are_not_a_change(other: str) -> None:
    assert code_of(other) == code_of("x = 1\n\n\ndef f(a):\n    return a\n")


@pytest.mark.parametrize("other", ["x = 2", "y = 1", 'x = "1"', "x = 1\nx"])
def test_code_is_a_change(other: str) -> None:
    assert code_of(other) != code_of("x = 1")


def test_step_is_current_until_inputs_or_outputs_change(tmp_path: Path) -> None:
    step, output = Step(tmp_path / "state" / "a.json"), tmp_path / "out.txt"
    output.write_text("1")
    assert not step.is_current("inputs", [output])
    step.begin("inputs")
    assert not step.is_current("inputs", [output]), "begun is not finished"
    step.finish("inputs", [output], seconds=12.34)
    assert step.is_current("inputs", [output])
    assert step.seconds(default=99) == 12.3
    assert not step.is_current("other inputs", [output])
    output.write_text("2")
    assert not step.is_current("inputs", [output])
    output.unlink()
    assert not step.is_current("inputs", [output])


def test_digest_knows_names_and_contents(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("x")
    second.write_text("x")
    assert digest([first]) != digest([second])
    assert digest([first], "word") != digest([first])


def test_pages_follow_the_table_of_contents(project: Project) -> None:
    pages = project.pages()
    assert pages[0] == "book/intro"
    assert [f"notebooks/{name}" for name in project.notebook_names()] == [
        p for p in pages if "notebooks/" in p
    ]
    suffixes = {page: ".ipynb" if page.startswith("notebooks/") else ".md" for page in pages}
    assert [
        page for page, suffix in suffixes.items() if not (project.root / f"{page}{suffix}").is_file()
    ] == []
    assert [page for page in pages if "_" in page] == [], "addresses of pages have no underscores"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.7, "1 min 0 s"), (125, "2 min 5 s")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
