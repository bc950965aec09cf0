"""Corpora in bits per byte."""

from dataclasses import replace

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.plots.corpora import bits_per_byte_at_minima, plot_bits_per_byte
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.experiments.small_truth import LAW

RUNS = replace(simulate_isoflop_sweep(LAW, [1e11, 1e12]), bits_per_byte=None)
FIT = fit_isoflop_profiles(replace(RUNS, bits_per_byte=RUNS.loss * 0.6))


def test_minima_are_turned_into_bits_per_byte_by_the_runs_own_ratio() -> None:
    found = bits_per_byte_at_minima(FIT)
    assert found == {point.flops: pytest.approx(0.6 * point.loss) for point in FIT.points}
    ax = new_axes()
    assert plot_bits_per_byte({"one": FIT, "two": FIT}, ax) is ax
    one, two = ax.get_lines()
    assert list(one.get_xdata()) == list(found) and list(two.get_ydata()) == list(found.values())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_no_bits_and_two_texts_in_one_are_refused() -> None:
    with pytest.raises(InputError, match="bits_per_byte is missing"):
        bits_per_byte_at_minima(fit_isoflop_profiles(RUNS))
    mixed = RUNS.loss * 0.6
    mixed[0] *= 1.1
    with pytest.raises(InputError, match="is not one number; fit one corpus"):
        bits_per_byte_at_minima(fit_isoflop_profiles(replace(RUNS, bits_per_byte=mixed)))
