"""Held-out loss with the standard error that clustered text deserves."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from chinchilla_lib.runs import DocumentLosses, clustered_mean
from chinchilla_lib.training.batches import HeldoutWindows
from chinchilla_lib.training.model import Transformer

__all__ = ["HeldoutLoss", "measure_heldout"]


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
    by_document : DocumentLosses
    """

    loss: float
    loss_se: float
    bits_per_byte: float
    by_document: DocumentLosses


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
    document, index, n_windows = np.unique(windows.document, return_inverse=True, return_counts=True)
    n_tokens = n_windows * (windows.tokens.shape[1] - 1)
    losses = np.bincount(index, weights=per_window) / n_tokens
    loss, loss_se = clustered_mean(losses, n_tokens.astype(np.float64))
    return HeldoutLoss(
        loss,
        loss_se,
        float(per_window.sum()) / (math.log(2) * windows.n_bytes),
        DocumentLosses(tuple(document.tolist()), tuple(n_tokens.tolist()), tuple(losses.tolist())),
    )
