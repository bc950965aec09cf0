"""The calculator's form on the built site, driven as a person would, beside the library's numbers."""

import contextlib
import io
import json
import math
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from chinchilla_lib._format import parse_number
from chinchilla_lib.architecture import KNOWN_SHAPES, count_params
from chinchilla_lib.cli import main
from chinchilla_lib.experiments.published_fit import load_draws
from chinchilla_lib.fitting.data_constrained import allocate_data_constrained
from chinchilla_lib.fitting.serving import ServingOptimum, cheapest_for_loss
from chinchilla_lib.flops import CONVENTIONS, ratio_to_six_nd
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.reference.laws import LAWS, MUENNIGHOFF

DIGITS = 5.1e-6  # of six printed digits, half a unit of the last
THREE = 5.1e-3  # as the command line and the library's sentences print
BUDGET = 5.76e23
MAIN = "main"  # our own law, which the library does not name
WRONG = ("Chinchilla", "-5", "0", "1e400", "70B x", "70B x -1T", "1 x 2 x 3", "5.76,23", "1e41")
FIELDS = ("budget", "law", "count", "served", "unique")

pytestmark = pytest.mark.book


@pytest.fixture
def page(context: BrowserContext, base: str) -> Page:
    """The calculator's page, with its first numbers shown."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
    page.goto(f"{base}book/calculator.html")
    page.locator("#calc-result table").wait_for()
    return page


def fill(page: Page, **texts: str) -> None:
    """Write into fields, and wait for what is said of them."""
    for field, text in texts.items():
        page.locator(f"#calc-{field}").fill(text)
    settle(page)


def choose(page: Page, **options: str) -> None:
    for field, option in options.items():
        page.locator(f"#calc-{field}").select_option(option)
    settle(page)


def settle(page: Page) -> None:
    """The page waits a moment while someone types."""
    page.locator("#calc-result:not([aria-busy=true])").wait_for(state="attached")


def amount(text: str) -> float:
    """A printed number: with a suffix, in percent, or plain; it may be negative."""
    if text.endswith(" %"):
        return float(text.removesuffix(" %")) / 100
    return parse_number(text) if text[-1] in "kMBT" else float(text)


def shown(page: Page) -> dict[str, float]:
    """Printed numbers by field; none while a message is shown."""
    cells = page.locator("#calc-result td[data-field]")
    return {str(cell.get_attribute("data-field")): amount(cell.inner_text()) for cell in cells.all()}


def intervals(page: Page) -> dict[str, list[float]]:
    rows = page.locator("#calc-result tbody tr").all()
    named = {str(row.locator("td[data-field]").get_attribute("data-field")): row for row in rows}
    return {
        name: [amount(end) for end in row.locator("td").nth(1).inner_text().split(" to ")]
        for name, row in named.items()
    }


def message(page: Page) -> str:
    return page.get_by_role("alert").inner_text()


def command(page: Page) -> str:
    """What Copy puts into the clipboard."""
    page.evaluate("navigator.clipboard.writeText('nothing yet')")
    page.get_by_role("button", name=re.compile("Cop(y|ied)")).click()
    return clipboard(page)


def clipboard(page: Page) -> str:
    """What came into the clipboard, within five seconds."""
    for _ in range(250):
        if (text := str(page.evaluate("navigator.clipboard.readText()"))) != "nothing yet":
            return text
        page.wait_for_timeout(20)
    raise AssertionError("nothing was copied")


def ran(text: str) -> dict[str, float]:
    """The numbers that a copied command prints, or copied Python."""
    out = io.StringIO()
    if text.startswith("chinchilla-lib "):
        with contextlib.redirect_stdout(out):
            assert main(shlex.split(text)[1:]) == 0
        titles = {
            "parameters": "n_params",
            "tokens": "n_tokens",
            "tokens per parameter": "tokens_per_param",
            "loss, nats per token": "loss",
        }
        lines = [re.match(r"  (.+?)  +(\S+)", line) for line in out.getvalue().splitlines()]
        return {titles[line[1]]: amount(line[2]) for line in lines if line}
    with contextlib.redirect_stdout(out):
        exec(text, {})
    said = out.getvalue()
    if model := re.search(r"(\S+) parameters on (\S+) tokens", said):
        loss = re.search(r"loss (\d\.\d+)", said)
        assert loss is not None, said
        return {"n_params": amount(model[1]), "n_tokens": amount(model[2]), "loss": float(loss[1])}
    return dict(zip(("n_params", "n_tokens", "loss"), map(float, said.split()), strict=True))


def optimum(law: ParametricLoss, flops: float) -> dict[str, float]:
    n_params, n_tokens = law.n_opt(flops), law.d_opt(flops)
    return {
        "n_params": n_params,
        "n_tokens": n_tokens,
        "tokens_per_param": n_tokens / n_params,
        "loss": law.loss(n_params, n_tokens),
    }


def own_law(page: Page, base: str) -> ParametricLoss:
    """The coefficients that the page itself was given, for the law that no name stands for."""
    data = page.request.get(f"{base}_static/calculator.json").json()
    law = data["laws"][MAIN]["law"]
    return ParametricLoss(law["E"], math.exp(law["logA"]), math.exp(law["logB"]), law["alpha"], law["beta"])


@pytest.mark.parametrize(
    ("text", "flops"),
    [
        ("1e21", 1e21),
        (" 5.76E23 ", BUDGET),
        ("600_000T", 6e17),
        ("70B x 1.4T", 6 * 70e9 * 1.4e12),
        ("70 b × 1400 b", 6 * 70e9 * 1.4e12),
    ],
)
def test_typed_budget_gives_the_librarys_numbers(page: Page, text: str, flops: float) -> None:
    fill(page, budget=text)
    assert shown(page) == pytest.approx(optimum(LAWS["epoch"].law, flops), rel=DIGITS)
    assert message(page) == ""


def test_every_law_and_its_command(page: Page, base: str) -> None:
    laws = {**{name: law.law for name, law in LAWS.items()}, MAIN: own_law(page, base)}
    options = page.locator("#calc-law option").evaluate_all("all => all.map(option => option.value)")
    assert options == list(laws)
    fill(page, budget="70B x 1.4T")
    for name, law in laws.items():
        choose(page, law=name)
        found = shown(page)
        assert found == pytest.approx(optimum(law, 5.88e23), rel=DIGITS), name
        printed = ran(command(page))
        digits = DIGITS if name == MAIN else THREE
        same = {key: found[key] for key in printed.keys() & found.keys()}
        assert {"n_params", "n_tokens", "loss"} <= same.keys()
        assert {key: printed[key] for key in same} == pytest.approx(same, rel=digits), name


def test_command_writes_the_same_six_digits(page: Page, tmp_path: Path) -> None:
    fill(page, budget="3.3e22")
    arguments = shlex.split(command(page))[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        main([*arguments, "--json", str(tmp_path / "a.json")])
    report: dict[str, Any] = json.loads((tmp_path / "a.json").read_text())
    found = shown(page)
    assert {name: report[name] for name in found} == pytest.approx(found, rel=DIGITS)


def test_interval_is_of_the_resamples(page: Page) -> None:
    laws = [ParametricLoss(e, math.exp(a), math.exp(b), alpha, beta) for e, a, b, alpha, beta in load_draws()]
    found = intervals(page)
    for name, ends in found.items():
        values = sorted(optimum(law, BUDGET)[name] for law in laws)
        low, high = ((len(values) - 1) * share for share in (0.05, 0.95))
        wanted = [
            values[int(at)] + (at % 1) * (values[math.ceil(at)] - values[int(at)]) for at in (low, high)
        ]
        assert ends == pytest.approx(wanted, rel=DIGITS), name
    choose(page, law="hoffmann")
    assert page.locator("#calc-result thead th").count() == 2
    assert "No interval is known" in page.locator("#calc-result").inner_text()


def test_every_count_asks_the_budget_of_its_own(page: Page) -> None:
    """At a budget that is by this count the optimum's own, the optimum is that of 6ND."""
    shape = KNOWN_SHAPES["chinchilla"]
    size = count_params(shape).total
    law = LAWS["epoch"].law
    # Of which budget is Chinchilla's size the best? N_opt rises as a power.
    flops = 1e24 * (size / law.n_opt(1e24)) ** (1 / law.n_opt_law.exponent)
    for count in CONVENTIONS:
        choose(page, count=count)
        fill(page, budget=f"{flops * ratio_to_six_nd(shape, count)!r}")
        assert shown(page) == pytest.approx(optimum(law, flops), rel=DIGITS), count
        fill(page, budget=f"{size} x {law.d_opt(flops)!r}")
        assert shown(page) == pytest.approx(optimum(law, flops), rel=DIGITS), count
        noted = "when counted as 6ND" in page.locator("#calc-result").inner_text()
        assert noted == (count != "six_nd")
        assert ran(command(page))["n_params"] == pytest.approx(size, rel=THREE)


@pytest.mark.parametrize("name", ["epoch", MAIN])
def test_serving(page: Page, base: str, name: str) -> None:
    law = own_law(page, base) if name == MAIN else LAWS[name].law
    choose(page, law=name)
    fill(page, served="2T")
    best: ServingOptimum = cheapest_for_loss(law, optimum(law, BUDGET)["loss"], 2e12)
    found = shown(page)
    wanted = {
        "n_params": best.n_params,
        "n_tokens": best.n_tokens,
        "tokens_per_param": best.n_tokens / best.n_params,
        "loss": best.loss,
        "overhead": best.training_flops / BUDGET - 1,
        "saving": 1 - best.total_flops / best.unserved_total_flops,
    }
    assert found == pytest.approx(wanted, rel=DIGITS)
    printed = ran(command(page))
    assert printed == pytest.approx({key: found[key] for key in printed}, rel=THREE)


@pytest.mark.parametrize("name", ["muennighoff", MAIN])
def test_unique_data(page: Page, base: str, name: str) -> None:
    law = own_law(page, base) if name == MAIN else LAWS[name].law
    choose(page, law=name)
    fill(page, unique="100B")
    repeated = RepeatedDataLoss(law, r_d=MUENNIGHOFF.r_d, r_n=MUENNIGHOFF.r_n)
    best = allocate_data_constrained(repeated, BUDGET, 1e11)
    found = shown(page)
    wanted = {
        "n_params": best.n_params,
        "n_tokens": best.n_tokens,
        "tokens_per_param": best.n_tokens / best.n_params,
        "loss": best.loss,
        "epochs": best.epochs,
        "loss_given_up": best.loss - optimum(law, BUDGET)["loss"],
    }
    assert found == pytest.approx(wanted, rel=DIGITS)
    printed = ran(command(page))
    assert printed == pytest.approx({key: found[key] for key in printed}, rel=THREE)


@pytest.mark.parametrize(
    ("field", "text"), [*(("budget", t) for t in WRONG), ("served", "many"), ("unique", "0")]
)
def test_wrong_input_leaves_a_message_and_no_result(page: Page, field: str, text: str) -> None:
    before = shown(page)
    fill(page, **{field: text})
    assert message(page)
    assert page.locator(f"#calc-{field}").get_attribute("aria-invalid") == "true"
    assert "calc-error" in str(page.locator(f"#calc-{field}").get_attribute("aria-describedby"))
    assert page.locator("#calc-result").inner_text() == ""
    assert page.locator("#calc-call").is_hidden()

    fill(page, **{field: str(BUDGET) if field == "budget" else ""})
    assert message(page) == ""
    assert page.locator("[aria-invalid]").count() == 0
    assert shown(page) == before


def test_serving_and_unique_data_are_not_asked_together(page: Page) -> None:
    fill(page, served="2T", unique="100B")
    assert "not both" in message(page)
    assert shown(page) == {}
    fill(page, served="")
    assert message(page) == ""
    assert "epochs" in shown(page)


def test_budget_too_small_for_a_model_is_refused(page: Page) -> None:
    fill(page, budget="10")
    assert "less than one parameter or token" in message(page)
    assert shown(page) == {}


def test_copied_at_once_is_what_was_just_typed(page: Page) -> None:
    page.evaluate("navigator.clipboard.writeText('nothing yet')")
    page.locator("#calc-budget").fill("1e20")
    page.locator("#calc-copy").evaluate("button => button.click()")
    assert clipboard(page) == "chinchilla-lib allocate --flops 100000000000000000000 --law epoch"


def test_copy_that_is_forbidden_selects_the_command(page: Page) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.evaluate("() => { window.setTimeout = () => 0; }")  # the button's word stays
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Selected").wait_for()
    assert page.evaluate("getSelection().toString()") == page.locator("#calc-code").inner_text()


def test_address_keeps_the_setting_and_nothing_else(page: Page, context: BrowserContext, base: str) -> None:
    choose(page, law="muennighoff", count="matmul")
    fill(page, budget="70B x 1.4T", unique="50B")
    found = shown(page)
    other = context.new_page()
    other.goto(page.url)
    other.locator("#calc-result table").wait_for()
    assert shown(other) == found
    other.goto(f"{base}book/calculator.html#budget=1e21")
    other.wait_for_function("!document.querySelector('#calc-unique').value")
    assert shown(other) == pytest.approx(optimum(LAWS["epoch"].law, 1e21), rel=DIGITS)


def test_keyboard_alone(page: Page) -> None:
    page.locator("#calc-budget").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("1e22")
    met = ["calc-budget"]
    focused = "() => document.activeElement.id || document.activeElement.tagName"
    ring = "['outlineStyle', 'outlineWidth'].map(name => getComputedStyle(document.activeElement)[name])"
    while met[-1] != "calc-copy":
        settle(page)  # new numbers take the place of the old ones, and their links
        style, width = page.evaluate(ring)
        assert style != "none" and float(width.removesuffix("px")) >= 2, met[-1]
        page.keyboard.press("Tab")
        if (now := page.evaluate(focused)) == "calc-law":
            page.keyboard.press("ArrowDown")
        elif now == "calc-served":
            page.keyboard.type("1T")
        met.append(now)
        assert len(met) < 20, met
    assert [name for name in met if name in {f"calc-{field}" for field in FIELDS}] == [
        f"calc-{field}" for field in FIELDS
    ]
    settle(page)
    wide = page.locator(".calculator-call pre").evaluate("e => e.scrollWidth - e.clientWidth")
    assert wide == 0, "what scrolls must take the focus"
    law = LAWS["epoch-optimum"].law
    best = cheapest_for_loss(law, optimum(law, 1e22)["loss"], 1e12)
    assert shown(page)["n_params"] == pytest.approx(best.n_params, rel=DIGITS)
    page.evaluate("navigator.clipboard.writeText('nothing yet')")
    page.keyboard.press("Enter")
    assert ran(clipboard(page))["n_params"] == pytest.approx(best.n_params, rel=THREE)


def test_without_scripts_the_page_says_what_to_do(browser: Browser, base: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}book/calculator.html")
    assert page.locator("#calc-form").is_hidden()
    assert page.locator("#calc-call").is_hidden()
    note = page.locator(".bd-article noscript")
    assert note.is_visible()
    told = note.locator("code").inner_text()
    assert ran(told)["n_params"] == pytest.approx(LAWS["epoch"].law.n_opt(BUDGET), rel=THREE)
    context.close()
