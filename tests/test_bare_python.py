"""Counting, reading, fitting and the chapters of the browser need no torch, no threads and no processes."""

from pathlib import Path

import pytest

from book._tools import lite
from book._tools.project import Project
from tests.bare_python import ABSENT, REFUSED, run_bare

PROJECT = Project(Path(__file__).resolve().parents[1])
CELLS = """
import json
names = {"__name__": "__main__"}
with open(sys.argv[1], encoding="utf-8") as file:
    cells = json.load(file)["cells"]
for number, cell in enumerate(cells):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
"""
SWEEP = """
import math
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_isoflop_sweep
law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], n_sizes=8, noise=0.002, seed=0)
"""
FITTED = """
fit = bootstrap_fit(estimator, table, n_draws=20, seed=0)
low, high = fit.interval("a", 0.9)
assert 0 < low <= high < 1 and low < law.beta / (law.alpha + law.beta) + 0.1, (low, high)
print(fit.verdict)
"""


@pytest.mark.parametrize("name", [*ABSENT, "matplotlib"])
def test_absent_packages_are_absent(name: str, tmp_path: Path) -> None:
    result = run_bare(f"import {name}", tmp_path, absent=("matplotlib",))
    assert result.stderr.splitlines()[-1] == f"ModuleNotFoundError: No module named {name!r}"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("threading.Thread(target=print).start()", "can't start new thread"),
        ("from concurrent.futures import ThreadPoolExecutor as P; P(1).submit(print)", "new thread"),
        ("import subprocess; subprocess.run([sys.executable, '-V'])", "subprocess.Popen"),
        ("import os; os.fork()", "os.fork"),
        ("import os; os.system('true')", "os.system"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo"),
    ],
)
def test_what_a_browser_refuses_is_refused(code: str, why: str, tmp_path: Path) -> None:
    result = run_bare(code, tmp_path)
    assert result.returncode != 0 and why in result.stderr.splitlines()[-1]
    assert why in (*REFUSED, "can't start new thread", "new thread")


@pytest.mark.parametrize(
    "code",
    [
        SWEEP + "from chinchilla_lib.fitting import ISOFLOP as estimator, bootstrap_fit" + FITTED,
        SWEEP + "from chinchilla_lib.fitting import VALLEY as estimator, bootstrap_fit" + FITTED,
        SWEEP + "from chinchilla_lib.fitting import PARAMETRIC as estimator, bootstrap_fit" + FITTED,
        SWEEP
        + "from chinchilla_lib.fitting import bootstrap_fit, envelope_estimator\n"
        + "estimator = envelope_estimator(simulate_curves(law, table, n_points=60))"
        + FITTED,
    ],
    ids=["isoflop", "valley", "parametric", "envelope"],
)
def test_each_estimator_gives_an_interval(code: str, tmp_path: Path) -> None:
    result = run_bare(code, tmp_path, absent=("matplotlib", "IPython"))
    assert result.returncode == 0, result.stderr
    assert "identifiable" in result.stdout


def test_indices_have_the_width_of_the_machine() -> None:
    """A browser's Python has 32 bits, and there NumPy's counting and repeating refuse int64."""
    files = sorted((PROJECT.package / "fitting").glob("*.py"))
    assert len(files) > 40
    assert [path.name for path in files if "int64" in path.read_text(encoding="utf-8")] == []


def test_models_are_counted_and_tables_read(tmp_path: Path) -> None:
    code = """
from chinchilla_lib.architecture import KNOWN_SHAPES, count_params
from chinchilla_lib.flops import training_flops
from chinchilla_lib.reference import find_law, load_paper_table
shape = KNOWN_SHAPES["chinchilla"]
print(count_params(shape).total, training_flops(shape, 1.4e12, "appendix_f"))
print(len(load_paper_table("a9_model_configs").rows), find_law("epoch").law.alpha)
"""
    result = run_bare(code, tmp_path, absent=("matplotlib", "IPython"))
    assert result.returncode == 0, result.stderr


def test_left_out_chapters_are_chapters() -> None:
    assert set(lite.LEFT_OUT) <= set(PROJECT.notebook_names())


# `make lite-run ARGS=--all` runs all in a real browser; here are some that take seconds.
@pytest.mark.parametrize(
    "name", [*lite.LEFT_OUT, "approach-2-isoflop", "budget-game", "flop-accounting", "models", "your-runs"]
)
def test_chapters_run_in_a_browsers_python_or_ask_for_what_it_has_not(name: str, tmp_path: Path) -> None:
    result = run_bare(CELLS, tmp_path, str(PROJECT.notebooks / f"{name}.ipynb"))
    if name in lite.LEFT_OUT:
        assert result.returncode != 0, "it runs: take it out of LEFT_OUT"
        assert f"'{lite.LEFT_OUT[name]}'" in result.stderr.splitlines()[-1], result.stderr
    else:
        assert result.returncode == 0, result.stderr
