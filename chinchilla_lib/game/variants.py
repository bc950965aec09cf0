"""The variants of the game: a corpus, its recorded runs, a budget, a price, and a budget far beyond."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from chinchilla_lib._format import format_flops
from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.game.surface import RunSurface
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS, Tier, tier_shape

__all__ = ["VARIANTS", "Variant", "find_variant", "practice_truth", "recorded_surface", "recorded_table"]

_CONVENTION: Final = "matmul"
_ENGLISH: Final = (("main-cpu-60", None), ("forecast-cpu-120", None))
_ENGLISH_SHARDS: Final = "b88d759b2b19828c"
_LARGEST: Final = 1e18  # parameters or tokens, beyond any model


@dataclass(frozen=True)
class Variant:
    """One game: what is asked, what is known, and what it costs.

    Examples
    --------
    >>> variant = find_variant("english")
    >>> bool(variant.far_budget > 3 * recorded_table("english").flops.max())
    True
    """

    name: str
    title: str
    recorded: tuple[tuple[str, str | None], ...]
    """Recorded experiments and their part (None for all) that answer; a run counts once."""
    identity: str
    """Identity of the token shards that all of these were trained on."""
    budget: float
    """FLOPs of a player, for all questions together."""
    far_budget: float
    """FLOPs of the one run that is to be allocated."""
    design: Tier
    """How a run of this corpus is planned; its ``widths`` are those to train at `far_budget`."""
    entropy: float | None = None
    """Nats per token that no model can go below, where it is known."""
    highest: float | None = None
    """Budget above which recorded runs do not answer, in a game for practice: its truth is recorded, too."""

    def flops_per_token(self, n_params: float) -> float:
        """Price of a token at a size: all matrix products, forward and backward (``matmul``).

        Sizes between two widths are priced as a model of the width between them would be.

        Parameters
        ----------
        n_params : float
            All parameters, embeddings included; from 1 to 1e18.

        Raises
        ------
        InputError
            If it is no such number.

        Examples
        --------
        >>> round(find_variant("english").flops_per_token(5672))  # width 8
        58368
        """
        if not 1 <= n_params <= _LARGEST:
            raise InputError(f"n_params must be from 1 to {_LARGEST:g}, found {n_params!r}")
        # Both are polynomials of second degree in the width without a constant; two widths tell them.
        small, large = (tier_shape(self.design, width) for width in (16, 32))
        sizes = [count_params(shape).total for shape in (small, large)]
        prices = [training_flops_per_token(shape, _CONVENTION) for shape in (small, large)]
        bend, slope = _through_zero(16.0, 32.0, *sizes)
        width = (math.sqrt(slope**2 + 4 * bend * n_params) - slope) / (2 * bend)
        bend, slope = _through_zero(16.0, 32.0, *prices)
        return bend * width**2 + slope * width

    def cost(self, n_params: float, n_tokens: float) -> float:
        """FLOPs of a run.

        Raises
        ------
        InputError
            If `n_params` does not lie from 1 to 1e18, or `n_tokens` above 0 and up to 1e18.
        """
        if not 0 < n_tokens <= _LARGEST:
            raise InputError(f"n_tokens must be above 0 and at most {_LARGEST:g}, found {n_tokens!r}")
        return self.flops_per_token(n_params) * n_tokens

    def tokens_for(self, n_params: float, flops: float) -> float:
        """Tokens that a budget buys at a size.

        Examples
        --------
        >>> variant = find_variant("code")
        >>> n_tokens = variant.tokens_for(1e5, 1e12)
        >>> round(variant.cost(1e5, n_tokens) / 1e12, 9)
        1.0
        """
        if not (math.isfinite(flops) and flops > 0):
            raise InputError(f"flops must be a finite number above 0, found {flops!r}")
        return flops / self.flops_per_token(n_params)

    def truth_plan(self, n_seeds: int = 2) -> SweepPlan:
        """The runs at the far budget that the instructor trains, for ``chinchilla-lib sweep``.

        Parameters
        ----------
        n_seeds : int
            Seeds of each size, 1 or more. They are new ones: 100 and up.

        Raises
        ------
        InputError
            If there is to be no seed.

        Examples
        --------
        >>> plan = find_variant("english").truth_plan()
        >>> len(plan.configs), f"{plan.flops:.1e}"
        (14, '1.4e+15')
        """
        if n_seeds < 1:
            raise InputError(f"n_seeds must be 1 or above, found {n_seeds}")
        configs = plan_runs(
            self.design, self.design.widths, corpus=self.identity, seeds=range(100, 100 + n_seeds)
        )
        return SweepPlan(f"far-{self.name}", configs, self.design.corpus)

    def to_dict(self) -> dict[str, Any]:
        """What a player is told, as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "corpus": self.design.corpus,
            "recorded": ["/".join(part for part in parts if part) for parts in self.recorded],
            "budget": self.budget,
            "far_budget": self.far_budget,
            "price": f"{_CONVENTION}, all matrix products of a model of {self.design.n_layers} layers",
            "entropy": self.entropy,
            "practice": self.highest is not None,
        }


def _through_zero(x1: float, x2: float, y1: float, y2: float) -> tuple[float, float]:
    """a and b of y = a x^2 + b x."""
    bend = (y2 / x2 - y1 / x1) / (x2 - x1)
    return bend, y1 / x1 - bend * x1


def _design(corpus: str, far_budget: float, widths: tuple[int, ...], **changes: Any) -> Tier:
    title = f"sizes at {format_flops(far_budget)} FLOPs"
    return replace(
        TIERS["cpu-120"],
        name=f"far-{corpus}",
        title=title,
        corpus=corpus,
        widths={far_budget: widths},
        **changes,
    )


VARIANTS: Final[Mapping[str, Variant]] = {
    variant.name: variant
    for variant in (
        Variant(
            name="practice",
            title="English, with a truth that is public",
            recorded=_ENGLISH,
            identity=_ENGLISH_SHARDS,
            budget=1e13,
            far_budget=1e13,
            design=_design("english", 1e13, (56, 64, 80, 96, 128, 160, 192)),
            highest=1e12,
        ),
        Variant(
            name="english",
            title="all English of the book's corpora",
            recorded=_ENGLISH,
            identity=_ENGLISH_SHARDS,
            budget=1e13,
            far_budget=1e14,
            design=_design("english", 1e14, (80, 112, 144, 176, 208, 256, 320)),
        ),
        Variant(
            name="code",
            title="Python's standard library",
            recorded=(("code-cpu-20", "code"),),
            identity="5a2d7e87866b0d07",
            budget=4e12,
            far_budget=1e13,
            design=_design("stdlib", 1e13, (56, 64, 80, 96, 128, 160, 192)),
        ),
        Variant(
            name="zipf-recall",
            title="random triples of a known entropy",
            recorded=(("known-truth-cpu-20", None),),
            identity="c372c400c6224184",
            budget=4e12,
            far_budget=1e13,
            design=_design(
                "zipf-recall", 1e13, (40, 48, 64, 80, 112, 144, 192), vocab_size=1024, seq_len=126
            ),
            entropy=1.4061641068693265,  # of ZipfRecall(), which a test computes
        ),
    )
}
"""The variants by name. All runs have two layers. Far budgets lie three times or more beyond public runs, but
that of ``practice``: its truth, the recorded runs at its far budget, is there for all to see."""


def find_variant(name: str) -> Variant:
    """A variant by its name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> find_variant("code").title
    "Python's standard library"
    """
    if name not in VARIANTS:
        raise InputError(f"variant is {name!r}; choose one of {', '.join(VARIANTS)}")
    return VARIANTS[name]


@cache
def recorded_table(name: str) -> SweepTable:
    """The recorded runs that answer for a variant.

    Raises
    ------
    InputError
        If there is no variant of that name.

    Examples
    --------
    >>> len(recorded_table("code"))
    63
    """
    highest = find_variant(name).highest or math.inf
    rows = [row for row in _recorded_rows(name) if float(row["flops_budget"]) <= highest]
    return SweepTable.from_records(rows, source=f"recorded runs of {name}")


def practice_truth(name: str) -> SweepTable:
    """The recorded runs at the far budget of a game for practice.

    Raises
    ------
    InputError
        If there is no variant of that name, or its truth is not public.

    Examples
    --------
    >>> len(practice_truth("practice"))
    7
    """
    variant = find_variant(name)
    if variant.highest is None:
        raise InputError(
            f"variant is {name!r}, whose truth the instructor holds; 'practice' has a public one"
        )
    rows = [row for row in _recorded_rows(name) if float(row["flops_budget"]) == variant.far_budget]
    return SweepTable.from_records(rows, source=f"recorded runs at the far budget of {name}")


def _recorded_rows(name: str) -> list[Mapping[str, str]]:
    rows: dict[str, Mapping[str, str]] = {}
    for recorded, part in find_variant(name).recorded:
        for own, runs in load_recorded(recorded).parts().items():
            if part in (None, own):
                rows.update({row["run_id"]: row for row in runs})
    return list(rows.values())


@cache
def recorded_surface(name: str) -> RunSurface:
    """Their surface.

    Raises
    ------
    InputError
        If there is no variant of that name.

    Examples
    --------
    >>> recorded_surface("code").n_runs
    63
    """
    return RunSurface.from_table(recorded_table(name))
