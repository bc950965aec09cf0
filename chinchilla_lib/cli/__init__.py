"""The command line: parse, call, print. One module per command, imported when it is called.

A command module has ``register(subparsers)``, which adds its parser and sets the default
``run``, a function from the parsed arguments to the exit status.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final, NoReturn

from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["COMMANDS", "main"]

PROG: Final = "chinchilla-lib"

COMMANDS: Final = {
    "flops": "count the parameters and training FLOPs of a transformer",
    "corpus": "build and check a tokenised corpus",
    "train": "train one run, alone or over several processes",
    "sweep": "plan and train a sweep of small models",
    "experiment": "run, judge and record an experiment of the book",
    "fit": "fit the compute-optimal frontier to a table of runs",
    "allocate": "print the compute-optimal model for a budget",
    "evaluate": "score a model on downstream tasks",
    "design": "choose the next runs: those that tell one number of the law best",
    "power": "count the runs that tell two exponents apart",
    "game": "the budget game of a course: replay, score, serve",
}
"""Help of each command; ``chinchilla_lib.cli.NAME`` is its module."""

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviated options, keeps examples as written, and fails in one line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see '{self.prog} --help'")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; by default those of the process.

    Returns
    -------
    int
        0 on success, 2 on bad input or a missing extra (after one line on standard
        error), 130 when interrupted, 141 when the reader of the output went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser(arguments).parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
    except (InputError, MissingExtraError) as error:
        sys.stderr.write(f"{PROG}: error: {error}\n")
        return 2
    except SystemExit as stop:  # argparse ends --help and --version this way
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        sys.stderr.write(f"{PROG}: interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more at exit; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the options of the command that is called and only the names of the others."""
    parser = _Parser(
        prog=PROG,
        description="Accounting, sweeps and estimators of compute-optimal training.",
        epilog=f"example: {PROG} flops --model chinchilla",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('chinchilla-lib')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, text in COMMANDS.items():
        if name == called:
            import_module(f"{__name__}.{name}").register(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser
