"""Cells that no grader wants to meet, and what a submission with one must get.

Each is put below the notebook's opening cells, before any answer.
"""

from dataclasses import dataclass

from coursework._tools.grading import CRASHED, FORGED, GRADED, MEMORY, TIME


@dataclass(frozen=True)
class Hostile:
    """One cell; whether the rest of the notebook counts nevertheless, and the states its result may have."""

    name: str
    cell: str
    keeps_points: bool
    statuses: tuple[str, ...] = (GRADED,)


OUTSIDE = """\
from pathlib import Path
for place in ("{root}/escaped", "{root}/chinchilla_lib/escaped", "/escaped", "/usr/escaped"):
    try:
        Path(place).write_text("escaped")
    except OSError:
        pass
"""
FORGE = """\
import json, os, sys, threading, time
from pathlib import Path
full = json.dumps({{"passed": {{q: [True] * n for q, n in {questions}.items()}}, "errors": []}})
print(full)
for descriptor in (1, 2):
    try:
        os.write(descriptor, full.encode())
    except OSError:
        pass
def forge():
    for _ in range(3000):
        for folder in (".", "/tmp", os.environ.get("TMPDIR", "/tmp"), os.path.expanduser("~")):
            for name in ("results.json", "result.json", "results/results.json"):
                try:
                    Path(folder, name).write_text(full)
                except OSError:
                    pass
        for process in Path("/proc").glob("[0-9]*"):
            for link in (process / "fd").glob("*") if os.access(process / "fd", os.R_OK) else ():
                try:
                    if str(os.readlink(link)).startswith("pipe:") and int(process.name) != os.getpid():
                        with open(link, "wb", buffering=0) as pipe:
                            pipe.write(full.encode())
                except OSError:
                    pass
        time.sleep(0.01)
threading.Thread(target=forge, daemon=True).start()
"""
PATCH = """\
import otter.test_files.exception_test as tests
def always(self, environment):
    return None
tests.test_case.call_func = always
"""
OVERWRITE = """\
import atexit, os, pickle
from otter.execute import Checker
from otter.test_files import TestFile
Checker.check_if_not_already_checked = classmethod(lambda cls, *a, **k: None)
Checker.check = classmethod(lambda cls, *a, **k: None)
"""

CELLS = (
    Hostile("raises", "raise RuntimeError('x' * 100)", True),
    Hostile("ends-python", "import os\nos._exit(0)", False, (CRASHED,)),
    Hostile("exits", "import sys\nsys.exit(0)", True),
    Hostile("loops", "while True:\n    pass", True),
    Hostile(
        "loops-for-ever",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass",
        False,
        (TIME,),
    ),
    Hostile(
        "eats-memory",
        "held = []\nwhile True:\n    held.append(b'x' * (64 << 20))",
        False,
        (GRADED, CRASHED, MEMORY, TIME),
    ),
    Hostile("writes-outside", OUTSIDE, True),
    Hostile("prints-a-result", FORGE, True),
    Hostile("patches-the-tests", PATCH, False, (FORGED,)),
    Hostile("drops-the-tests", OVERWRITE, False, (FORGED, CRASHED)),
)
