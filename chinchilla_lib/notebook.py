"""What a notebook needs of its surroundings: parameters that are checked, and a line on provenance."""

import ast
import html
import platform
import sys
import textwrap
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference.claims import Settled, find_claim

__all__ = ["CLAIM_KEY", "check_parameters", "describe_environment", "settle"]

CLAIM_KEY: Final = "chinchilla_claim"
"""Key, in the metadata of a cell's output, of what the ledger of the book reads."""

INJECTED: Final = "# Parameters"
"""First line of the cell that papermill inserts after the notebook's own parameters."""


def check_parameters() -> None:
    """Refuse parameters passed by papermill that the notebook does not have.

    Papermill writes the values it is given into a cell after the notebook's `parameters` cell
    and runs it whatever the names: with a misspelt one the notebook would run on its default.
    Call this in the next cell. Where nothing was passed (in JupyterLab, on Colab, outside
    IPython) it does nothing.

    Raises
    ------
    InputError
        If a passed name is not assigned in the `parameters` cell, or its value is of another
        type than the default there, or a cell is no Python. An integer may stand for a float; a
        default of None allows any type.

    Examples
    --------
    >>> check_parameters()
    """
    shell = _running_shell()
    if shell is None:
        return
    cells: Sequence[str] = shell.user_ns.get("In", [])
    for position in range(len(cells) - 1, 1, -1):
        if cells[position].startswith(INJECTED):
            compare_parameters(cells[position - 1], cells[position])
            return


def settle(claim: str, value: float, interval: tuple[float, float] | None = None) -> None:
    """Set our figure beside a claim of the ledger and show the verdict; the book's ledger collects it.

    Parameters
    ----------
    claim : str
        Its name in the ledger.
    value : float
        Ours, in the unit of the claim.
    interval : tuple of float, optional
        Lower and upper end.

    Raises
    ------
    InputError
        If there is no such claim, or a number is not finite.

    Examples
    --------
    >>> settle("a9-sizes", 50)
    Table A9: Fifty models with the sizes printed: rows that one formula gives
    to the million. Paper: 50 rows; here: 50. Reproduced exactly.
    """
    settled = find_claim(claim).settle(value, interval)
    if _running_shell() is None:
        print(textwrap.fill(str(settled), 74))  # noqa: T201
        return
    from IPython.display import display

    display(_Shown(settled))  # type: ignore[no-untyped-call]


class _Shown:
    """How a settled claim looks in a notebook, with its figures as metadata."""

    def __init__(self, settled: Settled) -> None:
        self.settled = settled

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        settled, claim = self.settled, self.settled.claim
        page = (
            f'<p class="claim claim-{settled.outcome}" id="claim-{claim.id}">'
            f"<strong>{html.escape(settled.verdict)}</strong> {html.escape(claim.where)}: "
            f"{html.escape(claim.text)} <span>{html.escape(settled.figures)}</span></p>"
        )
        record = {"id": claim.id, "value": settled.value, "interval": settled.interval}
        return {"text/plain": textwrap.fill(str(settled), 74), "text/html": page}, {CLAIM_KEY: record}


def compare_parameters(declared_cell: str, passed_cell: str) -> None:
    """Hold the source of papermill's cell against the source of the `parameters` cell.

    Parameters
    ----------
    declared_cell, passed_cell : str
        Python source in which names are assigned.

    Raises
    ------
    InputError
        As for `check_parameters`.

    Examples
    --------
    >>> compare_parameters("n_layers = 2", "n_layers = 4")
    >>> compare_parameters("n_layers = 2", "n_layer = 4")
    Traceback (most recent call last):
    ...
    chinchilla_lib.errors.InputError: parameter 'n_layer': this notebook has none; it has: n_layers
    """
    declared, passed = _assignments(declared_cell), _assignments(passed_cell)
    for name, value in passed.items():
        if name not in declared:
            raise InputError(
                f"parameter {name!r}: this notebook has none; it has: {', '.join(declared) or 'none'}"
            )
        default = declared[name]
        if default is _NOT_LITERAL or value is _NOT_LITERAL or _may_stand_for(value, default):
            continue
        raise InputError(
            f"parameter {name!r}: {value!r} is of type {type(value).__name__}; the notebook takes "
            f"{type(default).__name__}, such as its default {default!r}"
        )


def describe_environment(packages: Sequence[str] = ("numpy", "scipy", "torch")) -> str:
    """One line on the library, Python and the packages that a result depends on.

    Parameters
    ----------
    packages : sequence of str
        Distributions to name besides this one; those that are not installed are left out.

    Returns
    -------
    str
        For example ``chinchilla-lib 1.0.0, Python 3.11.7, numpy 2.4.6, Linux x86_64``.
    """
    versions = [f"Python {platform.python_version()}"]
    for name in ("chinchilla-lib", *packages):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join([*versions, f"{platform.system()} {platform.machine()}"])


_NOT_LITERAL: Final = object()


def _running_shell() -> Any:
    """IPython's shell, if this code runs in one; IPython is not imported for the purpose."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _assignments(source: str) -> Mapping[str, object]:
    """Names that a cell assigns at its top level, with their values where these are literals."""
    found: dict[str, object] = {}
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise InputError(f"the cell of parameters is no Python: {error}") from None
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                found[target.id] = _literal(node.value)
    return found


def _literal(node: ast.expr | None) -> object:
    """The value of a literal; a marker for any other expression."""
    try:
        return ast.literal_eval(node) if node is not None else _NOT_LITERAL
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NOT_LITERAL


def _may_stand_for(value: object, default: object) -> bool:
    """Whether a value has the type that a default asks for."""
    if default is None or type(value) is type(default):
        return True
    if isinstance(default, float):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(default, list | tuple) and isinstance(value, list | tuple)
