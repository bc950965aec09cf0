"""The figure of forms: each one's errors where they were measured, and no form without a line."""

from dataclasses import replace

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.published_forms import load_forms
from chinchilla_lib.fitting.forms import FORMS, FormErrors
from chinchilla_lib.plots.forms import _LINES, plot_form_errors
from chinchilla_lib.plots.style import new_axes


def test_every_form_has_a_line_of_its_own() -> None:
    assert set(_LINES) == set(FORMS)
    assert len(set(_LINES.values())) == len(FORMS)


def test_errors_are_drawn_where_they_were_measured() -> None:
    comparison = load_forms()
    failed = FormErrors("Kaplan, without embeddings", 4, reason="no such counts")
    ax = new_axes()
    assert plot_form_errors(replace(comparison, errors=(*comparison.errors, failed)), ax) is ax
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    for errors in comparison.errors:
        assert list(lines[errors.form].get_xdata()) == [one.factor for one in errors.by_budget]
        assert list(lines[errors.form].get_ydata()) == [100 * one.bias for one in errors.by_budget]
    assert failed.form not in lines
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["3x", "6x", "10x", "30x"]
    assert "1e20 FLOPs" in ax.get_xlabel()
    ax.figure.canvas.draw()


def test_what_cannot_be_drawn_is_refused() -> None:
    comparison = load_forms()
    with pytest.raises(InputError, match="no form could be fitted"):
        plot_form_errors(replace(comparison, errors=()))
    other = replace(comparison.errors[0], form="mine")
    with pytest.raises(InputError, match="form 'mine' has no line here; give some of additive"):
        plot_form_errors(replace(comparison, errors=(other,)))
