"""Is our evaluation as fast as lm-eval's own, and does it find the same? ``python -m benchmarks.evaluate``.

The same requests go to our adapter and to lm-eval's backend for Hugging Face (HFLM), both in float32, in
turns on the same threads. HFLM runs at the batch size that was fastest in a trial. What it finds is taken
twice: as it is, and with its softmax in float64, since in float32 that alone is off
by some 1e-5 nats a token. The items are made here, in the shape of HellaSwag, of MMLU with five
examples, of LAMBADA, of whole texts and of questions to answer; the model is SmolLM2-135M-Instruct, or one of
its shape with random weights where that cannot be had.
"""

import argparse
import copy
import csv
import io
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.evaluation_items import KINDS, Kind, write_random_model
from benchmarks.timing import ratio
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.adapter import HarnessModel
from chinchilla_lib.evaluation.hugging_face import HuggingFaceModel
from chinchilla_lib.evaluation.smollm2 import fetch_smollm2
from chinchilla_lib.reference.recorded import checkout_commit, describe_computation, write_recorded

__all__ = ["Compared", "compare", "main"]

BATCH_SIZES: Final = (1, 4, 16)


@dataclass(frozen=True)
class Compared:
    """What one kind of request gave.

    Attributes
    ----------
    kind : str
    n_requests : int
    batch_size : int
        HFLM's fastest.
    seconds, hflm_seconds : float
        Median of the rounds.
    times_faster, times_faster_low, times_faster_high : float
        HFLM's seconds over ours, round by round: median and extremes.
    times_less_work : float
        The same of processor seconds, median, which other programs on the machine trouble less.
    greatest_difference, greatest_difference_as_is : float
        Of two log-likelihoods, nats: with HFLM's softmax in float64, and as it is.
    n_different : int
        Requests with another text, or another word on whether the answer is the likeliest.
    load_average : float
        Of the machine, over the minute before the end.
    """

    kind: str
    n_requests: int
    batch_size: int
    seconds: float
    hflm_seconds: float
    times_faster: float
    times_faster_low: float
    times_faster_high: float
    times_less_work: float
    greatest_difference: float
    greatest_difference_as_is: float
    n_different: int
    load_average: float


def compare(
    kind: Kind, ours: HarnessModel, theirs: Callable[[int], Any], *, n_rounds: int, batch_sizes: Sequence[int]
) -> Compared:
    """Hand the same requests to both, in turns.

    Parameters
    ----------
    kind : Kind
    ours : HarnessModel
    theirs : callable
        HFLM, by its batch size.
    n_rounds : int
    batch_sizes : sequence of int
        What the fastest is chosen of.
    """
    found = _ask(ours, kind).answers
    trials = {size: _ask(theirs(size), kind) for size in batch_sizes}
    best = min(trials, key=lambda size: trials[size].seconds)
    rounds = [(_ask(ours, kind), _ask(theirs(best), kind)) for _ in range(n_rounds)]
    times = ratio([b.seconds for _, b in rounds], [a.seconds for a, _ in rounds])
    work = ratio([b.work for _, b in rounds], [a.work for a, _ in rounds])
    hflm = theirs(best)
    hflm.softmax_dtype = torch.float64
    try:
        exact = _ask(hflm, kind).answers
    finally:
        hflm.softmax_dtype = None
    return Compared(
        kind=kind.name,
        n_requests=len(kind.requests),
        batch_size=best,
        seconds=statistics.median(a.seconds for a, _ in rounds),
        hflm_seconds=statistics.median(b.seconds for _, b in rounds),
        times_faster=times.median,
        times_faster_low=times.low,
        times_faster_high=times.high,
        times_less_work=work.median,
        greatest_difference=_greatest_difference(found, exact),
        greatest_difference_as_is=_greatest_difference(found, trials[best].answers),
        n_different=sum(_kept(a) != _kept(b) for a, b in zip(found, trials[best].answers, strict=True)),
        load_average=os.getloadavg()[0],
    )


def _greatest_difference(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Of log-likelihoods; 0 for texts."""
    if isinstance(ours[0], str):
        return 0.0
    pairs = [(x if isinstance(x, tuple) else (x,) for x in pair) for pair in zip(ours, theirs, strict=True)]
    return float(max(abs(a[0] - b[0]) for a, b in pairs))


def _kept(answer: Any) -> Any:
    """What of an answer is no matter of rounding: a text, or whether it is the likeliest."""
    return answer[1] if isinstance(answer, tuple) else answer if isinstance(answer, str) else None


@dataclass(frozen=True)
class _Asked:
    """Answers, and the seconds and processor seconds they took."""

    answers: list[Any]
    seconds: float
    work: float


def _ask(model: Any, kind: Kind) -> _Asked:
    from lm_eval.api.instance import Instance

    requests = [
        Instance(request_type=kind.method, doc={}, arguments=copy.deepcopy(asked), idx=i)
        for i, asked in enumerate(kind.requests)
    ]
    started, began = time.perf_counter(), time.process_time()
    answers = getattr(model, kind.method)(requests, disable_tqdm=True)
    return _Asked(answers, time.perf_counter() - started, time.process_time() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options ask for."""
    options = _parser().parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"  # HFLM shows bars for the windows of texts whatever it is told
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    commit, started = checkout_commit(), time.process_time()
    with tempfile.TemporaryDirectory() as place:
        folder, name = _find_model(options.model, Path(place))
        print(f"model: {name}\nthreads: {options.threads}\nload average: {os.getloadavg()}", flush=True)
        ours = HarnessModel(HuggingFaceModel(str(folder)))
        hflm = HFLM(pretrained=str(folder), device="cpu", dtype="float32")

        def theirs(batch_size: int) -> Any:
            hflm.batch_size_per_gpu = batch_size
            return hflm

        rows = []
        for kind in (make(options.items) for make in KINDS):
            if options.kinds and kind.name not in options.kinds:
                continue
            row = compare(kind, ours, theirs, n_rounds=options.rounds, batch_sizes=options.batch_sizes)
            print(_describe(row), flush=True)
            rows.append(row)
    about = describe_computation(
        f"python -m benchmarks.evaluate {' '.join(sys.argv[1:] if arguments is None else arguments)}".strip(),
        commit=commit,
        seed=0,
        n_runs=options.rounds,
        seconds=time.process_time() - started,
        corpus=f"items made by the benchmark, asked of {name} on {options.threads} threads",
    )
    about["versions"][0] |= {package: version(package) for package in ("torch", "transformers", "lm_eval")}
    if options.json:
        content = {"provenance": about, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if options.record:
        write_recorded(options.record, _table(rows), about)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__)
    add = parser.add_argument
    add("--model", default="", metavar="FOLDER", help="of Hugging Face, or 'random' (SmolLM2, else random)")
    add("--items", type=int, default=8, metavar="N", help="contexts, questions or texts of each kind (8)")
    add("--rounds", type=int, default=3, metavar="N", help="turns of each (3)")
    add("--threads", type=int, default=2, metavar="N", help="of torch (2)")
    add("--kinds", nargs="+", default=[], metavar="KIND", help="some of them (all)")
    add("--batch-sizes", nargs="+", type=int, default=list(BATCH_SIZES), metavar="N", help="of HFLM (1 4 16)")
    add("--json", type=Path, metavar="FILE", help="also write all of it to a file")
    add("--record", type=Path, metavar="FOLDER", help="also record it in the form of the book's tables")
    return parser


def _find_model(asked: str, place: Path) -> tuple[Path, str]:
    """Folder and name of the model that is asked for, or can be had."""
    if asked and asked != "random":
        return Path(asked), asked
    if not asked:
        try:
            fetched = fetch_smollm2()
            return fetched.folder, fetched.name
        except (InputError, MissingExtraError) as error:
            print(f"SmolLM2 cannot be had ({error})")
    return write_random_model(place), "a Llama of the shape of SmolLM2-135M, with random weights"


def _describe(row: Compared) -> str:
    spread = f"{row.times_faster:5.2f}x ({row.times_faster_low:.2f} to {row.times_faster_high:.2f})"
    return (
        f"{row.kind:<12} {row.n_requests:>4} requests: ours {row.seconds:7.2f} s, HFLM at batches of "
        f"{row.batch_size:>2} {row.hflm_seconds:7.2f} s: {spread}, in work "
        f"{row.times_less_work:.2f}x; greatest difference {row.greatest_difference:.1e} nats "
        f"({row.greatest_difference_as_is:.1e} as it is), {row.n_different} answers differ"
    )


def _table(rows: Sequence[Compared]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(Compared)], lineterminator="\n")
    table.writeheader()
    for row in rows:
        cells = asdict(row).items()
        table.writerow({name: f"{cell:.4g}" if isinstance(cell, float) else cell for name, cell in cells})
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
