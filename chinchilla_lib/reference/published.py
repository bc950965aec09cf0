"""Training runs that others published: found on this machine, or downloaded and checked."""

import csv
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from chinchilla_lib.downloads import data_folder, download_file
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["ISOFLOP_BUDGETS", "PUBLISHED", "PublishedSource", "PublishedTable", "load_published"]

FloatArray = npt.NDArray[np.float64]
Points = Literal["fitted", "all", "isoflop"]

ISOFLOP_BUDGETS: Final = (6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21)
"""The nine budgets of Figure 3, in FLOPs."""

_BELOW, _ABOVE = 0.85, 1.05


@dataclass(frozen=True, kw_only=True)
class PublishedSource:
    """Where a published table of runs is, and how it is known to be the right one."""

    title: str
    """What the runs are."""
    cite: str
    """What to cite."""
    licence: str
    """Under which terms it was published."""
    url: str
    """The file at a fixed commit."""
    file_names: tuple[str, ...]
    """Names under which the file is looked for in a folder."""
    columns: Mapping[str, str]
    """Name here of each column that is read, by its name in the published file."""
    n_rows: int
    """Runs in the file."""
    sha256: str
    """Of the numbers read, with ten significant digits, one run a line: independent of the file's layout."""
    n_left_out: int
    """Runs that the authors' own fit leaves out: those with the largest losses."""
    notes: tuple[str, ...]
    """What a user of the numbers must know."""


PUBLISHED: Final[Mapping[str, PublishedSource]] = MappingProxyType(
    {
        "epoch_fig4": PublishedSource(
            title="final losses of Figure 4 of Hoffmann et al. (2022), read off the figure by Epoch AI",
            cite="Hoffmann et al. 2022 (arXiv 2203.15556); Besiroglu et al. 2024 (arXiv 2404.10102)",
            licence="none stated in the repository",
            url="https://raw.githubusercontent.com/epoch-research/analyzing-chinchilla/"
            "92258837425e1b5f2851d624287f0120583a3d0e/data/svg_extracted_data.csv",
            file_names=("epoch_fig4.csv", "svg_extracted_data.csv"),
            columns=MappingProxyType({"Model Size": "n_params", "Training FLOP": "flops", "loss": "loss"}),
            n_rows=245,
            sha256="4bc6511254393a04c94dd8bc76f1bd7590a0ee6af7f8e5972e24f81200361b77",
            n_left_out=5,
            notes=(
                "the losses were read from colours and take 99 values, some 0.5 % apart: more than the "
                "kink of a Huber loss with delta = 1e-3, so reading noise sets the intervals",
                "the figure shows no tokens: D is C / (6 N), however the paper counted C; Table A4 puts the "
                "two counts up to 10 % apart",
                "five runs with 0.04 to 0.4 tokens per parameter and the largest losses are left out, as in "
                "the authors' fit; with them beta rises from 0.37 to 0.45",
                "not all of the more than 400 runs: dots that lie under others were not found",
                "alpha and beta, and A and B, are almost collinear here: quote exponents and predictions",
            ),
        )
    }
)
"""Published tables of runs that can be loaded, by name."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedTable(SweepTable):
    """A table of published runs, which every estimator takes as it takes any `SweepTable`."""

    title: str
    """What the runs are."""
    cite: str
    """What to cite."""
    notes: tuple[str, ...] = field(default=())
    """What a user of the numbers must know."""


def load_published(
    name: str = "epoch_fig4",
    *,
    points: Points = "fitted",
    folder: str | Path | None = None,
    download: bool = True,
) -> PublishedTable:
    """Load published runs from a folder, or else from where they were published.

    Parameters
    ----------
    name : str
        A key of `PUBLISHED`.
    points : {"fitted", "all", "isoflop"}
        Those of the authors' own fit; all; or those of the fit that cost 15 % less to 5 % more than one
        of the `ISOFLOP_BUDGETS`, with that budget as ``flops_budget`` (the figure does not say which runs
        belong to which budget).
    folder : path, optional
        Where the file lies; nothing is downloaded then. By default ``published`` in the folder named by the
        environment variable ``CHINCHILLA_DATA``, else in the user's cache.
    download : bool
        Whether to download what is not there; the file is kept.

    Returns
    -------
    PublishedTable
        FLOPs counted as 6ND.

    Raises
    ------
    InputError
        If the name or `points` is unknown, the file is neither here nor to be had, or it holds other numbers.
    """
    if name not in PUBLISHED:
        raise InputError(f"no published runs are called {name!r}; choose one of {', '.join(PUBLISHED)}")
    if points not in get_args(Points):
        raise InputError(f"points must be one of {', '.join(get_args(Points))}, found {points!r}")
    source = PUBLISHED[name]
    path = _find(name, source, None if folder is None else Path(folder), download)
    columns = _read(path, source)
    _check(path, columns, source)
    n_params, flops, loss = columns["n_params"], columns["flops"], columns["loss"]
    budget = None
    kept = np.arange(len(loss))
    if points != "all":
        kept = np.sort(np.argsort(loss, kind="stable")[: len(loss) - source.n_left_out])
    if points == "isoflop":
        ratio = flops[kept, None] / np.array(ISOFLOP_BUDGETS)
        run, valley = np.nonzero((ratio >= _BELOW) & (ratio <= _ABOVE))
        kept, budget = kept[run], np.array(ISOFLOP_BUDGETS)[valley]
    return PublishedTable(
        run_id=tuple(f"{name}-{row}" for row in kept),
        n_params=n_params[kept],
        n_tokens=flops[kept] / (6 * n_params[kept]),
        loss=loss[kept],
        flops=flops[kept],
        flops_budget=budget,
        flops_convention="six_nd",
        source=f"{name} ({len(kept)} of {source.n_rows} points)",
        title=source.title,
        cite=source.cite,
        notes=source.notes,
    )


def _find(name: str, source: PublishedSource, folder: Path | None, download: bool) -> Path:
    place = data_folder("published") if folder is None else folder
    for file_name in source.file_names:
        if (place / file_name).is_file():
            return place / file_name
    what = f"{name} ({' or '.join(source.file_names)}, looked for in {place})"
    if folder is not None or not download:
        raise InputError(f"{what} is not there; put the file there, it is published at {source.url}")
    path = place / source.file_names[-1]
    download_file(source.url, path, what=what)
    return path


def _read(path: Path, source: PublishedSource) -> dict[str, FloatArray]:
    """The columns, named as in the published file or as here."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); remove it and load again") from None
    header = rows[0].keys() if rows else ()
    columns = {}
    for published, here in source.columns.items():
        column = next((name for name in (published, here) if name in header), None)
        if column is None:
            raise InputError(f"{path}: there is no column {published!r}; remove the file and load again")
        columns[here] = np.array([_number(row[column]) for row in rows])
    return columns


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def _check(path: Path, columns: Mapping[str, FloatArray], source: PublishedSource) -> None:
    lines = (" ".join(f"{value:.9e}" for value in row) for row in zip(*columns.values(), strict=True))
    found = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if found != source.sha256:
        raise InputError(
            f"{path}: the SHA-256 of its numbers begins {found[:12]}, not {source.sha256[:12]}; "
            f"remove the file, it is published at {source.url}"
        )
