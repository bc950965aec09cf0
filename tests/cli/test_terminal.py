"""Spans of time, lines on standard error, and a signal that stops as Ctrl-C does."""

import os
import signal

import pytest

from chinchilla_lib.cli._terminal import duration, say, stop


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (7325, "122 min 05 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    say("three runs are left")
    assert capfd.readouterr() == ("", "three runs are left\n")


def test_a_signal_interrupts() -> None:
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
