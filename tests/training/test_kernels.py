"""Which kernels are chosen; what they compute is tested with the gradients they make."""

from collections.abc import Iterator

import pytest
import torch

from chinchilla_lib.training import kernels, native
from chinchilla_lib.training.kernels import choose_kernels


@pytest.fixture(autouse=True)
def forget_the_compiled_ones() -> Iterator[None]:
    kernels._native.cache_clear()
    yield
    kernels._native.cache_clear()  # or a failure made here would be remembered by the tests that follow


def test_the_compiled_kernels_are_taken_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kernels(16, torch.float32).name == "native"
    assert choose_kernels(16, torch.float64).name == "torch"
    assert choose_kernels(130, torch.float32).name == "torch"
    monkeypatch.setenv("CHINCHILLA_KERNELS", "torch")
    assert choose_kernels(16, torch.float32).name == "torch"


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
