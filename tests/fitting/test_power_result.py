"""What a power says: text, plain values, and the doubts that its numbers raise."""

import json
from dataclasses import replace

import pytest

from chinchilla_lib.fitting.power import measure_power
from chinchilla_lib.fitting.power_result import Power, SimulatedPower
from tests.fitting.test_power import DESIGN, LAW

FOUND = measure_power(DESIGN, LAW, noise=0.002, a_from=0.46, a_to=0.5, n_simulated=0)
CHECK = SimulatedPower(n_simulated=400, se=FOUND.se, power=FOUND.power, false_alarms=0.1, unusable=0.0)


def test_the_same_seed_gives_the_same_numbers_and_all_of_them_are_json() -> None:
    def made(seed: int) -> dict[str, object]:
        found = measure_power(DESIGN, LAW, noise=0.002, a_from=0.46, a_to=0.5, n_simulated=200, seed=seed)
        assert "is told from 0.46" in str(found)
        values: dict[str, object] = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        return values

    assert made(1) == made(1) != made(2)
    assert {"n_runs", "n_seeds", "se", "power", "detectable", "from", "to"} <= set(made(1))


def test_a_check_that_agrees_raises_no_doubt() -> None:
    assert FOUND.messages == ()
    assert replace(FOUND, simulated=CHECK).messages == ()


@pytest.mark.parametrize(
    ("doubtful", "doubt"),
    [
        (replace(FOUND, n_budgets=2), "two budgets has nothing that tells whether a power law holds"),
        (replace(FOUND, bias=0.3 * FOUND.se), "windows slide from budget to budget, or FLOPs are not"),
        (replace(FOUND, bias=0.3 * FOUND.se, method="valley"), "exponent (FLOPs are not counted as 6ND)"),
        (replace(FOUND, n_seeds=3, n_seeds_by_theory=1), "by theory 2 seeds less would do"),
        (replace(FOUND, simulated=replace(CHECK, unusable=0.03)), "3% of simulated sweeps have no answer"),
        (replace(FOUND, simulated=replace(CHECK, se=1.2 * FOUND.se)), "the noise is too large for it"),
        (replace(FOUND, simulated=replace(CHECK, power=FOUND.power - 0.1)), "where theory says"),
    ],
)
def test_each_doubt_has_its_number(doubtful: Power, doubt: str) -> None:
    (message,) = doubtful.messages
    assert doubt in message
    assert doubtful.to_dict()["messages"] == [message]
    assert "note: " in str(doubtful)


def test_a_check_without_answers_has_no_spread() -> None:
    nothing = replace(FOUND, simulated=SimulatedPower(400, None, 0.0, 0.0, 1.0))
    assert len(nothing.messages) == 1
    assert "standard error not known, power 0.000" in str(nothing)
