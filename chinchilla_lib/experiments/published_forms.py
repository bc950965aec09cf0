"""Forms of the loss tried on the published points, recorded for those who do not have the points.

Made by ``record_published_forms("chinchilla_lib/reference/recorded")``, with the points at hand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.fitting.forms import BudgetErrors, FormComparison, FormErrors, compare_forms
from chinchilla_lib.reference.published import load_published
from chinchilla_lib.reference.recorded import load_recorded, record_computation

__all__ = ["UP_TO", "comparison_from_rows", "comparison_rows", "load_forms", "record_published_forms"]

UP_TO: Final = 1e20
"""The largest budget fitted, FLOPs: thirty times below the largest of Figure 3."""

_RECORD: Final = "epoch-forms"
_COLUMNS: Final = (
    "form", "n_free", "fitted_rms", "ahead_bias", "ahead_rms", "up_to", "n_fitted", "n_held_out", "delta",
    "flops", "factor", "n_runs", "bias", "rms",
)  # fmt: skip


def comparison_rows(comparison: FormComparison) -> list[dict[str, str]]:
    """One row for each form and budget held out; forms that could not be fitted are left out."""
    rows = []
    for errors in comparison.errors:
        for one in errors.by_budget:
            values = (
                errors.form, errors.n_free, errors.fitted_rms, errors.bias, errors.rms, comparison.up_to,
                comparison.n_fitted, comparison.n_held_out, comparison.delta, one.flops, one.factor,
                one.n_runs, one.bias, one.rms,
            )  # fmt: skip
            texts = (f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
            rows.append(dict(zip(_COLUMNS, texts, strict=True)))
    return rows


def comparison_from_rows(rows: Sequence[Row], source: str) -> FormComparison:
    """The comparison that `comparison_rows` wrote down.

    Parameters
    ----------
    rows : sequence of mapping
    source : str
        Where the runs come from.
    """
    names = list(dict.fromkeys(str(row["form"]) for row in rows))
    errors = []
    for name in names:
        of_form = [row for row in rows if row["form"] == name]
        first = of_form[0]
        errors.append(
            FormErrors(
                form=name,
                n_free=int(first["n_free"]),
                fitted_rms=float(first["fitted_rms"]),
                bias=float(first["ahead_bias"]),
                rms=float(first["ahead_rms"]),
                by_budget=tuple(
                    BudgetErrors(
                        flops=float(row["flops"]),
                        factor=float(row["factor"]),
                        n_runs=int(row["n_runs"]),
                        bias=float(row["bias"]),
                        rms=float(row["rms"]),
                    )
                    for row in of_form
                ),
            )
        )
    return FormComparison(
        source=source,
        up_to=float(rows[0]["up_to"]),
        n_fitted=int(rows[0]["n_fitted"]),
        n_held_out=int(rows[0]["n_held_out"]),
        delta=float(rows[0]["delta"]),
        errors=tuple(errors),
    )


def record_published_forms(folder: str | Path) -> None:
    """Fit forms to the valleys of Figure 3 up to `UP_TO`, and write what they err to ``folder/epoch-forms``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    table = load_published("epoch_fig4", points="isoflop")
    record_computation(
        Path(folder) / _RECORD,
        f"record_published_forms(DIR) of {__name__}",
        lambda: comparison_rows(compare_forms(table, UP_TO)),
        n_runs=len(table),
        corpus=table.source,
    )


def load_forms() -> FormComparison:
    """The recorded comparison.

    Examples
    --------
    >>> comparison = load_forms()
    >>> comparison.n_fitted + comparison.n_held_out
    135
    """
    recorded = load_recorded(_RECORD)
    return comparison_from_rows(recorded.rows, recorded.provenance["corpus"])
