"""Every reader of files from outside, as a target: whatever the bytes, it gives a value or an `InputError`.

A target also says what a value that was read must be like, computed in another way, so that a file that is
read as something it does not say fails as well as one that ends in a traceback.
"""

import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from chinchilla_lib._outside import parse_json
from chinchilla_lib.cli import main
from chinchilla_lib.corpus.files import file_documents
from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.archives import read_json_files
from chinchilla_lib.evaluation.catalogue import find_task
from chinchilla_lib.evaluation.joblib_data import read_joblib
from chinchilla_lib.evaluation.report import compare_reports, read_report, score_rows
from chinchilla_lib.evaluation.tasks import load_task
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.game.game import Game, replay
from chinchilla_lib.game.ledger import Ledger
from chinchilla_lib.game.server import OracleServer, read_tokens
from chinchilla_lib.game.variants import find_variant
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.notebook import compare_parameters
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.stages import Stage, next_stage
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS
from chinchilla_lib.training.checkpoint import load_model, load_state, save_model, save_state
from chinchilla_lib.training.model import Transformer
from tests.sweeps.killable import TINY, tiny_plan
from tests.tiny_corpus import VOCAB_SIZE, write_tiny_shards

__all__ = ["TARGETS", "Target", "exercise"]

LAW = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
PLAN = tiny_plan()


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes
    ----------
    read : callable
        Takes bytes and an empty folder, and fails if what it read is not what the bytes say.
    seeds : callable
        Files as they should be, the first of which must be read.
    structured : bool
        Whether they are JSON, to be changed by value as well as by byte.
    """

    read: Callable[[bytes, Path], None]
    seeds: Callable[[Path], list[bytes]]
    structured: bool = False


def exercise(target: Target, data: bytes, folder: Path) -> bool:
    """Read; whether the bytes were accepted. Anything but an `InputError` is a finding."""
    try:
        target.read(data, folder)
    except InputError as error:
        assert len(str(error).splitlines()) == 1, f"a message of several lines: {error!r}"
        return False
    return True


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _says(told: Any, found: Any) -> bool:
    """Whether all that a JSON value tells is in the one that was made of it."""
    if isinstance(told, dict) and isinstance(found, dict):
        return all(name in found and _says(value, found[name]) for name, value in told.items())
    if isinstance(told, list) and isinstance(found, list):
        return len(told) == len(found) and all(map(_says, told, found))
    if isinstance(told, bool) or isinstance(found, bool):
        return told is found
    return bool(told == found) or (told != told and found != found)


@cache
def _records() -> tuple[RunRecord, ...]:
    runs = plan_isoflop_sweep(TIERS["ci"], corpus="mine").configs
    return tuple(simulate_run(run, LAW, noise=0.003) for run in runs)


# Tables


def _rows(data: bytes) -> list[dict[str, str]]:
    header, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    return [dict(zip(map(str.strip, header), row, strict=True)) for row in rows]


def _read_runs(data: bytes, folder: Path) -> None:
    table = SweepTable.from_csv(_put(folder, "runs.csv", data))
    rows = _rows(data)
    for name in ("n_params", "n_tokens", "loss"):
        assert getattr(table, name).tolist() == [float(row[name]) for row in rows]
    if rows[0].get("run_id", "").strip():
        assert list(table.run_id) == [row["run_id"].strip() for row in rows]


def _read_curves(data: bytes, folder: Path) -> None:
    table = SweepTable.from_records(_records())
    curves = CurveTable.from_csv(_put(folder, "curves.csv", data), table)
    told = sorted(
        (row["run_id"].strip(), float(row["n_tokens"]), float(row["train_loss"])) for row in _rows(data)
    )
    runs = np.repeat(
        np.array(curves.run_id, dtype=object), np.diff(np.append(curves.first, len(curves.loss)))
    )
    assert sorted(zip(runs, curves.n_tokens.tolist(), curves.loss.tolist(), strict=True)) == told


def _fit_any(data: bytes, folder: Path) -> None:
    """A table that can be read is fitted or refused: no estimator stumbles over numbers in range."""
    table = SweepTable.from_csv(_put(folder, "runs.csv", data))
    fit = fit_isoflop_profiles(table)
    assert np.isfinite([fit.n_opt.coefficient, fit.n_opt.exponent]).all()


def _table_seeds(rows: Callable[[RunRecord], list[Any]], folder: Path) -> list[bytes]:
    text = io.StringIO()
    made = [row for record in _records() for row in rows(record)]
    writer = csv.DictWriter(text, made[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    short = "n_params,n_tokens,loss,flops_budget\n1e6,2e7,3.5,1e14\n2e6,1e7,3.4,1e14\n4e6,5e6,3.6,1e14\n"
    return [text.getvalue().encode(), text.getvalue()[:3000].rpartition("\n")[0].encode(), short.encode()]


# Plans, records and the folder of a sweep


def _check_told(value: Any, told: Any) -> None:
    again = type(value).from_dict(json.loads(json.dumps(value.to_dict())))
    assert _says(again.to_dict(), value.to_dict()) and _says(value.to_dict(), again.to_dict())
    defaults = asdict(value) if isinstance(value, RunConfig) else value.to_dict()
    assert _says(told, defaults | value.to_dict()), "something that the file says was passed over"


def _read_plan(data: bytes, folder: Path) -> None:
    _put(folder, "plan.json", data)
    plan = SweepFolder(folder).load_plan()
    told = parse_json(data)
    assert len(told["configs"]) == len(plan.configs) == len(set(plan.run_ids))
    for one, config in zip(told["configs"], plan.configs, strict=True):
        _check_told(config, one)
    assert _says({name: told[name] for name in told if name != "configs"}, plan.to_dict())
    assert SweepPlan.from_dict(json.loads(json.dumps(plan.to_dict()))).identity == plan.identity
    assert 0 < plan.flops < np.inf and plan.n_tokens > 0
    plan.check_epochs(10**15)


def _plan_seeds(folder: Path) -> list[bytes]:
    plans = [
        PLAN,
        plan_isoflop_sweep(replace(TINY, staged=True), corpus="none"),
        plan_isoflop_sweep(replace(TINY, schedule="wsd", horizons=(0.5, 1.0)), corpus="none"),
    ]
    return [json.dumps(plan.to_dict()).encode() for plan in plans]


def _read_config(data: bytes, folder: Path) -> None:
    """As ``train --config`` does, which ends with the corpus that is not there."""
    path = _put(folder, "run.json", data)
    assert (
        main(["train", "--config", str(path), "--corpus-dir", str(folder / "none"), "--out", str(folder)])
        == 2
    )
    told = parse_json(data)
    _check_told(RunConfig.from_dict(told), told)


def _signed(kind: str, data: bytes) -> bytes:
    """The file of a folder that vouches for what it holds, as a careful forger would write it."""
    try:
        value = json.loads(data)
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        return json.dumps({"sha256": digest, kind: value}).encode()
    except (ValueError, TypeError, RecursionError):
        return data


def _read_record(data: bytes, folder: Path, *, signed: bool) -> None:
    content = _signed("record", data) if signed else data
    path = _put(folder, f"records/{_run_id(content)}.json", content)
    try:
        [record] = SweepFolder(folder).load_records()
        told = parse_json(content)["record"]
        assert _says({n: told[n] for n in told if n != "config"}, record.to_dict())
        _check_told(record.config, told["config"])
        assert np.isfinite(record.loss) or np.isnan(record.loss) or record.loss > 0
        if signed:
            SweepFolder(folder).write_tables(
                SweepPlan("any", (record.config,)), {record.config.run_id: record}
            )
    finally:
        path.unlink()


def _run_id(content: bytes) -> str:
    try:
        return RunConfig.from_dict(json.loads(content)["record"]["config"]).run_id
    except (InputError, ValueError, LookupError, TypeError, RecursionError):  # then any name will do
        return "any"


def _read_stage(data: bytes, folder: Path) -> None:
    _put(folder, "stages/02.json", _signed("stage", data))
    [stage] = SweepFolder(folder).load_stages()
    assert _says(json.loads(data) | {"configs": []}, stage.to_dict() | {"configs": []})
    assert Stage.from_dict(stage.to_dict()) == stage


def _stage_seeds(folder: Path) -> list[bytes]:
    ladder = plan_isoflop_sweep(replace(TIERS["ci"], staged=True), corpus="mine").ladder
    assert ladder is not None
    first = [record for record in _records() if record.config.flops_budget == ladder.budgets[0]]
    return [json.dumps(next_stage(ladder, 2, first).to_dict()).encode()]


def _read_failure(data: bytes, folder: Path) -> None:
    _put(folder, "quarantine/any.json", _signed("failure", data))
    [failure] = SweepFolder(folder).load_quarantine()
    told = json.loads(data)
    assert (failure.reason, failure.kind) == (told["reason"], told["kind"])


def _failure_seeds(folder: Path) -> list[bytes]:
    failure = RunFailure(PLAN.configs[0], "the loss is nan", "diverged")
    return [json.dumps({**vars(failure), "config": failure.config.to_dict()}).encode()]


# Shards, tokenizers, checkpoints


@cache
def _corpus(folder: Path) -> Path:
    """A small prepared corpus, written once."""
    place = folder.parent / "fuzzed-corpus"
    return place if (place / "manifest.json").is_file() else write_tiny_shards(place).folder


def _read_manifest(data: bytes, folder: Path) -> None:
    place = _corpus(folder)
    for path in place.iterdir():
        if path.name != "manifest.json" and not (folder / path.name).exists():
            (folder / path.name).hardlink_to(path)
    _put(folder, "manifest.json", data)
    shards = open_shards(folder)
    told = json.loads(data)
    for side, split in (("train", shards.train), ("validation", shards.validation)):
        assert sum(map(len, split.shards)) == split.n_tokens == told["splits"][side]["n_tokens"]
        assert all(Path(shard.filename).parent == folder for shard in split.shards)
        assert all(int(shard.max()) < shards.vocab_size for shard in split.shards)
        assert (split.document_starts < split.n_tokens).all()
        assert split.alignment == told["alignment"] >= 1


def _read_tokenizer(data: bytes, folder: Path) -> None:
    tokenizer = Tokenizer.load(_put(folder, "tokenizer.json", data))
    text = "any text, 12"
    [ids] = tokenizer.encode([text])
    assert all(i >= 0 for i in ids)


def _read_model(data: bytes, folder: Path) -> None:
    model, config = load_model(_put(folder, "model.safetensors", data))
    tensors = safetensors.torch.load(data)
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    assert model.shape == config.shape


def _model_seeds(folder: Path) -> list[bytes]:
    config = replace(PLAN.configs[0], shape=replace(PLAN.configs[0].shape, vocab_size=VOCAB_SIZE))
    path = folder / "seed.safetensors"
    save_model(path, Transformer(config.shape, seed=0), config)
    data = path.read_bytes()
    path.unlink()
    return [data]


def _read_forged_model(data: bytes, folder: Path) -> None:
    """A model whose metadata is whatever a forger says, with the SHA-256 that fits."""
    tensors = safetensors.torch.load(_model_seeds(folder)[0])
    text = data.decode("utf-8", "replace")
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    forged = safetensors.torch.save(tensors, {"meta": text, "sha256": digest.hexdigest()})
    model, config = load_model(_put(folder, "model.safetensors", forged))
    _check_told(config, json.loads(text)["config"])
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())


def _forged_model_seeds(folder: Path) -> list[bytes]:
    config = replace(PLAN.configs[0], shape=replace(PLAN.configs[0].shape, vocab_size=VOCAB_SIZE))
    return [json.dumps({"config": config.to_dict()}).encode()]


def _read_state(data: bytes, folder: Path) -> None:
    """A damaged state is never taken: what comes back is the sound one, or the very tensors of the file."""
    save_state(folder, 1, {"w": torch.ones(3)}, {"loss": 1.5})
    _put(folder, "state-0000000002.safetensors", data)
    found = load_state(folder)
    assert found is not None
    tensors, meta = found
    if meta["step"] == 1:
        raise InputError("the state before it was taken")
    told = safetensors.torch.load(data)
    assert tensors.keys() == told.keys() and all(torch.equal(tensors[name], told[name]) for name in told)


def _state_seeds(folder: Path) -> list[bytes]:
    save_state(folder, 2, {"w": torch.arange(4.0), "m": torch.zeros(2, 2)}, {"loss": 2.5, "rng": [1, 2]})
    path = folder / "state-0000000002.safetensors"
    data = path.read_bytes()
    path.unlink()
    return [data]


# Text, tasks, archives, reports


def _read_text(suffix: str, data: bytes, folder: Path) -> None:
    path = _put(folder, f"notes{suffix}", data)
    found = [document.text for document in file_documents([path])]
    if suffix == ".txt" and b"\r" not in data:
        assert data.decode("utf-8", "ignore").startswith("".join(found))
    if suffix == ".jsonl":
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="ignore")
        told = [json.loads(line)["text"] for line, _ in zip(filter(str.strip, lines), found, strict=False)]
        assert found == told


ITEMS: Mapping[str, list[dict[str, Any]]] = {
    "lambada": [{"text": "He went to the shop and bought bread"}],
    "hellaswag": [{"ctx": "She opens", "endings": ["the door.", "the sea.", "a cat.", "on."], "label": 0}],
    "winogrande": [
        {"sentence": "The _ fell.", "option1": "cup", "option2": "sky", "answer": "1", "label": 0}
    ],
    "boolq": [{"passage": "Salt is white.", "question": "is salt white", "answer": True, "label": 1}],
    "race_h": [{"article": "A.", "question": "Q?", "options": ["a", "b", "c", "d"], "answer": "B"}],
    "mmlu": [{"subject": "astronomy", "question": "Q?", "choices": ["a", "b", "c", "d"], "label": 1}],
    "natural_questions": [{"question": "who", "answer": ["Ada", "Ada L."]}],
    "social_iqa": [{"question": "C. Q?", "choices": ["a", "b", "c"], "label": 1}],
    "pile": [{"text": "A page.", "meta": {"pile_set_name": "Books3"}, "subset": "Books3"}],
}
SENTENCES = (
    b"sentid\tsentence\n"
    b"technician.customer.1.male.txt\tThe technician told the customer that he could pay with cash.\n"
)
QUESTIONS = (
    b"Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
    b'A,B,Is it so?,No,No; It is not,Yes; "It, is",web\n'
)


def _read_task(name: str, data: bytes, folder: Path) -> None:
    task = find_task(name)
    loaded = load_task(task, _put(folder, task.source.file, data), n_shots=0)  # type: ignore[attr-defined]
    assert loaded.items
    for item in loaded.items:
        assert all(good(item[field]) for field, (_, good) in task.fields.items())
    _put(folder, f"{task.source.file}.gz", gzip.compress(data))  # type: ignore[attr-defined]
    assert loaded.to_configs()


def _task_seeds(name: str, folder: Path) -> list[bytes]:
    if name in ITEMS:
        return ["\n".join(map(json.dumps, 2 * ITEMS[name])).encode()]
    return [SENTENCES if name == "winogender" else QUESTIONS]


def _read_archive(data: bytes, folder: Path) -> None:
    path = _put(folder, "archive.tar", data)
    before = set(folder.rglob("*"))
    for where, parts, found in read_json_files(path, lambda parts: parts[-1].endswith(".json")):
        assert where.startswith(str(path)) and ".." not in parts and isinstance(found, dict)
    assert set(folder.rglob("*")) == before, "something was unpacked"


def _archive_seeds(folder: Path) -> list[bytes]:
    archives = []
    for mode in ("w", "w:gz", "w:xz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
            for name in ("a/task.json", "a/notes.txt"):
                content = json.dumps({"name": name, "examples": [{"input": "1 + 1", "target": "2"}]}).encode()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        archives.append(file.getvalue())
    return archives


def _report(value: float) -> dict[str, Any]:
    score = {"value": value, "standard_error": 0.1, "n": 2}
    item = {"log_likelihoods": [-1.0, -2.0], "metrics": {"acc": value}}
    task = {
        "version": 1, "n_items": 2, "n_shots": 0, "limit": None, "metrics": {"acc": score}, "chance": 0.5,
        "parts": {}, "sha256": "0" * 64, "examples_from": "", "example_prompt": "Q", "seconds": 1.0,
        "items": [{"index": i, **item} for i in range(2)],
    }  # fmt: skip
    return {"model": "ours", "tasks": {"piqa": task}, "provenance": {"command": "evaluate"}}


def _read_evaluation(data: bytes, folder: Path) -> None:
    report = read_report(_put(folder, "scores.json", data))
    told = json.loads(data)
    assert report == told or _says(told, report)
    for row in score_rows(report):
        assert row["model"] == told["model"]
    for found in compare_reports(report, _report(0.5)):
        assert np.isfinite(found.difference)


def _read_joblib(data: bytes, folder: Path) -> None:
    read_joblib(data)


def _joblib_seeds(folder: Path) -> list[bytes]:
    import pickle

    return [
        pickle.dumps({"coef": [1.5, 2.5], "vocabulary": {"word": 1}, "n": (1, None, True)}, protocol=4),
        pickle.dumps([np.float64(2.5), "text", b"bytes", 2**40], protocol=4),
    ]


# Fits, parameters of notebooks


@cache
def _fit_json(folder: Path) -> bytes:
    runs = _put(folder, "runs.csv", _table_seeds(lambda record: [record.to_row()], folder)[0])
    out = folder / "fit.json"
    options = ["--method", "all", "--bootstrap", "20", "--seed", "0", "--json", str(out)]
    assert main(["fit", str(runs), *options]) == 0
    data = out.read_bytes()
    out.unlink()
    return data


def _fit_seeds(folder: Path) -> list[bytes]:
    law = {"method": "parametric", "law": asdict(LAW), "source": "mine"}
    power = {
        "method": "isoflop",
        "coefficients": {"n_opt": 0.1, "d_opt": 1.6},
        "exponents": {"a": 0.5, "b": 0.5},
    }
    return [json.dumps(law).encode(), json.dumps({**power, "source": "mine"}).encode(), _fit_json(folder)]


def _read_fit(data: bytes, folder: Path) -> None:
    law, out = _put(folder, "law.json", data), folder / "allocation.json"
    out.unlink(missing_ok=True)
    status = main(["allocate", "--flops", "1e20", "--law", str(law), "--json", str(out)])
    assert status in (0, 2)
    if status:
        raise InputError("refused")
    found = json.loads(out.read_text())
    assert 1 <= found["n_params"] < np.inf and 1 <= found["n_tokens"] < np.inf
    told = json.loads(data)
    if told.get("coefficients") and told.get("exponents"):
        expected = told["coefficients"]["n_opt"] * 1e20 ** told["exponents"]["a"]
        assert abs(found["n_params"] / expected - 1) < 1e-9


def _read_parameters(data: bytes, folder: Path) -> None:
    declared, _, passed = data.decode("utf-8", "replace").partition("# Parameters")
    compare_parameters(declared, passed)


# The budget game


def _read_ledger(data: bytes, folder: Path) -> None:
    path = _put(folder, "ada.jsonl", data)
    ledger = Ledger.read(path)
    assert ledger.to_text().encode() == data
    told = replay(path)
    assert told.holds == (not told.reasons)


def _ledger_seeds(folder: Path) -> list[bytes]:
    game = Game("ada", "practice")
    game.train(1e5, 1e6)
    game.train(2e5, 5e5, seed=1)
    variant = find_variant("practice")
    game.submit(1e6, variant.tokens_for(1e6, variant.far_budget), (2.5, 3.5))
    return [game.ledger.to_text().encode()]


def _read_rehashed_ledger(data: bytes, folder: Path) -> None:
    """A chain made anew over whatever entries a forger wants."""
    try:
        contents = [json.loads(line) for line in data.decode().splitlines()]
        ledger = Ledger.begin(contents[0]["content"])
        for entry in contents[1:]:
            ledger = ledger.extended(entry["kind"], entry["content"])
        text = ledger.to_text()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        text = data.decode("utf-8", "replace")
    path = _put(folder, "ada.jsonl", text.encode("utf-8", "replace"))
    told = replay(path)
    assert told.holds == (not told.reasons)


def _read_tokens(data: bytes, folder: Path) -> None:
    tokens = read_tokens(_put(folder, "tokens.csv", data))
    assert tokens and all(len(token) >= 16 for token in tokens.values())
    assert len(set(tokens.values())) == len(tokens)


def _ask_oracle(data: bytes, folder: Path) -> None:
    content = parse_json(data)
    if not isinstance(content, dict):
        raise InputError("a request is a table of fields")
    what = content.pop("what", "train")
    with OracleServer("practice", {"ada": "0123456789abcdef"}, folder / "games") as server:
        text = server.answer("ada", what, content)
    assert all(json.loads(line)["kind"] in ("start", "train", "submit") for line in text.splitlines())


def _oracle_seeds(folder: Path) -> list[bytes]:
    asked = [
        {"what": "train", "n_params": 1e5, "n_tokens": 1e6, "seed": 0, "known": 0},
        {"what": "submit", "n_params": 1e6, "n_tokens": 1e7, "low": 2.5, "high": 3.0, "known": 0},
        {"what": "ledger", "known": 0},
    ]
    return [json.dumps(one).encode() for one in asked]


def _seed(*texts: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [text.encode() for text in texts]


PARAMETERS = (
    "n_layers = 2\nrate: float = 0.1\nsizes = [8, 16]\nname = 'ci'\n# Parameters\nn_layers = 4\nrate = 1\n"
)

TARGETS: Mapping[str, Target] = {
    "runs": Target(_read_runs, partial(_table_seeds, lambda record: [record.to_row()])),
    "curves": Target(_read_curves, partial(_table_seeds, lambda record: record.curve_rows())),
    "fit-any": Target(_fit_any, partial(_table_seeds, lambda record: [record.to_row()])),
    "plan": Target(_read_plan, _plan_seeds, structured=True),
    "config": Target(
        _read_config,
        lambda folder: [json.dumps(c.to_dict()).encode() for c in PLAN.configs[:2]],
        structured=True,
    ),
    "record": Target(
        partial(_read_record, signed=False),
        lambda folder: [_signed("record", json.dumps(_records()[0].to_dict()).encode())],
        structured=True,
    ),
    "signed-record": Target(
        partial(_read_record, signed=True),
        lambda folder: [json.dumps(_records()[0].to_dict()).encode()],
        structured=True,
    ),
    "stage": Target(_read_stage, _stage_seeds, structured=True),
    "failure": Target(_read_failure, _failure_seeds, structured=True),
    "manifest": Target(
        _read_manifest, lambda folder: [(_corpus(folder) / "manifest.json").read_bytes()], structured=True
    ),
    "tokenizer": Target(
        _read_tokenizer, lambda folder: [(_corpus(folder) / "tokenizer.json").read_bytes()], structured=True
    ),
    "model": Target(_read_model, _model_seeds),
    "forged-model": Target(_read_forged_model, _forged_model_seeds, structured=True),
    "state": Target(_read_state, _state_seeds),
    "text": Target(partial(_read_text, ".txt"), _seed("A page.\n\nAnother.", "one line")),
    "text-lines": Target(partial(_read_text, ".jsonl"), _seed('{"text": "a"}\n{"text": "b"}\n')),
    "text-packed": Target(partial(_read_text, ".txt.gz"), lambda folder: [gzip.compress(b"A page.\n")]),
    **{
        f"task-{name}": Target(partial(_read_task, name), partial(_task_seeds, name))
        for name in (*ITEMS, "winogender", "truthfulqa")
    },
    "archive": Target(_read_archive, _archive_seeds),
    "evaluation": Target(
        _read_evaluation, lambda folder: [json.dumps(_report(1.0)).encode()], structured=True
    ),
    "joblib": Target(_read_joblib, _joblib_seeds),
    "fit": Target(_read_fit, _fit_seeds, structured=True),
    "parameters": Target(_read_parameters, _seed(PARAMETERS)),
    "ledger": Target(_read_ledger, _ledger_seeds),
    "forged-ledger": Target(_read_rehashed_ledger, _ledger_seeds),
    "tokens": Target(_read_tokens, _seed("student,token\nada,0123456789abcdef\nbob,0123456789abcdeg\n")),
    "oracle": Target(_ask_oracle, _oracle_seeds, structured=True),
}
