"""What the allocation calculator knows: laws, resamples and counts, written as JSON from the library."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np

from chinchilla_lib.architecture import KNOWN_SHAPES, count_params
from chinchilla_lib.experiments.catalogue import load_largest
from chinchilla_lib.experiments.published_fit import load_draws
from chinchilla_lib.fitting import PARAMETRIC, bootstrap_fit
from chinchilla_lib.fitting.leftover import lack_of_fit
from chinchilla_lib.flops import CONVENTIONS, ratio_to_six_nd
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import load_shapes
from chinchilla_lib.reference.laws import LAWS, MUENNIGHOFF

PATH = "book/_static/calculator.json"
LEVEL = 0.9
OWN_DRAWS = 200
LARGEST = 1e40  # FLOPs, as for `chinchilla-lib allocate`


def law_fields(law: ParametricLoss) -> dict[str, float]:
    """Coefficients as the script takes them: A and B by their logarithms, as in the draws."""
    log_a, log_b = float(np.log(law.A)), float(np.log(law.B))
    return {"E": law.E, "logA": log_a, "logB": log_b, "alpha": law.alpha, "beta": law.beta}


@functools.cache
def draw() -> bytes:
    """The whole file. One and the same for one state of the library, as its fits are seeded."""
    laws = [_published(name) for name in LAWS]
    content = {
        "level": LEVEL,
        "largest_flops": LARGEST,
        "laws": {law["name"]: law for law in [*laws, _own()]},
        "conventions": dict(CONVENTIONS),
        "ratios": _ratios(),
        "repeats": {"r_d": MUENNIGHOFF.r_d, "r_n": MUENNIGHOFF.r_n},
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _published(name: str) -> dict[str, Any]:
    law = LAWS[name]
    # The recorded resamples are of the points of this law.
    draws = _rounded(load_draws()) if name == "epoch" else []
    return {
        "name": name,
        "title": law.title,
        "about": f"{law.source} ({law.confidence}); fitted to {law.data}",
        "law": law_fields(law.law),
        "draws": draws,
        "largest": dict(law.largest),
        "chapter": "notebooks/approach-3-parametric.html",
        "small": False,
    }


def _own() -> dict[str, Any]:
    """Approach 3 on our main sweep, as in the chapter on serving."""
    table = load_largest("main").table()
    fit = bootstrap_fit(PARAMETRIC, table, n_draws=OWN_DRAWS, seed=0)
    assert isinstance(fit.law, ParametricLoss) and fit.draws is not None and fit.draws.law is not None
    p_value = lack_of_fit(fit).p_value
    judged = (
        f"repeated runs refuse its form (p = {p_value:.0e})" if p_value < 0.05 else "its form is not refused"
    )
    return {
        "name": "main",
        "title": "Our main sweep, Approach 3",
        "about": f"{len(table)} runs of this book, trained on two CPU cores; {judged}",
        "law": law_fields(fit.law),
        "draws": _rounded(fit.draws.law),
        "largest": {
            "n_params": float(max(table.n_params)),
            "n_tokens": float(max(table.n_tokens)),
            "flops": float(max(6 * table.n_params * table.n_tokens)),
        },
        "chapter": "notebooks/main-sweep.html",
        "small": True,
    }


def _ratios() -> dict[str, list[float]]:
    """FLOPs over 6ND of the six models of Table A4, Chinchilla and Gopher, by ln N."""
    shapes = [*load_shapes("table_a4_flop_ratio"), *(KNOWN_SHAPES[name] for name in ("chinchilla", "gopher"))]
    ratios = {name: [ratio_to_six_nd(shape, name) for shape in shapes] for name in CONVENTIONS}
    return {"log_n": [float(np.log(count_params(shape).total)) for shape in shapes], **ratios}


def _rounded(draws: Any) -> list[list[float]]:
    return [[float(f"{value:.9g}") for value in law] for law in draws]
