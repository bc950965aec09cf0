import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")

from chinchilla_lib.evaluation.harness import HarnessModel, run_task
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.packing import pack_sequences
from chinchilla_lib.evaluation.tasks import TASKS, load_task
from tests.evaluation.test_tasks import ITEMS

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_scored_as_written_out(name: str, own_model: OwnModel, tmp_path: Path) -> None:
    """Two copies of an item: what lm-eval asks of the model is what the task says, and so is its answer."""
    path = tmp_path / "items.jsonl"
    path.write_text(2 * (json.dumps(ITEMS[name]) + "\n"), encoding="utf-8")
    done: list[int] = []
    score = run_task(own_model, load_task(TASKS[name], path), on_progress=done.append)
    assert score.n_items == 2
    assert score.version == 1
    item = ITEMS[name]
    before, after = "The dog saw the cat and ", "ran."
    asked = {
        "lambada": [("the dog sees the", " cat")],
        "hellaswag": [("A dog", f" {end}") for end in item.get("endings", [])],
        "piqa": [("Question: Cut bread.\nAnswer:", f" {item.get(key)}") for key in ("sol1", "sol2")],
        "winogrande": [(f"{before}{animal}", f" {after}") for animal in ("dog", "cat")],
        "social_iqa": [("Question: Ann cried. Why?\nAnswer:", f" {one}") for one in item.get("choices", [])],
    }[name]
    assert score.example == asked[0][0]
    assert sum(done) == 2 * len(asked)
    pairs = [(own_model.encode(a), own_model.encode(a + b)[len(own_model.encode(a)) :]) for a, b in asked]
    expected = [value for value, _ in score_continuations(own_model, pairs)]
    found = [float(response[0][0]) for response in score.samples[0]["resps"]]
    assert found == pytest.approx(expected, abs=1e-4)
    if name == "lambada":
        assert score.metrics["perplexity"][0] == pytest.approx(math.exp(-expected[0]), rel=1e-3)
    else:
        right = float(int(np.argmax(expected)) == item["label"])
        assert score.metrics["acc"] == (right, 0.0)


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_rolling_likelihood_counts_every_token_once(own_model: OwnModel) -> None:
    text = "the dog sees the cat and the bird sees the dog " * 9
    tokens = own_model.encode(text)
    assert len(tokens) > 2 * own_model.max_length
    (found,) = HarnessModel(own_model).loglikelihood_rolling([SimpleNamespace(args=(text,))])
    n, total = own_model.max_length, 0.0
    for first in range(0, len(tokens), n):
        piece = tokens[first : first + n]
        end = first + len(piece)
        read = [own_model.end_of_text, *tokens][max(0, end - n) : end]
        (pack,) = pack_sequences([read], max_nodes=0)
        log_probs = own_model.logits(pack, np.arange(len(read))).log_softmax(-1)
        total += float(log_probs[np.arange(len(read) - len(piece), len(read)), piece].sum())
    assert found == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_generation_is_greedy_and_stops(own_model: OwnModel) -> None:
    def generate(**options: object) -> str:
        (text,) = HarnessModel(own_model).generate_until([SimpleNamespace(args=("the dog", dict(options)))])
        return text

    free = generate(max_gen_toks=12)
    assert free
    stop = free[len(free) // 2]
    assert generate(max_gen_toks=12, until=[stop]) == free.split(stop)[0]
    assert free.startswith(generate(max_gen_toks=3))


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_an_answer_inside_the_last_token_is_scored_on_that_token(own_model: OwnModel) -> None:
    (found,) = HarnessModel(own_model)._loglikelihood_tokens([(None, [5, 6, 7], [])])
    assert [found] == score_continuations(own_model, [([5, 6], [7])])
    (found,) = HarnessModel(own_model)._loglikelihood_tokens([(None, [], [7])])
    assert [found] == score_continuations(own_model, [([own_model.end_of_text], [7])])
