"""``chinchilla-lib allocate``: the compute-optimal model for a budget, by a published law or a fit."""

import argparse
import math
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count, format_flops, parse_number
from chinchilla_lib._outside import parse_json
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.reference.laws import LAWS, PublishedLaw
from chinchilla_lib.reference.recorded import load_recorded

__all__ = ["register", "run"]

_DEFAULT: Final = "hoffmann"
_QUANTITIES: Final = ("n_params", "n_tokens", "loss")
_FIELDS: Final = ("E", "A", "B", "alpha", "beta")
_LARGEST: Final = 1e40  # FLOPs; beyond it counts and their ratio mean nothing

_EXAMPLES: Final = """\
examples:
  chinchilla-lib allocate --flops 5.76e23
  chinchilla-lib allocate --flops 5.76e23 --law epoch --json allocation.json

--law names a published law, or a file that 'chinchilla-lib fit --json' has written. Intervals are
those of the fit, on the budgets for which its file gives them. Of the published laws epoch has some,
made here from its points.
"""


@dataclass(frozen=True, eq=False)
class _Curve:
    """A positive number known at some budgets, interpolated between logarithms."""

    log_flops: npt.NDArray[np.float64]
    log_value: npt.NDArray[np.float64]

    @classmethod
    def through(cls, name: str, points: Sequence[tuple[float, float]]) -> "_Curve":
        numbers = np.array(sorted(points), dtype=np.float64)
        if not (np.isfinite(numbers) & (numbers > 0)).all():
            raise InputError(f"{name} of 'frontier' must be finite and above 0")
        log_flops, log_value = np.log(numbers).T
        return cls(log_flops, log_value)

    def at(self, flops: float) -> float | None:
        """The number at a budget; None outside the budgets."""
        x = math.log(flops)
        if not self.log_flops[0] <= x <= self.log_flops[-1]:
            return None
        return math.exp(np.interp(x, self.log_flops, self.log_value))


@dataclass(frozen=True, kw_only=True)
class _Frontier:
    """What is needed of a law or of a fit; the bands are intervals by quantity."""

    name: str
    about: str
    n_opt: PowerLaw
    d_opt: PowerLaw
    law: ParametricLoss | None = None
    law_intervals: Mapping[str, Any] | None = None
    loss_known: bool = True
    published: PublishedLaw | None = None
    verdict: str | None = None
    verdict_reason: str | None = None
    loss: _Curve | None = None
    bands: Mapping[str, tuple[_Curve, _Curve]] = field(default_factory=dict)
    level: float | None = None
    flops_range: tuple[float, float] | None = None
    counted: str = "C = 6ND"


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "allocate",
        help=COMMANDS["allocate"],
        description="Print the compute-optimal number of parameters and training tokens for a budget "
        "(C = 6ND), and the loss that the law expects.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--flops", required=True, metavar="C", help="training budget, such as 5.76e23")
    parser.add_argument(
        "--law",
        default=_DEFAULT,
        metavar="LAW",
        help=f"{', '.join(LAWS)}, or the JSON file of a fit (default {_DEFAULT})",
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the numbers to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the allocation, and write it where ``--json`` says."""
    flops = parse_number(options.flops, "--flops")
    if flops > _LARGEST:
        raise InputError(f"--flops is {options.flops!r}; budgets go to {format_flops(_LARGEST)} FLOPs")
    published = LAWS.get(options.law)
    if published is None:
        check_json(options.json, {"the fit": options.law})
    frontier = _fitted(options.law) if published is None else _published(published)
    report = _report(frontier, flops)
    write_json(options.json, report)
    sys.stdout.write(_text(frontier, report))
    return 0


def _published(published: PublishedLaw) -> _Frontier:
    bands, level = {}, None
    if published.frontier is not None:
        rows = load_recorded(published.frontier).rows
        level = float(rows[0]["level"])
        for name in _QUANTITIES:
            low, high = (
                [(float(row["flops"]), float(row[f"{name}_{end}"])) for row in rows]
                for end in ("low", "high")
            )
            bands[name] = (_Curve.through(name, low), _Curve.through(name, high))
    return _Frontier(
        name=published.name,
        about=f"{published.title}; {published.source} ({published.confidence}); fitted to {published.data}",
        n_opt=published.law.n_opt_law,
        d_opt=published.law.d_opt_law,
        law=published.law,
        law_intervals=_law_intervals(published.level, published.intervals),
        published=published,
        bands=bands,
        level=level,
    )


def _law_intervals(level: float | None, intervals: Mapping[str, Any] | None) -> dict[str, Any] | None:
    ends = {key: list(intervals[key]) for key in _FIELDS if intervals and key in intervals}
    return {"level": level, **ends} if ends else None


def _fitted(name: str) -> _Frontier:
    path = Path(name)
    choices = f"name one of {', '.join(LAWS)}, or a file written by 'chinchilla-lib fit --json'"
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"--law {name}: no published law and no file has this name; {choices}") from None
    except (OSError, InputError) as error:
        raise InputError(f"--law {name}: cannot be read ({error}); {choices}") from None
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            return _from_json(name, content)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        told = error if isinstance(error, InputError) else f"{type(error).__name__} at {error}"
        raise InputError(
            f"--law {name}: the file holds no fit that can be used ({told}); {choices}"
        ) from None


def _from_json(name: str, content: Mapping[str, Any]) -> _Frontier:
    law = None
    if content["method"] == "all" and content.get("exponents") is None:
        headline = content["headline"]
        raise InputError(f"its {headline} fit failed: {content['fits'][headline]['error']}")
    if content.get("law") is not None:
        law = ParametricLoss(**{key: _real(content["law"][key]) for key in _FIELDS})
    coefficients, exponents = content.get("coefficients"), content.get("exponents")
    if law is not None and (coefficients is None or exponents is None):
        n_opt, d_opt = law.n_opt_law, law.d_opt_law
    else:
        n_opt = PowerLaw(_real(content["coefficients"]["n_opt"]), _real(content["exponents"]["a"]))
        d_opt = PowerLaw(_real(content["coefficients"]["d_opt"]), _real(content["exponents"]["b"]))
    grid = content.get("frontier") or []
    losses = [
        (_real(point["flops"]), _real(point["loss"])) for point in grid if point.get("loss") is not None
    ]
    bands = {}
    for quantity in _QUANTITIES:
        ends = [
            (_real(point["flops"]), *map(_real, point["intervals"][quantity]))
            for point in grid
            if (point.get("intervals") or {}).get(quantity) is not None
        ]
        if ends:
            low, high = ([(flops, end[side]) for flops, *end in ends] for side in (0, 1))
            bands[quantity] = (_Curve.through(quantity, low), _Curve.through(quantity, high))
    told = content.get("intervals") or {}
    level = None if told.get("level") is None else _real(told["level"])
    intervals = {key: _ends(told[key]) for key in _FIELDS if told.get(key) is not None}
    return _Frontier(
        name=name,
        about=f"method {content.get('headline', content['method'])}, fitted to {content['source']}",
        n_opt=n_opt,
        d_opt=d_opt,
        law=law,
        law_intervals=_law_intervals(level, intervals),
        loss_known=content.get("loss_known", True),
        verdict=_text_of(content, "verdict"),
        verdict_reason=_text_of(content, "verdict_reason"),
        loss=_Curve.through("loss", losses) if losses else None,
        bands=bands,
        level=level,
        flops_range=_range_of(content),
        counted=_counted(content.get("diagnostics") or {}),
    )


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"found {repr(value)[:60]} where a number must stand")
    if not math.isfinite(value):
        raise InputError(f"found {value} where a finite number must stand")
    return float(value)


def _ends(value: Any) -> list[float | None]:
    """Of an interval, which may be open."""
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"found {repr(value)[:60]} where the two ends of an interval must stand")
    return [None if end is None else _real(end) for end in value]


def _text_of(content: Mapping[str, Any], name: str) -> str | None:
    found = content.get(name)
    if not isinstance(found, str | None):
        raise InputError(f"its {name} is {repr(found)[:60]}, and no text")
    return found


def _counted(diagnostics: Mapping[str, Any]) -> str:
    """How the fit counts FLOPs: the parametric one takes 6ND whatever the table has."""
    convention = diagnostics.get("flops_convention", "six_nd")
    return "C = 6ND" if convention == "six_nd" else "counted as those of the runs"


def _range_of(content: Mapping[str, Any]) -> tuple[float, float] | None:
    """Budgets of the runs; a file of an earlier version does not say."""
    if "flops_range" not in content:
        return None
    low, high = map(_real, content["flops_range"])
    return low, high


def _report(frontier: _Frontier, flops: float) -> dict[str, Any]:
    n_params, n_tokens = frontier.n_opt.predict(flops), frontier.d_opt.predict(flops)
    if min(n_params, n_tokens) < 1:
        raise InputError(
            f"--flops {format_flops(flops)}: by {frontier.name} the optimum has {n_params:.3g} parameters "
            f"and {n_tokens:.3g} tokens; give a budget at which both are above 1"
        )
    law = frontier.law
    loss = frontier.loss.at(flops) if frontier.loss is not None else None
    if law is not None and frontier.loss_known:
        loss = law.loss(n_params, n_tokens)
    bands = {name: [curve.at(flops) for curve in curves] for name, curves in frontier.bands.items()}
    bands = {name: ends for name, ends in bands.items() if None not in ends}
    return {
        "flops": flops,
        "law": frontier.name,
        "law_parameters": None if law is None else {key: getattr(law, key) for key in _FIELDS},
        "law_intervals": frontier.law_intervals,
        "verdict": frontier.verdict,
        "verdict_reason": frontier.verdict_reason,
        "n_params": n_params,
        "n_tokens": n_tokens,
        "tokens_per_param": n_tokens / n_params,
        "loss": loss,
        "extrapolated": _is_beyond(frontier.flops_range, flops),
        "intervals": {"level": frontier.level, **bands} if bands else None,
    }


def _is_beyond(flops_range: tuple[float, float] | None, flops: float) -> bool | None:
    """Whether a budget lies outside of those of the runs; they were grouped to within some percent."""
    return flops_range and not flops_range[0] / 1.05 <= flops <= flops_range[1] * 1.05


def _text(frontier: _Frontier, report: Mapping[str, Any]) -> str:
    intervals = report["intervals"] or {}

    def line(title: str, quantity: str, write: Callable[[float], str]) -> str:
        text = f"  {title:22}{write(report[quantity]):>8}"
        if quantity in intervals:
            low, high = map(write, intervals[quantity])
            text += f"   {low} to {high}"
        return text

    lines = [
        *_wrapped(f"{frontier.name}: {frontier.about}"),
        *_wrapped(": ".join(part for part in (frontier.verdict, frontier.verdict_reason) if part)),
        "",
        f"budget {format_flops(report['flops'])} FLOPs, {frontier.counted}",
        *_about_range(frontier, report),
        line("parameters", "n_params", format_count),
        line("tokens", "n_tokens", format_count),
        line("tokens per parameter", "tokens_per_param", "{:.4g}".format),
        *([] if report["loss"] is None else [line("loss, nats per token", "loss", "{:.4f}".format)]),
        "",
        *_wrapped(_about_intervals(frontier, report)),
    ]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 90, subsequent_indent="  ")


def _about_range(frontier: _Frontier, report: Mapping[str, Any]) -> list[str]:
    if not report["extrapolated"] or frontier.flops_range is None:
        return []
    return [f"extrapolated: the runs have {' to '.join(map(format_flops, frontier.flops_range))} FLOPs"]


def _about_intervals(frontier: _Frontier, report: Mapping[str, Any]) -> str:
    level = "" if frontier.level is None else f"{frontier.level:.0%} "
    if report["intervals"] is not None and frontier.published is not None:
        return (
            f"{level}intervals: percentiles of a pairs bootstrap made here with the paper's objective, "
            f"of {frontier.published.data}"
        )
    if report["intervals"] is not None:
        return f"{level}intervals of the fit, which know the noise of its runs and nothing else"
    if frontier.bands:
        low, _ = next(iter(frontier.bands.values()))
        span = " to ".join(format_flops(flops) for flops in np.exp(low.log_flops[[0, -1]]))
        return f"no intervals: they are known for budgets of {span} FLOPs only"
    if frontier.published is not None:
        return "no intervals: none were published, nor the points"
    return "no intervals: the file has none; fit with --bootstrap"
