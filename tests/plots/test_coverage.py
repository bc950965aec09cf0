import pytest

from chinchilla_lib.plots.coverage import plot_coverage

ROWS = [
    {
        "method": method,
        "scheme": scheme,
        "level": level,
        "noise": "t3",
        "quantity": quantity,
        "coverage": value,
    }
    for method, scheme, level, quantity, value in [
        ("isoflop", "pairs", "0.9", "a", "0.95"),
        ("isoflop", "subsample", "0.9", "a", "0.6"),
        ("isoflop", "subsample", "0.8", "a", "0.5"),
        ("parametric", "pairs", "0.9", "a", "0.91"),
        ("parametric", "pairs", "0.9", "E", "0.92"),
    ]
]


def test_each_scheme_has_its_marks_at_its_methods_place() -> None:
    ax = plot_coverage(ROWS)
    pairs, subsample = (line for line in ax.get_lines() if line.get_label() in ("pairs", "subsample"))
    assert list(pairs.get_ydata()) == [0.95, 0.91, 0.92]
    assert list(subsample.get_ydata()) == [0.6]
    assert [round(float(x)) for x in pairs.get_xdata()] == [0, 1, 1]
    assert pairs.get_color() != subsample.get_color() and pairs.get_marker() != subsample.get_marker()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["isoflop", "parametric"]


def test_other_levels() -> None:
    ax = plot_coverage(ROWS, level=0.8)
    (marks,) = (line for line in ax.get_lines() if line.get_label() == "subsample")
    assert list(marks.get_ydata()) == [0.5]
    reference = next(line for line in ax.get_lines() if line.get_linestyle() == "--")
    assert reference.get_ydata()[0] == pytest.approx(0.8)
