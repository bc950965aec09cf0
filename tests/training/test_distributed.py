import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chinchilla_lib.cli import main
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.training import distributed
from chinchilla_lib.training.batches import choose_heldout
from chinchilla_lib.training.checkpoint import load_model, load_state
from chinchilla_lib.training.distributed import World, join_world, train_replicated
from chinchilla_lib.training.heldout import measure_heldout
from tests.training.test_loop import make_config

pytestmark = pytest.mark.usefixtures("one_thread")
ALONE = World(0, 1, torch.device("cpu"))
N_STEPS = 30
# Sums over the sequences of a batch are rounded in another order; 30 steps amplify that.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def config(shards: Shards) -> RunConfig:
    return make_config(shards, n_steps=N_STEPS)


@pytest.fixture(scope="module")
def undisturbed(
    one_thread: None, config: RunConfig, shards: Shards, tmp_path_factory: pytest.TempPathFactory
) -> RunRecord:
    folder = tmp_path_factory.mktemp("undisturbed")
    return train_replicated(config, shards, ALONE, checkpoint_folder=folder)


def assert_same_run(found: RunRecord, expected: RunRecord) -> None:
    assert found.config == expected.config
    assert found.loss == pytest.approx(expected.loss, rel=TOLERANCE)
    assert found.curve.step == expected.curve.step
    assert found.curve.train_loss == pytest.approx(expected.curve.train_loss, rel=TOLERANCE)


def arguments(config: RunConfig, shards: Shards, out: Path) -> list[str]:
    """A training command that keeps a state after each step."""
    path = out.with_suffix(".json")
    path.write_text(json.dumps(config.to_dict()))
    return [
        "train",
        f"--config={path}",
        f"--corpus-dir={shards.folder}",
        f"--out={out}",
        "--checkpoint-seconds=0",
    ]


def test_a_lost_replica_ends_the_run_and_one_process_finishes_it(
    config: RunConfig,
    shards: Shards,
    undisturbed: RunRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two processes, of which this is one, share the first 20 steps; then the other is killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = arguments(config, shards, tmp_path / "out")
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.training.dying_replica", "20", *command],
        env={**os.environ, **world, "RANK": "1", "LOCAL_RANK": "1"},
    )
    try:
        with monkeypatch.context() as patch:
            for name, value in {**world, "RANK": "0", "LOCAL_RANK": "0"}.items():
                patch.setenv(name, value)
            assert main(command) == 1
        assert other.wait(timeout=60) == -signal.SIGKILL
    finally:
        other.kill()
        other.wait()
    assert "another process of the run has died" in (error := capsys.readouterr().err)
    assert "goes on from the last state kept" in error
    folder = SweepFolder(tmp_path / "out")
    assert folder.finished() == set()
    kept = load_state(folder.checkpoints(config.run_id))
    assert kept is not None
    assert kept[0]["losses"][0].tolist() == pytest.approx(undisturbed.curve.train_loss[:20], rel=TOLERANCE)

    assert main([*command, "--save-model"]) == 0
    (record,) = folder.load_records()
    assert_same_run(record, undisturbed)
    assert not folder.checkpoints(config.run_id).exists()
    model, model_config = load_model(tmp_path / "out" / "models" / f"{config.run_id}.safetensors")
    assert model_config == config
    heldout = choose_heldout(shards, seq_len=config.shape.seq_len, n_sequences=config.eval_sequences)
    assert measure_heldout(model, heldout).loss == record.loss


@pytest.mark.fault_selection
@pytest.mark.faults
def test_torchrun_ends_when_a_process_dies_and_goes_on_to_the_same_end(
    config: RunConfig, shards: Shards, undisturbed: RunRecord, tmp_path: Path
) -> None:
    command = arguments(config, shards, tmp_path / "out")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    once = subprocess.run(
        [*torchrun, "-m", "tests.training.dying_replica", "12", *command],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert once.returncode != 0
    assert "SIGKILL" in once.stderr
    assert "the same command" in once.stderr  # process 0 says how to go on, whatever ended it first
    kept = load_state(SweepFolder(tmp_path / "out").checkpoints(config.run_id))
    assert kept is not None and kept[1]["step"] >= 11  # torchrun may end process 0 as it writes
    again = subprocess.run([*torchrun, "-m", "chinchilla_lib", *command], capture_output=True, timeout=600)
    assert again.returncode == 0, again.stderr
    (record,) = SweepFolder(tmp_path / "out").load_records()
    assert_same_run(record, undisturbed)


def test_an_interrupted_run_goes_on_bit_for_bit(
    config: RunConfig, shards: Shards, undisturbed: RunRecord, tmp_path: Path
) -> None:
    def interrupt(step: int, loss: float) -> None:
        if step == 17:
            raise KeyboardInterrupt

    folder = tmp_path / "states"
    with pytest.raises(KeyboardInterrupt):
        train_replicated(
            config, shards, ALONE, checkpoint_folder=folder, checkpoint_seconds=0, on_step=interrupt
        )
    steps: list[int] = []
    record = train_replicated(
        config, shards, ALONE, checkpoint_folder=folder, on_step=lambda step, _: steps.append(step)
    )
    assert steps == list(range(17, N_STEPS + 1))  # the interrupt came before the state of step 17 was kept
    assert replace(record, seconds=0.0) == replace(undisturbed, seconds=0.0)


def test_what_cannot_be_trained_is_refused(config: RunConfig, shards: Shards, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch_size_sequences is 8, which 3 processes cannot share"):
        train_replicated(config, shards, World(0, 3, ALONE.device), checkpoint_folder=tmp_path)


def test_a_loss_that_is_no_number_ends_the_run(config: RunConfig, shards: Shards, tmp_path: Path) -> None:
    steep = replace(config, learning_rate=1e30, warmup_steps=0)
    with pytest.raises(DivergedError, match=r"at step \d+ of 30"):
        train_replicated(steep, shards, ALONE, checkpoint_folder=tmp_path, checkpoint_seconds=0)


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in distributed._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with join_world() as world:
        assert world == ALONE


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="process 2 of this machine has no GPU"), join_world():
        pass
