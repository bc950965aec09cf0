"""Runs, from configs to records."""

import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib._processor import processor_name
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import LossCurve, RunConfig, RunFailure, RunRecord
from chinchilla_lib.training.batches import HeldoutWindows, choose_heldout, corrupt_batches, training_batches
from chinchilla_lib.training.checkpoint import load_state, save_model, save_state
from chinchilla_lib.training.cpu import CpuStep
from chinchilla_lib.training.cuda import DeviceSteps
from chinchilla_lib.training.heldout import measure_heldout
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.schedule import schedule_rate

__all__ = [
    "CURVE_POINTS",
    "Step",
    "check_corpus",
    "find_device",
    "make_step",
    "measure_run",
    "side_by_side",
    "thin_curve",
    "train_job",
    "train_run",
]

CURVE_POINTS: Final = 200
_READ_EVERY: Final = 32  # steps; reading a loss makes the host wait for a GPU

_log = logging.getLogger(__name__)


def find_device() -> torch.device:
    """The GPU where there is one, else the CPU.

    Examples
    --------
    >>> find_device().type in ("cpu", "cuda")
    True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train_run(
    config: RunConfig,
    shards: Shards,
    *,
    device: torch.device | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> RunRecord:
    """Train one model and measure its held-out loss.

    On one CPU the result depends on the config alone, bit for bit.

    Parameters
    ----------
    config : RunConfig
    shards : Shards
        The corpus the config names.
    device : torch.device, optional
        Found when not given.
    on_step : callable, optional
        Called with the step (from 1) and its training loss in nats per token.

    Returns
    -------
    RunRecord

    Raises
    ------
    InputError
        If the config was planned for another corpus or vocabulary.
    DivergedError
        If the loss is no longer finite; the message names the step.
    """
    (result,) = train_job((config,), shards, device=device, on_step=on_step)
    if isinstance(result, RunFailure):
        raise DivergedError(result.reason)
    return result


def train_job(
    job: Sequence[RunConfig],
    shards: Shards,
    *,
    device: torch.device | None = None,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = 60.0,
    models_folder: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
    step: "Step | None" = None,
) -> Iterator[RunRecord | RunFailure]:
    """Train runs together: side by side, or from one trunk.

    What a run measures does not depend on the others of its job, nor on interruptions.

    Parameters
    ----------
    job : sequence of RunConfig
        Runs that share a :attr:`~chinchilla_lib.runs.RunConfig.trunk`; or runs without one, on
        the CPU equal but for seed and learning rate (:func:`side_by_side`).
    shards : Shards
    device : torch.device, optional
        Found when not given.
    checkpoint_folder : pathlib.Path, optional
        Of this job alone. States are kept there, and a job found there goes on where it was.
    checkpoint_seconds : float
        Time between two states.
    models_folder : pathlib.Path, optional
        Where the weights of finished runs are kept, as ``RUN_ID.safetensors``.
    on_step : callable, optional
        Called with the step (from 1) and its training loss, the mean over runs side by side.
    step : Step, optional
        Of :func:`make_step` when not given.

    Yields
    ------
    RunRecord or RunFailure
        Of each run, as it ends.

    Raises
    ------
    InputError
        If a config was planned for another corpus or vocabulary.
    """
    for config in job:
        check_corpus(config, shards)
    session = _Session(job, shards, device or find_device(), on_step, step, models_folder)
    keeper = _Keeper(session, checkpoint_folder, checkpoint_seconds)
    if job[0].trunk is None:
        yield from _train_side_by_side(session, keeper)
    else:
        yield from _train_trunk(session, keeper)


def side_by_side(config: RunConfig) -> RunConfig:
    """What configs have in common when :func:`train_job` can train them side by side on the CPU."""
    return replace(config, seed=0, learning_rate=1.0, flops_budget=1.0)


def _train_side_by_side(session: "_Session", keeper: "_Keeper") -> Iterator[RunRecord | RunFailure]:
    keeper.go_on()
    for end in sorted({config.n_steps for config in session.job}):
        session.advance(session.job, end, keeper.keep_sometimes)
        for i, config in enumerate(session.job):
            if config.n_steps == end:
                yield session.measure(i, config)


def _train_trunk(session: "_Session", keeper: "_Keeper") -> Iterator[RunRecord | RunFailure]:
    """The runs in order of length; each cools down from the trunk, or just ends, and the trunk goes on."""
    runs = sorted(session.job, key=lambda config: config.n_steps)
    keeper.go_on(before=runs[0].n_steps - runs[0].cooldown_steps)
    for config in runs:
        session.advance([runs[-1]], config.n_steps - config.cooldown_steps, keeper.keep_sometimes)
        trunk = session.snapshot()
        if len(runs) > 1:
            keeper.keep()
        session.advance([config], config.n_steps)
        yield session.measure(0, config)
        session.restore(*trunk)


class Step(Protocol):
    """One step of several models, left out where the rate is None; gives their losses."""

    models: list[Transformer]
    kernels: str

    def __call__(
        self, rates: Sequence[float | None], batches: Sequence[npt.NDArray[np.int64]], /
    ) -> Sequence[Tensor] | Tensor: ...
    def wait(self) -> None: ...
    def state(self) -> dict[str, Tensor]: ...
    def load(self, state: Mapping[str, Tensor], /) -> None: ...


def make_step(configs: Sequence[RunConfig], device: torch.device) -> Step:
    """The step that trains these configs on a device: by hand on the CPU where it can be, else by autograd.

    Parameters
    ----------
    configs : sequence of RunConfig
    device : torch.device
    """
    by_hand = device.type == "cpu" and configs[0].shape.family != "gopher" and configs[0].precision != "fp16"
    return CpuStep(configs) if by_hand else DeviceSteps(configs, device)


class _Session:
    """Models under training, the losses so far, and where in the data they are."""

    def __init__(
        self,
        job: Sequence[RunConfig],
        shards: Shards,
        device: torch.device,
        on_step: Callable[[int, float], None] | None,
        step: Step | None,
        models_folder: Path | None,
    ) -> None:
        self.started = time.perf_counter()
        self.job, self._shards, self._device, self._on_step = list(job), shards, device, on_step
        self.models = self.job[-1:] if job[0].trunk else self.job
        self.step = step or make_step(self.models, device)
        self._models_folder = models_folder
        self.losses = np.full((len(self.models), max(config.n_steps for config in job)), np.nan)
        self.n_done = 0

    def advance(
        self, configs: Sequence[RunConfig], end: int, after_steps: Callable[[], None] = lambda: None
    ) -> None:
        """Step until ``end`` on the schedules of the configs, unless all losses stop being numbers."""
        pending: list[Sequence[Tensor] | Tensor] = []
        batches = [islice(_batches(self._shards, config, end), self.n_done, None) for config in configs]
        read_every = 1 if self._device.type == "cpu" or self._on_step else _READ_EVERY
        for step, together in enumerate(zip(*batches, strict=True), start=self.n_done):
            if self.n_done and not np.isfinite(self.losses[:, self.n_done - 1]).any():
                return
            rates = [schedule_rate(c, step) if step < c.n_steps else None for c in configs]
            pending.append(self.step(rates, together))
            if len(pending) < read_every and step + 1 < end:
                continue
            self.step.wait()
            losses = torch.stack([torch.stack(tuple(row)) for row in pending], 1).cpu().numpy()
            pending.clear()
            self.losses[:, step + 1 - losses.shape[1] : step + 1] = losses
            self.n_done = step + 1
            if self._on_step is not None:
                self._on_step(self.n_done, float(losses[:, -1].mean()))
            after_steps()

    def snapshot(self) -> tuple[int, dict[str, Tensor]]:
        """A copy of where training is."""
        self.step.wait()
        return self.n_done, {name: tensor.clone() for name, tensor in self.step.state().items()}

    def restore(self, n_done: int, state: Mapping[str, Tensor]) -> None:
        """Go back to a snapshot."""
        self.step.load(state)
        self.n_done = n_done

    def measure(self, i: int, config: RunConfig) -> RunRecord | RunFailure:
        """What a run ends with; the time since the run before is its own."""
        losses = self.losses[i, : config.n_steps]
        finite = np.isfinite(losses)
        if not finite.all():
            at = int(finite.argmin())
            reason = f"run {config.run_id}: the loss is {losses[at]} at step {at + 1} of {config.n_steps}"
            return RunFailure(config, reason, "diverged")
        heldout = _heldout(self._shards, config.shape.seq_len, config.eval_sequences)
        model = self.step.models[i]
        record = measure_run(
            config,
            model,
            heldout,
            losses,
            started=self.started,
            device=self._device,
            kernels=self.step.kernels,
        )
        if self._models_folder is not None:
            save_model(self._models_folder / f"{config.run_id}.safetensors", model, config)
        self.started = time.perf_counter()
        return record


def _batches(shards: Shards, config: RunConfig, n_steps: int) -> Iterator[npt.NDArray[np.int64]]:
    seq_len = config.shape.seq_len
    batches = training_batches(
        shards.train,
        seq_len=seq_len,
        batch_size_sequences=config.batch_size_sequences,
        n_steps=n_steps,
        seed=config.seed,
        n_unique=None if config.unique_tokens is None else config.unique_tokens // seq_len,
    )
    return corrupt_batches(
        batches, fraction=config.corrupted_fraction, vocab_size=shards.vocab_size, seed=config.seed
    )


@cache
def _heldout(shards: Shards, seq_len: int, n_sequences: int) -> HeldoutWindows:
    return choose_heldout(shards, seq_len=seq_len, n_sequences=n_sequences)


class _Keeper:
    """Keeps the states of a session in a folder, and finds them there."""

    def __init__(self, session: _Session, folder: Path | None, seconds: float) -> None:
        self._session, self._folder, self._seconds = session, folder, seconds
        self._ids = [config.trunk or config.run_id for config in session.models]
        self._kept_at = time.monotonic()

    def go_on(self, before: int | None = None) -> None:
        """Take up the newest sound state of these runs, unless it lies beyond a step."""
        session = self._session
        found = load_state(self._folder) if self._folder else None
        if found is None:
            return
        tensors, meta = found
        if meta["runs"] == self._ids and (before is None or meta["step"] <= before):
            session.losses[:, : meta["step"]] = tensors.pop("losses").numpy()
            session.restore(meta["step"], tensors)
            _log.info("%s: going on after step %d", ", ".join(self._ids), meta["step"])

    def keep_sometimes(self) -> None:
        """Keep the state if the last one is old."""
        if time.monotonic() - self._kept_at >= self._seconds:
            self.keep()

    def keep(self) -> None:
        """Keep the state now."""
        session = self._session
        if self._folder is None:
            return
        session.step.wait()
        losses = torch.from_numpy(session.losses[:, : session.n_done].copy())
        save_state(
            self._folder, session.n_done, {**session.step.state(), "losses": losses}, {"runs": self._ids}
        )
        self._kept_at = time.monotonic()


def check_corpus(config: RunConfig, shards: Shards) -> None:
    """Refuse shards that a run was not planned for.

    Raises
    ------
    InputError
        If the corpus or its vocabulary is another.
    """
    if config.corpus != shards.identity:
        raise InputError(
            f"the run was planned for corpus {config.corpus}, these shards are {shards.identity}: "
            "plan it again"
        )
    if config.shape.vocab_size != shards.vocab_size:
        raise InputError(
            f"the model has vocab_size {config.shape.vocab_size}, the corpus {shards.vocab_size}: "
            "plan it again"
        )


def measure_run(
    config: RunConfig,
    model: Transformer,
    heldout: HeldoutWindows,
    losses: npt.NDArray[np.float64],
    *,
    started: float,
    device: torch.device,
    kernels: str = "autograd",
) -> RunRecord:
    """Record of a run whose training is done.

    Parameters
    ----------
    config : RunConfig
    model : Transformer
    heldout : HeldoutWindows
    losses : ndarray
        Training loss of every step, shape (n_steps,).
    started : float
        ``time.perf_counter()`` when the run began.
    device : torch.device
    kernels : str
        Whose kernels trained it, for the record.
    """
    result = measure_heldout(model, heldout)
    seconds = time.perf_counter() - started
    _log.info("%s: loss %.4f in %.1f s", config.run_id, result.loss, seconds)
    return RunRecord(
        config=config,
        loss=result.loss,
        loss_se=result.loss_se,
        bits_per_byte=result.bits_per_byte,
        curve=thin_curve(losses),
        seconds=seconds,
        environment={**_environment(device), "kernels": kernels},
        heldout=result.by_document,
    )


def thin_curve(losses: npt.NDArray[np.float64], n_points: int = CURVE_POINTS) -> LossCurve:
    """Average per-step losses over at most ``n_points`` stretches of nearly equal length.

    Parameters
    ----------
    losses : ndarray
        Training loss of every step, shape (n_steps,).
    n_points : int

    Returns
    -------
    LossCurve

    Examples
    --------
    >>> curve = thin_curve(np.linspace(6.0, 3.0, 1000), n_points=4)
    >>> curve.step, [round(loss, 2) for loss in curve.train_loss]
    ((250, 500, 750, 1000), [5.63, 4.88, 4.12, 3.37])
    """
    ends = np.unique(np.linspace(0, len(losses), min(n_points, len(losses)) + 1).round().astype(int))
    means = np.add.reduceat(losses, ends[:-1]) / np.diff(ends)
    return LossCurve(tuple(int(e) for e in ends[1:]), tuple(float(m) for m in means))


def _environment(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return {
        "device": f"{device.type} ({name})",
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
