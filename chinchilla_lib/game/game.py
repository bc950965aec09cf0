"""The game: questions that cost FLOPs, answers from recorded runs, a submission, and the replay of it all."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from scipy.special import ndtri

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.game.ledger import SUBMIT, TRAIN, Entry, Ledger, check_student
from chinchilla_lib.game.surface import RunSurface, table_digest
from chinchilla_lib.game.variants import Variant, find_variant, recorded_surface, recorded_table
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["LEVEL", "Answer", "Game", "Oracle", "Replay", "Submission", "noise_of", "replay"]

LEVEL: Final = 0.9
"""Probability with which a submitted interval is to hold the loss; the same for all, because the
interval scores of two levels do not compare."""

_DIGITS: Final = 5  # of an answered loss
_SAME_LOSS: Final = 2 * 10.0**-_DIGITS  # that another machine may round differently
_SAME_FLOPS: Final = 1e-9
_FAR_SHARE: Final = 0.01  # by which an allocation may miss the far budget

_TRAIN_KEYS: Final = {"n_params", "n_tokens", "seed", "loss", "flops", "spent"}
_SUBMIT_KEYS: Final = {"n_params", "n_tokens", "low", "high", "level", "spent"}


class Oracle(Protocol):
    """What keeps a ledger elsewhere and answers (:class:`chinchilla_lib.game.client.OracleClient`)."""

    def entries(self, known: int) -> str:
        """Lines of the ledger from an entry on."""
        ...

    def train(self, query: Mapping[str, Any], known: int) -> str:
        """Ask; the lines from an entry on, of which the last is the answer."""
        ...

    def submit(self, allocation: Mapping[str, Any], known: int) -> str:
        """Submit; the lines from an entry on, of which the last is the submission."""
        ...


@dataclass(frozen=True)
class Answer:
    """What a question was answered."""

    n_params: float
    n_tokens: float
    seed: int
    loss: float
    """Nats per token, with the noise of a seed."""
    flops: float
    """What it cost."""
    entry: int
    """Its number in the ledger."""


@dataclass(frozen=True)
class Submission:
    """An allocation of the far budget, and the interval of the lowest loss that it buys."""

    n_params: float
    n_tokens: float
    low: float
    """Nats per token."""
    high: float
    entry: int


@dataclass(frozen=True)
class Replay:
    """What the grader found when a ledger was played again."""

    student: str
    variant: str
    n_answers: int
    spent: float
    """FLOPs."""
    submission: Submission | None
    reasons: tuple[str, ...]
    """Why it is not accepted; empty if it is."""

    @property
    def holds(self) -> bool:
        """Whether every answer and all spending are what the game gives."""
        return not self.reasons


class Game:
    """A game of one student.

    Parameters
    ----------
    student : str
        See :func:`chinchilla_lib.game.ledger.check_student`.
    variant : str
        One of :data:`chinchilla_lib.game.variants.VARIANTS`.
    path : str or Path, optional
        File of the ledger. A game of this student and variant that lies there is gone on with. By default
        the ledger is kept in memory alone.
    table : SweepTable, optional
        Runs that answer in place of the recorded ones.
    oracle : str or Oracle, optional
        Address of the instructor's oracle, which then answers and keeps the ledger (not in a browser).
    token : str, optional
        The student's, for the oracle.

    Raises
    ------
    InputError
        If a name is not allowed, the file holds another game or one that was changed, or the oracle
        does not answer.

    Examples
    --------
    >>> game = Game("ada", "english")
    >>> answer = game.train(1e5, game.variant.tokens_for(1e5, 1e12))
    >>> round(answer.flops), round(game.spent / game.budget, 3)
    (1000000000000, 0.1)
    >>> game.train(1e9, 1e9)
    Traceback (most recent call last):
    chinchilla_lib.errors.InputError: n_params is 1e+09; recorded runs have 5672 to 1705216 (5.67k to 1.71M)
    >>> len(game.runs())
    1
    """

    def __init__(
        self,
        student: str,
        variant: str,
        path: str | Path | None = None,
        *,
        table: SweepTable | None = None,
        oracle: "str | Oracle | None" = None,
        token: str | None = None,
    ) -> None:
        self.student = check_student(student)
        """Who plays."""
        self.variant: Variant = find_variant(variant)
        """What is played."""
        self._path = None if path is None else Path(path)
        self._oracle = _connect(oracle, token)
        if self._oracle is not None and table is not None:
            raise InputError("table is given with an oracle, which has its own; leave one of them out")
        start = _start(self.student, self.variant, table)
        if self._oracle is not None:
            self._ledger = Ledger.from_text(self._oracle.entries(0))
            self._check_start({key: start[key] for key in ("student", "variant")}, "the oracle's ledger")
            self._save()
            return
        self._surface = recorded_surface(variant) if table is None else RunSurface.from_table(table)
        if self._path is not None and self._path.exists():
            self._ledger = Ledger.read(self._path)
            self._check_start(start, str(self._path))
            found = replay(self._ledger, table=table)
            if not found.holds:
                raise InputError(f"{self._path}: {found.reasons[0]}; begin a new file")
        else:
            self._ledger = Ledger.begin(start)
            self._save()

    @property
    def ledger(self) -> Ledger:
        """All that was asked and answered."""
        return self._ledger

    @property
    def budget(self) -> float:
        """FLOPs for all questions together."""
        return float(self._ledger.entries[0].content["budget"])

    @property
    def spent(self) -> float:
        """FLOPs spent."""
        return _spent(self._ledger)

    @property
    def left(self) -> float:
        """FLOPs left."""
        return self.budget - self.spent

    @property
    def submission(self) -> Submission | None:
        """What was submitted, if the game is over."""
        last = self._ledger.entries[-1]
        return _submission(last) if last.kind == SUBMIT else None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All answers, in order."""
        return tuple(_answer(entry) for entry in self._ledger.entries if entry.kind == TRAIN)

    def train(self, n_params: float, n_tokens: float, *, seed: int = 0) -> Answer:
        """Ask what a run ends with. A question asked twice is answered alike and costs twice.

        Parameters
        ----------
        n_params : float
            All parameters, embeddings included.
        n_tokens : float
            Training tokens.
        seed : int
            Of the run, from 0 to 2^31 - 1; another seed has other noise.

        Returns
        -------
        Answer

        Raises
        ------
        InputError
            If the run lies outside the region of the recorded ones, costs more than is left, or the game
            is over. Nothing is spent then.
        """
        query: dict[str, Any] = {
            "n_params": _real("n_params", n_params),
            "n_tokens": _real("n_tokens", n_tokens),
            "seed": _seed(seed),
        }
        if self._oracle is not None:
            return _answer(self._take(self._oracle.train(query, len(self._ledger.entries))))
        self._check_open()
        return _answer(self._append(TRAIN, self._answered(**query)))

    def submit(self, n_params: float, n_tokens: float, interval: tuple[float, float]) -> Submission:
        """End the game.

        Parameters
        ----------
        n_params, n_tokens : float
            The allocation; it must cost the far budget within one per cent.
        interval : tuple of float
            Ends that hold the lowest loss the far budget buys with a probability of `LEVEL` (0.9), nats
            per token: what a run of the best allocation ends with on the mean over seeds.

        Returns
        -------
        Submission

        Raises
        ------
        InputError
            If the allocation costs more or less, the interval is none, or the game is over already.

        Examples
        --------
        >>> game = Game("ada", "code")
        >>> n_tokens = game.variant.tokens_for(2.5e5, game.variant.far_budget)
        >>> game.submit(2.5e5, n_tokens, (2.2, 2.4)).entry
        1
        """
        try:
            low, high = interval
        except (TypeError, ValueError):
            raise InputError(f"interval is {interval!r}; give its two ends, nats per token") from None
        allocation = {
            "n_params": _real("n_params", n_params),
            "n_tokens": _real("n_tokens", n_tokens),
            "low": _real("the interval's lower end", low),
            "high": _real("the interval's upper end", high),
        }
        if self._oracle is not None:
            return _submission(self._take(self._oracle.submit(allocation, len(self._ledger.entries))))
        self._check_open()
        _check_submission(self.variant, allocation)
        entry = self._append(SUBMIT, {**allocation, "level": LEVEL, "spent": self.spent})
        return _submission(entry)

    def runs(self) -> SweepTable:
        """The answers as a table, which the fits take.

        Raises
        ------
        InputError
            If nothing was asked yet.
        """
        rows = [
            {
                "run_id": f"answer-{answer.entry}",
                "n_params": answer.n_params,
                "n_tokens": answer.n_tokens,
                "loss": answer.loss,
                "flops": answer.flops,
                "flops_convention": "matmul",
                "seed": answer.seed,
            }
            for answer in self.answers
        ]
        if not rows:
            raise InputError("the ledger has no answers yet; ask with Game.train")
        return SweepTable.from_records(rows, source=f"answers to {self.student}, {self.variant.name}")

    def _answered(self, n_params: float, n_tokens: float, seed: int) -> dict[str, Any]:
        loss = _answer_loss(self._surface, self.student, self.variant, n_params, n_tokens, seed)
        flops = self.variant.cost(n_params, n_tokens)
        if flops > self.left:
            raise InputError(
                f"n_tokens is {n_tokens:g}: the run costs {format_flops(flops)} FLOPs and "
                f"{format_flops(max(self.left, 0.0))} are left; ask for a smaller one, or submit"
            )
        query = {"n_params": n_params, "n_tokens": n_tokens, "seed": seed}
        return {**query, "loss": loss, "flops": flops, "spent": self.spent + flops}

    def _append(self, kind: str, content: Mapping[str, Any]) -> Entry:
        extended = self._ledger.extended(kind, content)
        if self._path is not None:
            if self._path.exists() and Ledger.read(self._path) != self._ledger:
                raise InputError(f"{self._path}: another game wrote to it; open it again to go on there")
            extended.write(self._path)
        self._ledger = extended
        return extended.entries[-1]

    def _take(self, lines: str) -> Entry:
        """Continue the copy of the oracle's ledger by what it sent."""
        self._ledger = Ledger.from_text(self._ledger.to_text() + lines)
        self._save()
        return self._ledger.entries[-1]

    def _save(self) -> None:
        if self._path is not None:
            self._ledger.write(self._path)

    def _check_open(self) -> None:
        if self._ledger.entries[-1].kind == SUBMIT:
            last = len(self._ledger.entries) - 1
            raise InputError(f"the game of {self.student} is over: entry {last} submits")

    def _check_start(self, start: Mapping[str, Any], where: str) -> None:
        content = self._ledger.entries[0].content
        for key, value in start.items():
            if content.get(key) != value:
                raise InputError(
                    f"{where} is of {key} {content.get(key)!r}, not {value!r}; "
                    "name another file, or play that game"
                )


def noise_of(student: str, variant: str, n_params: float, n_tokens: float, seed: int) -> float:
    """The noise of an answer, standard normal: a hash of who asked what, the same on every machine.

    Parameters
    ----------
    student, variant : str
    n_params, n_tokens : float
    seed : int

    Examples
    --------
    >>> noise_of("ada", "code", 1e5, 1e6, 0) == noise_of("ada", "code", 1e5, 1e6, 0)
    True
    >>> noise_of("ada", "code", 1e5, 1e6, 0) == noise_of("bob", "code", 1e5, 1e6, 0)
    False
    """
    text = "\n".join([variant, student, float(n_params).hex(), float(n_tokens).hex(), str(seed)])
    drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 12
    return float(ndtri((drawn + 0.5) / 2**52))


def replay(ledger: Ledger | str | Path, *, table: SweepTable | None = None) -> Replay:
    """Play a ledger again: every answer, all spending and the submission are computed anew.

    Parameters
    ----------
    ledger : Ledger, str or Path
        The game, or its file.
    table : SweepTable, optional
        Runs that answered in place of the recorded ones.

    Returns
    -------
    Replay

    Raises
    ------
    InputError
        If a file is no ledger, its chain is broken, or its first entry names no game.

    Examples
    --------
    >>> game = Game("ada", "code")
    >>> _ = game.train(1e5, 1e6)
    >>> replay(game.ledger).holds
    True
    """
    if not isinstance(ledger, Ledger):
        ledger = Ledger.read(ledger)
    start = ledger.entries[0].content
    student, name = start.get("student"), start.get("variant")
    if not isinstance(name, str):
        raise InputError(f"ledger: entry 0 names the variant {name!r}; a game's is text")
    variant = find_variant(name)
    if not isinstance(student, str) or check_student(student) != student:
        raise InputError(f"ledger: entry 0 names the student {student!r}, which no game would")
    reasons = [
        f"entry 0 has the {key} {start.get(key)!r}; this game's is {value!r}"
        for key, value in _start(student, variant, table).items()
        if start.get(key) != value
    ]
    surface = recorded_surface(name) if table is None else RunSurface.from_table(table)
    spent, submission, n_answers = 0.0, None, 0
    for entry in ledger.entries[1:]:
        try:
            if submission is not None:
                raise InputError("it stands after the submission")
            if entry.kind == TRAIN:
                n_answers += 1
                spent = _replay_answer(entry.content, surface, student, variant, spent)
            else:
                _replay_submission(entry.content, variant, spent)
                submission = _submission(entry)
        except InputError as error:
            reasons.append(f"entry {entry.number}: {error}")
    return Replay(student, name, n_answers, spent, submission, tuple(reasons))


def _replay_answer(
    content: Mapping[str, Any], surface: RunSurface, student: str, variant: Variant, spent: float
) -> float:
    """Check an answer; what is spent after it."""
    _check_keys(content, _TRAIN_KEYS)
    n_params, n_tokens = (_real(name, content[name]) for name in ("n_params", "n_tokens"))
    flops = variant.cost(n_params, n_tokens)
    loss = _answer_loss(surface, student, variant, n_params, n_tokens, _seed(content["seed"]))
    if abs(_real("loss", content["loss"]) - loss) > _SAME_LOSS:
        raise InputError(f"the answer is {content['loss']!r}, and the game answers {loss!r}")
    if not math.isclose(_real("flops", content["flops"]), flops, rel_tol=_SAME_FLOPS):
        raise InputError(f"it cost {flops:.6g} FLOPs, not {content['flops']!r}")
    spent += flops
    if not math.isclose(_real("spent", content["spent"]), spent, rel_tol=_SAME_FLOPS):
        raise InputError(f"{spent:.6g} FLOPs are spent after it, not {content['spent']!r}")
    if spent > variant.budget * (1 + _SAME_FLOPS):
        raise InputError(f"{spent:.6g} FLOPs are spent after it, more than the budget of {variant.budget:g}")
    return spent


def _replay_submission(content: Mapping[str, Any], variant: Variant, spent: float) -> None:
    _check_keys(content, _SUBMIT_KEYS)
    _check_submission(
        variant, {name: _real(name, content[name]) for name in ("n_params", "n_tokens", "low", "high")}
    )
    if content["level"] != LEVEL:
        raise InputError(f"its level is {content['level']!r}; it must be {LEVEL}")
    if not math.isclose(_real("spent", content["spent"]), spent, rel_tol=_SAME_FLOPS):
        raise InputError(f"{spent:.6g} FLOPs are spent before it, not {content['spent']!r}")


def _check_keys(content: Mapping[str, Any], keys: set[str]) -> None:
    if set(content) != keys:
        raise InputError(f"it holds {sorted(content)!r:.120}, not {', '.join(sorted(keys))}")


def _check_submission(variant: Variant, allocation: Mapping[str, float]) -> None:
    cost = variant.cost(allocation["n_params"], allocation["n_tokens"])
    if not abs(cost / variant.far_budget - 1) <= _FAR_SHARE:
        n_tokens = variant.tokens_for(allocation["n_params"], variant.far_budget)
        raise InputError(
            f"n_tokens is {allocation['n_tokens']:g}: the allocation costs {format_flops(cost)} FLOPs, and "
            f"the far budget is {format_flops(variant.far_budget)}; this size can have {n_tokens:.6g} tokens"
        )
    low, high = allocation["low"], allocation["high"]
    if not 0 < low <= high:
        raise InputError(f"interval is {low:g} to {high:g}; give its lower end above 0, then its upper end")


def _answer_loss(
    surface: RunSurface, student: str, variant: Variant, n_params: float, n_tokens: float, seed: int
) -> float:
    loss = surface.loss(n_params, n_tokens)
    noise = noise_of(student, variant.name, n_params, n_tokens, seed)
    return round(loss * math.exp(surface.noise * noise), _DIGITS)


def _start(student: str, variant: Variant, table: SweepTable | None) -> dict[str, Any]:
    return {
        "student": student,
        "variant": variant.name,
        "budget": variant.budget,
        "far_budget": variant.far_budget,
        "table": table_digest(recorded_table(variant.name) if table is None else table),
    }


def _spent(ledger: Ledger) -> float:
    last = ledger.entries[-1]
    return float(last.content["spent"]) if last.number else 0.0


def _answer(entry: Entry) -> Answer:
    values = {name: entry.content[name] for name in ("n_params", "n_tokens", "seed", "loss", "flops")}
    return Answer(**values, entry=entry.number)


def _submission(entry: Entry) -> Submission:
    values = {name: entry.content[name] for name in ("n_params", "n_tokens", "low", "high")}
    return Submission(**values, entry=entry.number)


def _real(name: str, value: Any) -> float:
    """A finite number as a float; text and truth values are none."""
    try:
        number = math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, found {value!r:.60}")
    return number


def _seed(value: Any) -> int:
    number = _real("seed", value)
    if not (number.is_integer() and 0 <= number < 2**31):
        raise InputError(f"seed must be a whole number from 0 to 2^31 - 1, found {value!r:.60}")
    return int(number)


def _connect(oracle: "str | Oracle | None", token: str | None) -> Oracle | None:
    if not isinstance(oracle, str):
        return oracle
    from chinchilla_lib.game.client import OracleClient  # sockets, only for those who ask over them

    if token is None:
        raise InputError("token is missing; the oracle's instructor gives one to each student")
    return OracleClient(oracle, token)
