import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.excess import Trace, excess_along, excess_over
from chinchilla_lib.experiments.experiment import Row


def runs(losses: dict[tuple[float, int], float]) -> list[Row]:
    """Runs of width 8 by budget and seed, as read from a table."""
    return [
        {"flops_budget": str(budget), "d_model": "8", "seed": str(seed), "loss": repr(loss)}
        for (budget, seed), loss in losses.items()
    ]


BASE = runs({(1e10, 0): 4.0, (1e10, 1): 4.5, (3e10, 0): 3.0, (3e10, 1): 3.5})


def test_pairs_share_budget_and_seed_in_whatever_order() -> None:
    changed = runs({(3e10, 1): 3.75, (3e10, 0): 3.25, (1e10, 0): 4.0, (1e10, 1): 5.0})
    excess = excess_over(changed, BASE)
    assert excess.differences == {1e10: {0: 0.0, 1: 0.5}, 3e10: {0: 0.25, 1: 0.25}}
    assert excess.at(1e10).mean == 0.25
    assert excess.at(3e10).half_width == 0
    assert excess.pooled.mean == 0.25
    assert excess.pooled.freedom == 2


def test_what_all_runs_of_a_seed_share_drops_out() -> None:
    excess = excess_over(runs({(1e10, 0): 4.25, (1e10, 1): 4.75}), BASE)
    assert (excess.pooled.mean, excess.pooled.sd) == (0.25, 0)


def test_a_run_without_another_is_refused() -> None:
    with pytest.raises(InputError, match=r"no run of 1e\+10 FLOPs, width 8, seed 2 is there to compare with"):
        excess_over(runs({(1e10, 2): 4.0}), BASE)


def curve(run_id: str, losses: list[float], step: int = 10) -> list[Row]:
    return [
        {"run_id": run_id, "n_tokens": str(step * (k + 1)), "train_loss": repr(loss)}
        for k, loss in enumerate(losses)
    ]


def test_the_excess_along_the_run_is_that_of_pairs() -> None:
    base = [{**row, "run_id": f"b{row['seed']}"} for row in BASE[:2]]
    changed = [{**row, "run_id": f"c{row['seed']}"} for row in BASE[:2]]
    curves = [*curve("b0", [5.0, 4.0]), *curve("b1", [6.0, 5.0])]
    curves += [*curve("c1", [6.0, 5.5]), *curve("c0", [4.0, 4.5])]
    trace = excess_along(changed, base, curves)
    assert trace.share.tolist() == [0.25, 0.75]
    assert trace.rises_at == 0.5
    assert trace.mean.tolist() == [-0.5, 0.5]
    # Differences of -1 and 0: standard deviation .5 ** .5, 95 % quantile 6.314 of t with one degree.
    assert trace.half_width.tolist() == pytest.approx([6.314 * 0.5, 0.0], abs=1e-3)
    with pytest.raises(InputError, match="run c0 and its pair have other points"):
        excess_along(changed, base, [*curves[:4], *curve("c1", [6, 5]), *curve("c0", [4, 4], step=9)])


@pytest.mark.parametrize(
    ("mean", "at"),
    [([1, -1, 1], 0.75), ([-1, -3, 1], 0.875), ([-1, 1, -1], None), ([1, 1, 1], None), ([-1, 0, 1], 0.5)],
)
def test_a_change_costs_something_from_its_last_rise_on(mean: list[float], at: float | None) -> None:
    trace = Trace(np.array([0.0, 0.5, 1.0]), np.array(mean, dtype=float), np.zeros(3))
    assert trace.rises_at == at
