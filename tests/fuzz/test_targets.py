"""Readers of outside files: what a fuzzer found stays mended, and a few hundred changed files each time.

``make fuzz`` looks for more, led by the coverage of the library's code.
"""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.changes import change_bytes, change_json
from tests.fuzz.targets import TARGETS, exercise

FINDINGS = Path(__file__).parent / "findings"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def fresh(folder: Path, name: str) -> Path:
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_as_it_should_be_is_read(name: str, folder: Path) -> None:
    place = fresh(folder, name)
    seeds = TARGETS[name].seeds(place)
    assert exercise(TARGETS[name], seeds[0], fresh(folder, name))


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_is_read_as_it_is_or_refused(name: str, folder: Path) -> None:
    target = TARGETS[name]
    seeds = target.seeds(fresh(folder, name))
    change = change_json if target.structured else change_bytes

    # The same changes each time: `make fuzz` is what goes on to others.
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32), st.integers(1, 3))
    def check(seed: int, n_changes: int) -> None:
        chance = random.Random(seed)
        data = chance.choice(seeds)
        for _ in range(n_changes):
            data = (change if chance.random() < 0.8 else change_bytes)(data, chance)
        exercise(target, data, fresh(folder, name))

    check()


@pytest.mark.parametrize(
    "path", sorted(FINDINGS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_a_fuzzer_found_is_refused(path: Path, folder: Path) -> None:
    """Each was a traceback, or was read as something that it does not say."""
    name = path.parent.name
    assert not exercise(TARGETS[name], path.read_bytes(), fresh(folder, name))
