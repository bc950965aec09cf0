"""The plot of scores of several models."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.scores import plot_scores
from chinchilla_lib.plots.style import new_axes


def test_each_score_is_on_the_line_of_its_task() -> None:
    ax = new_axes()
    scores = {"small": [(0.3, 0.1), None, (0.5, 0.1)], "large": [(0.6, None), (0.7, None), None]}
    assert plot_scores(["a", "b", "c"], scores, ax, x="share") is ax
    drawn = {
        container.get_label(): (container[0].get_xdata().tolist(), container[0].get_ydata().tolist())
        for container in ax.containers
    }
    assert drawn == {"small": ([0.3, 0.5], [0, 2]), "large": ([0.6, 0.7], [0, 1])}
    ((low, _), (high, _)) = ax.containers[0][2][0].get_segments()[0]
    assert (high - low) / 2 == pytest.approx(0.1645)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_ylim() == (2.5, -0.5)  # the first task on top
    ax.figure.canvas.draw()


def test_a_new_figure_grows_with_its_tasks() -> None:
    few, many = (
        plot_scores([str(i) for i in range(n)], {"m": [(0.5, None)] * n}, x="share").figure for n in (3, 40)
    )
    assert many.get_size_inches()[1] > 2 * few.get_size_inches()[1]


@pytest.mark.parametrize(
    ("tasks", "scores", "message"),
    [
        ([], {}, "tasks is empty"),
        (["a"], {str(i): [None] for i in range(6)}, "scores has 6 models; 5 can be told apart"),
        (["a", "b"], {"m": [None]}, "scores of m: 1 entries for 2 tasks"),
    ],
)
def test_bad_input(tasks: list[str], scores: dict[str, list[None]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot_scores(tasks, scores, x="share")
