"""What forecasts made from other spans of budgets would have said, looked up when the result was known.

No test of anything, since it is seen which form was right; it shows what narrows a forecast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.experiments.forecast import FEWEST, FORMS, error_rates, half_width
from chinchilla_lib.experiments.main_sweep import rows_up_to
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["LookBack", "look_back"]


@dataclass(frozen=True)
class LookBack:
    """What runs of one span of budgets say of the largest budget.

    Attributes
    ----------
    lowest, highest : float
        Ends of the span, FLOPs.
    n_budgets : int
        Budgets in it.
    factor : float
        From its upper end to the budget foretold.
    errors : mapping of str to float
        By form of `FORMS`: the loss foretold at the minimum over the one measured, less 1.
    form : str or None
        The form with the smallest error rate on budgets of the span held back; None where the span has
        too few to hold one back.
    half_width : float or None
        Half of the 90 % interval that goes with its error rate, in ln of the loss.
    """

    lowest: float
    highest: float
    n_budgets: int
    factor: float
    errors: Mapping[str, float]
    form: str | None
    half_width: float | None


def look_back(rows: Sequence[Row]) -> tuple[LookBack, ...]:
    """What the smaller budgets say of the largest one, span by span.

    Parameters
    ----------
    rows : sequence of mapping
        Runs at `FEWEST` + 1 budgets or more.

    Returns
    -------
    tuple of LookBack
        One for each span of neighbouring budgets below the largest, `FEWEST` or more of them, from the
        smallest upper end to the largest, the widest span first.

    Raises
    ------
    InputError
        If there are too few budgets, or the largest has no minimum among its sizes.
    """
    points = fit_isoflop_profiles(SweepTable.from_records(rows, source="runs looked back on")).points
    largest = max(float(row["flops_budget"]) for row in rows)
    budgets = [point.flops for point in points if point.flops < largest]
    if len(budgets) < FEWEST or len(budgets) == len(points):
        raise InputError(
            f"minima were found at {', '.join(f'{point.flops:g}' for point in points)} FLOPs; to look back "
            f"from {largest:g} it needs one there and {FEWEST} below"
        )
    return tuple(
        _look(
            [row for row in rows_up_to(rows, highest) if float(row["flops_budget"]) > 0.999 * lowest],
            n_budgets=stop - start,
            flops=largest,
            measured=points[-1].loss,
        )
        for stop, highest in enumerate(budgets, start=1)
        for start, lowest in enumerate(budgets[: stop - FEWEST + 1])
        if stop >= FEWEST
    )


def _look(rows: Sequence[Row], *, n_budgets: int, flops: float, measured: float) -> LookBack:
    spent = [float(row["flops_budget"]) for row in rows]
    factor = flops / max(spent)
    form, half = None, None
    if n_budgets > FEWEST:
        rates = error_rates(rows)
        form = min(rates, key=lambda name: rates[name])
        half = half_width(rates[form], factor)
    errors = {name: foretold(rows, flops) / measured - 1 for name, foretold in FORMS.items()}
    return LookBack(min(spent), max(spent), n_budgets, factor, errors, form, half)
