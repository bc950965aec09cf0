from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.report import task_report
from chinchilla_lib.evaluation.sampling import sample_texts
from chinchilla_lib.evaluation.toxicity import measure_toxicity


class LongIsToxic:
    """Scores a text by its length."""

    name, sha256 = "length", "1" * 64

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([min(1.0, len(text) / 20) for text in texts])


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_a_task_of_samples_says_what_other_tasks_say(own_model: OwnModel) -> None:
    score = measure_toxicity(own_model, LongIsToxic(), n_samples=6, n_tokens=8, seed=3)
    texts = sample_texts(own_model, 6, n_tokens=8, seed=3)
    values = LongIsToxic().score(texts)
    assert (score.task, score.n_items, score.sha256) == ("toxicity", 6, "1" * 64)
    assert score.metrics["toxicity"].value == pytest.approx(values.mean())
    assert score.metrics["toxicity"].standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(6))
    assert score.metrics["toxic"].value == pytest.approx((values >= 0.5).mean())
    items = task_report(score, 6)["items"]
    assert [item["texts"] for item in items] == [[text] for text in texts]
    assert [item["metrics"]["toxicity"] for item in items] == values.tolist()


@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_texts_are_no_longer_than_the_model_reads(own_model: OwnModel) -> None:
    score = measure_toxicity(own_model, LongIsToxic(), n_samples=2)
    whole = sample_texts(own_model, 2, n_tokens=min(100, own_model.max_length))
    assert [sample["resps"][0][0] for sample in score.samples] == whole
