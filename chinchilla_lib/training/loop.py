"""One run, from config to record."""

import logging
import math
import platform
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import LossCurve, RunConfig, RunRecord
from chinchilla_lib.training.batches import HeldoutWindows, choose_heldout, training_batches
from chinchilla_lib.training.handwritten import HandwrittenGradients
from chinchilla_lib.training.heldout import measure_heldout
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW
from chinchilla_lib.training.schedule import schedule_rate

__all__ = [
    "CURVE_POINTS",
    "TrainingStep",
    "check_corpus",
    "find_device",
    "measure_run",
    "thin_curve",
    "train_run",
]

CURVE_POINTS = 200

_log = logging.getLogger(__name__)


def find_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
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
    check_corpus(config, shards)
    device = device or find_device()
    heldout = choose_heldout(shards, seq_len=config.shape.seq_len, n_sequences=config.eval_sequences)
    started = time.perf_counter()
    training_step = TrainingStep(config, device)
    batches = training_batches(
        shards.train,
        seq_len=config.shape.seq_len,
        batch_size_sequences=config.batch_size_sequences,
        n_steps=config.n_steps,
        seed=config.seed,
    )
    losses = np.empty(config.n_steps)
    for step, batch in enumerate(batches):
        losses[step] = training_step(step, batch)
        if not math.isfinite(losses[step]):
            raise DivergedError(
                f"run {config.run_id}: the loss is {losses[step]} at step {step + 1} of {config.n_steps}"
            )
        if on_step is not None:
            on_step(step + 1, float(losses[step]))
    return measure_run(config, training_step.model, heldout, losses, started=started, device=device)


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
        environment=_environment(device),
    )


class TrainingStep:
    """A model and its optimiser; calling it does one step.

    Parameters
    ----------
    config : RunConfig
    device : torch.device

    Attributes
    ----------
    model : Transformer
    """

    def __init__(self, config: RunConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        self.model = Transformer(config.shape, seed=config.seed).to(device)
        self._optimiser = FlatAdamW(
            self.model, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
        )
        self._by_hand = (
            HandwrittenGradients(self.model, config.batch_size_sequences) if device.type == "cpu" else None
        )

    def __call__(self, step: int, batch: npt.NDArray[np.int64]) -> float:
        """Do one optimiser step.

        Parameters
        ----------
        step : int
            Counted from 0; places the step on the schedule.
        batch : ndarray
            Token ids, shape (sequences, seq_len + 1).

        Returns
        -------
        float
            Training loss before the step, nats per token.
        """
        config = self.config
        tokens = torch.from_numpy(batch).to(self.device)
        loss = self._fill_gradients(tokens[:, :-1], tokens[:, 1:])
        self._optimiser.step(schedule_rate(config, step), max_norm=config.grad_clip)
        return float(loss)

    def _fill_gradients(self, tokens: Tensor, targets: Tensor) -> float | Tensor:
        """By hand on the CPU; by autograd elsewhere and where the former meets too large a number."""
        if self._by_hand is not None:
            by_hand = self._by_hand(tokens, targets)
            if math.isfinite(by_hand):
                return by_hand
        self._optimiser.zero_grad()
        loss = self.model.loss(tokens, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


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
    """
    ends = np.unique(np.linspace(0, len(losses), min(n_points, len(losses)) + 1).round().astype(int))
    means = np.add.reduceat(losses, ends[:-1]) / np.diff(ends)
    return LossCurve(tuple(int(e) for e in ends[1:]), tuple(float(m) for m in means))


def _environment(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type} ({name})",
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
