import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")
pytest.importorskip("accelerate", reason="lm-eval's own backend needs it")

from benchmarks.evaluate import main
from benchmarks.evaluation_items import KINDS, write_random_model

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


def test_both_are_asked_the_same_and_answer_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_random_model(
        tmp_path / "model", vocab_size=400, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
    )  # fmt: skip
    record, out = tmp_path / "adapter", tmp_path / "out.json"
    arguments = ["--model", str(model), "--items", "2", "--rounds", "1", "--threads", "1"]
    assert main([*arguments, "--record", str(record), "--json", str(out)]) == 0
    rows = list(csv.DictReader((record / "runs.csv").read_text().splitlines()))
    assert [row["kind"] for row in rows] == [make(1).name for make in KINDS]
    for row in rows:
        assert float(row["seconds"]) > 0
        assert float(row["greatest_difference"]) < 1e-3  # float32 on texts of a thousand nats
        assert row["n_different"] == "0"
    measured = json.loads(out.read_text())
    assert [row["n_requests"] for row in measured["rows"]] == [int(row["n_requests"]) for row in rows]
    assert "lm_eval" in measured["provenance"]["versions"][0]
    assert capsys.readouterr().out.count("answers differ") == len(KINDS)


def test_questions_share_their_examples_and_passages_nothing() -> None:
    endings, examples, last_words, *_ = (make(3) for make in KINDS)
    contexts = {context for context, _ in endings.requests}
    assert (len(contexts), len(endings.requests)) == (3, 12)
    assert len({context[:1000] for context, _ in examples.requests}) == 1
    assert len({context for context, _ in examples.requests}) == 6
    assert len({context[:100] for context, _ in last_words.requests}) == len(last_words.requests)
