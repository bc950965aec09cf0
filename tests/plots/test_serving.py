"""Figures of serving: the curves that were given, their bands, and no size beyond those trained."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.published_contours import SHARES, ContourSizes
from chinchilla_lib.fitting.serving_curve import serving_curve
from chinchilla_lib.plots.serving import plot_served, plot_size_shares
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference import LAWS

SERVED = np.geomspace(1e9, 1e13, 7)
ROW = [1.8, 6.2, 7.6, 0.35, 0.36]
PLAIN = serving_curve(LAWS["hoffmann"].law, 5.76e23, SERVED)
BANDED = serving_curve(
    LAWS["epoch"].law, 5.76e23, SERVED, draws=np.array([ROW, [*ROW[:3], 0.36, 0.35], [*ROW[:3], 0.34, 0.38]])
)


@pytest.mark.parametrize(("quantity", "name"), [("size", "size_factor"), ("ratio", "tokens_per_param")])
def test_laws_are_drawn_with_their_bands(quantity: str, name: str) -> None:
    ax = new_axes()
    drawn = plot_served({"plain": PLAIN, "banded": BANDED}, quantity, ax, marks={"here": 1e12})  # type: ignore[arg-type]
    assert drawn is ax
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    for label, curve in (("plain", PLAIN), ("banded", BANDED)):
        np.testing.assert_allclose(lines[label].get_ydata(), getattr(curve, name))
        np.testing.assert_allclose(lines[label].get_xdata(), SERVED)
    [band] = [found for found in ax.collections if isinstance(found, PolyCollection)]
    expected = BANDED.size_band if quantity == "size" else BANDED.ratio_band
    assert expected is not None
    corners = band.get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == pytest.approx((expected.min(), expected.max()))
    assert list(lines["here"].get_xdata()) == [1e12, 1e12]
    ax.figure.canvas.draw()


def test_valleys_are_drawn_as_far_as_they_reach() -> None:
    sizes = np.linspace(1.0, 0.6, len(SHARES))
    short = np.where(np.arange(len(SHARES)) < 6, sizes, np.nan)
    contours = [ContourSizes(1e11, 4.0, 3e4, 5e5, sizes), ContourSizes(1e12, 3.5, 8e4, 2e6, short)]
    ax = plot_size_shares({"law": BANDED}, {"ours": contours})
    law, long, cut = ax.get_lines()
    np.testing.assert_allclose(law.get_xdata(), SERVED / BANDED.unserved_n_tokens)
    assert list(long.get_ydata()) == list(sizes)
    assert list(cut.get_ydata()) == list(sizes[:6])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["law", "ours"]
    ax.figure.canvas.draw()


def test_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(InputError, match="curves must be from 1 to 4, found 0"):
        plot_served({})
    with pytest.raises(InputError, match="quantity is 'loss'; give one of size, ratio"):
        plot_served({"plain": PLAIN}, "loss")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="laws must be 3 at most and valleys 2, found 4 and 0"):
        plot_size_shares(dict.fromkeys("abcd", PLAIN), {})
