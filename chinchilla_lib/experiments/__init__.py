"""Experiments: a plan and a verdict rule each, written down before the runs."""
