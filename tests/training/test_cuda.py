"""What the graph records is tested on the CPU, uncaptured; capture and concurrency need a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from chinchilla_lib.training.cpu import CpuStep
from chinchilla_lib.training.cuda import DeviceStep, DeviceSteps, best_precision
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.schedule import schedule_rate
from tests.training.test_loop import make_config

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
N_STEPS = 20
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def batches(shards: Shards) -> list[np.ndarray]:
    return list(training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=N_STEPS, seed=0))


@pytest.fixture
def config(shards: Shards) -> RunConfig:
    return make_config(shards, n_steps=N_STEPS)


def losses_of(step: DeviceStep, batches: list[np.ndarray]) -> list[float]:
    losses = [step(schedule_rate(step.config, i), batch) for i, batch in enumerate(batches)]
    step.wait()
    return [loss.item() for loss in losses]


# A weight of zero gradient moves by the sign of a rounding error times the rate: 1e-4 of loss is ample.
def test_it_is_the_step_of_the_plain_loop(config: RunConfig, batches: list[np.ndarray]) -> None:
    plain = CpuStep([config])
    expected = [plain([schedule_rate(config, i)], [batch]).item() for i, batch in enumerate(batches)]
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
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    second = DeviceStep(replace(config, seed=1), CPU)
    second.load(kept)
    assert [second(0.003, b).item() for b in batches[5:]] == [first(0.003, b).item() for b in batches[5:]]


def test_a_step_that_overflows_is_left_out(config: RunConfig, batches: list[np.ndarray]) -> None:
    step = DeviceStep(replace(config, precision="fp16"), CPU)
    step(0.0025, batches[0])
    too_large = 2.0**40
    step.load({**step.state(), "scale": torch.tensor(too_large)})
    before = {name: tensor.clone() for name, tensor in step.state().items()}
    assert torch.isfinite(step(0.005, batches[1]))
    after = step.state()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {"scale", "_growth_tracker"}
    assert after["scale"] == too_large / 2
    for _ in range(40):
        step(0.005, batches[1])
    assert step.state()["embedding.weight.step"] > 1
    assert step.state()["embedding.weight"].isfinite().all()


def test_rehearsal_leaves_no_trace(config: RunConfig) -> None:
    step = DeviceStep(replace(config, precision="fp16"), CPU)
    fresh = dict(Transformer(config.shape, seed=config.seed).named_parameters())
    for name, tensor in step.state().items():
        if name in fresh:
            assert torch.equal(tensor, fresh[name])
        elif name == "scale":
            assert tensor == 2**16
        else:
            assert not tensor.any()


def test_a_graph_is_replayed_on_the_stream_it_was_captured_on(
    config: RunConfig, batches: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of calls on a GPU, with stand-ins that note them."""
    calls: list[str] = []
    stream = SimpleNamespace(wait_stream=lambda other: calls.append(f"own waits for {other}"))

    @contextmanager
    def noted(name: str) -> Iterator[None]:
        calls.append(name)
        yield
        calls.append(f"end {name}")

    step = DeviceStep(config, CPU)
    monkeypatch.setattr(step, "_work", lambda: calls.append("work"))
    graph = SimpleNamespace(replay=lambda: calls.append("replay"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, *, stream: noted("capture"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: noted("own stream"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    step._stream = stream  # type: ignore[assignment]
    step._graph = step._capture(stream)  # type: ignore[arg-type]
    assert calls == ["capture", "work", "end capture"]
    assert all(group["capturable"] for group in step._optimiser.param_groups)
    calls.clear()
    step(0.0025, batches[0])
    assert calls == ["own stream", "replay", "end own stream"]
    assert torch.equal(step._tokens, torch.from_numpy(batches[0]))
    assert step._rate == pytest.approx(0.0025)


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


def test_models_side_by_side_keep_to_themselves(config: RunConfig, batches: list[np.ndarray]) -> None:
    configs = [config, replace(config, seed=1, shape=replace(config.shape, d_model=16))]
    steps = DeviceSteps(configs, CPU)
    steps([0.01, 0.02], batches[:2])
    kept = {name: tensor.clone() for name, tensor in steps.state().items()}
    left_out, loss = steps([None, 0.02], batches[2:4])
    assert left_out.isnan()
    changed = {name[0] for name, tensor in steps.state().items() if not torch.equal(tensor, kept[name])}
    assert changed == {"1"}
    steps.load(kept)
    alone = DeviceStep(configs[1], CPU)
    alone(0.02, batches[1])
    assert alone(0.02, batches[3]) == loss == steps([None, 0.02], batches[2:4])[1]


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
    steps = DeviceSteps(configs, gpu)
    together = [steps([schedule_rate(config, i)] * 3, [batch] * 3) for i, batch in enumerate(batches)]
    steps.wait()
    for model, expected in enumerate(alone):
        assert [row[model].item() for row in together] == pytest.approx(expected, abs=1e-4)
