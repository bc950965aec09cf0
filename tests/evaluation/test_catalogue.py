"""What holds of every task: read in each of its forms, checked field by field, asked as it is written out."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation import sources
from chinchilla_lib.evaluation.catalogue import TASKS, find_task
from chinchilla_lib.evaluation.harness import run_task
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.progress import Progress
from chinchilla_lib.evaluation.sources import FileSource
from chinchilla_lib.evaluation.tasks import load_task
from tests.evaluation.suite import (
    test_bias,
    test_bigbench,
    test_closed_book,
    test_common_sense,
    test_language,
    test_mmlu,
    test_probes,
    test_reading,
    test_truthfulness,
)
from tests.evaluation.suite.case import Case

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports

CASES: dict[str, Case] = {
    **test_reading.CASES,
    **test_common_sense.CASES,
    **test_bias.CASES,
    **test_probes.CASES,
    **test_truthfulness.CASES,
    **test_mmlu.CASES,
    **test_closed_book.CASES,
    **test_language.CASES,
    **test_bigbench.CASES,
}
FROM_FILES = [name for name, task in TASKS.items() if isinstance(task.source, FileSource)]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_every_task_has_a_case_here() -> None:
    assert set(CASES) == set(TASKS)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="there is no task 'chess'; choose of lambada, "):
        find_task("chess")


@pytest.mark.parametrize("name", FROM_FILES)
def test_rows_of_the_hub_are_kept_as_items(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's own form, from a local stand-in, through `datasets` itself."""
    import datasets

    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    case, source = CASES[name], TASKS[name].source
    assert isinstance(source, FileSource)
    if source.hub is None:
        pytest.skip("it is on no hub")
    asked_for: list[tuple[str, str | None, str]] = []

    def stand_in(repository: str, subset: str | None, *, split: str) -> datasets.Dataset:
        asked_for.append((repository, subset, split))
        n = source.hub.n_items if source.hub and source.hub.n_items else 2
        return datasets.Dataset.from_list(n * [case.hub_row or case.item])

    monkeypatch.setattr(sources, "_reach_hub", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", stand_in)
    loaded = load_task(TASKS[name], n_shots=0)
    assert loaded.items[0] == loaded.items[-1] == case.item
    assert load_task(TASKS[name], n_shots=0).sha256 == loaded.sha256
    assert asked_for == [(source.hub.repository, source.hub.subset, source.hub.split)]


@pytest.mark.parametrize("name", [name for name in FROM_FILES if CASES[name].row])
def test_rows_of_a_file_become_items(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    case, source = CASES[name], TASKS[name].source
    assert isinstance(source, FileSource)
    (tmp_path / "eval").mkdir()
    path = tmp_path / "eval" / source.file
    if path.suffix == ".jsonl":
        path.write_text(lines(case.row, case.row), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, case.row, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows([case.row, case.row])
    assert load_task(TASKS[name], n_shots=0).items == (case.item, case.item)


@pytest.mark.parametrize("name", [name for name in FROM_FILES if TASKS[name].examples])
def test_examples_are_items_too(name: str) -> None:
    case, source = CASES[name], TASKS[name].examples
    assert isinstance(source, FileSource)
    assert source.hub is not None
    assert list(source.hub.to_items(case.hub_row or case.item)) == [case.item]


@pytest.mark.parametrize("name", TASKS)
def test_every_field_is_asked_for(name: str, tmp_path: Path) -> None:
    task = TASKS[name]
    (tmp_path / "hub").mkdir()
    path = tmp_path / "hub" / "items.jsonl"
    for wanted in task.fields:
        for wrong in (None, "", [], 3.5, -1):
            path.write_text(lines(CASES[name].item, {**CASES[name].item, wanted: wrong}), encoding="utf-8")
            with pytest.raises(InputError, match=f"line 2, field '{wanted}': found .*; it must be"):
                load_task(task, path, n_shots=0)


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_asked_as_written_out(name: str, own_model: OwnModel, tmp_path: Path) -> None:
    """Two copies of an item: what lm-eval asks of the model is what the task says, and so is its answer."""
    case = CASES[name]
    (tmp_path / "hub").mkdir()
    path = tmp_path / "hub" / "items.jsonl"
    path.write_text(lines(case.item, case.item), encoding="utf-8")
    done: list[Progress] = []
    loaded = load_task(TASKS[name], path, n_shots=0)
    score = run_task(own_model, loaded, n_shots=0, on_progress=done.append)
    assert (score.n_items, score.n_shots, score.version) == (2, 0, TASKS[name].version)
    assert [sample["item_index"] for sample in score.samples] == [0, 1]
    assert score.example == (case.asked[0][0] or case.asked[0][1])
    if TASKS[name].config["output_type"] == "generate_until":
        check_generation(own_model, name, path, str(score.samples[0]["resps"][0][0]))
        return
    assert done[-1].n_done == done[-1].n_requests == 2 * len(case.asked)
    encode = own_model.encode
    pairs = [(encode(a) or [own_model.end_of_text], encode(a + b)[len(encode(a)) :]) for a, b in case.asked]
    expected = [value for value, _ in score_continuations(own_model, pairs)]
    found = [float(np.ravel(response[0])[0]) for response in score.samples[0]["resps"]]
    assert found == pytest.approx(expected, abs=1e-4)
    if case.right >= 0:
        right = float(int(np.argmax(expected)) == case.right)
        assert (score.metrics["acc"].value, score.metrics["acc"].standard_error) == (right, 0.0)
    if "perplexity" in score.metrics:
        assert score.metrics["perplexity"].value == pytest.approx(math.exp(-expected[0]), rel=1e-3)


def check_generation(own_model: OwnModel, name: str, path: Path, text: str) -> None:
    """What the model wrote, taken for one of the right answers, is right; what it did not write is wrong."""
    assert text.strip()
    assert "\n" not in text
    for answers, right in ((["none", f"  {text.upper()} "], 1.0), (["none", f"{text} or not"], 0.0)):
        path.write_text(lines({**CASES[name].item, "answer": answers}), encoding="utf-8")
        score = run_task(own_model, load_task(TASKS[name], path, n_shots=0), n_shots=0)
        assert score.metrics["exact_match"].value == right
