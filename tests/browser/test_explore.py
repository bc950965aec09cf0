"""The figures to zoom into, used as a reader would."""

import pytest
from playwright.sync_api import BrowserContext, Page

from chinchilla_lib._format import parse_number
from chinchilla_lib.reference.laws import find_law

RANGE = "i => { const r = Bokeh.documents[i].roots()[0].x_range; return [r.start, r.end]; }"
N_FIGURES = 3

pytestmark = pytest.mark.book


@pytest.fixture
def page(context: BrowserContext, base: str) -> Page:
    """The page, drawn."""
    page = context.new_page()
    page.goto(f"{base}book/explore.html")
    page.wait_for_function(f"document.querySelectorAll('.explore .bk-Figure').length === {N_FIGURES}")
    return page


def test_zooming_by_keyboard_and_going_back(page: Page) -> None:
    for index, name in enumerate(["explore-valleys", "explore-surface", "explore-models"]):
        figure = page.locator(f"#{name}")
        whole = page.evaluate(RANGE, index)
        figure.get_by_title("Zoom In").press("Enter")
        low, high = page.evaluate(RANGE, index)
        assert whole[0] < low < high < whole[1]
        figure.get_by_title("Reset").click()
        assert page.evaluate(RANGE, index) == pytest.approx(whole)


def test_the_wheel_scrolls_the_page(page: Page) -> None:
    page.locator("#explore-surface").hover()
    before, place = page.evaluate(RANGE, 1), page.evaluate("scrollY")
    page.mouse.wheel(0, 300)
    page.wait_for_function("y => scrollY > y", arg=place)
    assert page.evaluate(RANGE, 1) == before


def test_pointing_at_a_surface_gives_its_loss(page: Page) -> None:
    figure = page.locator("#explore-models")
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    values = page.locator(".bk-tooltip-row-value")
    values.first.wait_for()
    flops, n_params, n_tokens, loss, over_best = map(parse_number, values.all_inner_texts())
    law = find_law("epoch").law
    assert 6 * n_params * n_tokens == pytest.approx(flops, rel=0.02)  # three digits each, two of the FLOPs
    assert loss == pytest.approx(law.loss(n_params, n_tokens), abs=0.005)  # a cell is 0.07 of a decade wide
    assert over_best == pytest.approx(loss - law.loss(law.n_opt(flops), law.d_opt(flops)), abs=0.005)
