"""``chinchilla-lib power``: how many runs tell two exponents apart, and what given runs can tell."""

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._format import parse_number
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.planned_profiles import law_with_exponent, plan_profiles
from chinchilla_lib.fitting.power import fewest_sizes, measure_power, read_sweep
from chinchilla_lib.fitting.power_theory import METHODS
from chinchilla_lib.reference.laws import LAWS, find_law
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["register", "run"]

_NOISE: Final = 0.002
_DESIGN: Final[Mapping[str, Any]] = {
    "budgets": 9,
    "sizes": 9,
    "decades": 3.0,
    "window": 0.5,
    "flops": "1e18",
    "law": "hoffmann",
}

_EPILOG: Final = """\
examples:
  chinchilla-lib power --from 0.46 --to 0.50 --budgets 5 --sizes 7 --decades 2 --noise 0.003
  chinchilla-lib power --runs runs.csv --to 0.50 --json power.json
  chinchilla-lib power --runs runs.csv

The first exponent is to be excluded, the second is true: how many seeds of the design make it likely that
the interval of a leaves the first one out? With --seeds, or without --to, what given runs tell. The answer
is by theory, checked by simulated sweeps; if these have too little power, seeds are added. Noise is the
standard deviation of the loss between seeds, relative to the loss: 0.002 is 0.2%.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "power",
        help=COMMANDS["power"],
        description="Print how many runs of an IsoFLOP design tell two exponents of N_opt apart, or what "
        "difference given runs detect.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("--from", type=float, dest="a_from", metavar="A", help="exponent to exclude (with --runs: the fit's)")
    add(
        "--to",
        type=float,
        dest="a_to",
        metavar="A",
        help="the true exponent (default: only what is detectable)",
    )
    add("--runs", type=Path, metavar="RUNS.csv", help="read design, law and noise from this table")
    add(
        "--noise",
        type=float,
        metavar="SD",
        help=f"noise of the loss, relative (default {_NOISE}, or the residuals of --runs)",
    )
    add("--budgets", type=int, metavar="N", help="number of budgets (default 9)")
    add("--sizes", type=int, metavar="N", help="sizes at each budget (default 9)")
    add("--decades", type=float, metavar="D", help="powers of ten from first to last budget (default 3)")
    add("--window", type=float, metavar="W", help="powers of ten of size to either side (default 0.5)")
    add("--flops", metavar="FLOPS", help="the smallest budget (default 1e18)")
    add("--law", metavar="LAW", help=f"shape of the loss: {', '.join(LAWS)} (default hoffmann)")
    add("--seeds", type=int, metavar="N", help="runs of each size (default: as many as it takes)")
    add("--level", type=float, default=0.9, metavar="P", help="of the interval (default 0.9)")
    add("--power", type=float, default=0.8, metavar="P", help="probability to reach (default 0.8)")
    add("--method", default="isoflop", metavar="METHOD", help=f"{' or '.join(METHODS)} (default isoflop)")
    add(
        "--simulations",
        type=int,
        default=2000,
        metavar="K",
        help="sweeps that check it (default 2000; 0 none)",
    )
    add("--seed", type=int, default=0, metavar="SEED", help="of the simulation (default 0)")
    add("--json", type=Path, metavar="OUT.json", help="also write the result to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the power, and write it where ``--json`` says."""
    check_json(options.json, {"the table of runs": options.runs})
    asked: dict[str, Any] = {
        "a_to": options.a_to, "level": options.level, "power": options.power, "method": options.method,
    }  # fmt: skip
    rest: dict[str, Any] = {
        "n_seeds": options.seeds,
        "n_simulated": options.simulations,
        "seed": options.seed,
    }
    fewer = None
    if options.runs is not None:
        for name in _DESIGN:
            if getattr(options, name) is not None:
                raise InputError(f"--{name} is not read with --runs, which has a design of its own")
        sweep = read_sweep(SweepTable.from_csv(options.runs), options.method, noise=options.noise)
        a_from = sweep.law.a if options.a_from is None else options.a_from
        found = measure_power(sweep.table, sweep.law, noise=sweep.noise, a_from=a_from, **asked, **rest)
    else:
        if options.a_from is None:
            raise InputError("give --from, the exponent to exclude, or --runs with a table to take it from")
        given = {
            name: value if getattr(options, name) is None else getattr(options, name)
            for name, value in _DESIGN.items()
        }
        flops = parse_number(given["flops"], "--flops")
        design: dict[str, Any] = {
            "n_budgets": given["budgets"], "decades": given["decades"], "window": given["window"],
            "flops": flops,
        }  # fmt: skip
        if not 0 < given["decades"] <= 20:
            raise InputError(f"--decades must be above 0, up to 20, found {given['decades']!r}")
        noise = _NOISE if options.noise is None else options.noise
        middle = flops * math.sqrt(10 ** given["decades"])
        law = law_with_exponent(find_law(given["law"]).law, options.a_from, middle)
        table = plan_profiles(law, n_sizes=given["sizes"], **design)
        found = measure_power(table, law, noise=noise, a_from=options.a_from, **asked, **rest)
        if options.a_to is not None and options.seeds is None and found.n_seeds == 1:
            fewer = fewest_sizes(
                law, n_sizes=given["sizes"], noise=noise, a_from=options.a_from, **asked, **design
            )
    text = f"{found}\n"
    if fewer is not None:
        text += f"  one seed is more than it takes: {fewer} sizes at each budget would do, by theory\n"
    write_json(options.json, found.to_dict() | {"n_sizes_enough": fewer})
    sys.stdout.write(text)
    return 0
