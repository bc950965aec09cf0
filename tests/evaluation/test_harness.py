import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.harness import run_task
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.tasks import load_task
from tests.evaluation.test_tasks import TASK, item, write

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_parts_and_examples(own_model: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are the first of the same part; parts are scored apart and together, in file order."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    kinds = ("dogs", "cats")
    write(tmp_path / "eval" / "barks.jsonl", *(item(i, kind) for i in range(2) for kind in kinds))
    write(tmp_path / "eval" / "barks_before.jsonl", *(item(9, kind) for kind in kinds))
    score = run_task(own_model, load_task(TASK), n_items=3, n_shots=1)
    assert [sample["item_index"] for sample in score.samples] == [0, 1, 2]
    assert (score.n_shots, score.examples_from) == (1, load_task(TASK).examples_from)
    assert [sample["arguments"][0][0] for sample in score.samples] == [
        f"{kind} 9? a dog\n\n{kind} {i}?" for kind, i in (("dogs", 0), ("cats", 0), ("dogs", 1))
    ]
    assert {part: found["acc"].n for part, found in score.parts.items()} == {"dogs": 2, "cats": 1}
    pooled = [sample["acc"] for sample in score.samples]
    assert score.metrics["acc"].value == pytest.approx(np.mean(pooled))
    assert score.metrics["acc"].standard_error == pytest.approx(np.std(pooled, ddof=1) / math.sqrt(3))


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_examples_drawn_from_the_other_items_never_hold_the_item(
    own_model: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many examples as there are others, each item sees exactly these, however few are asked."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    write(tmp_path / "eval" / "barks.jsonl", *(item(i, kind) for kind in ("dogs", "cats") for i in range(4)))
    task = replace(TASK, examples=None)
    score = run_task(own_model, load_task(task), n_items=3, n_shots=3)
    assert score.examples_from == "the other items"
    assert len(score.samples) == 3
    for sample in score.samples:
        *before, asked = sample["arguments"][0][0].split("\n\n")
        kind = asked.split()[0]
        others = {f"{kind} {i}? a dog" for i in range(4)} - {f"{asked} a dog"}
        assert set(before) == others
    assert run_task(own_model, load_task(task), n_items=1, n_shots=0).examples_from == ""
    with pytest.raises(InputError, match="n_shots is 4; there are only 3 examples"):
        run_task(own_model, load_task(task), n_items=3, n_shots=4)
    with pytest.raises(InputError, match="n_shots is 1; task barks was loaded without examples"):
        run_task(own_model, load_task(task, n_shots=0), n_shots=1)


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_a_folder_that_git_does_not_know_is_no_matter(
    own_model: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "eval" / "barks.jsonl", *(item(i, "dogs") for i in range(2)))
    run_task(own_model, load_task(replace(TASK, examples=None), n_shots=0), n_shots=0)
    assert "git" not in capfd.readouterr().err
