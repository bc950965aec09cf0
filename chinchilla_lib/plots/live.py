"""A training curve that grows while the run trains, in a notebook."""

import time
from typing import TYPE_CHECKING, Any

from chinchilla_lib.errors import MissingExtraError
from chinchilla_lib.plots.curves import label_loss_axes, plot_loss_curves
from chinchilla_lib.plots.style import PALETTE, new_axes
from chinchilla_lib.runs import RunConfig, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LiveCurve"]

_POINTS = 200


class LiveCurve:
    """The training curve of a run under way: give it to `train_run` as ``on_step``.

    One output of the cell is drawn again now and then, so an executed notebook keeps the last drawing
    only. Outside a notebook nothing is shown.

    Parameters
    ----------
    config : RunConfig
        The run.
    seconds : float
        Time between two drawings at least; each takes about a tenth of a second.

    Attributes
    ----------
    ax : Axes
        Where it is drawn.

    Raises
    ------
    MissingExtraError
        If matplotlib or IPython is not installed.

    Examples
    --------
    >>> curve = LiveCurve(config)  # doctest: +SKIP
    >>> record = train_run(config, shards, on_step=curve)  # doctest: +SKIP
    >>> curve.finish(record)  # doctest: +SKIP
    """

    ax: "Axes"

    def __init__(self, config: RunConfig, *, seconds: float = 1.0) -> None:
        self._config, self._seconds = config, seconds
        self._stride = max(1, config.n_steps // _POINTS)
        self._tokens: list[int] = []
        self._losses: list[float] = []
        self._unseen: list[float] = []
        self.ax = new_axes()
        (self._line,) = self.ax.plot([], [], color=PALETTE[0], linewidth=1.2)
        self.ax.set_xlim(self._stride * config.batch_size_tokens, config.n_tokens)
        label_loss_axes(self.ax, title="Training loss so far")
        self._output = _Output(self.ax)
        self._shown = time.monotonic()

    def __call__(self, step: int, loss: float) -> None:
        """Take the loss of a step; draw the curve again if it was last drawn long enough ago."""
        self._unseen.append(loss)
        if len(self._unseen) < self._stride:
            return
        self._tokens.append(step * self._config.batch_size_tokens)
        self._losses.append(sum(self._unseen) / len(self._unseen))
        self._unseen.clear()
        if time.monotonic() - self._shown >= self._seconds:
            self._line.set_data(self._tokens, self._losses)
            self.ax.relim()
            self.ax.autoscale_view(scalex=False)
            self._output.show(self.ax)
            self._shown = time.monotonic()

    def finish(self, record: RunRecord) -> None:
        """Show the curve of the record, with its held-out loss, in place of the live one."""
        self.ax = plot_loss_curves([record])
        self._output.show(self.ax)


class _Output:
    """One output of a cell, for one figure after another."""

    def __init__(self, ax: "Axes") -> None:
        try:
            from IPython.display import display
        except ImportError as error:
            raise MissingExtraError("IPython", "book") from error
        self._handle: Any = display(_figure(ax), display_id=True)  # type: ignore[no-untyped-call]

    def show(self, ax: "Axes") -> None:
        """Show a figure in place of the last."""
        figure = _figure(ax)
        if self._handle is not None:
            self._handle.update(figure)


def _figure(ax: "Axes") -> Any:
    """The figure of an Axes, closed: an open one is shown a second time when the cell ends."""
    from matplotlib import pyplot

    figure: Any = ax.figure
    pyplot.close(figure)
    return figure
