"""What the pages for lecturers get when staged: the assignments, what grading costs, and every figure."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import nbformat

from book._tools.project import Project

PAGE, SLIDES = "book/lecturers.md", "book/slides.md"
MEASURED = "coursework/measured.json"
FIGURES = "book/_static/figures"
SVG = "image/svg+xml"
CLASS = 100


def fill(project: Project, staged: dict[str, bytes]) -> None:
    """Put tables into the two pages, and every figure of the chapters beside them as a file."""
    if PAGE not in staged:  # a book without them
        return
    page = staged[PAGE].decode()
    page = page.replace("% assignments\n", assignments(project)).replace("% seconds", seconds(project))
    staged[PAGE] = page.encode()
    lines: list[str] = []
    for name in project.notebook_names():
        document: Any = nbformat.reads(staged[f"notebooks/{name}.ipynb"].decode(), as_version=4)
        figures = take_figures(document)
        staged[f"notebooks/{name}.ipynb"] = f"{nbformat.writes(document)}\n".encode()
        if figures:
            lines += [f"## {title(document)}", "", f"From {{doc}}`/notebooks/{name}`:", ""]
        for number, (description, svg) in enumerate(figures, start=1):
            file = f"{name}-{number}.svg"
            staged[f"{FIGURES}/{file}"] = svg.encode()
            lines.append(f'* <a href="../_static/figures/{file}" download>{file}</a>: {description}')
        lines.append("")
    staged[SLIDES] = staged[SLIDES].replace(b"% figures\n", "\n".join(lines).encode())


def title(document: Any) -> str:
    """A chapter's own title."""
    lines = (str(line) for cell in document.cells for line in cell.source.splitlines())
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def take_figures(document: Any) -> list[tuple[str, str]]:
    """Take the SVG of each figure out of a chapter, which shows the PNG: description and drawing."""
    found = []
    for cell in document.cells:
        for output in cell.get("outputs", []):
            svg = output.get("data", {}).pop(SVG, None)
            if svg is not None:
                text = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                found.append((text, svg if isinstance(svg, str) else "".join(svg)))
    return found


def assignments(project: Project) -> str:
    """The table of assignments, from their settings."""
    lines = ["| assignment | hours | points | needs |", "|---|---|---|---|"]
    for path in sorted((project.root / "coursework/masters").glob("*/assignment.toml")):
        settings = tomllib.loads(path.read_text())
        extras = settings["extras"].split(",") if settings["extras"] else []
        needs = "NumPy, SciPy, Matplotlib" + (", this library" if extras else "")
        needs += ", PyTorch" if "train" in extras else ""
        lines.append(f"| {settings['title']} | {settings['hours']} | {settings['points']} | {needs} |")
    return "\n".join(lines) + "\n"


def seconds(project: Project) -> str:
    """What grading costs, as it was measured."""
    record = json.loads((project.root / MEASURED).read_text())
    each = ", ".join(f"{name[:2].upper()} {took['solved']:.0f}" for name, took in record["seconds"].items())
    hours = sum(took["solved"] for took in record["seconds"].values()) * CLASS / record["jobs"] / 3600
    return (
        f"One solved notebook takes, in seconds: {each} (measured on {record['device']}, "
        f"{record['jobs']} at a time, isolation by {record['isolation']}, {record['date']}). "
        f"All assignments of a class of {CLASS} are {hours:.1f} hours of such a machine."
    )
