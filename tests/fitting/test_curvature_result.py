"""What a measured curvature says: its verdict and doubts by the numbers, its text, plain values."""

import json
import math
from dataclasses import replace

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.curvature import measure_curvature
from chinchilla_lib.fitting.curvature_result import Curvature, change_per_decade
from tests.fitting.test_curvature import bent, closed

FOUND = measure_curvature(closed(bent(-0.02), 8), n_resamples=200)


def verdict(low: float, high: float, **changes: float | None) -> str:
    numbers = {"parabola_c2": 0.0, "scatter_p_value": 0.5, "p_value": 0.5} | changes
    return replace(FOUND, c2_interval=(low, high), **numbers).verdict


def test_plain_values_and_text() -> None:
    plain = json.loads(json.dumps(FOUND.to_dict()))
    assert plain["verdict"] == FOUND.verdict == "curved (concave)"
    assert plain["change_per_decade_interval"] == list(FOUND.change_interval)
    assert [third["name"] for third in plain["thirds"]] == ["first", "middle", "last"]
    assert plain["n_budgets"] == 8
    assert plain["dropped"][0]["reason"] == FOUND.dropped[0][1]
    text = str(FOUND)
    assert text.startswith("curved (concave): 8 of 9 budgets of simulated")
    assert "per decade of compute a changes by -0.0" in text
    assert "below 20 pairs give intervals" in text


def test_the_verdict_is_that_of_the_interval() -> None:
    assert verdict(-0.03, -0.01) == "curved (concave)"
    assert verdict(0.01, 0.03) == "curved (convex)"
    assert verdict(-0.01, 0.03) == "no curvature seen"


def test_what_parabolas_add_does_not_count() -> None:
    assert verdict(-0.03, -0.01, parabola_c2=-0.02) == "no curvature seen"
    assert verdict(-0.03, -0.01, parabola_c2=-0.005) == "curved (concave)"
    assert verdict(-0.03, -0.01, parabola_c2=0.02) == "curved (concave)"
    assert verdict(-0.03, -0.01, parabola_c2=None) == "curved (concave)"


def test_minima_that_scatter_need_the_f_test() -> None:
    assert verdict(-0.03, -0.01, scatter_p_value=0.001) == "no curvature seen"
    assert verdict(-0.03, -0.01, scatter_p_value=0.001, p_value=0.05) == "curved (concave)"
    assert verdict(-0.03, -0.01, scatter_p_value=None, p_value=None) == "curved (concave)"


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        (
            {"p_value": 0.5},
            "interval of c2 does not hold 0, the F test has p = 0.5 on 1 and 5 degrees of freed",
        ),
        ({"scatter_p_value": 0.002}, "by more than the noise of their runs explains (p = 0.002)"),
        ({"parabola_c2": None}, "one law for all valleys could not be fitted"),
        ({"parabola_c2": 0.01, "c2_se": 0.001}, "parabolas add +0.046 per decade to a straight frontier"),
    ],
)
def test_each_doubt_has_its_number(changes: dict[str, float | None], doubt: str) -> None:
    calm = replace(FOUND, p_value=0.001, scatter_p_value=0.5, parabola_c2=0.0)
    assert len(calm.doubts()) == 1, "valleys of nine runs are few for pairs, and that is all"
    doubts = replace(calm, **changes).doubts()
    assert len(doubts) == 2
    assert doubt in doubts[0]


def test_large_valleys_and_residuals_are_in_no_doubt() -> None:
    for change in ({"smallest_stratum": 20}, {"scheme": "residual"}):
        calm: Curvature = replace(
            FOUND,
            p_value=0.001,
            scatter_p_value=0.5,
            parabola_c2=0.0,
            bootstrap=replace(FOUND.bootstrap, **change),
        )
        assert calm.doubts() == ()


def test_the_exponent_is_the_slope_of_the_curve() -> None:
    assert FOUND.exponent(FOUND.middle_flops) == FOUND.c1
    above = FOUND.exponent(10 * FOUND.middle_flops)
    assert above - FOUND.c1 == pytest.approx(change_per_decade(FOUND.c2)) == FOUND.change
    with pytest.raises(InputError, match=r"flops must be finite and above 0, found 0\.0"):
        FOUND.exponent(0.0)
    with pytest.raises(InputError, match="flops must be finite and above 0, found inf"):
        FOUND.exponent(math.inf)
