"""What functional forms of the loss err on budgets that they were not fitted to."""

from typing import TYPE_CHECKING, Final

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.forms import FormComparison
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_form_errors"]

_LINES: Final = {
    "additive": (PALETTE[0], "o-"),
    "additive, alpha = beta": (PALETTE[0], "s--"),
    "additive, E = 0": (PALETTE[0], "^:"),
    "power of the sum": (PALETTE[3], "D-"),
    "Kaplan": (PALETTE[1], "o-"),
    "Kaplan, without embeddings": (PALETTE[1], "s--"),
    "power-law frontier": (PALETTE[2], "o-"),
    "logarithmic frontier": (PALETTE[2], "s--"),
}
"""Colour, marker and dashes of a form; forms of one family share the colour."""


def plot_form_errors(comparison: FormComparison, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean error of each form on each budget held out, against its distance.

    Parameters
    ----------
    comparison : FormComparison
        Of forms in `chinchilla_lib.fitting.forms.FORMS`; those that could not be fitted are left out.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If no form could be fitted, or one has another name.
    MissingExtraError
        If matplotlib is not installed.
    """
    fitted = [errors for errors in comparison.errors if errors.by_budget]
    if not fitted:
        raise InputError(f"{comparison.source}: no form could be fitted; there is nothing to draw")
    for errors in fitted:
        if errors.form not in _LINES:
            raise InputError(f"form {errors.form!r} has no line here; give some of {', '.join(_LINES)}")
    ax = axes_or_new(ax)
    ax.axhline(0, color=INK, linewidth=1)
    for errors in fitted:
        color, line = _LINES[errors.form]
        factors = [one.factor for one in errors.by_budget]
        biases = [100 * one.bias for one in errors.by_budget]
        ax.plot(factors, biases, line, color=color, linewidth=1.4, markersize=4, label=errors.form)
    ax.set_xscale("log")
    factors = [one.factor for one in fitted[0].by_budget]
    ax.set_xticks(factors, [f"{float(f'{factor:.2g}'):g}x" for factor in factors])
    ax.minorticks_off()
    label_axes(
        ax,
        x=f"compute over the largest budget fitted, {format_flops(comparison.up_to)} FLOPs",
        y="foretold over measured loss (%)",
    )
    ax.legend(frameon=False, fontsize=8.5, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax
