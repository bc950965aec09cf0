"""Run the library's tests at the oldest versions it promises (Colab's, an older torch), and at the newest.

Each has an environment of its own, ``.venv-floors`` and ``.venv-newest``, without the book's packages: what a
student on Colab has, and what ``pip install`` gives tomorrow.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLAB = ("numpy==2.0.2", "scipy==1.16.3", "pandas==2.2.2", "matplotlib==3.10.0")
FLOORS = (*COLAB, "torch==2.6.0")
SHOWN = ("numpy", "scipy", "pandas", "matplotlib", "torch")
TESTED = ("pytest", "pytest-xdist", "hypothesis", "ipython", "pyyaml")
ROOMS = (
    "tests/test_architecture.py", "tests/test_errors.py", "tests/test_flops.py", "tests/test_laws.py",
    "tests/test_memory.py", "tests/test_runs.py", "tests/corpus", "tests/fitting", "tests/game",
    "tests/plots", "tests/reference", "tests/sweeps", "tests/training",
)  # fmt: skip


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"[floors] {message}", flush=True)


def environment(name: str) -> Path:
    """Python of an environment, made or brought up to date."""
    folder = ROOT / f".venv-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    versions = list(FLOORS) if name == "floors" else ["--upgrade", "pandas"]
    say(f"packages of {folder.name}: {', '.join(FLOORS) if name == 'floors' else 'the newest'}")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # pip, and not uv: where torch comes from is the user's own setting.
    subprocess.run([*pip, *versions, *TESTED, "--editable", f"{ROOT}[plots,corpora,ray]"], check=True)
    return python


def run(name: str, arguments: list[str]) -> int:
    """Exit status of the tests in an environment."""
    python = environment(name)
    code = f"from importlib.metadata import version; print({{name: version(name) for name in {SHOWN}}})"
    subprocess.run([str(python), "-c", code], check=True)
    # Old packages warn of new ones that they meet, and new ones of what is to come: shown here, no errors.
    pytest = [str(python), "-m", "pytest", "-q", "-n", "2", "-W", "default", "-m", "not book and not faults"]
    command = [*pytest, *ROOMS, *arguments]
    return subprocess.run(command, cwd=ROOT).returncode


def main() -> int:
    """Both, unless one is named."""
    parser = argparse.ArgumentParser(prog="make test-floors", description=__doc__)
    parser.add_argument("--only", choices=("floors", "newest"))
    options, arguments = parser.parse_known_args()
    names = [options.only] if options.only else ["floors", "newest"]
    return max(run(name, arguments) for name in names)


if __name__ == "__main__":
    sys.exit(main())
