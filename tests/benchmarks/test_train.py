"""The command: what it measures where, and what it writes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import steps, train
from benchmarks.steps import Speed
from benchmarks.timing import Spread
from chinchilla_lib.training import native
from tests.benchmarks.conftest import own_peer

QUICK = ["--rounds", "1", "--seconds", "0.001"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "find_peers", lambda: {"peer": own_peer})
    monkeypatch.setattr(steps, "_PEAK_SIZES", (64,))


def test_steps_are_measured_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "speed.json"
    assert train.main(["--shapes", "16x1", "--device", "cpu", *QUICK, "--json", str(out)]) == 0
    written = json.loads(out.read_text())
    assert {"date", "commit", "device", "threads", "torch", "load_average"} <= set(written["provenance"])
    assert written["provenance"]["threads"] == 1
    variants = {row["variant"] for row in written["steps"]}
    assert {"rope, torch kernels", "fast, torch kernels", "fast, torch kernels, 3 models"} <= variants
    pairs = {(row["ours"], row["peer"]) for row in written["ratios"]}
    assert ("fast, torch kernels", "peer, eager") in pairs
    assert all(row["ours_params"] == row["peer_params"] for row in written["ratios"])
    assert len(capsys.readouterr().out.splitlines()) >= len(variants) + len(pairs)


def test_without_a_compiler_torchs_kernels_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_native", lambda: None)
    out = tmp_path / "speed.json"
    assert train.main(["--shapes", "8x1", "--device", "cpu", *QUICK, "--json", str(out)]) == 0
    assert not any("native" in row["variant"] for row in json.loads(out.read_text())["steps"])


def test_a_gpu_is_measured_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def speed(device: torch.device, shape: object, **timing: float) -> list[Speed]:
        seen.append(device.type)
        return [
            Speed(
                shape="",
                variant="graph",
                tokens_per_second=Spread(1, 1, 1),
                flops_per_second=3e14,
                peak_flops_per_second=6e14,
                share_of_peak=0.5,
            )
        ]

    monkeypatch.setattr(train, "find_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(train, "provenance", lambda device, threads: {"device": "a GPU"})
    monkeypatch.setattr(train, "measure_device", speed)
    monkeypatch.setattr(train, "SMALL_GPU_SHAPES", ())
    assert train.main(QUICK) == 0
    assert set(seen) == {"cuda"}
    assert "50% of 600,000.0" in capsys.readouterr().out


def test_a_shape_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--shapes", "wide", "--device", "cpu"]) == 2
    assert "--shapes has 'wide'; give width x depth" in capsys.readouterr().err
