"""The picture of the front page, made from the recorded main sweep when the book is staged."""

from __future__ import annotations

import functools
import io

PATH = "book/_static/overview.svg"
SIZE = (5.6, 4.3)  # inches
DRAWS = 1000


@functools.cache
def draw() -> bytes:
    """The picture as SVG, the same bytes from the same code and records."""
    from matplotlib import pyplot, rc_context

    from chinchilla_lib.experiments.catalogue import load_largest
    from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit
    from chinchilla_lib.plots.overview import plot_overview
    from chinchilla_lib.plots.style import new_axes

    fit = bootstrap_fit(ISOFLOP, load_largest("main").table(), n_draws=DRAWS, seed=0)
    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "overview"}):  # names inside the file would differ each time
        plot_overview(fit, new_axes(SIZE))
        pyplot.savefig(out, format="svg", metadata={"Date": None})
    pyplot.close()
    return out.getvalue()
