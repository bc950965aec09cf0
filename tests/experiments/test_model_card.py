"""The card of our own models: every number is in the records."""

from statistics import NormalDist, mean

import pytest

from chinchilla_lib.experiments.model_card import own_card, trained_models
from chinchilla_lib.reference.recorded import load_recorded

MODELS = trained_models()
CARD = own_card()


def test_losses_are_those_of_the_runs() -> None:
    rows = load_recorded("little-chinchilla-cpu-120").parts()["test"]
    for one in MODELS:
        own = [float(row["loss"]) for row in rows if int(row["n_params"]) == one.model.n_params]
        assert len(own) == 3
        assert one.model.loss == pytest.approx(mean(own))


def test_scores_are_those_of_the_records() -> None:
    toxicity = load_recorded("toxicity").rows
    scores = load_recorded("loss-to-task-cpu-60")
    for one in MODELS:
        own = [float(row["toxicity"]) for row in toxicity if row["n_params"] == str(one.model.n_params)]
        assert one.toxicity[0] == pytest.approx(mean(own))
        runs = {row["run_id"] for row in scores.rows if row["n_params"] == str(one.model.n_params)}
        pairs = [
            float(row["value"])
            for row in scores.score_rows
            if row["run_id"] in runs
            and (row["task"], row["part"], row["metric"]) == ("minimal_pairs", "", "acc")
        ]
        own = [float(row["standard_error"]) for row in toxicity if row["n_params"] == str(one.model.n_params)]
        assert one.toxicity[1] == pytest.approx(sum(error**2 for error in own) ** 0.5 / len(own))
        assert one.right[0] == pytest.approx(mean(pairs))
        assert 0 < one.right[1] < 0.0156  # below that of one seed
    assert [one.bits_per_byte is None for one in MODELS] == [False, False, True]


def test_the_card_has_what_table_a8_asks_and_fits_a_line() -> None:
    assert set(CARD.sections) == {
        "Model details",
        "Intended use",
        "Factors and metrics",
        "Training and evaluation data",
        "Ethical considerations",
        "Caveats",
    }
    assert "No products" in CARD.sections["Intended use"]["Not for"]
    assert max(map(len, str(CARD).splitlines())) <= 74
    for one, row in zip(MODELS, CARD.table.rows, strict=True):
        assert row[3] == f"{one.model.loss:.3f}\n±\u00a0{one.model.half_width:.3f}"
        value, error = one.toxicity
        assert row[6] == f"{value:.4f}\n±\u00a0{NormalDist().inv_cdf(0.95) * error:.4f}"
    seconds = load_recorded("little-chinchilla-cpu-120").provenance["run_seconds"]
    assert CARD.sections["Ethical considerations"]["Cost"].startswith(f"{seconds / 3600:.1f} and ")


def test_namesakes_are_hundreds_of_thousands_of_times_larger() -> None:
    """What the card says in words."""
    sizes = {one.title: one.model.n_params for one in MODELS}
    assert 2e5 < 70e9 / sizes["little Chinchilla"] < 1e6
    assert 2e5 < 280e9 / sizes["little Gopher"] < 1e6
    asked = next(row for row in load_recorded("toxicity").rows if row["kind"] == "other model")
    assert float(asked["n_params"]) > 100 * max(sizes.values())


def test_shares_of_the_text_sum_to_all() -> None:
    (corpus,) = load_recorded("little-chinchilla-cpu-120").provenance["corpora"].values()
    assert sum(subset["share"] for subset in corpus["subsets"]) == pytest.approx(1, abs=1e-5)
    for subset in corpus["subsets"]:
        assert f"{subset['share']:.0%}" in CARD.sections["Training and evaluation data"][subset["source"]]
