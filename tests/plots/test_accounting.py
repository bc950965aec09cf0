"""The accounting figures draw what the library counts, on the Axes they are given."""

import numpy as np
import pytest

from chinchilla_lib.architecture import KNOWN_SHAPES, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import CONVENTIONS, count_forward_flops, ratio_to_six_nd
from chinchilla_lib.plots.accounting import plot_flops_by_operation, plot_ratio_to_six_nd
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference import load_shapes
from tests.test_architecture import SMALL


@pytest.mark.parametrize(("convention", "bands"), [("appendix_f", 4), ("table_a4", 3), ("matmul", 5)])
def test_bands_fill_the_whole(convention: str, bands: int) -> None:
    ax = new_axes()
    shapes = load_shapes("a9_model_configs")
    assert plot_flops_by_operation(shapes[::-1], convention, ax=ax) is ax
    assert len(ax.collections) == bands
    assert len(ax.get_legend().get_texts()) == bands
    tops = ax.collections[-1].get_paths()[0].vertices[:, 1]
    assert tops.max() == pytest.approx(1)
    # The lowest band is the feed-forward share of each model, smallest first.
    by_size = sorted(shapes, key=lambda shape: count_params(shape).total)
    counts = [count_forward_flops(shape) for shape in by_size]
    expected = [count.feed_forward / count.under(convention) for count in counts]
    drawn = ax.collections[0].get_paths()[0].vertices
    for x, share in zip([count_params(shape).total for shape in by_size], expected, strict=True):
        assert np.isclose(drawn[drawn[:, 0] == x, 1], share).any()


def test_bands_need_a_convention_of_operations() -> None:
    with pytest.raises(InputError, match="those that add up operations"):
        plot_flops_by_operation([SMALL], "six_nd")


def test_ratios_are_those_of_the_library() -> None:
    ax = plot_ratio_to_six_nd(
        {"ours": [SMALL], "Table 4": list(KNOWN_SHAPES.values())}, ["table_a4", "matmul"]
    )
    drawn = {tuple(line.get_ydata()) for line in ax.get_lines()}
    for convention in ("table_a4", "matmul"):
        assert (ratio_to_six_nd(SMALL, convention),) in drawn
        assert tuple(ratio_to_six_nd(shape, convention) for shape in KNOWN_SHAPES.values()) in drawn
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "table_a4",
        "matmul",
        "ours",
        "Table 4",
    ]


def test_six_nd_itself_is_the_line_at_one() -> None:
    ax = plot_ratio_to_six_nd({"ours": [SMALL]})
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == [*(name for name in CONVENTIONS if name != "six_nd"), "ours"]
    assert any(set(line.get_ydata()) == {1} for line in ax.get_lines())
