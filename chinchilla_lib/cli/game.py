"""``chinchilla-lib game``: variants, a plan for the truth, checks, the leaderboard, the oracle."""

import argparse
import csv
import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.cli._terminal import say, stop
from chinchilla_lib.errors import InputError
from chinchilla_lib.game.game import replay
from chinchilla_lib.game.scoring import Truth, leaderboard, write_leaderboard
from chinchilla_lib.game.server import OracleServer, new_tokens, read_tokens
from chinchilla_lib.game.variants import VARIANTS, find_variant, recorded_surface
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib game variants
  chinchilla-lib game truth zipf-recall --out truth-plan.json
  chinchilla-lib sweep run --plan truth-plan.json --out truth
  chinchilla-lib game check ada.jsonl
  chinchilla-lib game leaderboard submissions zipf-recall --truth truth/runs.csv --csv board.csv
  chinchilla-lib game tokens ada bob > tokens.csv
  chinchilla-lib game serve zipf-recall --tokens tokens.csv --folder ledgers

The truth is the one secret: keep the folder of its sweep to yourself. 'practice' has a public one.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "game",
        help=COMMANDS["game"],
        description="The budget game: a FLOP budget, an oracle of recorded runs, and a forecast that is "
        "scored. Students play in Python (chinchilla_lib.game.game.Game); these are the tools around it.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    variants = actions.add_parser("variants", help="list what can be played")
    variants.add_argument("--json", type=Path, metavar="OUT.json", help="also write them to this file")
    variants.set_defaults(run=_variants)

    truth = actions.add_parser("truth", help="plan the runs at the far budget, for 'sweep run --plan'")
    truth.add_argument("variant", metavar="VARIANT")
    truth.add_argument("--seeds", type=int, default=2, metavar="N", help="seeds of each size (2)")
    truth.add_argument("--out", type=Path, required=True, metavar="FILE", help="the plan")
    truth.set_defaults(run=_truth)

    check = actions.add_parser("check", help="replay one ledger")
    check.add_argument("ledger", type=Path, metavar="LEDGER")
    _add_table(check)
    check.set_defaults(run=_check)

    board = actions.add_parser("leaderboard", help="replay and score a folder of ledgers")
    board.add_argument("folder", type=Path, metavar="FOLDER")
    board.add_argument("variant", metavar="VARIANT")
    board.add_argument("--truth", type=Path, metavar="RUNS.csv", help="true runs (for practice: public ones)")
    _add_table(board)
    board.add_argument("--csv", type=Path, metavar="OUT.csv", help="also write all columns to this file")
    board.add_argument("--json", type=Path, metavar="OUT.json", help="likewise")
    board.set_defaults(run=_leaderboard)

    tokens = actions.add_parser("tokens", help="make a token for each student, as CSV")
    tokens.add_argument("students", nargs="+", metavar="STUDENT")
    tokens.set_defaults(run=_tokens)

    serve = actions.add_parser("serve", help="answer a class and keep its ledgers")
    serve.add_argument("variant", metavar="VARIANT")
    serve.add_argument("--tokens", type=Path, required=True, metavar="CSV", help="columns student and token")
    serve.add_argument("--folder", type=Path, required=True, metavar="DIR", help="where ledgers are kept")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (this machine alone)")
    serve.add_argument("--port", type=int, default=8770, metavar="P", help="port (8770; 0 takes a free one)")
    _add_table(serve)
    serve.set_defaults(run=_serve)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--table", type=Path, metavar="RUNS.csv", help="runs that answer in place of the recorded ones"
    )


def run(options: argparse.Namespace) -> int:
    """Carry out an action of the command."""
    status: int = options.run(options)
    return status


def _variants(options: argparse.Namespace) -> int:
    rows = []
    for name, variant in VARIANTS.items():
        surface = recorded_surface(name)
        known = {
            "n_runs": surface.n_runs,
            "seed_noise": surface.noise,
            "left_out_error": surface.left_out_error,
            "n_params": list(surface.size_range),
        }
        rows.append({**variant.to_dict(), **known})
        low, high = map(format_count, surface.size_range)
        sys.stdout.write(
            f"{name}: {variant.title}\n"
            f"  budget {format_flops(variant.budget)} FLOPs, to forecast {format_flops(variant.far_budget)}\n"
            f"  {surface.n_runs} recorded runs of {low} to {high} parameters; "
            f"seeds scatter by {surface.noise:.2%},\n"
            f"  a run left out is foretold within {surface.left_out_error:.2%}\n"
        )
    write_json(options.json, {"variants": rows})
    return 0


def _truth(options: argparse.Namespace) -> int:
    variant = find_variant(options.variant)
    plan = variant.truth_plan(options.seeds)
    write_json(options.out, plan.to_dict(), option="--out")
    say(
        f"{options.out}: {len(plan.configs)} runs, {format_flops(plan.flops)} FLOPs in all; "
        f"'chinchilla-lib sweep plan --plan {options.out}' prices them on this machine"
    )
    return 0


def _check(options: argparse.Namespace) -> int:
    found = replay(options.ledger, table=_table(options.table))
    variant = find_variant(found.variant)
    sys.stdout.write(
        f"{found.student}, {found.variant}: {found.n_answers} answers, {format_flops(found.spent)} of "
        f"{format_flops(variant.budget)} FLOPs spent, "
        f"{'submitted' if found.submission else 'nothing submitted yet'}\n"
    )
    for reason in found.reasons:
        sys.stdout.write(f"  does not hold: {reason}\n")
    if not found.reasons:
        sys.stdout.write("  holds: every answer and all spending are the game's\n")
    return 1 if found.reasons else 0


def _leaderboard(options: argparse.Namespace) -> int:
    for path, suffix in ((options.csv, ".csv"), (options.json, ".json")):
        if path is not None and path.suffix != suffix:
            raise InputError(f"{path}: end it with {suffix}")
        check_json(path, {"the truth": options.truth, "the table": options.table})
    truth = None if options.truth is None else SweepTable.from_csv(options.truth)
    rows = leaderboard(options.folder, options.variant, truth, table=_table(options.table))
    known = Truth.of(options.variant, truth)
    sys.stdout.write(
        f"{options.variant}: the lowest loss is {known.lowest:.4f}, at {format_count(known.n_opt)} "
        f"parameters ({known.n_runs} runs of {known.n_sizes} sizes, "
        f"{known.scatter:.2%} about their parabola)\n"
        "rank  student                score  interval  regret\n"
    )
    for row in rows:
        if row.rank is None:
            sys.stdout.write(f"   -  {row.student or row.file:20} {row.reason}\n")
        else:
            held = "" if row.covered else "  missed"
            numbers = f"{row.score:7.3f} {row.interval:9.3f} {row.regret:7.4f}"
            sys.stdout.write(f"{row.rank:4}  {row.student:20} {numbers}{held}\n")
    for path in (options.csv, options.json):
        if path is not None:
            write_leaderboard(rows, path)
    return 0


def _tokens(options: argparse.Namespace) -> int:
    tokens = new_tokens(options.students)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([("student", "token"), *tokens.items()])
    return 0


def _serve(options: argparse.Namespace) -> int:
    if not 0 <= options.port < 2**16:
        raise InputError(f"--port is {options.port}; give 0 to 65535")
    tokens = read_tokens(options.tokens)
    with OracleServer(
        options.variant,
        tokens,
        options.folder,
        table=_table(options.table),
        host=options.host,
        port=options.port,
    ) as server:
        say(f"{len(tokens)} students, ledgers in {options.folder}; Ctrl-C ends it")
        say(f'Game(STUDENT, "{options.variant}", oracle={json.dumps(server.address)}, token=TOKEN)')
        if options.host not in ("127.0.0.1", "localhost", "::1"):
            say("tokens travel in the clear: put a server that speaks TLS before it, or use a closed network")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        server.serve_forever()
    return 0


def _table(path: Path | None) -> SweepTable | None:
    return None if path is None else SweepTable.from_csv(path)
