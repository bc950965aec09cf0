import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.training.schedule import cosine_schedule


@given(n_steps=st.integers(2, 5000), share=st.floats(0, 0.9), final=st.floats(0, 1))
def test_the_schedule_rises_then_falls_to_its_end(n_steps: int, share: float, final: float) -> None:
    warmup = int(share * n_steps)
    rates = [
        cosine_schedule(i, n_steps=n_steps, warmup_steps=warmup, final_fraction=final) for i in range(n_steps)
    ]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert rates[-1] == pytest.approx(final if n_steps - warmup > 1 else 1.0, abs=1e-12)
    assert max(rates) == pytest.approx(1.0) if n_steps > warmup + 1 else True
    assert rates[0] > 0
    assert all(0 <= rate <= 1 + 1e-12 for rate in rates)


def test_half_way_down_the_cosine_is_half_way() -> None:
    assert cosine_schedule(50, n_steps=101, warmup_steps=0, final_fraction=0.1) == pytest.approx(0.55)
