import pytest

from chinchilla_lib.experiments.recipe import RateCheck
from chinchilla_lib.plots.recipe import plot_rate_checks


def test_the_rule_stands_above_the_best_rate_by_its_excess() -> None:
    check = RateCheck(d_model=32, rate=0.01, losses=(3.6, 3.5, 3.55), best_factor=1.2, excess=0.01)
    ax = plot_rate_checks([check, check])
    line = ax.get_lines()[0]
    assert list(line.get_xdata()) == [0.5, 1.0, 2.0]
    assert list(line.get_ydata()) == pytest.approx([0.11, 0.01, 0.06])
    assert line.get_label() == "width 32"
