"""Dispatch, exit statuses and what the command line does not import."""

import importlib.metadata
import signal
import subprocess
import sys
import types

import pytest

from chinchilla_lib import cli
from chinchilla_lib.errors import InputError, MissingExtraError

PROGRAM = [sys.executable, "-m", "chinchilla_lib"]


def _stand_in(monkeypatch: pytest.MonkeyPatch, outcome: BaseException | int) -> None:
    """Put a command in the place of fit that does one thing."""

    def run(_: object) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    module = types.ModuleType("chinchilla_lib.cli.fit")
    module.register = lambda subparsers: subparsers.add_parser("fit").set_defaults(run=run)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chinchilla_lib.cli.fit", module)


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        (0, 0, ""),
        (3, 3, ""),
        (InputError("runs.csv is empty"), 2, "chinchilla-lib: error: runs.csv is empty\n"),
        (KeyboardInterrupt(), 130, "chinchilla-lib: interrupted\n"),
    ],
)
def test_exit_statuses(
    outcome: BaseException | int,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _stand_in(monkeypatch, outcome)
    assert cli.main(["fit"]) == status
    assert capsys.readouterr().err == message


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _stand_in(monkeypatch, MissingExtraError("torch", "train"))
    assert cli.main(["fit"]) == 2
    assert "pip install 'chinchilla-lib[train]'" in capsys.readouterr().err


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_in(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["fit"])


@pytest.mark.parametrize("arguments", [[], ["fits"], ["--verbose"]])
def test_usage_errors_cost_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("chinchilla-lib: error: ")
    assert captured.err.count("\n") == 1


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, text in cli.COMMANDS.items():
        assert f"\n    {name}" in shown
        assert text in shown
    assert "example: chinchilla-lib flops --model chinchilla" in shown


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"chinchilla-lib {importlib.metadata.version('chinchilla-lib')}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_registers_and_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"chinchilla-lib {name}" in capsys.readouterr().out.partition("example")[2]


def test_counting_flops_imports_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys; from chinchilla_lib.cli import main; main(['flops', '--model', 'gopher']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    process = subprocess.Popen(
        [*PROGRAM, "flops", "--model", "gopher"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 128 + signal.SIGPIPE
    assert complaint == b""
