"""Errors that name what was met, what is allowed and the next step."""

__all__ = ["DivergedError", "InputError", "MissingExtraError", "one_line"]


class InputError(ValueError):
    """Bad input from outside.

    The message is one line: it names the argument or the file (with column and row),
    the value met, what is allowed, and the next step. The command line prints it and
    exits with status 2. What a file says stands in messages, so control characters and
    ends of lines are escaped: no file can forge a line of output or move the cursor.

    Parameters
    ----------
    message : str

    Examples
    --------
    >>> str(InputError("column 'a\\nb' is unknown")) == "column 'a\\\\nb' is unknown"
    True
    """

    def __init__(self, message: object) -> None:
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """A text with control characters, ends of lines and unpaired surrogates escaped.

    Examples
    --------
    >>> len(one_line("two" + chr(10) + "lines").splitlines())
    1
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
