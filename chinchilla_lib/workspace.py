"""Where corpora and sweeps live on this machine."""

import os
from pathlib import Path

__all__ = ["folder"]


def folder(*parts: str) -> Path:
    """Path of a folder in the workspace; it need not exist yet.

    The workspace is the folder named by the environment variable ``CHINCHILLA_WORK``,
    else ``chinchilla-work`` in the current folder.

    Parameters
    ----------
    *parts : str
        Names below the workspace, for example ``"sweeps", "ci"``.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> folder("sweeps", "ci").parts[-2:]
    ('sweeps', 'ci')
    """
    root = os.environ.get("CHINCHILLA_WORK") or "chinchilla-work"
    return Path(root).joinpath(*parts)
