"""The parts for a GPU, run on the CPU, where nothing is captured."""

import pytest
import torch

from benchmarks.contestants import bench_shape
from benchmarks.gpu import GPU_SHAPES, measure_concurrency, measure_device
from chinchilla_lib.flops import training_flops_per_token

CPU = torch.device("cpu")
SHAPE = bench_shape(16, 1, vocab_size=40, seq_len=8)


def test_a_device_is_measured_against_its_products() -> None:
    [row] = measure_device(CPU, SHAPE, n_sequences=2, peak_sizes=(64,), n_rounds=1, seconds=0.001)
    assert (row.shape, row.variant) == ("16x1", "eager, float32")
    per_token = training_flops_per_token(SHAPE, "matmul")
    assert row.flops_per_second == row.tokens_per_second.median * per_token
    assert row.share_of_peak * row.peak_flops_per_second == pytest.approx(row.flops_per_second)


def test_models_side_by_side_are_compared_with_one() -> None:
    row = measure_concurrency(CPU, SHAPE, n_models=2, n_sequences=2, n_rounds=1, seconds=0.001)
    assert row.n_models == 2 and row.ratio.median > 0


def test_the_widths_are_those_of_the_targets() -> None:
    assert [shape.d_model for shape in GPU_SHAPES] == [256, 512, 768]
