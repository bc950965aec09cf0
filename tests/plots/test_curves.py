from dataclasses import replace

from chinchilla_lib.plots.curves import plot_loss_curves
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.runs import LossCurve, RunRecord
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS

CONFIGS = plan_isoflop_sweep(TIERS["ci"], corpus="c").configs[:2]
RECORDS = [
    RunRecord(
        config=config,
        loss=3.5 - i,
        loss_se=0.01,
        bits_per_byte=2.0,
        curve=LossCurve((10, config.n_steps), (5.0, 4.0 - i)),
        seconds=1.0,
    )
    for i, config in enumerate(CONFIGS)
]


def test_curves_and_held_out_losses_are_drawn_where_they_belong() -> None:
    ax = plot_loss_curves(RECORDS[::-1])
    lines = ax.get_lines()
    assert len(lines) == 4
    for i, config in enumerate(CONFIGS):
        curve, dot = lines[2 * i], lines[2 * i + 1]
        assert list(curve.get_ydata()) == [5.0, 4.0 - i]
        assert list(curve.get_xdata()) == [10 * config.batch_size_tokens, config.n_tokens]
        assert (dot.get_xdata(), dot.get_ydata()) == (config.n_tokens, 3.5 - i)
    assert "nats per token" in ax.get_ylabel()


def test_the_given_axes_are_used() -> None:
    ax = new_axes()
    assert plot_loss_curves([replace(RECORDS[0], loss=3.0)], ax) is ax
