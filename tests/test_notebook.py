"""Parameters of notebooks: a typo or a wrong type must not pass."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.notebook import check_parameters, compare_parameters, describe_environment

DECLARED = (
    'tier = "ci"  # which sweep\nseed: int = 0\nrate = 0.1\nsizes = [8, 16]\nout = None\nfast = False\n'
)


@pytest.mark.parametrize(
    "passed",
    ["tier = 'cpu'", "seed = 3", "rate = 1", "rate = 2e-3", "sizes = [1]", "out = 'x'", "fast = True", ""],
)
def test_declared_names_of_the_right_type_pass(passed: str) -> None:
    compare_parameters(DECLARED, f"# Parameters\n{passed}\n")


@pytest.mark.parametrize(
    ("passed", "message"),
    [
        ("tiers = 'cpu'", "'tiers': this notebook has none; it has: tier, seed, rate, sizes, out, fast"),
        ("seed = 'one'", "'seed': 'one' is of type str; the notebook takes int, such as its default 0"),
        ("seed = True", "bool"),
        ("seed = 0.5", "float"),
        ("fast = 1", "int"),
        ("rate = True", "bool"),
        ("sizes = 8", "list"),
        ("tier = None", "NoneType"),
    ],
)
def test_wrong_names_and_types_are_refused(passed: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        compare_parameters(DECLARED, f"# Parameters\nseed = 1\n{passed}\n")
    assert "\n" not in str(caught.value)


def test_values_that_are_not_literals_are_checked_by_name_only() -> None:
    compare_parameters("rate = 1 / 3", "# Parameters\nrate = float('nan')")
    with pytest.raises(InputError):
        compare_parameters("rate = 1 / 3", "# Parameters\nrates = float('nan')")


def test_outside_a_notebook_nothing_happens() -> None:
    check_parameters()


def test_environment_names_versions_and_leaves_out_what_is_absent() -> None:
    line = describe_environment(("numpy", "no-such-package"))
    assert "numpy 2" in line and "chinchilla-lib 1" in line and "no-such" not in line


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook whose last cell leaves a file, to see whether it was reached."""
    v4 = nbformat.v4
    document = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Title"),
            v4.new_code_cell("1 + 1"),
            v4.new_code_cell("steps = 3", metadata={"tags": ["parameters"]}),
            v4.new_code_cell("from chinchilla_lib.notebook import check_parameters\ncheck_parameters()"),
            v4.new_code_cell("from pathlib import Path\nPath('reached').write_text(str(steps))"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = tmp_path / "example.ipynb"
    nbformat.write(document, path)
    return path


@pytest.mark.parametrize(("parameters", "reached"), [({}, "3"), ({"steps": 5}, "5"), ({"step": 5}, None)])
def test_papermill_run_stops_at_a_wrong_parameter(
    notebook: Path, parameters: dict[str, object], reached: str | None
) -> None:
    command = [sys.executable, "-m", "papermill", notebook.name, "out.ipynb", "--no-progress-bar"]
    for name, value in parameters.items():
        command += ["-p", name, str(value)]
    result = subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, check=False)
    mark = notebook.parent / "reached"
    if reached is None:
        assert result.returncode != 0
        assert "InputError" in result.stderr and "steps" in result.stderr
        assert not mark.exists()
    else:
        assert result.returncode == 0, result.stderr
        assert mark.read_text() == reached
