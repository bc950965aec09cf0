"""Our adapter against lm-eval's own backend for Hugging Face, and where the two differ on purpose."""

import copy
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")
pytest.importorskip("accelerate", reason="lm-eval's own backend needs it")

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.adapter import HarnessModel
from chinchilla_lib.evaluation.hugging_face import HuggingFaceModel
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.packing import pack_sequences
from chinchilla_lib.evaluation.progress import Progress
from tests.evaluation.tiny_llama import LENGTH, say, write_tiny_llama

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports

# Float32 rounds sums of some hundred nats to 1e-5; the bound is what the comparison on SmolLM2 promises.
CLOSE = 1e-4


@pytest.fixture(scope="module", params=[False, True], ids=["bare", "marked"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("llama"), marks=request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> HuggingFaceModel:
    return HuggingFaceModel(str(folder))


@pytest.fixture(scope="module")
def hflm(folder: Path) -> HFLM:
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=3)


def requests(kind: str, asked: list[tuple[Any, ...]]) -> list[Instance]:
    return [
        Instance(request_type=kind, doc={}, arguments=copy.deepcopy(a), idx=i) for i, a in enumerate(asked)
    ]


def test_likelihoods_are_those_of_hflm(model: HuggingFaceModel, hflm: HFLM) -> None:
    assert model.takes_trees and model.keeps_states
    rng = random.Random(1)
    pairs = [(c, " " + say(n, rng)) for c in (say(8, rng), say(30, rng)) for n in (1, 1, 3, 6)]
    shots = say(30, rng)  # more than a pack is cut at, with the questions
    pairs += [(f"{shots}\n\n{say(4, rng)}", end) for _ in range(30) for end in (" A", " B", " C and")]
    pairs += [(say(150, rng), " cat"), (say(90, rng), " " + say(40, rng))]  # longer than the model
    pairs += [
        ("", "the dog"),
        ("the dog ", "cat"),
        ("the dog  ", " cat"),
        ("a\n", "b"),
        ("<bos>a cat", " dog"),
    ]
    asked = requests("loglikelihood", pairs)
    found, expected = (one.loglikelihood(asked, disable_tqdm=True) for one in (HarnessModel(model), hflm))
    for pair, ours, theirs in zip(pairs, found, expected, strict=True):
        assert ours[0] == pytest.approx(theirs[0], abs=CLOSE), pair
        assert ours[1] == theirs[1], pair


def test_one_text_cut_in_two_ways_is_scored_each_way(folder: Path, model: HuggingFaceModel) -> None:
    """HFLM keeps the logits of a text for all requests that read it, and looks in the wrong row of them."""
    pairs = [("the", " dog sees a"), ("the dog sees", " a")]
    asked = requests("loglikelihood", pairs)
    found = HarnessModel(model).loglikelihood(asked, disable_tqdm=True)
    options = {"pretrained": str(folder), "device": "cpu", "dtype": "float32"}
    kept, alone = (
        HFLM(**options, logits_cache=keep).loglikelihood(asked, disable_tqdm=True) for keep in (True, False)
    )
    assert [score for score, _ in found] == pytest.approx([score for score, _ in alone], abs=CLOSE)
    assert kept[1][0] != pytest.approx(alone[1][0], abs=1e-2)


def test_rolling_likelihoods_are_those_of_hflm(model: HuggingFaceModel, hflm: HFLM) -> None:
    rng = random.Random(2)
    texts = [(say(n, rng),) for n in (1, 20, 70, 150, 400)] + [("",)]
    assert len(model.encode(texts[-2][0])) > 3 * LENGTH
    asked = requests("loglikelihood_rolling", texts)
    found = HarnessModel(model).loglikelihood_rolling(asked)
    expected = hflm.loglikelihood_rolling(asked, disable_tqdm=True)
    marked = model.encode("a", marks=True) != model.encode("a")
    for (text,), ours, theirs in zip(texts, found, expected, strict=True):
        if not marked:
            assert ours == pytest.approx(theirs, abs=CLOSE)
        elif len(model.encode(text)) < LENGTH:
            # HFLM has two marks begin the text, counts the second, and reads the rest behind both.
            ids = model.encode(text)
            begin = model.begin_of_text
            ((behind_two, _),) = score_continuations(model, [([begin], [begin, *ids])])
            assert theirs == pytest.approx(behind_two, abs=CLOSE)
            assert ours == pytest.approx(score_continuations(model, [([begin], ids)])[0][0] if ids else 0.0)


def test_generated_texts_are_those_of_hflm(model: HuggingFaceModel, hflm: HFLM) -> None:
    rng = random.Random(3)
    shots = say(20, rng)
    asked = [
        (shots + say(rng.randint(1, 9), rng), {"until": [" dog", "\n"], "max_gen_toks": 20})
        for _ in range(40)
    ]
    asked += [(say(n, rng), {"until": "e", "max_gen_toks": 30}) for n in (1, 5, 90, 3)]
    asked += [(say(n, rng), {"until": [], "max_gen_toks": 60, "do_sample": False}) for n in (1, 5, 90, 3)]
    given = requests("generate_until", asked)
    found = HarnessModel(model).generate_until(given)
    assert found == hflm.generate_until(requests("generate_until", asked), disable_tqdm=True)
    assert len(set(found)) > 5


def test_a_token_that_crosses_the_border_is_the_answers(model: HuggingFaceModel, hflm: HFLM) -> None:
    whole = model.encode("the house")
    assert model.encode("the hou")[: len(whole)] != whole  # "house" is one token
    ours = HarnessModel(model)
    (found,) = ours.loglikelihood(requests("loglikelihood", [("the hou", "se")]), disable_tqdm=True)
    before = model.encode("the", marks=True)
    after = model.encode("the house", marks=True)[len(before) :]
    assert [found] == score_continuations(model, [(before, after)])
    context, answer = hflm._encode_pair("the hou", "se")
    assert model.decode([*context, *answer], marks=False) != "the house"


@pytest.mark.parametrize(("context", "answer"), [("the dog", ""), ("", "")])
def test_an_empty_answer_is_refused_by_its_text(model: HuggingFaceModel, context: str, answer: str) -> None:
    with pytest.raises(InputError, match=f"the answer '' after '{context}' has no token"):
        HarnessModel(model).loglikelihood(requests("loglikelihood", [(context, answer)]), disable_tqdm=True)


def test_an_answer_longer_than_the_model_is_scored_on_its_end(model: HuggingFaceModel) -> None:
    text = " " + say(150, random.Random(4))
    ((found, _),) = HarnessModel(model).loglikelihood(requests("loglikelihood", [("the", text)]))
    ids = model.encode(text)
    ((expected, _),) = score_continuations(model, [([ids[-LENGTH - 1]], ids[-LENGTH:])])
    assert found == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"do_sample": True}, "asks for sampling"),
        ({"temperature": 0.7}, "asks for sampling"),
        ({"max_gen_toks": 0}, "max_gen_toks is 0"),
    ],
)
def test_what_cannot_be_generated_is_refused(
    model: HuggingFaceModel, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        HarnessModel(model).generate_until(requests("generate_until", [("the", options)]))


def test_cost_is_known_before_and_progress_adds_up(model: HuggingFaceModel) -> None:
    heard: list[Progress] = []
    ours = HarnessModel(model, heard.append)
    ours.loglikelihood(requests("loglikelihood", [("the dog", " sees"), ("the dog", " runs")]))
    n_read = len(model.encode("the dog", marks=True))
    assert (heard[0].n_done, heard[0].n_requests, heard[0].n_tokens) == (0, 2, n_read)
    assert heard[0].seconds_left > 0
    assert (heard[-1].n_done, heard[-1].seconds_left) == (2, 0)
    heard.clear()
    options = {"max_gen_toks": 3}
    ours.generate_until(requests("generate_until", [("the", options), ("a dog", options)]))
    assert [progress.n_done for progress in heard] == [0, 1, 2]
    assert heard[0].n_tokens == 2 * 3 + sum(len(model.encode(text, marks=True)) for text in ("the", "a dog"))


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
def test_a_model_of_ours_writes_greedily_and_stops(own_model: OwnModel) -> None:
    def generate(**options: object) -> str:
        (text,) = HarnessModel(own_model).generate_until([SimpleNamespace(args=("the dog", dict(options)))])
        return text

    free = generate(max_gen_toks=12)
    assert free
    stop = free[len(free) // 2]
    assert generate(max_gen_toks=12, until=[stop]) == free.split(stop)[0]
    assert free.startswith(generate(max_gen_toks=3))
    length = own_model.max_length  # half of it is left to the prompt
    assert generate(max_gen_toks=length) == generate(max_gen_toks=length // 2)
    assert generate().startswith(free)  # as many as leave room for the prompt
