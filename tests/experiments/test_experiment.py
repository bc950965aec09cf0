"""An experiment: its parts by tier and forecast, its rows, and what is refused."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import OUTCOMES, Experiment, Part, Verdict
from chinchilla_lib.experiments.main_sweep import MAIN


def part(name: str) -> Part:
    return Part(name, "english", 512, MAIN.parts["ci"][0].plan)


FORETELLS = Experiment(
    name="tides",
    title="Tides",
    section="section 3",
    claim="they come again",
    rule="holds if they do",
    parts={"ci": (part("first"),), "cpu-20": (part("first"), part("second"))},
    judge=lambda results, forecast: Verdict("holds", f"{len(results)} parts", {"parts": len(results)}),
    later=lambda tier, forecast: (part(f"{tier}-{forecast['hour']}"),),
)


def names(parts: tuple[Part, ...]) -> list[str]:
    return [one.name for one in parts]


def test_later_parts_come_with_the_forecast() -> None:
    assert names(FORETELLS.parts_of("cpu-20")) == ["first", "second"]
    assert names(FORETELLS.parts_of("cpu-20", {"hour": 6})) == ["first", "second", "cpu-20-6"]


def test_an_experiment_without_later_parts_has_no_use_for_a_forecast() -> None:
    assert MAIN.parts_of("ci", {"hour": 6}) == MAIN.parts["ci"]


def test_a_tier_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="experiment tides has no tier 'large'; it has ci, cpu-20"):
        FORETELLS.parts_of("large")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_verdict_says_outcome_and_reason(outcome: str) -> None:
    assert str(Verdict(outcome, "by 3 sd", {"sd": 3.0})) == f"{outcome}: by 3 sd"


def test_another_outcome_is_refused() -> None:
    with pytest.raises(InputError, match="outcome is 'maybe'; give one of holds"):
        Verdict("maybe", "", {})
