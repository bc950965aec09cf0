import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.packing import pack_sequences
from chinchilla_lib.evaluation.progress import Progress

tokens = st.lists(st.integers(1, 250), min_size=1, max_size=9)


def one_by_one(model: OwnModel, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    """Token after token, with nothing shared."""
    total, greedy, read = 0.0, True, list(context)
    for token in continuation:
        (pack,) = pack_sequences([read[-model.max_length :]], max_nodes=0)
        logits = model.logits(pack, np.array([len(pack.tokens) - 1]))[0]
        total += float(logits.log_softmax(-1)[token])
        greedy &= int(logits.argmax()) == token
        read.append(token)
    return total, greedy


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contexts=st.lists(tokens, min_size=1, max_size=3),
    ends=st.lists(tokens, min_size=1, max_size=3),
    max_nodes=st.sampled_from([0, 20, 1000]),
)
def test_scores_are_those_of_each_alone(
    own_model: OwnModel, contexts: list[list[int]], ends: list[list[int]], max_nodes: int
) -> None:
    requests = [(context, end) for context in contexts for end in ends]
    found = score_continuations(own_model, requests, max_nodes=max_nodes)
    for (score, greedy), request in zip(found, requests, strict=True):
        expected, also_greedy = one_by_one(own_model, *request)
        assert score == pytest.approx(expected, abs=1e-4)
        assert greedy == also_greedy


def test_the_likeliest_continuation_is_greedy(own_model: OwnModel) -> None:
    context, continuation = [5, 9, 30], []
    for _ in range(4):
        (pack,) = pack_sequences([context + continuation], max_nodes=0)
        last = np.array([len(pack.tokens) - 1])
        continuation.append(int(own_model.logits(pack, last)[0].argmax()))
    ((_, greedy),) = score_continuations(own_model, [(context, continuation)])
    ((_, spoilt),) = score_continuations(own_model, [(context, [*continuation[:-1], continuation[-1] ^ 1])])
    assert greedy
    assert not spoilt


def test_too_long_a_context_loses_its_beginning(own_model: OwnModel) -> None:
    n = own_model.max_length
    rng = np.random.default_rng(0)
    context, end = rng.integers(1, 250, size=3 * n).tolist(), [7, 8]
    (found,) = score_continuations(own_model, [(context, end)])
    (same,) = score_continuations(own_model, [(context[-(n - 1) :], end)])
    assert found == same
    (all_end,) = score_continuations(own_model, [([3], context)])
    (its_end,) = score_continuations(own_model, [(context[-n - 1 : -n], context[-n:])])
    assert all_end[0] == pytest.approx(its_end[0], abs=1e-4)


@pytest.mark.parametrize(("request_", "what"), [(([], [1]), "context"), (([1], []), "continuation")])
def test_what_is_empty_is_refused(
    own_model: OwnModel, request_: tuple[list[int], list[int]], what: str
) -> None:
    with pytest.raises(InputError, match=f"request 1: the {what} is empty"):
        score_continuations(own_model, [([1], [1]), request_])


def test_progress_adds_up_and_doubles_are_scored_once(own_model: OwnModel) -> None:
    done: list[Progress] = []
    requests = [([1, 2], [3]), ([1, 2], [4]), ([1, 2], [3])]
    found = score_continuations(own_model, requests, on_progress=done.append)
    assert (done[0].n_done, done[0].n_requests) == (0, 3)
    assert done[0].n_tokens == 2  # of one input
    assert done[-1].n_done == 3
    assert found[0] == found[2]
    assert torch.isfinite(torch.tensor([score for score, _ in found])).all()
