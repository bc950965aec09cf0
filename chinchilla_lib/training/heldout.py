"""Held-out loss with the standard error that clustered text deserves."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from chinchilla_lib.training.batches import HeldoutWindows
from chinchilla_lib.training.model import Transformer

__all__ = ["HeldoutLoss", "clustered_mean", "measure_heldout"]


@dataclass(frozen=True)
class HeldoutLoss:
    """Loss on the held-out set.

    Attributes
    ----------
    loss : float
        Nats per token.
    loss_se : float
        Standard error, clustered by document; infinite when there is only one.
    bits_per_byte : float
    """

    loss: float
    loss_se: float
    bits_per_byte: float


def clustered_mean(values: npt.NDArray[np.float64], cluster: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Mean of the values and its standard error when values of a cluster are alike.

    The linearised ratio estimator with G / (G - 1) for G clusters.

    Parameters
    ----------
    values : ndarray
        Shape (n,).
    cluster : ndarray
        Cluster of each value, shape (n,).

    Returns
    -------
    mean, standard_error : float
        The error is infinite when all values lie in one cluster.
    """
    mean = float(values.mean())
    _, index = np.unique(cluster, return_inverse=True)
    deviation = np.bincount(index, weights=values - mean)
    g = len(deviation)
    if g < 2:
        return mean, math.inf
    return mean, float(np.sqrt(g / (g - 1) * (deviation**2).sum()) / len(values))


@torch.no_grad()
def measure_heldout(model: Transformer, windows: HeldoutWindows, *, batch_size: int = 32) -> HeldoutLoss:
    """Loss of the model on fixed windows; every position of a window counts.

    Parameters
    ----------
    model : Transformer
    windows : HeldoutWindows
    batch_size : int
        Windows per forward pass.

    Returns
    -------
    HeldoutLoss
    """
    device = model.embedding.weight.device
    sums = []
    for i in range(0, len(windows.tokens), batch_size):
        tokens = torch.from_numpy(windows.tokens[i : i + batch_size]).to(device)
        logits = model(tokens[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        sums.append(losses.view(len(tokens), -1).double().sum(1).cpu())
    per_window = torch.cat(sums).numpy()
    n_predicted = windows.tokens[:, 1:].size
    loss, loss_se = clustered_mean(per_window / (n_predicted / len(per_window)), windows.document)
    return HeldoutLoss(loss, loss_se, float(per_window.sum()) / (math.log(2) * windows.n_bytes))
