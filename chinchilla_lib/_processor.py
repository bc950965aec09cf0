"""Which processor this is: results repeat bit for bit on the same one only."""

import platform
from functools import cache
from pathlib import Path

__all__ = ["processor_name"]


@cache
def processor_name() -> str:
    """Name, family and model as the system tells; the architecture where it tells nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return f"{facts['model name']}, family {facts['cpu family']} model {facts['model']}"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
