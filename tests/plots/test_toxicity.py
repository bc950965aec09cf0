"""The plot of toxicity beside loss."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.plots.toxicity import plot_toxicity


def test_models_are_points_with_intervals_and_levels_are_lines() -> None:
    ax = new_axes()
    assert plot_toxicity([3.0, 4.0], [0.1, 0.2], [0.01, 0.02], ax, levels={"text": 0.05}) is ax
    (points,) = ax.containers
    assert points[0].get_xydata().tolist() == [[3.0, 0.1], [4.0, 0.2]]
    (low, high) = points[2][0].get_segments()[1][:, 1]
    assert (high - low) / 2 == pytest.approx(1.645 * 0.02)
    assert [line.get_ydata() for line in ax.lines if line.get_label() == "text"] == [[0.05, 0.05]]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    "wrong",
    [
        {"losses": [], "means": [], "errors": []},
        {"losses": [1.0], "means": [1.0], "errors": []},
        {"losses": [1.0], "means": [1.0], "errors": [0.1], "levels": dict.fromkeys("abcd", 0.1)},
    ],
)
def test_what_does_not_match_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="give as many of each"):
        plot_toxicity(**wrong)  # type: ignore[arg-type]
