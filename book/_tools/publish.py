"""What search engines and other sites ask of the built site: a list of pages, a picture, old addresses."""

from __future__ import annotations

import html
import re

from book._tools import card, published
from book._tools.address import Address
from book._tools.project import Project

TAGS = re.compile(r'<meta (?:property="og:|name="(?:twitter:|description"))[^>]*>')


def finish(project: Project) -> None:
    """Write these files into the site that was just built."""
    site = Address.read(project).site
    root, title = project.pages()[0], project.read_yaml("_config.yml")["title"]
    head = (project.site / f"{root}.html").read_text(encoding="utf-8")
    files = {
        "sitemap.xml": sitemap([f"{site}{page}.html" for page in project.pages()]),
        "robots.txt": robots(site),
        # Links to the book are to its root: what others show of a link stands there, too.
        "index.html": published.leading("index", root, site, title, "\n".join([*TAGS.findall(head), ""])),
        **published.redirects(project, site),
    }
    for name, text in files.items():
        path = project.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (project.site / card.PATH).write_bytes(card.draw())


def sitemap(addresses: list[str]) -> str:
    """The list of pages, as sitemaps.org defines it."""
    lines = [f"  <url><loc>{html.escape(address)}</loc></url>" for address in addresses]
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
    ]
    return "\n".join([*head, *lines, "</urlset>", ""])


def robots(site: str) -> str:
    """Everyone may read everything; obeyed where the site is the root of its host."""
    return f"User-agent: *\nAllow: /\n\nSitemap: {site}sitemap.xml\n"
