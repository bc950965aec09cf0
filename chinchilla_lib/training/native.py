"""Compiled kernels for the step on the CPU: built once with the machine's C compiler, then loaded."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chinchilla_lib.training.kernels import Kernels

__all__ = ["NativeKernels", "build_kernels", "choose_kernels"]

_SOURCE = Path(__file__).with_suffix(".c")
_FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-shared", "-fPIC")
_EPSILON = torch.finfo(torch.float32).eps  # as in the module
_WIDEST_HEAD = 128
_I64, _F32 = ctypes.c_int64, ctypes.c_float
_log = logging.getLogger(__name__)


def build_kernels(*flags: str) -> "NativeKernels":
    """Compile ``native.c``, or load what an earlier process compiled.

    The library lies in the user's cache folder under a name that holds a digest of the source, the
    compiler, its flags and the processor.

    Parameters
    ----------
    flags : str
        More of them for the compiler, such as ``-mno-avx512f`` for the vectors of another processor.

    Raises
    ------
    OSError, subprocess.SubprocessError
        If there is no compiler, it fails, or the folder cannot be written.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("there is no C compiler")
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True).stdout
    flags = *_FLAGS, *flags
    parts = (_SOURCE.read_bytes(), version, " ".join(flags).encode(), _processor().encode())
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chinchilla-lib"
    library = cache / f"kernels-{digest}.so"
    if not library.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            built = Path(folder) / "kernels.so"
            command = [compiler, *flags, str(_SOURCE), "-o", str(built), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            built.replace(library)
    return NativeKernels(ctypes.CDLL(str(library)))


def _processor() -> str:
    """What ``-march=native`` depends on, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


class NativeKernels(Kernels):
    """The kernels of ``native.c``, each one pass over memory. Tensors are float32 and contiguous.

    Parameters
    ----------
    library : ctypes.CDLL
    """

    name = "native"

    def __init__(self, library: ctypes.CDLL) -> None:
        def function(name: str, n_tensors: int, *numbers: Any) -> Any:
            found = getattr(library, name)
            found.restype, found.argtypes = None, [ctypes.c_void_p] * n_tensors + list(numbers)
            return found

        self._norm_forward = function("norm_forward", 5, _F32, *[_I64] * 4)
        self._norm_backward = function("norm_backward", 6, *[_I64] * 5)
        self._activate = {name: function(name, 2, _I64) for name in ("gelu", "relu2")}
        self._cross_entropy = function("cross_entropy", 3, _F32, _I64, _I64)
        self._attention_sizes = function("attention_sizes", 0, _I64, _I64, _I64 * 3)
        self._attention_forward = function("attention_forward", 7, *[_I64] * 4)
        self._attention_backward = function("attention_backward", 9, *[_I64] * 4)

    def norm_forward(self, x: Tensor, gain: Tensor, u: Tensor, y: Tensor, inverse_rms: Tensor) -> None:
        self._norm_forward(*_at(x, gain, u, y, inverse_rms), _EPSILON, *x.shape, gain.stride(0))

    def norm_backward(
        self, d_y: Tensor, u: Tensor, inverse_rms: Tensor, gain: Tensor, d_x: Tensor, d_gain: Tensor,
        *, add: bool,
    ) -> None:  # fmt: skip
        tensors = _at(d_y, u, inverse_rms, gain, d_x, d_gain)
        self._norm_backward(*tensors, *d_y.shape, gain.stride(0), add)

    def activate(self, name: str, hidden: Tensor, active: Tensor) -> None:
        self._activate[name](*_at(hidden, active), hidden.numel())

    def cross_entropy(self, logits: Tensor, targets: Tensor, losses: Tensor, scale: float) -> None:
        self._cross_entropy(*_at(logits, targets, losses), scale, losses.numel(), logits.shape[-1])

    def attention_memory(self, qkv: Tensor, scratch: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        g, t, _, h, k = qkv.shape
        sizes = (_I64 * 3)()
        self._attention_sizes(t, k, sizes)
        kept = qkv.new_empty(g * h * sizes[0]), qkv.new_empty(g * h * sizes[1])
        return *kept, scratch("attention", sizes[2])

    def attention_forward(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, memory: tuple[Tensor, ...], out: Tensor
    ) -> None:
        g, t, _, h, k = qkv.shape
        e, inverse_sum, scratch = memory
        self._attention_forward(*_at(qkv, cos, sin, e, inverse_sum, out, scratch), g, t, h, k)

    def attention_backward(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, memory: tuple[Tensor, ...], out: Tensor, d_out: Tensor,
        d_qkv: Tensor,
    ) -> None:  # fmt: skip
        g, t, _, h, k = qkv.shape
        e, inverse_sum, scratch = memory
        tensors = _at(qkv, cos, sin, e, inverse_sum, out, d_out, d_qkv, scratch)
        self._attention_backward(*tensors, g, t, h, k)


@cache
def _native() -> Kernels | None:
    try:
        return build_kernels()
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("training on the CPU uses torch's kernels, which are slower: %s", error)
        return None


def choose_kernels(kv_size: int, dtype: torch.dtype) -> Kernels:
    """The compiled kernels where they can be had, else torch's.

    Parameters
    ----------
    kv_size : int
        Width of a head; compiled up to 128.
    dtype : torch.dtype
        Compiled for float32. ``CHINCHILLA_KERNELS=torch`` in the environment switches to torch's.

    Returns
    -------
    Kernels
    """
    wanted = os.environ.get("CHINCHILLA_KERNELS", "native") != "torch"
    fits = kv_size <= _WIDEST_HEAD and dtype is torch.float32
    return (_native() if wanted and fits else None) or Kernels()


def _at(*tensors: Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]
