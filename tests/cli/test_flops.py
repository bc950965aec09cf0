"""The flops command: its JSON, its table, its refusals."""

import shlex
from pathlib import Path

import pytest

from chinchilla_lib.architecture import KNOWN_SHAPES, TransformerShape, count_params
from chinchilla_lib.cli import main
from chinchilla_lib.cli.flops import _EXAMPLES
from chinchilla_lib.flops import CONVENTIONS, training_flops, training_flops_per_token
from tests.cli.checks import costs_one_line, report_of

SHAPE = shlex.split(
    "--family gopher --n-layers 8 --d-model 512 --n-heads 8 --kv-size 64 --ffw-size 2048 "
    "--vocab-size 32000 --seq-len 2048"
)


def test_a_shape_is_counted_as_in_table_a9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(tmp_path, "flops", *SHAPE)
    assert report["n_params"] == 43_692_032
    assert report["n_params_non_embedding"] == 43_692_032 - 16_384_000
    assert set(report["flops_per_token"]) == set(CONVENTIONS)
    # Independent figures of row 1 of Table A9, recomputed elsewhere to six digits.
    assert report["flops_per_token"]["appendix_f"] == pytest.approx(4.49446e8, rel=2e-6)
    assert report["flops_per_token"]["table_a4"] == pytest.approx(2.52838e8, rel=2e-6)
    assert report["flops_per_token"]["six_nd"] == 6 * 43_692_032
    assert report["flops_per_token"]["kaplan"] == 6 * 27_308_032
    assert sum(report["n_params_by_group"].values()) == report["n_params"]
    shape = TransformerShape.from_dict(report["shape"])
    assert report["flops_per_token"]["matmul"] == training_flops_per_token(shape, "matmul")
    assert report["model"] is None
    assert report["flops"] is None
    captured = capsys.readouterr()
    assert captured.err == ""
    for name in CONVENTIONS:
        assert f"  {name} " in captured.out
    assert max(map(len, captured.out.splitlines())) <= 110


@pytest.mark.parametrize("model", KNOWN_SHAPES)
def test_a_known_model_and_its_run(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(tmp_path, "flops", "--model", model, "--n-tokens", "1.4T")
    assert report["model"] == model
    assert report["n_params"] == count_params(KNOWN_SHAPES[model]).total
    assert report["n_tokens"] == 1.4e12
    assert report["flops"] == {
        name: training_flops(KNOWN_SHAPES[model], 1.4e12, name) for name in CONVENTIONS
    }
    assert f"{report['n_params']:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "lacks --family, --n-layers, "),
        (SHAPE[:-2], "lacks --seq-len; "),
        (["--model", "gpt"], "invalid choice: 'gpt'"),
        (["--model", "gopher", "--n-layers", "8"], "leave out --n-layers"),
        ([*SHAPE, "--n-layers", "0"], "n_layers is 0; it must be a whole number from 1"),
        ([*SHAPE, "--n-layers", "-8"], "n_layers is -8; "),
        ([*SHAPE, "--n-layers", "8.5"], "argument --n-layers: invalid int value: '8.5'"),
        ([*SHAPE, "--n-layers", "9" * 400], "n_layers is 999"),
        ([*SHAPE, "--family", "rope", "--kv-size", "63"], "kv_size is 63; it must be even"),
        ([*SHAPE, "--n-tokens", "many"], "--n-tokens is 'many'; "),
        ([*SHAPE, "--n-tokens", "1e307"], "n_tokens is 1e+307; "),
        ([*SHAPE, "--json", "."], "--json . cannot be written: "),
        ([*SHAPE, "--modle", "gopher"], "unrecognized arguments: --modle"),
        ([*SHAPE, "--vocab", "9"], "unrecognized arguments: --vocab"),
    ],
)
def test_bad_values_cost_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    costs_one_line(capsys, message, "flops", *arguments)


def test_the_examples_of_the_help_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["flops", "--help"]) == 0
    assert _EXAMPLES.strip() in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in _EXAMPLES.replace("\\\n", "").splitlines()[1:]]
    assert len(commands) == 2
    for program, *arguments in commands:
        assert program == "chinchilla-lib"
        assert main(arguments) == 0
    assert (tmp_path / "flops.json").is_file()
