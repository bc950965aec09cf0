"""``chinchilla-lib fit``: the compute-optimal frontier of a table of runs."""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.cli._terminal import duration, say
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import (
    ISOFLOP,
    VALLEY,
    Estimator,
    bootstrap_fit,
    parametric_estimator,
)
from chinchilla_lib.fitting.diagnostics import SCHEMES
from chinchilla_lib.fitting.envelope import envelope_estimator
from chinchilla_lib.fitting.profile import profile_intervals
from chinchilla_lib.fitting.report import fit_report
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["register", "run"]

_METHODS: Final = ("envelope", "isoflop", "valley", "parametric")
_HEADLINE: Final = "parametric"
_PROFILE: Final = "profile"
_SILENT_SECONDS: Final = 10.0
_LARGEST: Final = sys.float_info.max
_SHARED: Final = (
    "verdict", "verdict_reason", "law", "loss_known", "objective", "exponents", "coefficients", "intervals",
    "intervals_from", "flops_range", "frontier",
)  # fmt: skip
_READ_BY: Final = {
    "curves": ("envelope", "all"),
    "decayed": ("envelope", "all"),
    "tied": ("parametric", "all"),
    "floor": ("parametric", "all"),
}

_EPILOG: Final = """\
examples:
  chinchilla-lib fit runs.csv --method isoflop --bootstrap 1000 --seed 0 --json fit.json
  chinchilla-lib fit runs.csv --method parametric --delta 1e-3 --json law.json

RUNS.csv has one row per finished run and the columns n_params, n_tokens and loss (nats per
token). Read where present: flops (default 6 n_params n_tokens), flops_budget (else budgets
are found by clustering flops), flops_convention, run_id, seed, loss_unit. Messages count rows
as an editor counts lines: the header is row 1.

methods:
  envelope    Approach 1: the lowest of the training curves at 1,500 budgets
  isoflop     Approach 2: a parabola through the valley of each budget
  valley      Approach 2 with the valley's own shape in place of the parabola
  parametric  Approach 3: L = E + A / N^alpha + B / D^beta through all runs
  all         each of these that the input allows; one that fails does not stop the others

The JSON leads with the verdict: identifiable, weakly identifiable or not identifiable. The law
and the objective are written whatever it says.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "fit",
        help=COMMANDS["fit"],
        description="Fit the compute-optimal frontier, N_opt = k C^a and D_opt = k' C^b, to a table of runs.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("runs", metavar="RUNS.csv", type=Path, help="table of finished runs")
    add(
        "--method",
        choices=[*_METHODS, "all"],
        default=ISOFLOP.method,
        help="see below (default isoflop)",
        metavar="METHOD",
    )
    add(
        "--delta",
        type=float,
        default=1e-3,
        metavar="DELTA",
        help="parametric: where Huber's function turns into a line, in ln L; inf for least squares, 0 for "
        "least absolute deviations (default 1e-3)",
    )
    add("--tied", action="store_true", help="parametric: hold alpha = beta")
    add("--floor", type=float, metavar="E", help="parametric: hold E at this value, nats per token")
    add("--curves", type=Path, metavar="CURVES.csv", help="envelope: training curves of the runs")
    add("--decayed", action="store_true", help="envelope: final losses only, no curves")
    add(
        "--bootstrap",
        type=int,
        default=4000,
        metavar="DRAWS",
        help="bootstrap resamples for 90%% intervals; 0 for none (default 4000)",
    )
    add(
        "--scheme",
        choices=[*SCHEMES, _PROFILE],
        default="pairs",
        help="how resamples are drawn (default pairs); profile (parametric): intervals of a, b and the law "
        "from the objective's profile, those of the frontier and the verdict from pairs",
    )
    add("--seed", type=int, default=0, metavar="SEED", help="seed of the resampling (default 0)")
    add("--json", type=Path, metavar="OUT.json", help="also write the result to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the fit, and write it where ``--json`` says."""
    _check(options)
    table = SweepTable.from_csv(options.runs)
    estimators, left_out = _estimators(options, table)
    if options.method != "all":
        report, text = _fit(options, estimators[options.method], table)
    else:
        report, text = _all(options, table, estimators, left_out)
    write_json(options.json, report)
    sys.stdout.write(text)
    return 0


def _check(options: argparse.Namespace) -> None:
    for name, methods in _READ_BY.items():
        given = getattr(options, name)
        if given is not None and given is not False and options.method not in methods:
            raise InputError(f"--{name} is read by --method {' and '.join(methods)}, not by {options.method}")
    if options.curves is not None and options.decayed:
        raise InputError("--decayed reads final losses, not --curves; give one of the two")
    if not options.delta >= 0:
        raise InputError(f"--delta must be 0 or above, found {options.delta}; the paper's is 1e-3")
    if options.floor is not None and not options.floor >= 0:
        raise InputError(f"--floor must be 0 or above (nats per token), found {options.floor}")
    check_json(options.json, {"the table of runs": options.runs, "the table of curves": options.curves})


def _estimators(
    options: argparse.Namespace, table: SweepTable
) -> tuple[Mapping[str, Estimator], Mapping[str, str]]:
    """The methods that the input allows, and why not the others."""
    estimators = {
        "isoflop": ISOFLOP,
        "valley": VALLEY,
        "parametric": parametric_estimator(options.delta, options.tied, options.floor),
    }
    if options.curves is not None or options.decayed:
        curves = None if options.curves is None else CurveTable.from_csv(options.curves, table)
        return {"envelope": envelope_estimator(curves, decayed=options.decayed)} | estimators, {}
    missing = "it reads training curves: give --curves CURVES.csv, or --decayed for final losses only"
    if options.method == "envelope":
        raise InputError(f"--method envelope: {missing}")
    return estimators, {"envelope": missing}


def _fit(options: argparse.Namespace, estimator: Estimator, table: SweepTable) -> tuple[dict[str, Any], str]:
    """Report and text of one method."""
    profiled = options.scheme == _PROFILE
    if profiled and estimator.method != "parametric":
        raise InputError(f"method {estimator.method} has no profile scheme; use pairs")
    scheme = "pairs" if profiled else options.scheme
    fit = bootstrap_fit(
        estimator,
        table,
        n_draws=options.bootstrap,
        seed=options.seed,
        scheme=scheme,
        on_progress=_Progress(estimator.method, options.bootstrap),
    )
    report, text = fit_report(fit), f"{fit}\n"
    if profiled and fit.diagnostics.degenerate is None:
        ends = profile_intervals(fit)
        known = {name: [min(low, _LARGEST), min(high, _LARGEST)] for name, (low, high) in ends.items()}
        report |= {"intervals": {"level": 0.9, **known}, "intervals_from": _PROFILE}
        text += "".join(
            f"  {name:<5} 90% profile {low:.5g} to {high:.5g}\n" for name, (low, high) in ends.items()
        )
    elif profiled:
        report |= {"intervals": None, "intervals_from": None}
    return report, text


class _Progress:
    """How many resamples are done and about how long the rest take, where it is long: at most a line in ten
    seconds."""

    def __init__(self, method: str, n_draws: int) -> None:
        self._method, self._n_draws = method, n_draws
        self._started, self._said = time.monotonic(), -_SILENT_SECONDS

    def __call__(self, n_done: int) -> None:
        passed = time.monotonic() - self._started
        left = passed * (self._n_draws - n_done) / n_done
        is_long, is_due = passed + left > _SILENT_SECONDS, passed > self._said + _SILENT_SECONDS
        if is_long and is_due and n_done < self._n_draws:
            done = f"{n_done:,} of {self._n_draws:,} resamples"
            say(f"{self._method}: {done}, about {duration(left)} left; fewer with --bootstrap")
            self._said = passed


def _all(
    options: argparse.Namespace,
    table: SweepTable,
    estimators: Mapping[str, Estimator],
    left_out: Mapping[str, str],
) -> tuple[dict[str, Any], str]:
    """Report and text of every method; the parametric fit also stands at the top of the report."""
    fits: dict[str, Any] = {}
    texts: list[str] = []
    failures: list[str] = []
    for name, estimator in estimators.items():
        try:
            fits[name], text = _fit(options, estimator, table)
            texts.append(text)
        except InputError as error:
            failures.append(str(error))
            fits[name] = {"method": name, "error": str(error)}
            texts.append(f"{name}: no fit: {error}\n")
    if len(failures) == len(estimators):
        raise InputError(f"no method has a fit: {'; '.join(dict.fromkeys(failures))}")
    texts += [f"{name}: left out: {why}\n" for name, why in left_out.items()]
    headline = fits[_HEADLINE]
    report = {
        "method": "all",
        "source": table.source,
        "n_runs": len(table),
        "flops_convention": table.flops_convention,
        "headline": _HEADLINE,
        **{name: headline.get(name) for name in _SHARED},
        "fits": fits,
        "left_out": dict(left_out),
    }
    return report, "\n".join(texts)
