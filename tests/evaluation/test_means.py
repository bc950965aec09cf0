import math

import numpy as np
import pytest
from scipy import stats

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.means import compare_means, fit_line, largest_spread, log_normal_spread


def test_no_scores_of_a_mean_are_spread_wider_than_zeros_and_ones() -> None:
    rng = np.random.default_rng(0)
    for scores in (rng.beta(0.3, 2, 1000), rng.random(1000), (rng.random(1000) < 0.1).astype(float)):
        assert scores.std() <= largest_spread(float(scores.mean())) + 1e-12
    with pytest.raises(InputError, match=r"mean is 1.2; scores are from 0 to 1"):
        largest_spread(1.2)


@pytest.mark.parametrize(("middle", "width"), [(-2.7, 0.78), (0.5, 0.2)])
def test_a_log_normal_law_is_found_from_two_quantiles(middle: float, width: float) -> None:
    law = stats.lognorm(width, scale=math.exp(middle))
    mean, spread = log_normal_spread(float(law.median()), float(law.ppf(0.95)), 0.95)
    assert (mean, spread) == pytest.approx((law.mean(), law.std()))
    with pytest.raises(InputError, match="give 0 < median < quantile"):
        log_normal_spread(0.2, 0.1, 0.95)


def test_means_of_two_samples_are_compared_as_welch_does() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.1, 1, 4000), rng.normal(0, 2, 4000)
    found = compare_means((a.mean(), b.mean()), (a.std(ddof=1), b.std(ddof=1)), 4000)
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert found.value / found.standard_error == pytest.approx(welch.statistic)
    assert found.p_value == pytest.approx(welch.pvalue, rel=0.01)  # a normal law in place of Student's
    with pytest.raises(InputError, match="give 2 or more, and a spread above 0"):
        compare_means((0.1, 0.2), (0.0, 0.0), 100)


def test_a_line_has_the_interval_of_least_squares_and_of_fisher() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(3, 0.5, 40)
    y = 0.1 + 0.02 * x + rng.normal(0, 0.01, 40)
    line = fit_line(x.tolist(), y.tolist())
    interval = stats.pearsonr(x, y).confidence_interval(0.95)
    assert line.correlation_interval == pytest.approx((interval.low, interval.high))
    assert abs(line.slope - 0.02) < line.half_width
    with pytest.raises(InputError, match="give five points or more"):
        fit_line([1, 2, 3, 4], [1, 2, 3, 4])


def test_a_slope_as_large_as_detectable_is_told_from_zero_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    x = np.linspace(2, 4, 30)
    noise = 0.01
    error = noise / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    detectable = (stats.t.ppf(0.975, 28) + stats.t.ppf(0.8, 28)) * error
    fits = [fit_line(x.tolist(), (detectable * x + rng.normal(0, noise, 30)).tolist()) for _ in range(400)]
    told = np.mean([abs(line.slope) > line.half_width for line in fits])
    assert abs(told - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 400)
    assert np.mean([line.detectable for line in fits]) == pytest.approx(detectable, rel=0.05)
