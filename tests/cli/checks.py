"""What commands' tests ask: a report that is JSON, one line for what is wrong, examples that run."""

import json
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.cli import main


def report_of(folder: Path, *command: str) -> dict[str, Any]:
    """What a command writes with ``--json``; NaN and infinity are no JSON."""
    out = folder / "out.json"
    assert main([*command, "--json", str(out)]) == 0

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    report: dict[str, Any] = json.loads(out.read_text(), parse_constant=refuse)
    return report


def costs_one_line(capsys: pytest.CaptureFixture[str], message: str, *command: str) -> None:
    """The command fails with status 2 and says why in one line, and nothing else."""
    assert main(list(command)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("chinchilla-lib: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def run_examples(epilog: str) -> int:
    """Run every command that a help text shows, and count them."""
    examples = [line.split() for line in epilog.splitlines() if line.startswith("  chinchilla-lib ")]
    for example in examples:
        assert main(example[1:]) == 0
    return len(examples)
