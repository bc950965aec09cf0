"""Toxicity of what our models write, beside their loss. ``python -m benchmarks.toxicity FOLDER...``.

Of every checkpoint in the folders named, texts drawn from nothing are scored; so are stretches of held-out
text, and the same tokens shuffled. Scores are recorded, texts are not. Some seconds a model.
"""

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from chinchilla_lib import workspace
from chinchilla_lib.architecture import count_params
from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import OwnModel, open_model
from chinchilla_lib.evaluation.sampling import sample_texts
from chinchilla_lib.evaluation.smollm2 import SMOLLM2_N_PARAMS, SMOLLM2_N_TOKENS
from chinchilla_lib.evaluation.toxicity_classifiers import LinearClassifier, fetch_linear
from chinchilla_lib.reference.recorded import checkout_commit, describe_computation, write_recorded

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "toxicity"
_BATCH: Final = 250


def _score(classifier: LinearClassifier, texts: Sequence[str]) -> dict[str, Any]:
    scores = classifier.score(texts)
    return {
        "n_samples": len(texts),
        "characters": round(float(np.mean([len(text) for text in texts])), 1),
        "known": round(float(np.mean([classifier.known_share(text) for text in texts])), 4),
        "toxicity": round(float(scores.mean()), 5),
        "standard_error": round(float(scores.std(ddof=1) / np.sqrt(len(scores))), 5),
        "scores_in_thousandths": " ".join(f"{1000 * score:.0f}" for score in scores),
    }


def _of_models(
    folders: Sequence[Path], classifier: LinearClassifier, *, n_samples: int, n_tokens: int, seed: int
) -> Iterator[dict[str, Any]]:
    for folder in folders:
        for path in sorted((folder / "models").glob("*.safetensors")):
            [file] = folder.glob(f"*/records/{path.stem}.json")
            record = json.loads(file.read_text(encoding="utf-8"))["record"]
            model = open_model(str(path), corpora=workspace.folder("corpora").glob("*"))
            if not isinstance(model, OwnModel):
                raise InputError(f"{path}: not a checkpoint of ours")
            texts = sample_texts(model, n_samples, n_tokens=n_tokens, seed=seed, batch=_BATCH)
            yield {
                "kind": "model",
                "name": path.stem,
                "n_params": count_params(model.config.shape).total,
                "n_tokens": model.config.n_tokens,
                "loss": record["loss"],
                "sample_tokens": n_tokens,
                **_score(classifier, texts),
            }


def _of_text(
    corpus: Path, classifier: LinearClassifier, *, n_samples: int, n_tokens: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Stretches of held-out text, evenly spread, and their tokens in an order drawn at random."""
    shards, tokenizer = open_shards(corpus), Tokenizer.load(corpus / "tokenizer.json")
    tokens = np.concatenate(shards.validation.shards)
    starts = np.linspace(0, len(tokens) - n_tokens, n_samples).astype(int)
    stretches = np.stack([tokens[start : start + n_tokens] for start in starts])
    shuffled = np.random.default_rng(seed).permutation(stretches.ravel()).reshape(stretches.shape)
    for name, rows in (("held-out text", stretches), ("held-out tokens shuffled", shuffled)):
        texts = [tokenizer.decode(row.tolist()) for row in rows]
        yield {
            "kind": "text",
            "name": name,
            "sample_tokens": n_tokens,
            **_score(classifier, texts),
        }


def _of_smollm2(classifier: LinearClassifier, *, n_samples: int, n_tokens: int, seed: int) -> dict[str, Any]:
    model = open_model("smollm2")
    texts = sample_texts(model, n_samples, n_tokens=n_tokens, seed=seed, batch=50)
    return {
        "kind": "other model",
        "name": model.name,
        "n_params": SMOLLM2_N_PARAMS,
        "n_tokens": SMOLLM2_N_TOKENS,
        "sample_tokens": n_tokens,
        **_score(classifier, texts),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the models in the folders named, and record them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toxicity", description=__doc__)
    add = parser.add_argument
    add("experiments", nargs="+", metavar="FOLDER", help="of experiments in the workspace, with models")
    add("--samples", type=int, default=1000, metavar="N", help="texts of each model (1000)")
    add("--tokens", type=int, default=100, metavar="N", help="tokens of a text at most (100)")
    add("--smollm2", type=int, default=0, metavar="N", help="texts of SmolLM2, half as many tokens (none)")
    add("--corpus", default="english-512", metavar="NAME", help="held-out text of which corpus")
    add("--record", type=Path, default=RECORD, metavar="FOLDER", help="where to record it")
    options = parser.parse_args(arguments)
    commit, started, seed = checkout_commit(), time.process_time(), 0
    classifier = fetch_linear()
    sizes = {"n_samples": options.samples, "n_tokens": options.tokens, "seed": seed}
    corpus = workspace.folder("corpora", options.corpus)
    rows: list[dict[str, Any]] = []
    folders = [workspace.folder("experiments", name) for name in options.experiments]
    for row in (*_of_text(corpus, classifier, **sizes), *_of_models(folders, classifier, **sizes)):
        sys.stderr.write(f"{row['name']}: {row['toxicity']:.4f}\n")
        rows.append(row)
    if options.smollm2:
        half = {"n_samples": options.smollm2, "n_tokens": options.tokens // 2, "seed": seed}
        rows.append(_of_smollm2(classifier, **half))
    columns = max((list(row) for row in rows), key=len)
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    about = describe_computation(
        f"python -m benchmarks.toxicity {' '.join(options.experiments)} --samples {options.samples} "
        f"--tokens {options.tokens} --smollm2 {options.smollm2} --corpus {options.corpus}",
        commit=commit,
        seed=seed,
        n_runs=len(rows),
        seconds=time.process_time() - started,
        corpus=f"classifier {classifier.name}, SHA-256 {classifier.sha256}; {open_shards(corpus).identity}",
    )
    write_recorded(options.record, text.getvalue(), about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
