"""How fast training is: ``make bench-train``, which runs ``python -m benchmarks.train``."""
