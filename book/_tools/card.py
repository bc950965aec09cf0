"""The picture that other sites show beside a link to the book: the valleys of our own runs."""

from __future__ import annotations

import io

PATH = "_static/card.png"
SIZE = (1200, 630)  # pixels; the shape that sites agree on
DPI = 150


def draw() -> bytes:
    """The picture as PNG, the same bytes from the same code and records."""
    from chinchilla_lib.experiments.catalogue import load_largest
    from chinchilla_lib.fitting import fit_isoflop_profiles
    from chinchilla_lib.plots.isoflop import plot_isoflop_profiles
    from chinchilla_lib.plots.style import INK, style

    table = load_largest("main").table()
    with style():
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(SIZE[0] / DPI, SIZE[1] / DPI), dpi=DPI)
        ax = figure.add_axes((0.52, 0.17, 0.44, 0.7))
        plot_isoflop_profiles(fit_isoflop_profiles(table), ax)
        ax.set_title(f"{len(table)} runs of our own", loc="left")
        words = [
            (0.66, "Executable\nChinchilla", {"fontsize": 27, "fontweight": "bold"}),
            (0.42, "How should compute be divided\nbetween parameters and tokens?", {"fontsize": 12}),
            (0.22, "Hoffmann et al. (2022), done again:\nevery figure computed", {"fontsize": 12}),
        ]
        for height, text, look in words:
            figure.text(0.04, height, text, color=INK, va="center", linespacing=1.2, **look)  # type: ignore[arg-type]
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
        pyplot.close(figure)
    return out.getvalue()
