import time

import pytest

from chinchilla_lib.evaluation.progress import Meter, Progress


def test_time_left_is_expected_then_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    heard: list[Progress] = []
    meter = Meter(heard.append, n_requests=3, n_tokens=100, tokens_per_second=50)
    now[0] += 5
    meter.advance(1, 20)
    meter.advance(2, 20)  # answers may need fewer tokens than they could
    assert [(p.n_done, p.seconds_left) for p in heard] == [(0, 2.0), (1, 20.0), (3, 0.0)]
    assert {(p.n_requests, p.n_tokens) for p in heard} == {(3, 100)}
