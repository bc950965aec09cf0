"""Checkpoints: weights for evaluation, and the state of a run in its middle.

A checkpoint is a safetensors file whose metadata holds JSON and a SHA-256 of all it says. It appears in
one step, whole or not at all, and one that was damaged afterwards is never read as if it were sound.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from chinchilla_lib._files import PARTIAL, open_whole
from chinchilla_lib._outside import parse_json
from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.model import Transformer

__all__ = ["load_model", "load_state", "save_model", "save_state"]

_STATES_KEPT = 2

_log = logging.getLogger(__name__)


def save_state(folder: Path, step: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Keep the state of a run after a step; of earlier states the newest one stays beside it.

    Parameters
    ----------
    folder : pathlib.Path
        Of this run alone; made when it is missing.
    step : int
        Steps done.
    tensors : mapping
        Tensors by name, on any device; they may share memory.
    meta : mapping
        What else the run needs, as JSON.

    Raises
    ------
    OSError
        If it cannot be written, for example on a full disk; earlier states are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(PARTIAL):  # of a process that was killed
        path.unlink(missing_ok=True)
    _write(folder / f"state-{step:010}.safetensors", tensors, {**meta, "step": step})
    for path in _states(folder)[_STATES_KEPT:]:
        path.unlink()


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Newest sound state of a run; a damaged one is logged and the one before it is taken.

    Parameters
    ----------
    folder : pathlib.Path
        May be missing.

    Returns
    -------
    tensors : dict
        On the CPU.
    meta : dict
        As given to :func:`save_state`, and ``step``.

    None where there is no sound state.
    """
    for path in _states(folder):
        try:
            return _read(path)
        except InputError as error:
            _log.warning("%s; going on from the state before it", error)
    return None


def save_model(path: Path, model: Transformer, config: RunConfig) -> None:
    """Write the weights of a model and the config of its run.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.safetensors`` by custom.
    model : Transformer
    config : RunConfig

    Raises
    ------
    OSError
        If it cannot be written; a file that was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, model.state_dict(), {"config": config.to_dict()})


def load_model(path: Path) -> tuple[Transformer, RunConfig]:
    """Model and config of a file of :func:`save_model`.

    Raises
    ------
    InputError
        If the file is missing, damaged or no model; the message names it.
    """
    tensors, meta = _read(path)
    if "config" not in meta:
        raise InputError(f"{path}: no model, but the state of a run; give a file that 'save_model' wrote")
    try:
        config = RunConfig.from_dict(meta["config"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    held, wanted = sum(tensor.numel() for tensor in tensors.values()), count_params(config.shape).total
    if held != wanted:  # before a model of a size that the file only claims takes all memory
        raise InputError(f"{path}: {held} weights, and the model of its config has {wanted}")
    model = Transformer(config.shape, seed=config.seed)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: the weights do not fit the model of its config: {error}") from None
    return model, config


def _states(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)


def _write(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    copies = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    text = json.dumps(meta, sort_keys=True)
    data = safetensors.torch.save(copies, {"meta": text, "sha256": _digest(copies, text)})
    with open_whole(path, "wb") as file:
        file.write(data)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            written = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a file that 'save_model' wrote") from None
    except (safetensors.SafetensorError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); remove it") from None
    if written.get("sha256") != _digest(tensors, written.get("meta", "")):
        raise InputError(f"{path}: damaged checkpoint (its SHA-256 differs); remove it")
    try:
        meta = parse_json(written["meta"])
    except (KeyError, InputError) as error:
        raise InputError(f"{path}: no checkpoint of this library ({error}); remove it") from None
    if not isinstance(meta, dict):
        raise InputError(f"{path}: no checkpoint of this library (it says {type(meta).__name__}); remove it")
    return tensors, meta


def _digest(tensors: Mapping[str, Tensor], meta: str) -> str:
    digest = hashlib.sha256(meta.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
