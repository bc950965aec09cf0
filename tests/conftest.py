"""Fixtures that train, execute and build through the tools of `make book`, so that the work is done once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from book._tools.project import Project
from chinchilla_lib.downloads import data_folder
from chinchilla_lib.reference.published import PUBLISHED

# A busy machine is not a failure: no example is timed. Elsewhere Hypothesis keeps its own defaults.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What builds the book stays in one process when tests run in several."""
    for item in items:
        if item.get_closest_marker("book"):
            item.add_marker(pytest.mark.xdist_group("book"))


@pytest.fixture(scope="session")
def project() -> Project:
    """This checkout."""
    return Project(Path(__file__).resolve().parents[1])


@pytest.fixture(scope="session")
def published_folder(project: Project) -> Path:
    """Folder of published runs: the user's, or one beside the checkout; tests download nothing."""
    places = [data_folder("published"), project.root.parent / "shared" / "data" / "published"]
    for place in places:
        if any((place / name).is_file() for source in PUBLISHED.values() for name in source.file_names):
            return place
    pytest.skip(f"published runs are in none of {', '.join(map(str, places))}")


@contextmanager
def shown_progress(config: pytest.Config) -> Iterator[None]:
    """Let the minutes of a cold build be seen."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        yield


@pytest.fixture(scope="session")
def executed(project: Project, pytestconfig: pytest.Config) -> Path:
    """Folder of the executed notebooks."""
    from book._tools.__main__ import make_notebooks  # the book's packages, only where the book is needed

    with shown_progress(pytestconfig):
        make_notebooks(project)
    return project.executed


@pytest.fixture(scope="session")
def site(project: Project, executed: Path, pytestconfig: pytest.Config) -> Path:
    """Folder of the built site."""
    from book._tools.__main__ import make_book

    with shown_progress(pytestconfig):
        make_book(project)
    return project.site
