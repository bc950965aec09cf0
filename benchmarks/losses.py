"""Whether a faster step learns as much: held-out losses after equal tokens, at equal parameters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.contestants import bench_config
from benchmarks.peers import Batch, MakePeer, PeerStep, match_params
from benchmarks.steps import FAMILIES, name_shape
from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.batches import choose_heldout, training_batches
from chinchilla_lib.training.cpu import CpuStep
from chinchilla_lib.training.schedule import schedule_rate

__all__ = ["Learned", "compare_losses"]

_EVAL_BATCH: Final = 32


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Held-out losses of one model.

    Attributes
    ----------
    shape, model : str
    n_params, n_tokens : int
    losses : dict of float to float
        Nats per token, by peak learning rate.
    """

    shape: str
    model: str
    n_params: int
    n_tokens: int
    losses: dict[float, float]

    @property
    def best(self) -> float:
        """Loss at the better rate."""
        return min(self.losses.values())


def compare_losses(
    shape: TransformerShape,
    peer_name: str,
    make_peer: MakePeer,
    shards: Shards,
    *,
    n_steps: int,
    rates: Sequence[float],
    n_heldout: int = 512,
) -> list[Learned]:
    """Train a peer and ours on the same batches by the same schedule: warmup, then cosine to a tenth.

    Parameters
    ----------
    shape : TransformerShape
        Of the peer; ours has a wider feed-forward layer.
    peer_name : str
    make_peer : callable
        From the shape to its model.
    shards : Shards
        Of the shape's vocabulary.
    n_steps : int
    rates : sequence of float
        Peak learning rates to try on each.
    n_heldout : int
        Windows of the held-out set.

    Returns
    -------
    list of Learned
        The peer, then ours by family.
    """
    heldout = torch.from_numpy(choose_heldout(shards, seq_len=shape.seq_len, n_sequences=n_heldout).tokens)

    def train(config: RunConfig, step: Callable[[float, Batch], object]) -> None:
        for i, batch in enumerate(_batches(config, shards)):
            step(schedule_rate(config, i), batch)

    def peer_loss(config: RunConfig) -> float:
        torch.manual_seed(config.seed)
        peer = make_peer(shape)
        train(config, PeerStep(peer, config, compiled=False))
        return _heldout_loss(peer.logits, heldout)

    def our_loss(config: RunConfig) -> float:
        step = CpuStep([config])
        train(config, lambda rate, batch: step([rate], [batch]))
        return _heldout_loss(step.models[0], heldout)

    n_params = make_peer(shape).n_params
    found = []
    for name, matched, loss_of in [
        (peer_name, shape, peer_loss),
        *((f, match_params(replace(shape, family=f), n_params), our_loss) for f in FAMILIES),
    ]:
        config = bench_config(matched, n_steps=n_steps, corpus=shards.identity)
        losses = {rate: loss_of(replace(config, learning_rate=rate)) for rate in rates}
        counted = n_params if loss_of is peer_loss else count_params(matched).total
        found.append(
            Learned(
                shape=name_shape(shape),
                model=name,
                n_params=counted,
                n_tokens=config.n_tokens,
                losses=losses,
            )
        )
    return found


def _batches(config: RunConfig, shards: Shards) -> Iterator[Batch]:
    return training_batches(
        shards.train,
        seq_len=config.shape.seq_len,
        batch_size_sequences=config.batch_size_sequences,
        n_steps=config.n_steps,
        seed=config.seed,
    )


@torch.no_grad()
def _heldout_loss(logits: Callable[[Tensor], Tensor], windows: Tensor) -> float:
    """Nats per token."""
    losses = [
        F.cross_entropy(logits(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
        for part in torch.split(windows, _EVAL_BATCH)
    ]
    return sum(losses) / windows[:, 1:].numel()
