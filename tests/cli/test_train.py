import json
from pathlib import Path

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.training import distributed
from tests.tiny_corpus import write_tiny_shards
from tests.training.test_loop import make_config


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_tiny_shards(tmp_path_factory.mktemp("corpus") / "invented")


def test_a_run_is_trained_once_and_its_record_kept(
    shards: Shards, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(shards, n_steps=5)
    (tmp_path / "run.json").write_text(json.dumps(config.to_dict()))
    out = tmp_path / "new" / "folder"
    command = [
        "train",
        "--config",
        str(tmp_path / "run.json"),
        "--corpus-dir",
        str(shards.folder),
        "--out",
        str(out),
    ]
    assert main(command) == 0
    assert f"run {config.run_id}: held-out loss " in capsys.readouterr().out
    (record,) = SweepFolder(out).load_records()
    assert record.config == config
    written = (out / "records" / f"{config.run_id}.json").stat().st_mtime_ns
    assert main(command) == 0
    assert "is finished" in capsys.readouterr().err
    assert (out / "records" / f"{config.run_id}.json").stat().st_mtime_ns == written
    assert main([*command, "--save-model"]) == 0  # the record is there, the model is not
    assert (out / "models" / f"{config.run_id}.safetensors").is_file()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "run.json: No such file or directory"),
        ("{", "run.json: no sound JSON"),
        ("{}", "run.json: not the config of a run: 'shape'"),
    ],
)
def test_a_config_that_cannot_be_read_is_refused(
    content: str | None, named: str, shards: Shards, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    out = tmp_path / "out"
    assert main(["train", f"--config={path}", f"--corpus-dir={shards.folder}", f"--out={out}"]) == 2
    assert named in capsys.readouterr().err
    assert not out.exists()


def test_an_interrupt_says_how_to_go_on(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(distributed, "train_replicated", interrupted)
    (tmp_path / "run.json").write_text(json.dumps(make_config(shards).to_dict()))
    command = ["train", f"--config={tmp_path / 'run.json'}", f"--corpus-dir={shards.folder}"]
    assert main([*command, f"--out={tmp_path}"]) == 130
    assert "the same command goes on from the last state" in capsys.readouterr().err
