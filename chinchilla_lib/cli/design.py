"""``chinchilla-lib design``: the next runs, those that tell one number of the law best for their FLOPs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._format import parse_number
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.design import design_runs
from chinchilla_lib.fitting.design_target import TARGETS
from chinchilla_lib.fitting.offered_runs import candidate_grid
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["register", "run"]

_EPILOG: Final = """\
examples:
  chinchilla-lib design runs.csv --budget 1e21 --max-runs 20
  chinchilla-lib design runs.csv --budget 1e21 --target log_n_opt --at 5.76e23 --json next.json

targets: a is the exponent of N_opt; log_n_opt is ln N_opt at a budget; alpha, beta and E are of the law.

RUNS.csv is as for 'chinchilla-lib fit'. The law of Approach 3 is fitted to it by least squares, and the
runs are those of the least variance at that estimate, of all sizes and token counts of a grid. The
standard error after is that of the same fit to all runs ('fit --method parametric --delta inf'). The
certificate bounds what any runs of the grid at this price could reach; efficiency is the variance
of the bound over that of these runs. FLOPs are counted as in the table.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "design",
        help=COMMANDS["design"],
        description="Print the runs that a budget buys and that, together with the runs so far, tell one "
        "number of the parametric law best.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("runs", metavar="RUNS.csv", type=Path, help="table of the runs so far")
    add("--budget", required=True, metavar="FLOPS", help="what all new runs may cost together, such as 1e21")
    add(
        "--target",
        default="a",
        metavar="TARGET",
        help=f"{', '.join(TARGETS)} (default a)",
    )
    add(
        "--at",
        metavar="FLOPS",
        help="log_n_opt: the budget, C = 6ND (default that of the largest run so far)",
    )
    for name, what in (("params", "parameters"), ("tokens", "training tokens")):
        add(
            f"--n-{name}",
            nargs=2,
            metavar=("LOW", "HIGH"),
            help=f"{what} of a run (default the range of the runs so far, stretched)",
        )
    add(
        "--ratio",
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="tokens per parameter of a run (default the range of the runs so far, stretched)",
    )
    add("--run-flops", nargs=2, metavar=("LOW", "HIGH"), help="FLOPs of one run (default any)")
    add(
        "--factor",
        type=float,
        default=2.0,
        metavar="F",
        help="how far default ranges are stretched to either side (default 2)",
    )
    add(
        "--grid",
        type=int,
        default=25,
        metavar="K",
        help="sizes and token counts to choose from, 2 to 200 (default 25)",
    )
    add("--max-runs", type=int, metavar="R", help="number of runs at most (default no bound but the budget)")
    add(
        "--noise",
        type=float,
        metavar="SD",
        help="standard deviation of ln loss between seeds; 0.002 is 0.2%% (default from the residuals)",
    )
    add(
        "--simulations",
        type=int,
        default=0,
        metavar="K",
        help="check the promise by refits to K simulated losses of all runs (default 0)",
    )
    add("--seed", type=int, default=0, metavar="SEED", help="of the simulation (default 0)")
    add("--json", type=Path, metavar="OUT.json", help="also write the result to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the design, and write it where ``--json`` says."""
    check_json(options.json, {"the table of runs": options.runs})
    if options.target not in TARGETS:
        raise InputError(f"--target is {options.target!r}; give one of {', '.join(TARGETS)}")
    if options.at is not None and options.target != "log_n_opt":
        raise InputError(f"--at is read by --target log_n_opt, not by {options.target}")
    if options.simulations < 0 or options.simulations == 1:
        raise InputError(f"--simulations must be 0, or 2 or above, found {options.simulations}")
    budget = parse_number(options.budget, "--budget")
    table = SweepTable.from_csv(options.runs)
    candidates = candidate_grid(
        table,
        n_params=_range("--n-params", options.n_params),
        n_tokens=_range("--n-tokens", options.n_tokens),
        ratio=_range("--ratio", options.ratio),
        flops=_range("--run-flops", options.run_flops),
        factor=options.factor,
        n_grid=options.grid,
    )
    design = design_runs(
        table,
        budget,
        target=options.target,
        at=None if options.at is None else parse_number(options.at, "--at"),
        candidates=candidates,
        max_runs=options.max_runs,
        noise=options.noise,
        n_simulated=options.simulations,
        seed=options.seed,
    )
    write_json(options.json, design.to_dict())
    sys.stdout.write(f"{design}\n")
    return 0


def _range(name: str, given: Sequence[str] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    low, high = (parse_number(text, name) for text in given)
    return low, high
