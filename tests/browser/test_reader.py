"""What a reader does with a page: prints it, copies from it, downloads it, searches the book."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

from book._tools import citation, exercises, lecturers
from book._tools.project import Project

CHAPTER = "notebooks/flop-accounting"
CONTROLS = [
    ".bd-sidebar-primary",
    ".bd-sidebar-secondary",
    ".bd-header-article",
    ".prev-next-footer",
    ".copybtn",
]

pytestmark = pytest.mark.book


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page that can reach this machine only."""
    page = context.new_page()
    page.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
    return page


def shown(page: Page, selector: str) -> bool:
    return any(element.is_visible() for element in page.locator(selector).all())


def test_paper_has_no_controls_and_is_light(page: Page, base: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{base}{CHAPTER}.html")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert [name for name in CONTROLS[:-1] if not shown(page, name)] == [], "nothing to hide"
    assert page.locator(".copybtn").count() > 0

    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert [name for name in CONTROLS if shown(page, name)] == []
    style = "e => { const s = getComputedStyle(e); return [s.breakInside, s.filter, s.backgroundColor]; }"
    for figure in page.locator(".cell_output img").all():
        assert figure.evaluate(style) == ["avoid", "none", "rgba(0, 0, 0, 0)"]
    link = page.locator(".bd-article p a.external").first
    after = link.evaluate("e => getComputedStyle(e, '::after').content")
    assert link.get_attribute("href") in after

    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


def test_citation_is_copied_whole(page: Page, base: str, context: BrowserContext, project: Project) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{base}book/cite.html")
    button = page.locator(".highlight-bibtex .copybtn")
    assert button.evaluate("e => getComputedStyle(e).opacity") == "1", "seen without hovering"
    button.click()
    page.wait_for_function("document.querySelector('.copybtn.success')")
    assert page.evaluate("navigator.clipboard.readText()").strip() == citation.bibtex(project).strip()


def test_notebook_is_downloaded(page: Page, base: str, project: Project) -> None:
    page.goto(f"{base}{CHAPTER}.html")
    link = page.locator("a.btn-download-source-button")
    answer = page.request.get(link.evaluate("e => e.href"))
    assert answer.ok
    downloaded = json.loads(answer.body())
    downloaded["cells"] = [cell for cell in downloaded["cells"] if cell["id"] != "run-in-browser"]
    name = Path(CHAPTER).name
    shown = json.loads(exercises.folded((project.executed / f"{name}.ipynb").read_bytes(), name))
    for cell in shown["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(lecturers.SVG, None)  # a file beside the slides
    assert downloaded == shown


def test_search_finds_a_page_and_asks_nobody_else(page: Page, base: str) -> None:
    page.goto(f"{base}search.html?q=embedding+convention")
    result = page.locator("#search-results li a[href*='flop-accounting']").first
    result.wait_for()
    result.click()
    page.wait_for_url("**/notebooks/flop-accounting.html*")
