"""Every link from page to page of the built site leads somewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

pytestmark = pytest.mark.book


class Anchors(HTMLParser):
    """The links and the identifiers of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        for key in ("href", "src"):
            if values.get(key):
                self.links.append(values[key])


def test_links_between_pages_resolve(site: Path) -> None:
    files = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    pages = {name: Anchors(path) for name, path in files.items() if not name.startswith("_static/")}
    assert "book/intro.html" in pages
    broken = []
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            address, fragment = urldefrag(link)
            target = unquote(urljoin(f"/{name}", address.split("?")[0])).lstrip("/") if address else name
            if not (site / target).exists():
                broken.append(f"{name}: {link}")
            elif fragment and target in pages and unquote(fragment) not in pages[target].ids:
                broken.append(f"{name}: {link} (no such place on the page)")
    assert broken == []
