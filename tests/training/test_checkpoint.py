import errno
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.architecture import FAMILIES, TransformerShape
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.checkpoint import load_model, load_state, save_model, save_state
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW


def make_config(family: str = "rope") -> RunConfig:
    shape = TransformerShape(
        family=family, n_layers=1, d_model=8, n_heads=2, kv_size=4, ffw_size=16, vocab_size=20, seq_len=8
    )
    return RunConfig(
        shape=shape,
        n_steps=2,
        batch_size_sequences=1,
        learning_rate=0.01,
        warmup_steps=0,
        seed=3,
        flops_budget=1e6,
        flops_convention="matmul",
        corpus="none",
        eval_sequences=1,
    )


def some_state(step: int) -> dict[str, torch.Tensor]:
    """Two views of one storage, a count and a tensor of no dimension."""
    flat = torch.arange(12.0) + step
    return {"a": flat[:8].view(2, 4), "b": flat[8:], "count": torch.tensor(step), "whole": flat}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_comes_back_with_its_config(family: str, tmp_path: Path) -> None:
    config = make_config(family)
    model = Transformer(config.shape, seed=7)
    FlatAdamW([model], betas=(0.9, 0.98), weight_decay=0.1)  # the parameters now share one storage
    save_model(tmp_path / "new" / "model.safetensors", model, config)
    loaded, loaded_config = load_model(tmp_path / "new" / "model.safetensors")
    assert loaded_config == config
    tokens = torch.arange(8)[None]
    assert torch.equal(loaded(tokens), model(tokens))


def test_the_newest_state_comes_back_and_two_are_kept(tmp_path: Path) -> None:
    assert load_state(tmp_path / "states") is None
    for step in (9, 10, 100):
        save_state(tmp_path / "states", step, some_state(step), {"note": [1, "x", None]})
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == [
        "state-0000000010.safetensors",
        "state-0000000100.safetensors",
    ]
    loaded = load_state(tmp_path / "states")
    assert loaded is not None
    tensors, meta = loaded
    assert meta == {"note": [1, "x", None], "step": 100}
    assert tensors.keys() == some_state(100).keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in some_state(100).items())


@pytest.mark.fault_selection
@settings(max_examples=60)
@given(data=st.data())
def test_no_truncation_and_no_flipped_bit_goes_unseen(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("states")
    save_state(folder, 1, some_state(1), {})
    save_state(folder, 2, some_state(2), {})
    newest = folder / "state-0000000002.safetensors"
    sound = newest.read_bytes()
    at = data.draw(st.integers(0, len(sound) - 1))
    if data.draw(st.booleans()):
        newest.write_bytes(sound[:at])
    else:
        bit = data.draw(st.integers(0, 7))
        newest.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])
    loaded = load_state(folder)
    assert loaded is not None
    tensors, meta = loaded
    step = meta["step"]  # a flip that changes nothing said, as of a blank in the header, may pass
    assert all(torch.equal(tensors[name], tensor) for name, tensor in some_state(step).items())


@pytest.mark.fault_selection
def test_a_damaged_state_is_named_and_the_one_before_it_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_state(tmp_path, 1, some_state(1), {})
    save_state(tmp_path, 2, some_state(2), {})
    newest = tmp_path / "state-0000000002.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        loaded = load_state(tmp_path)
    assert loaded is not None and loaded[1]["step"] == 1
    assert str(newest) in caplog.text and "SHA-256" in caplog.text
    (tmp_path / "state-0000000001.safetensors").write_bytes(b"")
    assert load_state(tmp_path) is None


def test_what_a_killed_process_left_half_written_goes_with_the_next_state(tmp_path: Path) -> None:
    (tmp_path / ".state-0000000001.safetensors.1f.partial").write_bytes(b"half")
    save_state(tmp_path, 2, {"x": torch.ones(2)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["state-0000000002.safetensors"]


@pytest.mark.fault_selection
def test_a_full_disk_leaves_the_earlier_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, 1, some_state(1), {})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        save_state(tmp_path, 2, some_state(2), {})
    assert [p.name for p in tmp_path.iterdir()] == ["state-0000000001.safetensors"]
    loaded = load_state(tmp_path)
    assert loaded is not None and loaded[1]["step"] == 1


def test_a_file_that_is_no_sound_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_model(path)
    save_model(path, Transformer(make_config("gopher").shape, seed=0), make_config("rope"))
    with pytest.raises(
        InputError, match=r"model\.safetensors: \d+ weights, and the model of its config has \d+"
    ):
        load_model(path)
    weights = Transformer(make_config("rope").shape, seed=0).state_dict()
    renamed = SimpleNamespace(state_dict=lambda: {f"its.{name}": w for name, w in weights.items()})
    save_model(path, renamed, make_config("rope"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"model\.safetensors: the weights do not fit"):
        load_model(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"model\.safetensors: damaged checkpoint"):
        load_model(path)
    save_state(tmp_path, 5, some_state(5), {})
    with pytest.raises(InputError, match="the state of a run"):
        load_model(tmp_path / "state-0000000005.safetensors")
