"""Sweeps: plan them, run or simulate them, and keep their results as one tidy table."""
