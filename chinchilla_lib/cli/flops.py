"""``chinchilla-lib flops``: parameters and training FLOPs of one shape, under every convention."""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._format import format_count, format_flops, parse_number
from chinchilla_lib.architecture import FAMILIES, KNOWN_SHAPES, TransformerShape, count_params
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import write_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import (
    CONVENTIONS,
    count_forward_flops,
    ratio_to_six_nd,
    training_flops,
    training_flops_per_token,
)

__all__ = ["register", "run"]

_DIMENSIONS: Final = {
    "n_layers": "number of layers",
    "d_model": "width of the residual stream",
    "n_heads": "attention heads per layer",
    "kv_size": "width of one head",
    "ffw_size": "hidden width of the feed-forward block",
    "vocab_size": "tokens in the vocabulary",
    "seq_len": "tokens per training sequence",
}

_EXAMPLES: Final = """\
examples:
  chinchilla-lib flops --model chinchilla --n-tokens 1.4T
  chinchilla-lib flops --family gopher --n-layers 8 --d-model 512 --n-heads 8 \\
      --kv-size 64 --ffw-size 2048 --vocab-size 32000 --seq-len 2048 --json flops.json
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "flops",
        help=COMMANDS["flops"],
        description="Count the parameters of a transformer by group and its training FLOPs per token "
        "(forward and backward) under every convention.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--model", choices=list(KNOWN_SHAPES), help="a model of Table 4, instead of a shape")
    parser.add_argument(
        "--family", choices=FAMILIES, help="gopher (Table A9), rope or fast (the models trained here)"
    )
    for name, text in _DIMENSIONS.items():
        parser.add_argument(_option(name), type=int, metavar="N", help=text)
    parser.add_argument("--n-tokens", metavar="D", help="price a run of D tokens, such as 1.4T or 3e11")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the numbers to this file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the tables, and write them where ``--json`` says."""
    shape = _shape(options)
    n_tokens = None if options.n_tokens is None else parse_number(options.n_tokens, "--n-tokens")
    report = _report(shape, options.model, n_tokens)
    write_json(options.json, report)
    sys.stdout.write(_tables(shape, report))
    return 0


def _shape(options: argparse.Namespace) -> TransformerShape:
    """The known shape, or the one spelt out; never half of each."""
    names = ["family", *_DIMENSIONS]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.model is not None:
        if given:
            raise InputError(f"--model is a whole shape; leave out {', '.join(map(_option, given))}")
        return KNOWN_SHAPES[options.model]
    if missing := [name for name in names if name not in given]:
        raise InputError(f"the shape lacks {', '.join(map(_option, missing))}; give them all, or --model")
    return TransformerShape(**given)


def _report(shape: TransformerShape, model: str | None, n_tokens: float | None) -> dict[str, Any]:
    params = count_params(shape)
    return {
        "model": model,
        "shape": shape.to_dict(),
        "n_params": params.total,
        "n_params_non_embedding": params.non_embedding,
        "n_params_by_group": params.to_dict(),
        "flops_per_token": {name: training_flops_per_token(shape, name) for name in CONVENTIONS},
        "ratio_to_six_nd": {name: ratio_to_six_nd(shape, name) for name in CONVENTIONS},
        "forward_flops_per_sequence": count_forward_flops(shape).to_dict(),
        "n_tokens": n_tokens,
        "flops": n_tokens and {name: training_flops(shape, n_tokens, name) for name in CONVENTIONS},
    }


def _tables(shape: TransformerShape, report: dict[str, Any]) -> str:
    total, n_tokens = report["n_params"], report["n_tokens"]
    lines = [
        f"{report['model'] or 'shape'} (family {shape.family}): {shape.n_layers} layers of width "
        f"{shape.d_model}, {shape.n_heads} heads of {shape.kv_size},",
        f"feed-forward {shape.ffw_size}, vocabulary {shape.vocab_size}, sequences of {shape.seq_len} tokens",
        "",
        "Parameters",
    ]
    groups = [
        *report["n_params_by_group"].items(),
        ("total (N)", total),
        ("without embedding", report["n_params_non_embedding"]),
    ]
    lines += [
        f"  {name.replace('_', ' '):20}{count:>20,}  {format_count(count):>7}{count / total:8.1%}"
        for name, count in groups
    ]
    run_title = "" if n_tokens is None else f"{f'{format_count(n_tokens)} tokens':>14}"
    lines += [
        "",
        "Training FLOPs: forward and backward, a multiply-accumulate counts 2",
        f"  {'convention':12}{'per token':>12}{'over 6ND':>10}{run_title}  counts",
    ]
    for name, text in CONVENTIONS.items():
        price = "" if n_tokens is None else f"{format_flops(report['flops'][name]):>14}"
        per_token, ratio = report["flops_per_token"][name], report["ratio_to_six_nd"][name]
        lines.append(f"  {name:12}{format_flops(per_token, 4):>12}{ratio:>10.3f}{price}  {text}")
    return "\n".join(lines) + "\n"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
