"""How to cite the book and the paper: BibTeX, made from CITATION.cff."""

from __future__ import annotations

import textwrap
from typing import Any

from book._tools.project import BuildError, Project

BOOK_KEY = "executable-chinchilla"
WIDTH = 76


def bibtex(project: Project) -> str:
    """Entries of the book and of the paper it follows, ready to be copied."""
    citation = project.read_yaml("CITATION.cff")
    year = str(project.read_yaml("_config.yml")["copyright"])
    [paper] = citation["references"]
    [arxiv] = [
        item["value"].removeprefix("arXiv:")
        for item in paper["identifiers"]
        if item["value"].startswith("arXiv:")
    ]
    book = {
        "author": names(citation["authors"]),
        "title": f"{{{citation['title']}}}",  # a second pair of braces keeps the capitals
        "year": year,
        "note": f"Version {citation['version']}",
        "url": citation["url"],
    }
    of_paper = {
        "author": names(paper["authors"]),
        "title": f"{{{paper['title']}}}",
        "year": paper["year"],
        "journal": f"arXiv preprint arXiv:{arxiv}",
        "url": f"https://arxiv.org/abs/{arxiv}",
    }
    family = paper["authors"][0]["family-names"].lower()
    return entry("misc", BOOK_KEY, book) + "\n" + entry("article", f"{family}{paper['year']}", of_paper)


def names(authors: list[dict[str, str]]) -> str:
    """Authors as BibTeX separates them; a group is kept whole."""
    found = []
    for author in authors:
        if "name" in author:
            found.append(f"{{{author['name']}}}")
        elif "family-names" in author and "given-names" in author:
            particle = author.get("name-particle")
            family = f"{particle} {author['family-names']}" if particle else author["family-names"]
            found.append(f"{family}, {author['given-names']}")
        else:
            raise BuildError(f"CITATION.cff: an author has a name, or family-names and given-names: {author}")
    return " and ".join(found)


def entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    """One entry."""
    lines = [f"{name} = {{{value}}}," for name, value in fields.items()]
    wrapped = [textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ") for line in lines]
    return "\n".join([f"@{kind}{{{key},", *wrapped, "}", ""])
