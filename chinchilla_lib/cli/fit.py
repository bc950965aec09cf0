"""``chinchilla-lib fit``: the compute-optimal frontier of a table of runs."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, FrontierFit, bootstrap_fit
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["register", "run"]

_ESTIMATORS: Final = {estimator.method: estimator for estimator in (ISOFLOP,)}
_LEVEL: Final = 0.9

_EPILOG: Final = """\
example:
  chinchilla-lib fit runs.csv --method isoflop --bootstrap 1000 --seed 0 --json fit.json

RUNS.csv has one row per finished run and the columns n_params, n_tokens and loss (nats per
token). Read where present: flops (default 6 n_params n_tokens), flops_budget (else budgets
are found by clustering flops), flops_convention, run_id, seed. Messages count rows as an
editor counts lines: the header is row 1.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "fit",
        help=COMMANDS["fit"],
        description="Fit the compute-optimal frontier, N_opt = k C^a and D_opt = k' C^b, to a table of runs.",
        epilog=_EPILOG,
    )
    parser.add_argument("runs", metavar="RUNS.csv", type=Path, help="table of finished runs")
    parser.add_argument(
        "--method",
        choices=list(_ESTIMATORS),
        default=ISOFLOP.method,
        help="isoflop: parabolas through the valleys, Approach 2 (default)",
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=1000,
        metavar="DRAWS",
        help="bootstrap resamples for 90%% intervals; 0 for none (default 1000)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="SEED", help="seed of the resampling (default 0)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the result to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the fit, and write it where ``--json`` says."""
    if options.json is not None and os.path.realpath(options.json) == os.path.realpath(options.runs):
        raise InputError(f"--json {options.json} is the table of runs itself; name another file")
    table = SweepTable.from_csv(options.runs)
    estimator = _ESTIMATORS[options.method]
    fit = bootstrap_fit(estimator, table, n_draws=options.bootstrap, seed=options.seed)
    if options.json is not None:
        _write(options.json, json.dumps(_report(fit), indent=2, allow_nan=False) + "\n")
    sys.stdout.write(f"{fit}\n")
    return 0


def _report(fit: FrontierFit) -> dict[str, Any]:
    intervals = None
    if fit.has_intervals:
        intervals = {"level": _LEVEL} | {name: list(fit.interval(name, _LEVEL)) for name in ("a", "b")}
    return {
        "method": fit.method,
        "source": fit.table.source,
        "n_runs": len(fit.table),
        "flops_convention": fit.table.flops_convention,
        "exponents": {"a": fit.a, "b": fit.b},
        "coefficients": {"n_opt": fit.n_opt.coefficient, "d_opt": fit.d_opt.coefficient},
        "intervals": intervals,
        "optimum": [
            {
                "flops": point.flops,
                "n_params": point.n_params,
                "n_tokens": point.n_tokens,
                "tokens_per_param": point.n_tokens / point.n_params,
                "loss": point.loss,
            }
            for point in fit.points
        ],
        "diagnostics": fit.diagnostics.to_dict(),
    }


def _write(path: Path, text: str) -> None:
    """Write a file so that it is complete or as it was before; a pipe or device is written directly."""
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"--json {path} cannot be written: {error.strerror or error}") from None
