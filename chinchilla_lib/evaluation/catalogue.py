"""All tasks by name."""

from collections.abc import Mapping
from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.suite.bias import BIAS
from chinchilla_lib.evaluation.suite.bigbench import BIGBENCH
from chinchilla_lib.evaluation.suite.closed_book import CLOSED_BOOK
from chinchilla_lib.evaluation.suite.common_sense import COMMON_SENSE
from chinchilla_lib.evaluation.suite.language import LANGUAGE
from chinchilla_lib.evaluation.suite.mmlu import MMLU
from chinchilla_lib.evaluation.suite.probes import PROBES
from chinchilla_lib.evaluation.suite.reading import READING
from chinchilla_lib.evaluation.suite.truthfulness import TRUTHFULNESS
from chinchilla_lib.evaluation.tasks import BenchmarkTask

__all__ = ["TASKS", "find_task"]

TASKS: Final[Mapping[str, BenchmarkTask]] = {
    task.name: task
    for task in (
        *READING,
        *LANGUAGE,
        *COMMON_SENSE,
        *TRUTHFULNESS,
        *MMLU,
        *CLOSED_BOOK,
        *BIGBENCH,
        *BIAS,
        *PROBES,
    )
}
"""Tasks by name."""


def find_task(name: str) -> BenchmarkTask:
    """The task of that name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> task = find_task("lambada")
    >>> task.name
    'lambada'
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}; choose of {', '.join(TASKS)}")
    return TASKS[name]
