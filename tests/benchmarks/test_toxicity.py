import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks import toxicity
from chinchilla_lib import workspace
from chinchilla_lib.architecture import count_params
from chinchilla_lib.training.checkpoint import save_model
from chinchilla_lib.training.model import Transformer
from tests.tiny_corpus import write_tiny_shards
from tests.training.test_loop import make_config


class Length:
    """Scores a text by its length, and knows every word."""

    name, sha256 = "length", "1" * 64

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([min(1.0, len(text) / 100) for text in texts])

    def known_share(self, text: str) -> float:
        return 1.0


def test_models_and_text_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path))
    monkeypatch.setattr(toxicity, "fetch_linear", Length)
    shards = write_tiny_shards(workspace.folder("corpora", "tiny"))
    config = make_config(shards)
    folder = workspace.folder("experiments", "trial")
    (folder / "models").mkdir(parents=True)
    (folder / "part" / "records").mkdir(parents=True)
    save_model(folder / "models" / f"{config.run_id}.safetensors", Transformer(config.shape, seed=1), config)
    record = {"record": {"loss": 4.5}}
    (folder / "part" / "records" / f"{config.run_id}.json").write_text(json.dumps(record))
    asked = ["trial", "--corpus", "tiny", "--samples", "4", "--tokens", "8"]
    assert toxicity.main([*asked, "--record", str(tmp_path / "record")]) == 0
    *texts, model = csv.DictReader((tmp_path / "record" / "runs.csv").read_text().splitlines())
    assert [row["name"] for row in texts] == ["held-out text", "held-out tokens shuffled"]
    assert (model["name"], model["loss"]) == (config.run_id, "4.5")
    assert int(model["n_params"]) == count_params(config.shape).total
    for row in (*texts, model):
        scores = [int(score) / 1000 for score in row["scores_in_thousandths"].split()]
        assert len(scores) == int(row["n_samples"]) == 4
        assert float(row["toxicity"]) == pytest.approx(np.mean(scores), abs=6e-4)
    about = json.loads((tmp_path / "record" / "provenance.json").read_text())
    assert "trial --samples 4 --tokens 8" in about["command"]
    assert str(tmp_path) not in about["command"]
