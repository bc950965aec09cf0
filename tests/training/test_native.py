"""Building, loading and choosing; what the kernels compute is tested with the gradients they make."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from chinchilla_lib.training import native
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.native import build_kernels, choose_kernels
from tests.training.conftest import VECTORS


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "chinchilla-lib"


def test_they_are_compiled_once_and_loaded_by_other_processes(own_cache: Path) -> None:
    assert build_kernels().name == "native"
    (library,) = own_cache.iterdir()
    assert library.suffix == ".so"
    code = (
        "import subprocess; from chinchilla_lib.training import native; run = subprocess.run\n"
        "def only_version(command, **options):\n"
        "    assert command[1:] == ['--version'], command\n"
        "    return run(command, **options)\n"
        "subprocess.run = only_version; print(native.build_kernels().name)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "native\n", result.stderr
    assert list(own_cache.iterdir()) == [library]


@pytest.mark.parametrize("flag", VECTORS)
def test_no_vector_is_wider_than_the_processors(flag: str, own_cache: Path) -> None:
    """Of such, a compiler makes code that is thirty times as slow; gcc can be asked to say so."""
    build_kernels(*flag.split(), "-Werror=vector-operation-performance")


@pytest.mark.parametrize(("name", "reference"), [("gelu", F.gelu), ("relu2", lambda x: F.relu(x) ** 2)])
@pytest.mark.parametrize("n", [1, 16, 37])
def test_activations_and_their_slopes_over_all_magnitudes(
    name: str, reference: object, n: int, compiled: Kernels
) -> None:
    x = torch.cat([torch.linspace(-12, 12, 4000 + n), torch.tensor([1e-30, -1e-30, 90.0, -90.0])])
    wide = x.double().requires_grad_()
    y = reference(wide)  # type: ignore[operator]
    (slope,) = torch.autograd.grad(y.sum(), wide)
    hidden, active = x.clone(), torch.empty_like(x)
    compiled.activate(name, hidden, active)
    torch.testing.assert_close(active, y.float(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(hidden, slope.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("vocabulary", [1, 15, 16, 90])
def test_cross_entropy_of_far_apart_logits(vocabulary: int, compiled: Kernels) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(1, 9, vocabulary, generator=generator) * 300
    targets = torch.randint(vocabulary, (1, 9), generator=generator)
    wide = logits.double().requires_grad_()
    expected = F.cross_entropy(wide[0], targets[0], reduction="none")
    (gradient,) = torch.autograd.grad(expected.mean(), wide)
    losses = torch.empty(1, 9)
    compiled.cross_entropy(logits, targets, losses, 1 / 9)
    torch.testing.assert_close(losses[0], expected.float(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(logits, gradient.float(), rtol=1e-4, atol=1e-6)


@pytest.fixture
def forgotten() -> Iterator[None]:
    native._native.cache_clear()
    yield
    native._native.cache_clear()  # or a failure made here would be remembered by the tests that follow


def test_the_compiled_kernels_are_taken_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kernels(16, torch.float32).name == "native"
    assert choose_kernels(16, torch.float64).name == "torch"
    assert choose_kernels(130, torch.float32).name == "torch"
    monkeypatch.setenv("CHINCHILLA_KERNELS", "torch")
    assert choose_kernels(16, torch.float32).name == "torch"


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("obstacle", ["no compiler", "a compiler that fails", "no room"])
def test_without_them_training_goes_on_and_says_so(
    obstacle: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if obstacle == "no compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif obstacle == "a compiler that fails":
        monkeypatch.setattr(native, "_FLAGS", ("--no-such-flag",))
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert choose_kernels(16, torch.float32).name == "torch"
    assert "torch's kernels, which are slower" in caplog.text
