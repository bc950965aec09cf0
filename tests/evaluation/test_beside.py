from typing import Any

import pytest

from chinchilla_lib.evaluation.beside import set_beside_paper


def row(task: str, metric: str, value: float, n_shots: int = 0, **more: Any) -> dict[str, str]:
    held = {"task": task, "metric": metric, "value": value, "n_shots": n_shots, "part": "", "n": 100}
    held |= {"standard_error": 0.05, "chance": 0.25, **more}
    return {key: str(each) for key, each in held.items()}


def test_scores_stand_beside_what_the_paper_prints() -> None:
    """Printed figures are those of Tables 6 to 8 and section 4.2, in per cent."""
    rows = [
        row("hellaswag", "acc", 0.4),
        row("hellaswag", "acc_norm", 0.46),
        row("mmlu", "acc", 0.25, 5),
        row("mmlu", "acc", 0.9, 5, part="astronomy"),
        row("truthfulqa", "acc", 0.2),
        row("truthfulqa", "acc", 0.21, 10),
        row("natural_questions", "exact_match", 0.03, chance=""),
        row("bigbench", "acc", 0.3, 5),
        row("minimal_pairs", "acc", 0.9),
        row("wikitext2", "word_perplexity", 30.0),
    ]
    found = {(one.task, one.n_shots): one for one in set_beside_paper(rows)}
    printed = {key: (one.chinchilla, one.gopher) for key, one in found.items()}
    assert printed.pop(("minimal_pairs", 0)) == (None, None)
    assert {key: pytest.approx(pair) for key, pair in printed.items()} == {
        ("hellaswag", 0): (0.808, 0.792),
        ("mmlu", 5): (0.676, 0.6),
        ("truthfulqa", 0): (0.436, 0.295),
        ("truthfulqa", 10): (0.667, 0.437),
        ("natural_questions", 0): (0.166, 0.101),
        ("bigbench", 5): (0.651, 0.544),
    }
    assert (found["hellaswag", 0].metric, found["hellaswag", 0].value) == ("acc_norm", 0.46)
    assert found["natural_questions", 0].chance is None
    assert (found["mmlu", 5].value, found["mmlu", 5].n) == (0.25, 100)


def test_the_paper_has_no_score_for_other_shots() -> None:
    (found,) = set_beside_paper([row("mmlu", "acc", 0.3, 0)])
    assert found.chinchilla is found.gopher is None
