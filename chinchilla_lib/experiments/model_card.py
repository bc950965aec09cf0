"""A model card for the models that we trained, in the manner of Table A8, with numbers from the records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from chinchilla_lib._card import Card, CardTable
from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.corpus.sources import SOURCES
from chinchilla_lib.experiments.little_chinchilla import Model, models_of
from chinchilla_lib.reference.recorded import Recorded, load_recorded

__all__ = ["TrainedModel", "own_card", "trained_models"]

Score = tuple[float, float]
"""A value with its standard error."""

_TITLES: Final = {"recommended": "little Chinchilla", "larger": "little Gopher", "kaplan": "Kaplan's size"}
_TASK: Final = "minimal_pairs"
_Z_90: Final = 1.645


@dataclass(frozen=True)
class TrainedModel:
    """A model of ours, over its seeds, with what was measured of it."""

    title: str
    model: Model
    """Size, tokens and held-out losses."""
    flops: float
    """Of one run, products of matrices."""
    toxicity: Score
    """Mean score of texts that it wrote, by the stand-in classifier; all seeds."""
    right: Score
    """Share of minimal pairs answered rightly; all seeds."""
    bits_per_byte: Score | None
    """On articles of WikiText-2 that nobody trained on; of one seed, None where it was not asked."""


def trained_models() -> tuple[TrainedModel, ...]:
    """The three models of one budget, from the records of their training and of their evaluation.

    Examples
    --------
    >>> [one.title for one in trained_models()]
    ['little Chinchilla', 'little Gopher', "Kaplan's size"]
    """
    trained = load_recorded("little-chinchilla-cpu-120")
    runs = trained.parts()["test"]
    assert trained.forecast is not None
    toxicity = {
        row["name"]: (float(row["toxicity"]), float(row["standard_error"]))
        for row in load_recorded("toxicity").rows
    }
    right = {
        row["run_id"]: (float(row["value"]), float(row["standard_error"]))
        for row in load_recorded("loss-to-task-cpu-60").score_rows
        if (row["task"], row["part"], row["metric"]) == (_TASK, "", "acc")
    }
    read = {
        row["model"]: (float(row["value"]), float(row["standard_error"]))
        for name in ("evaluate-little-chinchilla", "evaluate-little-gopher")
        for row in load_recorded(name).rows
        if row["metric"] == "bits_per_byte"
    }
    found = []
    for model in models_of(runs, trained.forecast):
        own = [row for row in runs if int(row["d_model"]) == model.d_model]
        names = [row["run_id"] for row in own]
        found.append(
            TrainedModel(
                title=_TITLES[model.role],
                model=model,
                flops=float(own[0]["flops"]),
                toxicity=_mean([toxicity[name] for name in names]),
                right=_mean([right[name] for name in names]),
                bits_per_byte=next((read[name] for name in names if name in read), None),
            )
        )
    return tuple(found)


def own_card() -> Card:
    """The card: details, use, factors, metrics, data, results, ethics and caveats of the models we trained.

    Examples
    --------
    >>> print(str(own_card()).splitlines()[0])
    Little Chinchilla, little Gopher and the models of the main sweep
    """
    trained, sweep = load_recorded("little-chinchilla-cpu-120"), load_recorded("main-cpu-60")
    models = trained_models()
    return Card(
        title="Little Chinchilla, little Gopher and the models of the main sweep",
        subtitle="A model card in the manner of Table A8; small-scale, trained for this book",
        facts=_overview(trained, sweep),
        table=CardTable(
            f"What came, at {format_flops(models[0].flops)} FLOPs each, with 90% intervals",
            ("model", "N", "tokens", "loss", "WikiText-2", "pairs", "toxicity"),
            tuple(_row(one) for one in models),
        ),
        sections={
            "Model details": _details(trained, sweep),
            "Intended use": {
                "Use": "To show how size and data share a budget: fitting, forecasting and comparing losses.",
                "Users": "Readers of this book, students and teachers of scaling laws.",
                "Not for": "Anything that a reader of their text would rely on. No products, no advice, no "
                "filtering, no text to publish, no statement about people, and no stand-in for the Gopher or "
                "Chinchilla whose names they borrow: those are hundreds of thousands of times larger.",
            },
            "Factors and metrics": _metrics(trained),
            "Training and evaluation data": _data(trained),
            "Ethical considerations": {
                "Text": "Public documents and articles. They name people: presidents, authors, persons in "
                "an encyclopaedia. Nothing was left out for what it says.",
                "Harm": f"They hardly write English: {_words()}. What harm they can do is that "
                "somebody takes their text, or a score of theirs, for more than it is.",
                "Bias": "Winogender was not asked of them: a public model more than a hundred times larger "
                "answers it by chance. That no bias was measured is no finding that there is none.",
                "Cost": _cost(trained, sweep),
            },
            "Caveats": {
                "Scale": "Exponents, floors and losses are of this text, tokenizer and recipe. They do not "
                "carry over to large models by themselves.",
                "Intervals": "Over seeds, or over items of a task; not over corpora, recipes or classifiers.",
                "Weights": "Not shipped: who wants them trains them again, by the commands above.",
            },
        },
        remark="Every number on this card was read from the records of the runs when the page was built.",
    )


def _overview(trained: Recorded, sweep: Recorded) -> dict[str, str]:
    table = sweep.table()
    budgets = sorted({float(row["flops_budget"]) for row in sweep.rows})
    return {
        "Little ones": f"{len(trained.parts()['test'])} runs of 3 sizes\n"
        f"{len(trained.provenance['seeds'])} seeds each",
        "Main sweep": f"{len(table)} runs of {len(set(table.n_params.tolist()))} sizes\n"
        f"{format_count(table.n_params.min())} to {format_count(table.n_params.max())} parameters",
        "Budgets": f"{format_flops(budgets[0])} to {format_flops(budgets[-1])} FLOPs\nproducts of matrices",
        "Losses": f"{table.loss.min():.2f} to {table.loss.max():.2f} nats per token\nheld out, main sweep",
    }


def _row(one: TrainedModel) -> tuple[str, ...]:
    model = one.model
    read = "not asked" if one.bits_per_byte is None else _interval(one.bits_per_byte, 2)
    return (
        one.title,
        format_count(model.n_params),
        format_count(model.n_tokens),
        f"{model.loss:.3f}\n±\u00a0{model.half_width:.3f}",
        read,
        _interval(one.right, 3),
        _interval(one.toxicity, 4),
    )


def _interval(score: Score, digits: int) -> str:
    value, error = score
    return f"{value:.{digits}f}\n±\u00a0{_Z_90 * error:.{digits}f}"


def _details(trained: Recorded, sweep: Recorded) -> dict[str, str]:
    row = trained.parts()["test"][0]
    dates = sorted({trained.provenance["date"], sweep.provenance["date"]})
    return {
        "Developed by": "the authors of this book, with its library chinchilla_lib",
        "Date": " and ".join(dates),
        "Type": f"decoder-only transformers of {row['n_layers']} layers, widths "
        f"{_span(sweep.rows, 'd_model')}; rotary positions, RMSNorm, tied embedding, no biases",
        "Vocabulary": f"{row['vocab_size']} tokens, byte-pair encoding learnt on the training text; "
        f"sequences of {row['seq_len']}",
        "Training": f"{row['optimizer'].replace('adamw', 'AdamW')}, {row['schedule']} schedule, "
        f"{row['precision']}, less than one pass over the text",
        "Commands": f"{trained.provenance['command']}; {sweep.provenance['command']}",
        "Licence": "MIT, as the library; the text has licences of its own",
    }


def _metrics(trained: Recorded) -> dict[str, str]:
    pairs = load_recorded("loss-to-task-cpu-60").provenance["tasks"][_TASK]["n_items"]
    texts = next(row for row in load_recorded("toxicity").rows if row["kind"] == "model")
    floor = next(row for row in load_recorded("toxicity").rows if row["name"] == "held-out text")
    articles = load_recorded("evaluate-little-chinchilla").rows[0]["n"]
    return {
        "Factors": "Size, training tokens and seed vary; text, depth, tokenizer and recipe do not. "
        "The text is English, most of it technical.",
        "Loss": "nats per token on held-out text, mean over seeds with Student's t",
        "WikiText-2": f"bits per byte on {articles} articles of its test part, one seed",
        "Pairs": f"share of {pairs:,} minimal pairs of sentences whose right one is the more probable; "
        "0.5 is chance",
        "Toxicity": f"mean score of {int(texts['n_samples']):,} texts of {texts['sample_tokens']} tokens a "
        "seed, unprompted, by a bag of words (a stand-in for Perspective); held-out text itself scores "
        f"{float(floor['toxicity']):.4f}",
    }


def _data(trained: Recorded) -> dict[str, str]:
    (corpus,) = trained.provenance["corpora"].values()
    facts = {
        "Training": f"{corpus['name']}: {format_count(corpus['train_tokens'])} tokens, "
        f"{corpus['train_bytes'] / 1e6:.0f} MB; the longest run of the little ones read "
        f"{format_count(max(float(row['n_tokens']) for row in trained.parts()['test']))}",
    }
    for subset in corpus["subsets"]:
        source = SOURCES[subset["source"]]
        facts[source.name] = f"{subset['share']:.0%} of the tokens: {source.title}. Licence: {source.licence}"
    facts["Held out"] = (
        f"{format_count(corpus['validation_tokens'])} tokens of the same sources, whole documents, with near-"
        "duplicates kept on one side"
    )
    return facts


def _cost(first: Recorded, second: Recorded) -> str:
    hours = [record.provenance["run_seconds"] / 3600 for record in (first, second)]
    known = {(row["run_id"], row["loss"]) for row in second.rows}
    shared = sum((row["run_id"], row["loss"]) in known for row in first.rows)
    return (
        f"{hours[0]:.1f} and {hours[1]:.1f} hours of single processor cores for the two records, of which "
        f"the second holds {shared} of the {len(first.rows)} runs of the first"
    )


def _words() -> str:
    rows = load_recorded("toxicity").rows
    names = {row["run_id"] for row in load_recorded("little-chinchilla-cpu-120").parts()["test"]}
    written = mean(float(row["known"]) for row in rows if row["name"] in names)
    real = next(float(row["known"]) for row in rows if row["name"] == "held-out text")
    return f"the classifier knows {written:.0%} of their words, and {real:.0%} of those of real text"


def _span(rows: Sequence[Mapping[str, str]], name: str) -> str:
    values = [int(row[name]) for row in rows]
    return f"{min(values)} to {max(values)}"


def _mean(scores: Sequence[Score]) -> Score:
    """Mean over seeds; errors of items, taken as independent between seeds."""
    return (
        mean(value for value, _ in scores),
        math.sqrt(sum(error**2 for _, error in scores)) / len(scores),
    )
