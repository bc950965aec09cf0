"""What a test knows of a task: an item made here, in every form it may come in, and what a model is asked."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """An item of a task.

    Attributes
    ----------
    item : dict
        As the task reads it.
    asked : list of (str, str)
        Prompt and answer of each request, without examples before it.
    right : int
        The answer that is right, of a choice; -1 elsewhere.
    row : dict
        Of the file that may be put into the data folder, where it has another form.
    hub_row : dict
        Of the data set of the hub, where it has another form.
    """

    item: dict[str, Any]
    asked: list[tuple[str, str]]
    right: int = -1
    row: dict[str, Any] = field(default_factory=dict)
    hub_row: dict[str, Any] = field(default_factory=dict)
