"""The calculator's arithmetic in a real browser beside the library's, to six digits."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy.optimize import brentq

from book._tools import calculator
from chinchilla_lib.experiments.published_fit import load_draws
from chinchilla_lib.fitting.data_constrained import allocate_data_constrained
from chinchilla_lib.fitting.serving import cheapest_for_loss
from chinchilla_lib.fitting.serving_curve import serving_curve
from chinchilla_lib.flops import CONVENTIONS
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.reference.laws import LAWS, MUENNIGHOFF

STATIC = Path(__file__).resolve().parents[2] / "book/_static"
DATA = json.loads(calculator.draw())
OWN = DATA["laws"]["main"]["law"]
MAIN = ParametricLoss(
    E=OWN["E"], A=math.exp(OWN["logA"]), B=math.exp(OWN["logB"]), alpha=OWN["alpha"], beta=OWN["beta"]
)
THE_LAWS = {**{name: law.law for name, law in LAWS.items()}, "main": MAIN}
DIGITS = 5e-7  # half a unit of the sixth digit
BUDGETS = (1e10, 1e17, 5.76e23, 1e28)
LOADS = ((0.0, None), (1e6, None), (1e12, None), (1e16, None), (0.0, 1e6), (0.0, 1e11), (0.0, 1e20))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    """A page that has the script and nothing else."""
    page = browser.new_page()
    script = (STATIC / "allocation.js").read_text(encoding="utf-8")
    page.route("http://calculator.test/*", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    page.route(
        "http://calculator.test/allocation.js",
        lambda route: route.fulfill(body=script, content_type="text/javascript"),
    )
    page.goto("http://calculator.test/")
    page.evaluate("async (data) => {window.m = await import('/allocation.js'); window.data = data;}", DATA)
    return page


def asked(page: Page, settings: list[dict[str, Any]], function: str = "best") -> list[dict[str, Any]]:
    call = "m.allocate(data, s)" if function == "allocate" else "m.best(data.laws[s.law].law, data, s)"
    found: list[dict[str, Any]] = page.evaluate(f"settings => settings.map(s => {call})", settings)
    return found


def in_six_nd(law: ParametricLoss, convention: str, flops: float) -> float:
    ratios = DATA["ratios"]

    def off(log_flops: float) -> float:
        log_n = math.log(law.n_opt(math.exp(log_flops)))
        ratio = np.interp(log_n, ratios["log_n"], ratios[convention])
        return log_flops + math.log(ratio) - math.log(flops)

    return math.exp(brentq(off, math.log(flops) - 2, math.log(flops) + 2, xtol=1e-13))


def is_told(law: RepeatedDataLoss, flops: float, unique: float, n_params: float) -> bool:
    """Whether doubles tell the best size to six digits: after hundreds of passes the loss is flat.

    A minimum is known to the root of the rounding error over the curvature, both of the loss above E.
    """
    bare = RepeatedDataLoss(replace(law.law, E=0.0), r_d=law.r_d, r_n=law.r_n)
    near = np.exp(math.log(n_params) + np.array([-1e-2, 0.0, 1e-2]))
    low, middle, high = bare.loss(near, flops / (6 * near), unique)
    curvature = (low + high - 2 * middle) / 1e-4
    return bool(curvature > 0 and math.sqrt(8 * 2.2e-16 * middle / curvature) < DIGITS)


def by_library(setting: dict[str, Any]) -> dict[str, float]:
    law = THE_LAWS[setting["law"]]
    flops = in_six_nd(law, setting["convention"], setting["flops"])
    if setting["unique"]:
        repeated = RepeatedDataLoss(law, r_d=MUENNIGHOFF.r_d, r_n=MUENNIGHOFF.r_n)
        run = allocate_data_constrained(repeated, flops, setting["unique"])
        found = {"loss": run.loss}
        if is_told(repeated, flops, setting["unique"], run.n_params):
            found |= {"n_params": run.n_params, "n_tokens": run.n_tokens, "epochs": run.epochs}
        return found
    loss = law.loss(law.n_opt(flops), law.d_opt(flops))
    curve = serving_curve(law, flops, [setting["served"]])
    model = {"loss": loss, "tokens_per_param": float(curve.tokens_per_param[0])}
    model["n_params"] = law.n_opt(flops) * float(curve.size_factor[0])
    model["n_tokens"] = law.d_opt(flops) * float(curve.token_factor[0])
    return model | ({"saving": float(curve.saving[0])} if setting["served"] else {})


def test_every_setting_gives_the_librarys_numbers(page: Page) -> None:
    settings = [
        {"law": law, "convention": convention, "flops": flops, "served": served, "unique": unique}
        for law, convention, flops, (served, unique) in itertools.product(
            THE_LAWS, CONVENTIONS, BUDGETS, LOADS
        )
    ]
    for setting, found in zip(settings, asked(page, settings), strict=True):
        for name, value in by_library(setting).items():
            # A saving is a difference of two costs that nearly agree.
            least = 1e-12 if name == "saving" else 0.0
            assert found[name] == pytest.approx(value, rel=DIGITS, abs=least), (setting, name)


def test_serving_agrees_with_the_search_for_the_cheapest_model(page: Page) -> None:
    law = THE_LAWS["hoffmann"]
    model = cheapest_for_loss(law, law.loss(law.n_opt(5.76e23), law.d_opt(5.76e23)), 1e13)
    setting = {"law": "hoffmann", "convention": "six_nd", "flops": 5.76e23, "served": 1e13, "unique": None}
    (found,) = asked(page, [setting])
    assert found["n_params"] == pytest.approx(model.n_params, rel=DIGITS)
    assert found["overhead"] == pytest.approx(model.training_flops / 5.76e23 - 1, rel=DIGITS)


def test_intervals_are_percentiles_over_the_resamples(page: Page) -> None:
    draws, flops = load_draws(), 5.76e23
    laws = [ParametricLoss(e, math.exp(a), math.exp(b), alpha, beta) for e, a, b, alpha, beta in draws]
    ends = [0.05, 0.95]
    setting = {"law": "epoch", "convention": "six_nd", "flops": flops, "served": 0.0, "unique": None}
    plain, loaded = asked(page, [setting, setting | {"served": 1e13}], "allocate")
    sizes = np.quantile([law.n_opt(flops) for law in laws], ends)
    losses = np.quantile([law.loss(law.n_opt(flops), law.d_opt(flops)) for law in laws], ends)
    assert plain["intervals"]["n_params"] == pytest.approx(sizes.tolist(), rel=DIGITS)
    assert plain["intervals"]["loss"] == pytest.approx(losses.tolist(), rel=DIGITS)
    curve = serving_curve(LAWS["epoch"].law, flops, [1e13], draws=draws)
    assert curve.ratio_band is not None
    assert loaded["intervals"]["tokens_per_param"] == pytest.approx(
        curve.ratio_band[:, 0].tolist(), rel=DIGITS
    )
