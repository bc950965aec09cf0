"""Addresses that were given away: every page once published is still there, or leads to where it went.

``book/published_pages.txt`` holds a page a line, for good. A page that moved names its new place:
``OLD -> NEW``. `make links` adds the pages that are new.
"""

from __future__ import annotations

import html
import posixpath
from pathlib import Path

from book._tools.project import BuildError, Project

LIST = "book/published_pages.txt"
ARROW = " -> "


def read(project: Project) -> dict[str, str | None]:
    """The pages of the list, each with its new place if it moved."""
    pages: dict[str, str | None] = {}
    for line in (project.root / LIST).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        old, _, new = line.partition(ARROW)
        if old in pages:
            raise BuildError(f"{LIST}: {old} has two lines")
        pages[old] = new or None
    return pages


def complain(listed: dict[str, str | None], pages: list[str]) -> list[str]:
    """What is wrong with the list, for a book of these pages."""
    problems = [f"{page} is new: run `make links`" for page in pages if page not in listed]
    for old, new in listed.items():
        if new is None and old not in pages:
            problems.append(f"{old} is gone: write `{old}{ARROW}NEW`")
        if new is not None and new not in pages:
            problems.append(f"{old} leads to {new}, which is no page of the book")
        if new is not None and old in pages:
            problems.append(f"{old} is a page of the book and cannot lead to {new}")
    return problems


def write(project: Project) -> list[Path]:
    """Add the pages of the book that the list lacks; return the list if it changed."""
    path, listed = project.root / LIST, read(project)
    new = [page for page in project.pages() if page not in listed]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{page}\n" for page in new)
    return [path] if new else []


def redirects(project: Project, site: str) -> dict[str, str]:
    """Contents of the pages that only lead elsewhere, by their path in the site."""
    moved = {old: new for old, new in read(project).items() if new is not None}
    title = project.read_yaml("_config.yml")["title"]
    return {f"{old}.html": leading(old, new, site, title) for old, new in moved.items()}


def leading(old: str, new: str, site: str, title: str, head: str = "") -> str:
    """A page at ``old`` that leads to ``new``, with the place on the page that was asked for."""
    relative = posixpath.relpath(f"{new}.html", posixpath.dirname(old) or ".")
    address = html.escape(f"{site}{new}.html")
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<link rel="canonical" href="{address}">
<script>location.replace("{relative}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={relative}"></noscript>
{head}</head>
<body><p>This page is now at <a href="{relative}">{address}</a>.</p></body>
</html>
"""
