"""What the paper, and later work, would make of one budget: tokens for each parameter, row by row.

Rows come from three places: lines through the paper's own tables and other printed sizes, published laws
solved for the budget, and laws to which something was added that the paper leaves out, such as tokens served.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.published_fit import load_draws
from chinchilla_lib.fitting.data_constrained import allocate_data_constrained
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.recount import recount_frontier
from chinchilla_lib.fitting.serving_curve import serving_curve
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.reference.laws import LAWS, MUENNIGHOFF
from chinchilla_lib.reference.models import find_model
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import Approach, approach_line
from chinchilla_lib.reference.standings import law_of_draw
from chinchilla_lib.reference.tables import load_paper_table

__all__ = ["GROUPS", "Recommendation", "Verdict", "chinchilla_ratio", "recommendations"]

FloatArray = npt.NDArray[np.float64]
Verdict = Literal["moves it", "may move it", "does not"]

GROUPS: Final = ("the paper", "fitted again", "use and data", "recipe repaired", "Kaplan's count and recipe")
"""What a recommendation rests on. The first is the paper's own answer, the last the one it corrected."""

_LEVEL: Final = 0.9
_N_DRAWS: Final = 200  # of the interval that needs a search for each draw


@dataclass(frozen=True)
class Recommendation:
    """A size and a number of tokens that someone's result asks for."""

    name: str
    """Whose result, in a few words."""
    group: str
    """One of `GROUPS`."""
    n_params: float
    """Parameters; without the embedding in the last group, where that is what is counted."""
    n_tokens: float
    """Training tokens."""
    interval: Interval | None = None
    """90 % interval of `tokens_per_param`; None where none is known."""
    page: str = ""
    """The chapter that goes deeper; empty for the paper itself."""

    @property
    def tokens_per_param(self) -> float:
        """D / N."""
        return self.n_tokens / self.n_params

    def judge(self, ratio: float, factor: float = 2.0) -> Verdict:
        """Does this move an answer of so many tokens for each parameter by more than a factor?

        Parameters
        ----------
        ratio : float
            The answer, tokens per parameter, above 0.
        factor : float
            To either side, above 1.

        Returns
        -------
        str
            ``does not`` if the value lies within the factor, ``moves it`` if it lies beyond and so does all
            of its interval, on the same side; else ``may move it``.

        Raises
        ------
        InputError
            If an argument is out of range.

        Examples
        --------
        >>> one = Recommendation("ours", "fitted again", 1e9, 6e10, (30.0, 90.0))
        >>> one.judge(20), one.judge(10), one.judge(50)
        ('may move it', 'moves it', 'does not')
        """
        if not (math.isfinite(ratio) and ratio > 0):
            raise InputError(f"ratio must be finite and above 0, found {ratio!r}; Chinchilla's is 20")
        if not (math.isfinite(factor) and factor > 1):
            raise InputError(f"factor must be finite and above 1, found {factor!r}")
        low, high = ratio / factor, ratio * factor
        value = self.tokens_per_param
        if low <= value <= high:
            return "does not"
        ends = self.interval or (value, value)
        beyond = ends[0] > high if value > high else ends[1] < low
        return "moves it" if beyond else "may move it"


def chinchilla_ratio() -> float:
    """Tokens for each parameter of Chinchilla as it was trained (Table 1).

    Examples
    --------
    >>> chinchilla_ratio()
    20.0
    """
    model = find_model("Chinchilla")
    return model.n_tokens / model.n_params


def recommendations(
    flops: float = 5.76e23, *, served_tokens: tuple[float, ...] = (1e12, 1e13), unique_tokens: float = 3e11
) -> tuple[Recommendation, ...]:
    """What each result asks for at a budget, in the order of `GROUPS`.

    Parameters
    ----------
    flops : float
        The budget, 6ND, above 0; by default that of section 4. The rows of Porian et al. are for 6ND of
        Chinchilla whatever it is, as they are printed for nothing else.
    served_tokens : tuple of float
        Tokens served, each above 0; a row each, for a model as good as the budget's best.
    unique_tokens : float
        Tokens there are, above 0, where data are short; by default the number that Gopher saw.

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    Serving and short data are added to the refitted law of Besiroglu et al. (2024), whose draws give the
    intervals. The worth of repeats is held at the constants of Muennighoff et al. (2023), so that the
    interval of that row is too narrow.

    Examples
    --------
    >>> rows = {row.name: row for row in recommendations()}
    >>> round(rows["Besiroglu et al. (2024)"].tokens_per_param, 1)
    18.3
    """
    if not (math.isfinite(flops) and flops > 0):
        raise InputError(f"flops must be finite and above 0, found {flops!r}; Chinchilla's are 5.76e23")
    return (
        *_of_the_paper(flops),
        *_fitted_again(flops),
        *_use(flops, served_tokens),
        _short_data(flops, unique_tokens),
        *_repaired(),
        *_as_kaplan(flops),
    )


def _split(
    name: str, group: str, flops: float, n_params: float, interval: Interval | None = None, page: str = ""
) -> Recommendation:
    return Recommendation(name, group, n_params, flops / (6 * n_params), interval, page)


def _of_the_paper(flops: float) -> list[Recommendation]:
    approaches: tuple[Approach, ...] = get_args(Approach)
    lines = [
        _split(f"Approach {one}, its table", GROUPS[0], flops, approach_line(one).n_opt.predict(flops))
        for one in approaches
    ]
    laws = [
        _split(f"equation 10, {digits}", GROUPS[0], flops, LAWS[name].law.n_opt(flops))
        for name, digits in (("hoffmann", "as printed"), ("hoffmann-unrounded", "more digits"))
    ]
    return lines + laws


def _fitted_again(flops: float) -> list[Recommendation]:
    band = serving_curve(LAWS["epoch"].law, flops, [0.0], draws=load_draws(), level=_LEVEL).ratio_band
    return [
        _split(
            "Besiroglu et al. (2024)",
            GROUPS[1],
            flops,
            LAWS["epoch"].law.n_opt(flops),
            interval=_interval(band, 0),
            page="approach-3-parametric",
        ),
        _split(
            "Muennighoff et al. (2023), C4",
            GROUPS[1],
            flops,
            LAWS["muennighoff"].law.n_opt(flops),
            page="repeating-data",
        ),
    ]


def _use(flops: float, served_tokens: tuple[float, ...]) -> list[Recommendation]:
    curve = serving_curve(LAWS["epoch"].law, flops, served_tokens, draws=load_draws(), level=_LEVEL)
    return [
        Recommendation(
            f"{served / 1e12:g}T tokens served",
            GROUPS[2],
            curve.unserved_n_params * float(curve.size_factor[position]),
            curve.unserved_n_tokens * float(curve.token_factor[position]),
            interval=_interval(curve.ratio_band, position),
            page="serving",
        )
        for position, served in enumerate(served_tokens)
    ]


def _short_data(flops: float, unique_tokens: float) -> Recommendation:
    def best(law: ParametricLoss) -> tuple[float, float]:
        repeats = RepeatedDataLoss(law, r_d=MUENNIGHOFF.r_d, r_n=MUENNIGHOFF.r_n)
        found = allocate_data_constrained(repeats, flops, unique_tokens)
        return found.n_params, found.n_tokens

    n_params, n_tokens = best(LAWS["epoch"].law)
    draws = load_draws()
    picked = draws[np.linspace(0, len(draws) - 1, _N_DRAWS).astype(int)]
    ratios = []
    for row in picked:
        size, tokens = best(law_of_draw(row))
        ratios.append(tokens / size)
    low, high = np.quantile(ratios, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Recommendation(
        f"{unique_tokens / 1e9:g}B unique tokens",
        GROUPS[2],
        n_params,
        n_tokens,
        interval=(float(low), float(high)),
        page="repeating-data",
    )


def _repaired() -> list[Recommendation]:
    return [
        _of_porian(f"Porian et al., {title}", GROUPS[3], text, -1)
        for text, title in (("refinedweb", "RefinedWeb"), ("openwebtext2", "OpenWebText2"))
    ]


def _as_kaplan(flops: float) -> list[Recommendation]:
    # As Pearce and Song (2024): their range of sizes, and their embedding.
    sizes = np.geomspace(10**2.9, 10**9.2, 20)
    counted = recount_frontier(LAWS["epoch"].law, sizes + 47491 * sizes ** (1 / 3), sizes, 6 * sizes)
    page = "why-kaplan-differed"
    return [
        _of_porian("Porian et al., Kaplan's recipe", GROUPS[4], "refinedweb", 0),
        _split("refit, counted as Kaplan", GROUPS[4], flops, counted.line().predict(flops), page=page),
        _split("Kaplan et al. (2020)", GROUPS[4], flops, KAPLAN_N_OPT.predict(flops), page=page),
    ]


def _of_porian(name: str, group: str, text: str, step: int) -> Recommendation:
    n_params = float(load_paper_table("porian2024_steps").numbers(f"n_opt_at_chinchilla_flops_{text}")[step])
    return _split(name, group, find_model("Chinchilla").flops, n_params, page="why-kaplan-differed")


def _interval(band: FloatArray | None, position: int) -> Interval | None:
    return None if band is None else (float(band[0, position]), float(band[1, position]))
