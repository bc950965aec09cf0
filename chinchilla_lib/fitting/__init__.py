"""From rows to the compute-optimal frontier, with its uncertainty. NumPy and SciPy only."""

from chinchilla_lib.fitting.bootstrap import Estimator, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import OptimumPoint
from chinchilla_lib.fitting.envelope import envelope_estimator, fit_envelope
from chinchilla_lib.fitting.isoflop import ISOFLOP, fit_isoflop_profiles
from chinchilla_lib.fitting.parametric import PARAMETRIC, fit_parametric, parametric_estimator
from chinchilla_lib.fitting.power_law import fit_power_law
from chinchilla_lib.fitting.result import Allocation, FrontierDraws, FrontierFit
from chinchilla_lib.fitting.valley import VALLEY, fit_valley

__all__ = [
    "ISOFLOP",
    "PARAMETRIC",
    "VALLEY",
    "Allocation",
    "Estimator",
    "FrontierDraws",
    "FrontierFit",
    "OptimumPoint",
    "bootstrap_fit",
    "envelope_estimator",
    "fit_envelope",
    "fit_isoflop_profiles",
    "fit_parametric",
    "fit_power_law",
    "fit_valley",
    "parametric_estimator",
]
