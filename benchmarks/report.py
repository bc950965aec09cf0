"""What was measured, as lines on a terminal and as JSON with its provenance."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.gpu import Concurrency
from benchmarks.losses import Learned
from benchmarks.steps import Ratio, Speed
from benchmarks.timing import Spread
from benchmarks.whole_sweep import SweepRatio
from chinchilla_lib._processor import processor_name

__all__ = ["Row", "describe", "provenance", "write_json"]

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("torch", "numpy", "transformers")

Row = Speed | Ratio | Concurrency | Learned | SweepRatio
"""One thing measured."""


def describe(row: Row) -> str:
    """One line."""
    match row:
        case Speed():
            return (
                f"{row.shape:>7}  {row.variant:<48} {row.tokens_per_second.median:>11,.0f} tokens/s "
                f"{row.flops_per_second / 1e9:>9,.1f} GFLOP/s {row.share_of_peak:>5.0%} of "
                f"{row.peak_flops_per_second / 1e9:,.1f}"
            )
        case Ratio():
            names = f"{row.ours} ({row.ours_params:,}) / {row.peer} ({row.peer_params:,})"
            return f"{row.shape:>7}  {names:<78} {_times(row.ratio)}"
        case Concurrency():
            return (
                f"{row.shape:>7}  {row.n_models} models side by side / one after another  {_times(row.ratio)}"
            )
        case Learned():
            losses = ", ".join(f"{loss:.4f} at rate {rate:g}" for rate, loss in row.losses.items())
            return f"{row.shape:>7}  {row.model:<20} ({row.n_params:,}): {row.best:.4f} nats/token ({losses})"
        case SweepRatio():
            peer = f"{row.peer} (threads: {row.peer_threads}) {row.peer_seconds.median:.1f} s"
            return f"{row.n_runs} runs: ours {row.ours_seconds.median:.1f} s, {peer}: {_times(row.ratio)}"


def _times(ratio: Spread) -> str:
    return f"{ratio.median:5.2f}x ({ratio.low:.2f} to {ratio.high:.2f})"


def provenance(device: torch.device, threads: int) -> dict[str, Any]:
    """Where and with what this is measured, as far as it can be told.

    Parameters
    ----------
    device : torch.device
    threads : int
        Of each process in the parts on the CPU.
    """
    installed = {name: _version(name) for name in PACKAGES}
    nanogpt = Path(os.environ.get("NANOGPT_DIR", "")) / "model.py"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        **{name: version for name, version in installed.items() if version},
        "nanogpt_model_sha256": hashlib.sha256(nanogpt.read_bytes()).hexdigest()
        if nanogpt.is_file()
        else None,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def write_json(path: Path, about: Mapping[str, Any], parts: Mapping[str, Sequence[Row]]) -> None:
    """Write what was measured, by part."""
    content = {"provenance": dict(about), **{name: _rows(rows) for name, rows in parts.items()}}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
