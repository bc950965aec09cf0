"""What commands that take long say while they work, and how they are stopped."""

import sys
from types import FrameType

__all__ = ["duration", "say", "stop"]


def duration(seconds: float) -> str:
    """A span of time in words, to the second."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def say(text: str) -> None:
    """Write a line to standard error, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def stop(signum: int, frame: FrameType | None) -> None:
    """A handler of signals that ends the program as Ctrl-C does.

    Raises
    ------
    KeyboardInterrupt
        Always.
    """
    raise KeyboardInterrupt
