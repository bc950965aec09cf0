"""Errors that name what was met, what is allowed and the next step."""

__all__ = ["DivergedError", "InputError", "MissingExtraError"]


class InputError(ValueError):
    """Bad input from outside.

    The message is one line: it names the argument or the file (with column and row),
    the value met, what is allowed, and the next step. The command line prints it and
    exits with status 2.
    """


class DivergedError(RuntimeError):
    """The loss of a run stopped being a number; the message names the run and the step."""


class MissingExtraError(ImportError):
    """An optional dependency is absent.

    Parameters
    ----------
    package : str
        The module that could not be imported.
    extra : str
        The extra of this distribution that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package!r} is not installed; it comes with the extra {extra!r}: "
            f"pip install 'chinchilla-lib[{extra}]'"
        )
        self.package = package
        self.extra = extra
