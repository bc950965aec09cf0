"""An executable edition of Hoffmann et al. 2022: accounting, sweeps, estimators and their statistics.

The names below are the short way in; the rooms hold the rest. Each resolves on first use, so
that importing the package needs numpy and scipy only.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "InputError": "errors",
    "MissingExtraError": "errors",
    "TransformerShape": "architecture",
    "count_params": "architecture",
    "training_flops_per_token": "flops",
    "PowerLaw": "laws",
    "ParametricLoss": "laws",
    "RunConfig": "runs",
    "RunRecord": "runs",
    "compare_heldout": "runs",
    "prepare_corpus": "corpus.prepare",
    "plan_isoflop_sweep": "sweeps.plan",
    "run_sweep": "sweeps.runner",
    "SweepTable": "sweeps.table",
    "simulate_isoflop_sweep": "sweeps.simulate",
    "train_run": "training.loop",
    "fit_isoflop_profiles": "fitting.isoflop",
    "bootstrap_fit": "fitting.bootstrap",
    "FrontierFit": "fitting.result",
    "load_paper_table": "reference",
    "load_published": "reference",
    "find_law": "reference",
    "plot_isoflop_profiles": "plots.isoflop",
    "plot_frontier": "plots.frontier",
    "plot_loss_curves": "plots.curves",
    "plot_positions": "plots.positions",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
