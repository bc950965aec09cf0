"""Smoothing of training curves by a Gaussian over steps (appendix D.1)."""

import numpy as np
import numpy.typing as npt

from chinchilla_lib.sweeps.curves import CurveTable

__all__ = ["smooth_curves"]

FloatArray = npt.NDArray[np.float64]


def smooth_curves(curves: CurveTable, window: float) -> FloatArray:
    """Smoothed losses of all points, nats per token.

    The window reaches half its length to both sides, two standard deviations of the Gaussian. A line is
    fitted within it rather than a mean taken: inside a curve of even steps the two are one, and at its
    end, which Approach 1 reads most, a mean of earlier points would lie too high.

    Parameters
    ----------
    curves : CurveTable
    window : float
        Length in steps; points further apart than half of it (a thinned curve) are left as they are.

    Returns
    -------
    array of float, shape (n_points,)

    Examples
    --------
    >>> from chinchilla_lib.sweeps.simulate import simulate_curves
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> noisy = simulate_curves(law, runs, noise=0.02)
    >>> clean = simulate_curves(law, runs)
    >>> error = np.log(noisy.loss / clean.loss), np.log(smooth_curves(noisy, 20) / clean.loss)
    >>> bool(error[1].std() < error[0].std() / 2)
    True
    """
    step, loss = curves.step, curves.loss
    run = np.repeat(np.arange(len(curves)), np.diff(curves.first, append=len(loss)).astype(np.intp))
    s0, t0 = np.ones(len(loss)), loss.copy()
    s1, s2, t1 = np.zeros((3, len(loss)))
    for shift in range(1, len(loss)):
        near = (run[shift:] == run[:-shift]) & (step[shift:] - step[:-shift] <= window / 2)
        before = np.flatnonzero(near)
        if not before.size:
            break
        after = before + shift
        for here, there in ((before, after), (after, before)):  # an index stands once in each
            u = step[there] - step[here]
            w = np.exp(-0.5 * (4 * u / window) ** 2)
            s0[here] += w
            s1[here] += w * u
            s2[here] += w * u**2
            t0[here] += w * loss[there]
            t1[here] += w * u * loss[there]
    spread = s0 * s2 - s1**2
    lone = spread <= 1e-9 * s0 * s2
    line = (s2 * t0 - s1 * t1) / np.where(lone, 1.0, spread)
    return np.asarray(np.where(lone, t0 / s0, line), dtype=np.float64)
