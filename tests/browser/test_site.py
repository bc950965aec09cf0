"""The built site in a real browser: every page, light and dark, on a desk and on a phone."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route

from book._tools.project import Project

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*Project(ROOT).pages(), "search"]
WIDTHS = {"desk": 1280, "phone": 390}
CHECKS = {  # JavaScript that gives nothing when all is well
    "images without alt text": "[...document.images].filter(i => !i.alt.trim()).map(i => i.src)",
    "pixels wider than the window": (
        "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)"
    ),
    "mathematics not rendered": (
        "[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container'))"
        ".map(e => e.textContent)"
    ),
    "mathematics with errors": "document.querySelectorAll('mjx-merror').length",
}
VIEWS = [("light", "desk"), ("dark", "desk"), ("dark", "phone"), ("light", "phone")]  # one change of width
AXE_VIEWS = [VIEWS[0], VIEWS[2]]  # both palettes and both layouts; axe is slow on long pages
TALLEST = 20_000  # pixels of a page on its screenshot: whole notebooks, the beginning of long references
ALIKE = """n => {
  const counts = new Map(), grounds = new Map();
  for (const e of document.querySelectorAll("*")) {
    const s = getComputedStyle(e);
    const ground = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter].join();
    const bare = ground === "rgba(0, 0, 0, 0),none,1,none";
    grounds.set(e, (grounds.get(e.parentElement) ?? "") + (bare ? "" : ">" + ground));
    const look = [grounds.get(e), s.color, s.fontSize, s.fontWeight, s.textShadow].join();
    const texts = [...e.childNodes].some(c => c.nodeType === Node.TEXT_NODE && c.data.trim());
    const count = (counts.get(look) ?? 0) + (texts && e.checkVisibility());
    counts.set(look, count);
    e.toggleAttribute("data-alike", count > n);
  }
}"""  # marks text that looks, in all that contrast depends on, like n visible ones before it
N_ALIKE = 10
CONTRAST_RULE = "{rules: [{id: 'color-contrast', selector: '*:not([data-alike])'}]}"
SCRIPT_BYTES = """() => {
  const files = performance.getEntriesByType("resource").filter(e => /\\.js(\\?|$)/.test(e.name));
  const sizes = new Map(files.map(e => [e.name, e.decodedBodySize]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}"""
MOST_SCRIPT = 1_000_000  # bytes, not compressed
INTERACTIVE_PAGES = {"book/explore"}  # Bokeh alone weighs more; nothing else loads it
MATH_PAGES = {"book/notation", "book/deviations"}

pytestmark = pytest.mark.book


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, base: str, context: BrowserContext, project: Project) -> None:
    foreign: list[str] = []
    problems: list[str] = []

    def block(route: Route) -> None:
        foreign.append(route.request.url)
        route.abort()

    page = context.new_page()
    page.route(lambda url: urlsplit(url).hostname != "127.0.0.1", block)
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", lambda r: problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(f"{base}{name}.html", wait_until="networkidle")
    if page.evaluate("typeof MathJax !== 'undefined'"):
        page.evaluate("MathJax.startup.promise.then(() => true)")

    script_bytes = page.evaluate(SCRIPT_BYTES)
    assert (script_bytes > MOST_SCRIPT) == (name in INTERACTIVE_PAGES), f"{script_bytes} bytes of script"

    width = WIDTHS["desk"]
    for scheme, device in AXE_VIEWS if name.startswith("book/api/") else VIEWS:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=scheme)
        if width != WIDTHS[device]:
            width = WIDTHS[device]
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)  # the theme's own script reacts to a new width after 300 ms
        height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
        page.screenshot(
            path=project.build / "screenshots" / f"{name.replace('/', '-')}-{device}-{scheme}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": height},
        )
        found = looks_wrong(page)
        if (scheme, device) in AXE_VIEWS:
            found += violations(page)
        problems += [f"{device}, {scheme}: {problem}" for problem in found]

    assert foreign == [], "requests to other hosts"
    assert problems == [], "\n".join(problems)
    if name in MATH_PAGES:
        assert page.locator("mjx-container").count() > 0


def looks_wrong(page: Page) -> list[str]:
    """What is wrong with a page as it stands."""
    return [f"{what}: {found}" for what, script in CHECKS.items() if (found := page.evaluate(script))]


def violations(page: Page) -> list[str]:
    """Serious and critical findings of axe; contrast is read on the first texts of each look."""
    page.evaluate(ALIKE, N_ALIKE)
    axe = Axe(f"{AXE_SCRIPT}; axe.configure({CONTRAST_RULE})")
    problems = []
    found = axe.run(page, options={"preload": False, "resultTypes": ["violations"]})
    for violation in found.response["violations"]:
        if violation["impact"] in {"serious", "critical"}:
            nodes = [node["html"][:150] for node in violation["nodes"][:3]]
            problems.append(f"axe, {violation['id']}: {violation['help']}: {nodes}")
    return problems


def test_first_address_leads_to_the_front_page(base: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(base)
    page.wait_for_url("**/book/intro.html")
    assert "Executable Chinchilla" in page.title()
    page.close()
