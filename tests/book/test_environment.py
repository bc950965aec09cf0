"""Setting up .venv: the torch setting, wheel folders, the right Python, the pinned versions."""

import re
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book._tools import environment
from book._tools.environment import (
    SetupError,
    check_python,
    explain_failure,
    parse_find_links,
    read_torch_build,
)
from book._tools.project import Project


def constraints(project: Project) -> dict[str, Requirement]:
    lines = (project.root / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


@pytest.mark.parametrize("word", ["cpu", "auto", "pypi", "cu128", "rocm6.4"])
def test_torch_setting_is_one_word_among_comments(word: str) -> None:
    assert read_torch_build(f"# which build: cpu, pypi\n\n{word}  # here\n") == word


@pytest.mark.parametrize("text", ["", "# cpu", "cpu pypi", "cpu\ncu128", "gpu", "--index-url"])
def test_other_torch_settings_are_refused(text: str) -> None:
    with pytest.raises(SetupError, match=r"torch-build.txt: one word is allowed"):
        read_torch_build(text)


def test_committed_torch_setting_is_small(project: Project) -> None:
    assert read_torch_build((project.root / environment.TORCH_FILE).read_text()) == "cpu"


def test_wheel_folders_come_from_pips_configuration_once_each() -> None:
    listing = ":env:.find-links='/a /b'\nglobal.find-links='/b\\n/c'\nglobal.index-url='/d'\n"
    assert parse_find_links(listing) == ["/a", "/b", "/c"]


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_supported_pythons(version: tuple[int, int]) -> None:
    check_python(version, "python3")


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14)])
def test_other_pythons_are_named_with_the_way_out(version: tuple[int, int]) -> None:
    with pytest.raises(SetupError, match=r"needs 3.11 to 3.13.*make PYTHON=python3.13 book"):
        check_python(version, "python3")


def test_supported_pythons_are_those_of_the_package(project: Project) -> None:
    package = tomllib.loads((project.root / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(package["classifiers"]))
    oldest, newest = environment.OLDEST[1], environment.NEWEST[1]
    assert named == [f"3.{minor}" for minor in range(oldest, newest + 1)]
    assert package["requires-python"] == f">={named[0]}"


def test_an_unreachable_torch_index_is_explained_only_where_it_was_used() -> None:
    assert "torch-build.txt" in explain_failure(from_pytorch=True)
    assert "torch-build.txt" not in explain_failure(from_pytorch=False)


def test_every_package_of_the_environment_is_pinned_at_the_version_it_has(project: Project) -> None:
    pins = constraints(project)
    wrong, pending, seen = [], [("chinchilla-lib", frozenset({environment.EXTRA}))], set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker and not any(need.marker.evaluate({"extra": e}) for e in extras or {""}):
                continue
            child = canonicalize_name(need.name)
            if child.startswith(("nvidia-", "cuda-")) or child == "triton":
                continue  # torch pins the parts of its CUDA builds itself
            pending.append((child, frozenset(need.extras)))
            if child != "chinchilla-lib" and not (
                child in pins and pins[child].specifier.contains(metadata.version(child).split("+")[0])
            ):
                wrong.append(f"{child} {metadata.version(child)}, pinned: {pins.get(child)}")
    assert wrong == [] and len(seen) > 100


def test_constraints_are_exact_and_name_no_place(project: Project) -> None:
    for pin in constraints(project).values():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)) and pin.url is None, pin


def test_setup_script_can_be_parsed_by_an_old_python(project: Project) -> None:
    import ast

    text = (project.root / "book/_tools/environment.py").read_text()
    ast.parse(text, feature_version=(3, 7))
    assert "from __future__ import annotations" in text
    assert {name.split(".")[0] for name in re.findall(r"^(?:from|import) ([\w.]+)", text, re.M)} <= set(
        sys.stdlib_module_names
    )
