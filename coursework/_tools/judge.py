"""Grade one notebook with otter, and say what passed; runs where the student's code may do no harm.

Arguments: a file descriptor to answer on, the notebook, otter's archive, seconds for one cell, and megabytes
of address space. The answer is JSON; the student's kernel has no way to that descriptor.
"""

import ctypes
import json
import os
import re
import resource
import sys

MEGABYTE = 1 << 20
LARGEST_FILE_MB = 200
PR_SET_DUMPABLE = 4


def main() -> None:
    """Grade, answer, end."""
    answer = int(sys.argv[1])
    notebook, archive = sys.argv[2:4]
    cell_seconds, memory_mb = int(sys.argv[4]), int(sys.argv[5])
    os.set_inheritable(answer, False)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)  # nobody looks into this process, or opens its descriptors
    for what, limit in (
        (resource.RLIMIT_AS, memory_mb * MEGABYTE),
        (resource.RLIMIT_FSIZE, LARGEST_FILE_MB * MEGABYTE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)

    import nbconvert.preprocessors
    from otter.api import grade_submission
    from traitlets import Bool, Integer

    class Limited(nbconvert.preprocessors.ExecutePreprocessor):
        """A cell that never ends is interrupted, and what comes after it is graded."""

        timeout = Integer(cell_seconds)
        interrupt_on_timeout = Bool(True)

    vars(nbconvert.preprocessors)["ExecutePreprocessor"] = Limited  # otter takes it from there
    results = grade_submission(notebook, archive, quiet=True)
    passed = {
        name: [bool(case.passed) for case in test.test_case_results] for name, test in results.results.items()
    }
    errors = [
        # The names alone: a message could hold what hidden tests say.
        {"cell": number, "error": re.sub(r"\W", "", str(output.get("ename", "")))[:40]}
        for number, cell in enumerate(results.notebook.cells if results.notebook else [])
        for output in cell.get("outputs", [])
        if output.get("output_type") == "error"
    ]
    with os.fdopen(answer, "w") as file:
        json.dump({"passed": passed, "errors": errors}, file)


if __name__ == "__main__":
    main()
