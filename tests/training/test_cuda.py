"""What the graph records is tested on the CPU, uncaptured; capture and concurrency need a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chinchilla_lib.architecture import FAMILIES
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training import cuda
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.cuda import DeviceStep, best_precision
from chinchilla_lib.training.loop import TrainingStep
from tests.training.test_loop import make_config

CPU = torch.device("cpu")
N_STEPS = 20
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """More would spend their time waiting for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def batches(shards: Shards) -> list[np.ndarray]:
    return list(training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=N_STEPS, seed=0))


@pytest.fixture
def config(shards: Shards) -> RunConfig:
    return make_config(shards, n_steps=N_STEPS)


def losses_of(step: DeviceStep, batches: list[np.ndarray]) -> list[float]:
    losses = [step(i, batch) for i, batch in enumerate(batches)]
    step.wait()
    return [loss.item() for loss in losses]


# A weight of zero gradient moves by the sign of a rounding error times the rate: 1e-4 of loss is ample.
def test_it_is_the_step_of_the_plain_loop(config: RunConfig, batches: list[np.ndarray]) -> None:
    plain = TrainingStep(config, CPU)
    expected = [plain(i, batch) for i, batch in enumerate(batches)]
    assert losses_of(DeviceStep(config, CPU), batches) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("family", "precision", "tolerance"),
    [("rope", "bf16", 0.05), ("fast", "fp16", 0.01), ("gopher", "fp16", 0.01)],
)
def test_less_precision_changes_the_loss_little(
    family: str, precision: str, tolerance: float, config: RunConfig, batches: list[np.ndarray]
) -> None:
    config = replace(config, shape=replace(config.shape, family=family))
    expected = losses_of(DeviceStep(config, CPU), batches)
    found = losses_of(DeviceStep(replace(config, precision=precision), CPU), batches)
    assert found == pytest.approx(expected, abs=tolerance)
    assert found != expected
    assert found[-1] < found[0] - 0.3


@pytest.mark.parametrize("precision", ["float32", "fp16"])
def test_a_state_goes_on_as_if_never_left(
    precision: str, config: RunConfig, batches: list[np.ndarray]
) -> None:
    config = replace(config, precision=precision)
    first = DeviceStep(config, CPU)
    losses_of(first, batches[:5])
    kept = {name: tensor.clone() for name, tensor in first.state.items()}
    second = DeviceStep(replace(config, seed=1), CPU)
    second.load(kept)
    rest = [(5 + i, batch) for i, batch in enumerate(batches[5:])]
    assert [second(i, b).item() for i, b in rest] == [first(i, b).item() for i, b in rest]


def test_a_step_that_overflows_is_left_out(config: RunConfig, batches: list[np.ndarray]) -> None:
    step = DeviceStep(replace(config, precision="fp16"), CPU)
    step(0, batches[0])
    too_large = 2.0**40
    step.load({**step.state, "loss_scale": torch.tensor(too_large)})
    before = {name: tensor.clone() for name, tensor in step.state.items()}
    assert torch.isfinite(step(1, batches[1]))
    assert step.state["loss_scale"] == too_large / 2
    for name in ("weights", "mean", "mean_square", "n_steps"):
        assert torch.equal(step.state[name], before[name])
    for _ in range(40):
        step(1, batches[1])
    assert step.state["n_steps"] > 1
    assert step.state["weights"].isfinite().all()


def test_rehearsal_and_capture_leave_the_state_as_it_was(
    config: RunConfig, batches: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = DeviceStep(config, CPU)
    step(0, batches[0])
    before = {name: tensor.clone() for name, tensor in step.state.items()}
    n_works = 0
    work = step._work

    def counted() -> None:
        nonlocal n_works
        n_works += 1
        work()

    @contextmanager
    def graph(_: object, *, stream: object) -> Iterator[None]:
        assert not torch.equal(step.state["mean"], before["mean"])  # the rehearsal did its steps
        yield

    monkeypatch.setattr(step, "_work", counted)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", SimpleNamespace)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: None)
    step._capture(SimpleNamespace(wait_stream=lambda _: None))  # type: ignore[arg-type]
    assert n_works == 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in step.state.items())


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "float32")]
)
def test_the_best_precision_is_what_the_device_has(
    capability: tuple[int, int], precision: str, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "some GPU")
    assert best_precision(gpu) == precision
    assert best_precision(CPU) == "float32"
    if precision != "bf16":
        with pytest.raises(InputError, match=f"which some GPU lacks: plan with '{precision}'"):
            DeviceStep(replace(config, precision="bf16"), gpu)


@needs_gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_does_what_the_cpu_does_compiled_or_not(
    family: str, config: RunConfig, batches: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, shape=replace(config.shape, family=family))
    expected = losses_of(DeviceStep(config, CPU), batches)
    assert losses_of(DeviceStep(config, torch.device("cuda")), batches) == pytest.approx(expected, abs=1e-3)
    monkeypatch.setattr(cuda, "_COMPILE_FROM_FLOPS", 0.0)
    assert losses_of(DeviceStep(config, torch.device("cuda")), batches) == pytest.approx(expected, abs=1e-3)


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "fp16"])
def test_models_side_by_side_do_what_each_does_alone(
    precision: str, config: RunConfig, batches: list[np.ndarray]
) -> None:
    gpu = torch.device("cuda")
    configs = [replace(config, seed=seed, precision=precision) for seed in range(3)]
    alone = [losses_of(DeviceStep(c, gpu), batches) for c in configs]
    steps = [DeviceStep(c, gpu) for c in configs]
    together = [[step(i, batch) for step in steps] for i, batch in enumerate(batches)]
    for step in steps:
        step.wait()
    for model, expected in enumerate(alone):
        assert [row[model].item() for row in together] == pytest.approx(expected, abs=1e-4)
