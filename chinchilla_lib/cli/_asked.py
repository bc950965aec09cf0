"""What the models that an experiment keeps are asked between its parts."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chinchilla_lib import workspace
from chinchilla_lib.cli._terminal import say
from chinchilla_lib.experiments.experiment import Experiment, Part, Row
from chinchilla_lib.experiments.runner import MODELS
from chinchilla_lib.runs import RunRecord

__all__ = ["Asked"]


class Asked:
    """What the models of an experiment were asked, and what they scored.

    Parameters
    ----------
    experiment : Experiment
    folder : pathlib.Path
        Of the experiment, with its models.
    n_workers : int
        Processes.
    """

    def __init__(self, experiment: Experiment, folder: Path, n_workers: int) -> None:
        self._tasks, self._folder, self._n_workers = experiment.tasks or {}, folder, n_workers
        self._answers: dict[str, dict[str, Any]] = {}

    def ask(self, parts: Sequence[Part], records: Mapping[str, Sequence[RunRecord]]) -> list[Row]:
        """Ask the models of some parts, if any are to be asked; the rows of all that were."""
        if self._tasks:
            from chinchilla_lib.evaluation import asking  # torch and lm_eval, only when models are asked

            for part in parts:
                corpus = workspace.folder("corpora", f"{part.corpus}-{part.vocab_size}")
                run_ids = [record.config.run_id for record in records[part.name]]
                say(f"asking {len(run_ids)} models of {part.name}: {', '.join(self._tasks)}")
                questions = asking.prepare_questions(
                    self._tasks, corpus, on_missing=lambda why: say(f"left out: {why}")
                )
                self._answers |= asking.ask_models(
                    [self._folder / MODELS / f"{run_id}.safetensors" for run_id in run_ids],
                    questions,
                    corpus=corpus,
                    folder=self._folder / "answers",
                    n_workers=self._n_workers,
                    on_progress=lambda model: say(f"{time.strftime('%H:%M:%S')} {model} has answered"),
                )
        return self.score_rows

    @property
    def score_rows(self) -> list[Row]:
        """Of all models that were asked."""
        if not self._answers:
            return []
        from chinchilla_lib.evaluation.asking import score_rows

        return list(score_rows(self._answers))

    def answer_rows(self, run_ids: Sequence[str]) -> list[Row]:
        """What each item scored, of some models."""
        from chinchilla_lib.evaluation.asking import answer_rows

        return list(answer_rows(self._answers, run_ids))

    @property
    def tasks(self) -> dict[str, Any]:
        """What was asked: versions, items, the first prompt."""
        first = next(iter(self._answers.values()))
        names = ("version", "sha256", "n_items", "n_shots", "example_prompt")
        return {task: {name: found[name] for name in names} for task, found in first.items()}
