"""Figures. Every ``plot_`` function takes results and an Axes or None, draws one Axes, returns it."""
