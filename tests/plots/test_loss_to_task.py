import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra plots is not installed")

from chinchilla_lib.plots.loss_to_task import plot_phenomena, plot_task

FITTED = [
    {"flops_budget": "3e10", "loss": "4.3", "barks acc": "0.30"},
    {"flops_budget": "3e10", "loss": "4.2", "barks acc": "0.31"},
    {"flops_budget": "1e11", "loss": "4.0", "barks acc": "0.35"},
]
TESTED = [{"flops_budget": "3e11", "loss": "3.6", "barks acc": "0.40"}]
SAID = {
    "chance": 0.25,
    "exponential": {
        "loss": [3.0, 3.55, 4.3],
        "value": [0.6, 0.4, 0.3],
        "low": [0.5, 0.35, 0.28],
        "high": [0.7, 0.45, 0.32],
    },
}


def test_runs_and_curve_are_where_they_belong() -> None:
    ax = plot_task("barks", FITTED, SAID, tested=TESTED)
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["3e10 FLOPs"].get_xydata(), [[4.3, 0.30], [4.2, 0.31]])
    np.testing.assert_array_equal(lines["1e11 FLOPs"].get_xydata(), [[4.0, 0.35]])
    np.testing.assert_array_equal(lines["foretold, then asked"].get_xydata(), [[3.6, 0.40]])
    curve = lines["fitted, 90 % of a size"].get_xydata()
    np.testing.assert_array_equal(curve, [[3.55, 0.4], [4.3, 0.3]])  # no farther than there are runs
    assert ax.xaxis_inverted()
    assert ax.get_title(loc="left") == "barks"


def test_a_task_at_chance_has_no_curve() -> None:
    ax = plot_task("barks", FITTED, {"chance": 0.25})
    labels = {str(line.get_label()) for line in ax.get_lines()}
    assert {"3e10 FLOPs", "1e11 FLOPs"} <= labels
    assert not any("fitted" in label for label in labels)
    assert any(list(line.get_ydata()) == [0.25, 0.25] for line in ax.get_lines())


def test_each_kind_is_drawn() -> None:
    ax = plot_phenomena([4.0, 3.5], {"agreement": [0.5, 0.7], "word order": [0.9, 1.0]})
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["word order"].get_xydata(), [[4.0, 0.9], [3.5, 1.0]])
    assert {"agreement", "word order"} <= lines.keys()
