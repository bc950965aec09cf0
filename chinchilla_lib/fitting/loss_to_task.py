"""From loss to accuracy on a task: the forms of Gadre et al. (2024) and of Bhagia et al. (2024).

Both are linear in two parameters once the others are given. These others are scanned over all they may be,
the linear ones solved in closed form at each point, and every valley of the scan is followed to its bottom:
no start is chosen, and none can be missed but one narrower than the scan is fine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval

__all__ = ["SIGNAL", "TaskCurve", "above_chance", "fit_exponential", "fit_sigmoid"]

FloatArray = npt.NDArray[np.float64]

SIGNAL: Final = 0.001
"""Level of the test for a score above chance."""

_RATES: Final = np.geomspace(0.02, 100, 500)  # of the exponential, over the range of the losses
_MIDDLES: Final = np.linspace(-4, 2, 121)  # of the sigmoid, in ranges from the lowest loss
_WIDTHS: Final = np.geomspace(0.02, 10, 60)  # the same
_FEWEST: Final = 5
_TINY: Final = 1e-12
_EXACT: Final = 1e-13  # of the sum of squares about the mean: where a descent ends


@dataclass(frozen=True, eq=False)
class TaskCurve:
    """A fitted curve from a loss to an accuracy, with curves fitted to resampled runs.

    Attributes
    ----------
    form : str
        ``exponential``: accuracy = 1 - eps + k exp(-gamma loss). ``sigmoid``: accuracy = floor +
        (top - floor) / (1 + exp((loss - middle) / width)).
    params : mapping of str to float
        The constants so named.
    sd : float
        Standard deviation of the sizes' mean accuracies about the curve, widened for what was fitted.
    n_minima : int
        Valleys of the scan.
    left : float
        What the bottom found lies below the lowest point of the scan, as a share of the sum of squares about
        the mean; never negative where the search is sound.
    """

    form: str
    params: Mapping[str, float]
    sd: float
    n_minima: int
    left: float
    _draws: FloatArray
    _residuals: FloatArray

    def predict(self, loss: npt.ArrayLike) -> FloatArray:
        """Accuracy at losses."""
        params = np.array([list(self.params.values())])
        curves = _curve(self.form, params, np.asarray(loss, dtype=np.float64))
        return np.asarray(curves[0], dtype=np.float64)

    def draw(self, loss: npt.ArrayLike, *, seed: int = 0) -> FloatArray:
        """Accuracies of a further size, shape (n_draws, n_losses): each draw's curve, and a size's scatter.

        Between 0 and 1, where an exponential that goes on below the losses fitted would leave them.

        Parameters
        ----------
        loss : array of float, shape (n_losses,) or (n_draws, n_losses)
            In the second form each draw has losses of its own.
        seed : int
        """
        curves = _curve(self.form, self._draws, np.asarray(loss, dtype=np.float64))
        rng = np.random.default_rng(seed)
        return np.asarray(np.clip(curves + rng.choice(self._residuals, size=curves.shape), 0, 1))

    def interval(self, loss: float, level: float = 0.9) -> Interval:
        """Where the accuracy of a further size at a loss is expected.

        Parameters
        ----------
        loss : float
        level : float
            Between 0 and 1.
        """
        low, high = np.quantile(self.draw([loss]), ((1 - level) / 2, (1 + level) / 2)).tolist()
        return low, high

    @property
    def n_draws(self) -> int:
        """Resamples."""
        return len(self._draws)


def above_chance(accuracy: float, n_items: int, chance: float) -> float:
    """Probability of so many right answers or more by guessing, exact.

    Parameters
    ----------
    accuracy : float
    n_items : int
    chance : float
        Between 0 and 1.

    Examples
    --------
    >>> f"{above_chance(0.30, 1000, 0.25):.4f}"
    '0.0002'
    """
    return float(stats.binomtest(round(accuracy * n_items), n_items, chance, alternative="greater").pvalue)


def fit_exponential(
    loss: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    *,
    n_items: int,
    chance: float,
    groups: Sequence[object],
    n_draws: int = 1000,
    seed: int = 0,
) -> TaskCurve:
    """Fit error = eps - k exp(-gamma loss), the form of Gadre et al., by least squares.

    Parameters
    ----------
    loss, accuracy : array of float, shape (n_runs,)
    n_items : int
        Items of the task.
    chance : float
        Accuracy of guessing.
    groups : sequence, length n_runs
        Which runs belong together, such as the seeds of a size: they are drawn together.
    n_draws : int
        Resamples.
    seed : int

    Raises
    ------
    InputError
        If no run is above chance, there are too few runs, or arguments are out of range.

    Examples
    --------
    >>> loss = np.linspace(1.0, 3.0, 9)
    >>> accuracy = 0.3 + 2 * np.exp(-1.5 * loss)
    >>> curve = fit_exponential(loss, accuracy, n_items=1000, chance=0.25, groups=range(9), n_draws=10)
    >>> {name: round(value, 3) for name, value in curve.params.items()}
    {'eps': 0.7, 'k': 2.0, 'gamma': 1.5}
    """
    x, y, index = _check(loss, accuracy, n_items, chance, groups, n_draws)
    scale = float(np.ptp(x))
    low = x.min()
    basis = np.exp(-(_RATES / scale)[:, None] * (x - low))

    def shape(theta: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-np.exp(theta[0]) * (x - low)))

    def to_params(theta: FloatArray, level: FloatArray, height: FloatArray) -> FloatArray:
        gamma = np.exp(theta[:, 0])
        with np.errstate(over="ignore"):
            return np.stack([1 - level, height * np.exp(gamma * low), gamma], axis=1)

    grid = np.log(_RATES / scale)[:, None]
    search = _Search(y, index, basis, grid, (len(grid),), shape, (0.0, 1.0), 1.0)
    return search.run("exponential", ("eps", "k", "gamma"), to_params, x, n_draws, seed)


def fit_sigmoid(
    loss: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    *,
    n_items: int,
    chance: float,
    groups: Sequence[object],
    n_draws: int = 1000,
    seed: int = 0,
) -> TaskCurve:
    """Fit a sigmoid that falls from a top to chance, as Bhagia et al. fit accuracy to task loss.

    Theirs leaves the lower end free, too; models as small as ours sit at it, so it is held at chance.

    Parameters and errors are those of `fit_exponential`; the loss is that of the task, bits per byte of the
    right answer.

    Examples
    --------
    >>> loss = np.linspace(1.0, 3.0, 9)
    >>> accuracy = 0.25 + 0.6 / (1 + np.exp(4 * (loss - 2)))
    >>> curve = fit_sigmoid(loss, accuracy, n_items=1000, chance=0.25, groups=range(9), n_draws=10)
    >>> {name: round(value, 3) for name, value in curve.params.items()}
    {'floor': 0.25, 'top': 0.85, 'middle': 2.0, 'width': 0.25}
    """
    x, y, index = _check(loss, accuracy, n_items, chance, groups, n_draws)
    scale, low = float(np.ptp(x)), float(x.min())
    middles, log_widths = np.meshgrid(low + scale * _MIDDLES, np.log(scale * _WIDTHS), indexing="ij")
    grid = np.stack([middles.ravel(), log_widths.ravel()], axis=1)

    def shape(theta: FloatArray) -> FloatArray:
        return np.asarray(_logistic((theta[0] - x) / np.exp(theta[1])))

    basis = _logistic((grid[:, :1] - x) / np.exp(grid[:, 1:]))

    def to_params(theta: FloatArray, level: FloatArray, height: FloatArray) -> FloatArray:
        return np.stack([level, level + height, theta[:, 0], np.exp(theta[:, 1])], axis=1)

    search = _Search(y, index, basis, grid, middles.shape, shape, (chance, chance), 1 - chance)
    return search.run("sigmoid", ("floor", "top", "middle", "width"), to_params, x, n_draws, seed)


def _logistic(z: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))


def _curve(form: str, params: FloatArray, loss: FloatArray) -> FloatArray:
    """Accuracies of curves at losses, shape (n_curves, n_losses)."""
    if form == "exponential":
        eps, k, gamma = params.T[:, :, None]
        return np.asarray(1 - eps + np.exp(np.log(np.maximum(k, 1e-300)) - gamma * loss))
    floor, top, middle, width = params.T[:, :, None]
    return np.asarray(floor + (top - floor) * _logistic((middle - loss) / width))


def _check(
    loss: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    n_items: int,
    chance: float,
    groups: Sequence[object],
    n_draws: int,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    x, y = np.asarray(loss, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if not (x.ndim == 1 and x.shape == y.shape and len(groups) == len(x)):
        raise InputError(
            f"loss has shape {x.shape}, accuracy {y.shape} and groups {len(groups)}; give one of each run"
        )
    if not (np.isfinite(x).all() and ((y >= 0) & (y <= 1)).all()):
        raise InputError("a loss is not finite, or an accuracy not between 0 and 1")
    if not 0 < chance < 1 or n_items < 1 or n_draws < 1:
        raise InputError(
            f"chance is {chance}, n_items {n_items} and n_draws {n_draws}; give a chance between 0 and 1, "
            "one item and one draw at least"
        )
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    if len(names) < _FEWEST or np.ptp(x) <= 0:
        raise InputError(f"there are {len(names)} sizes; a curve needs {_FEWEST} that differ in loss")
    if above_chance(float(y.max()), n_items, chance) > SIGNAL / len(y):
        raise InputError(
            f"the task is at chance everywhere: the best of {len(y)} runs has {y.max():.3f} of {n_items} "
            f"items right, guessing {chance:.3f}; a curve would be fitted to noise"
        )
    return x, y, np.array([names[name] for name in groups], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class _Search:
    """Least squares of y against level + height * shape, the shape scanned."""

    y: FloatArray
    index: npt.NDArray[np.intp]
    basis: FloatArray
    grid: FloatArray
    grid_shape: tuple[int, ...]
    shape: Callable[[FloatArray], FloatArray]
    levels: tuple[float, float]
    highest: float

    def run(
        self,
        form: str,
        names: tuple[str, ...],
        to_params: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
        x: FloatArray,
        n_draws: int,
        seed: int,
    ) -> TaskCurve:
        ones = np.ones((1, len(self.y)))
        squares, _, _ = self._solve(ones, self.basis)
        valleys = _valleys(squares[0].reshape(self.grid_shape))
        step = np.ptp(self.grid, axis=0) / [n - 1 for n in self.grid_shape]
        found = [self._descend(self.grid[i], step) for i in valleys]
        value, theta = min(found, key=lambda pair: pair[0])
        _, level, height = self._solve(ones, self.shape(theta)[None])
        params = to_params(theta[None], level[0], height[0])
        rng = np.random.default_rng(seed)
        n_groups = int(self.index.max()) + 1
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_draws)
        draws = self._refit(counts[:, self.index].astype(np.float64), to_params)
        about = self.y - _curve(form, params, x)[0]
        means = np.bincount(self.index, about) / np.bincount(self.index)
        widened = np.sqrt(n_groups / (n_groups - len(names))) * (means - means.mean())
        total = float(((self.y - self.y.mean()) ** 2).sum()) + _TINY
        return TaskCurve(
            form=form,
            params=dict(zip(names, params[0].tolist(), strict=True)),
            sd=float(np.sqrt((widened**2).mean())),
            n_minima=len(valleys),
            left=(float(squares.min()) - value) / total,
            _draws=draws,
            _residuals=widened,
        )

    def _refit(
        self, weights: FloatArray, to_params: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    ) -> FloatArray:
        """Constants of resamples, at the best point of the scan."""
        parts = []
        for batch in np.array_split(weights, max(1, len(weights) * len(self.grid) // 4_000_000)):
            squares, level, height = self._solve(batch, self.basis)
            best, rows = squares.argmin(axis=1), np.arange(len(batch))
            parts.append(to_params(self.grid[best], level[rows, best], height[rows, best]))
        return np.concatenate(parts)

    def _descend(self, start: FloatArray, step: FloatArray) -> tuple[float, FloatArray]:
        ones = np.ones((1, len(self.y)))

        def value(theta: FloatArray) -> float:
            return float(self._solve(ones, self.shape(theta)[None])[0][0, 0])

        simplex = np.vstack([start, *(start + np.diag(step))])
        total = float(((self.y - self.y.mean()) ** 2).sum()) + _TINY
        options: Any = {"initial_simplex": simplex, "xatol": 1e-7, "fatol": _EXACT * total, "maxiter": 2000}
        end: Any = optimize.minimize(value, start, method="Nelder-Mead", options=options)
        return (float(end.fun), end.x) if end.fun <= value(start) else (value(start), start)

    def _solve(self, weights: FloatArray, basis: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sums of squares, levels and heights inside their bounds; shape (n_weights, n_shapes) each."""
        y = self.y
        w = weights.sum(axis=1)[:, None]
        wy = (weights @ y)[:, None]
        wyy = (weights @ y**2)[:, None]
        wg, wgg, wgy = weights @ basis.T, weights @ (basis**2).T, weights @ (basis * y).T
        low, high = self.levels

        def squares(level: FloatArray, height: FloatArray) -> FloatArray:
            one = w * level**2 - 2 * level * wy + wyy
            return np.asarray(one + wgg * height**2 + 2 * height * (level * wg - wgy))

        def best_height(level: FloatArray) -> FloatArray:
            return np.asarray(np.clip((wgy - level * wg) / np.maximum(wgg, _TINY), 0, self.highest))

        def best_level(height: FloatArray) -> FloatArray:
            return np.asarray(np.clip((wy - height * wg) / w, low, high))

        flat = np.zeros_like(wg)
        spread = w * wgg - wg**2
        height = np.where(spread > _TINY * w * wgg, (w * wgy - wg * wy) / np.maximum(spread, _TINY), 0.0)
        inside = (height >= 0) & (height <= self.highest)
        level = (wy - height * wg) / w
        inside &= (level >= low) & (level <= high)
        candidates = [
            (np.where(inside, level, low), np.where(inside, height, best_height(flat + low))),
            (flat + low, best_height(flat + low)),
            (flat + high, best_height(flat + high)),
            (best_level(flat), flat),
            (best_level(flat + self.highest), flat + self.highest),
        ]
        values = np.stack([squares(*pair) for pair in candidates])
        best = values.argmin(axis=0)
        levels, heights = (np.choose(best, [pair[i] for pair in candidates]) for i in (0, 1))
        return np.maximum(values.min(axis=0), 0), levels, heights


def _valleys(values: FloatArray) -> list[int]:
    """Flat indices of the points that none of their neighbours lies below; one of each plateau."""
    lower = np.zeros(values.shape, dtype=bool)
    for axis in range(values.ndim):
        rest = np.moveaxis(values, axis, 0)
        below = np.moveaxis(lower, axis, 0)
        below[1:] |= rest[:-1] <= rest[1:]
        below[:-1] |= rest[1:] < rest[:-1]
    found = np.flatnonzero(~lower)
    return [int(i) for i in found] or [int(values.argmin())]
