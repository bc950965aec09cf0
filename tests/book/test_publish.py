"""What search engines and other sites find of the built site, and what its pages weigh."""

import io
import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
from PIL import Image

from book._tools import card, publish
from book._tools.address import Address
from book._tools.project import Project

HEAVIEST = 2_000_000  # bytes of a page and its pictures


def head_of(path: Path) -> dict[str, str]:
    """Tags of a page for other sites, by name."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(
        r'<meta (?:property|name)="((?:og|twitter):[\w:]+|description)" content="([^"]*)"', text
    )
    assert len(dict(found)) == len(found), f"{path.name} says something twice"
    return {name: unescape(value) for name, value in found}


def test_sitemap_is_xml_whatever_the_addresses() -> None:
    tree = ElementTree.fromstring(publish.sitemap(["https://x.example/a&b.html", "https://x.example/c.html"]))
    names = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    locations = [place.text for place in tree.findall("s:url/s:loc", names)]
    assert locations == ["https://x.example/a&b.html", "https://x.example/c.html"]


def test_card_has_the_shape_that_sites_ask_for() -> None:
    with Image.open(io.BytesIO(card.draw())) as picture:
        assert picture.size == card.SIZE and picture.format == "PNG"
        dark = sum(picture.convert("L").point(lambda v: v < 128).crop((0, 0, 600, 630)).histogram()[1:])
        assert dark > 5_000, "the words are missing"


@pytest.mark.book
def test_sitemap_names_every_page_by_its_canonical_address(project: Project, site: Path) -> None:
    base = Address.read(project).site
    listed = re.findall(r"<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    assert [name.removeprefix(base).removesuffix(".html") for name in listed] == project.pages()
    assert f"Sitemap: {base}sitemap.xml" in (site / "robots.txt").read_text()
    for name in listed:
        text = (site / name.removeprefix(base)).read_text(encoding="utf-8")
        assert re.findall(r'<link rel="canonical" href="([^"]*)"', text) == [name]


@pytest.mark.book
def test_every_page_says_what_other_sites_show_of_it(project: Project, site: Path) -> None:
    base = Address.read(project).site
    for page in [*project.pages(), "index"]:
        tags = head_of(site / f"{page}.html")
        assert tags["twitter:card"] == "summary_large_image", page
        assert tags["og:title"] and tags["og:site_name"] == "Executable Chinchilla", page
        assert tags["og:url"] == f"{base}{page if page != 'index' else project.pages()[0]}.html"
        assert tags["og:image"] == urljoin(base, card.PATH) and (site / card.PATH).is_file()
        assert len(tags["og:image:alt"]) > 30
        assert "\\" not in tags.get("description", ""), page
        if page.startswith("notebooks/") or page in ("index", "book/intro"):
            assert len(tags["description"]) > 60 and tags["og:description"] == tags["description"], page


@pytest.mark.book
def test_pages_are_light(project: Project, site: Path) -> None:
    weights = {}
    for page in project.pages():
        path = site / f"{page}.html"
        text = path.read_text(encoding="utf-8")
        pictures = {
            (path.parent / unescape(src).split("?")[0]).resolve()
            for src in re.findall(r'<img\b[^>]*\ssrc="([^"]+)"', text)
            if not src.startswith("data:")
        }
        weights[page] = path.stat().st_size + sum(picture.stat().st_size for picture in pictures)
    assert {page: weight for page, weight in weights.items() if weight > HEAVIEST} == {}


@pytest.mark.book
def test_icons_are_a_font_and_no_script(site: Path) -> None:
    assert not (site / "_static/scripts/fontawesome.js").exists()
    for path in site.rglob("*.html"):
        assert "fontawesome.js" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.book
def test_notebooks_can_be_downloaded_with_their_outputs(project: Project, site: Path) -> None:
    import nbformat

    for name in project.notebook_names():
        html = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        [link] = re.findall(r'<a href="([^"]*)"[^>]*\bbtn-download-source-button\b', html)
        notebook = nbformat.read((site / "notebooks" / link).resolve(), as_version=4)
        nbformat.validate(notebook)
        assert any(cell.get("outputs") for cell in notebook.cells), name


@pytest.mark.book
def test_pages_lead_to_their_neighbours(project: Project, site: Path) -> None:
    pages = project.pages()
    for place, page in enumerate(pages):
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        folder = f"/{page}"
        for rel, other in (("prev", place - 1), ("next", place + 1)):
            links = re.findall(
                rf'<a class="{"left" if rel == "prev" else "right"}-{rel}"\s+href="([^"]*)"', html
            )
            there = [urljoin(folder, link) for link in links]
            assert there == ([f"/{pages[other]}.html"] if 0 <= other < len(pages) else []), (page, rel)
