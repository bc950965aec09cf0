"""Staging, the site's own address, the pages on the library, and what the built pages offer."""

import json
from pathlib import Path

import nbformat
import pytest
import yaml

from book._tools import pages
from book._tools.address import Address
from book._tools.imports import module_files
from book._tools.notebooks import outputs_of
from book._tools.project import Project


@pytest.fixture
def checkout(project: Project, tmp_path: Path) -> Project:
    """A small book whose notebooks are executed already."""
    copy = Project(tmp_path)
    for name in (
        "_config.yml",
        "_toc.yml",
        "CITATION.cff",
        "book/intro.md",
        "book/_static/logo.svg",
        "book/_tools/pages.py",
    ):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((project.root / name).read_bytes())
    (tmp_path / "book/intro.md").write_text("# A book\n")
    for name in copy.notebook_names():
        target = outputs_of(copy, name)[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A")]), target)
    return copy


def test_staging_writes_what_changed_and_removes_what_went(checkout: Project) -> None:
    assert pages.stage(checkout)
    assert not pages.stage(checkout)
    (checkout.root / "book/intro.md").write_text("# Other\n")
    (checkout.root / "book/_static/logo.svg").unlink()
    assert pages.stage(checkout)
    assert (checkout.source / "book/intro.md").read_text() == "# Other\n"
    assert not (checkout.source / "book/_static/logo.svg").exists()


def test_tools_are_not_part_of_the_book(checkout: Project) -> None:
    pages.stage(checkout)
    assert not (checkout.source / "book/_tools").exists()


def test_sites_own_address_is_derived(checkout: Project) -> None:
    assert "baseurl" not in checkout.read_yaml("_config.yml")["html"]
    staged = yaml.safe_load(pages.staged_config(checkout))
    assert staged["html"].pop("baseurl") == Address.read(checkout).site
    assert staged["sphinx"]["config"].pop("ogp_site_url") == Address.read(checkout).site
    assert staged["sphinx"]["config"].pop("ogp_site_name") == staged["title"]
    assert staged == checkout.read_yaml("_config.yml")


def test_pages_name_the_repository(checkout: Project) -> None:
    (checkout.root / "book/intro.md").write_text("pip install git+REPOSITORY_URL\n")
    pages.stage(checkout)
    url = Address.read(checkout).url
    assert (checkout.source / "book/intro.md").read_text() == f"pip install git+{url}\n"


def test_every_public_module_has_its_place_on_the_library_pages(project: Project) -> None:
    text = "".join(path.read_text() for path in (project.root / "book/api").glob("*.md"))
    files = module_files(project.package)
    public = {
        name
        for name, path in files.items()
        if path.name != "__init__.py"
        and not name.startswith("chinchilla_lib.cli")
        and not name.rpartition(".")[2].startswith("_")
    }
    shown = {line.split(":: ")[1] for line in text.splitlines() if line.startswith(".. automodule:: ")}
    assert shown == public


@pytest.mark.book
def test_launch_buttons_open_the_committed_notebooks(project: Project, site: Path) -> None:
    address = Address.read(project)
    for name in project.notebook_names():
        html = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert (
            f"https://colab.research.google.com/github/{address.slug}/blob/main/notebooks/{name}.ipynb"
            in html
        )
        assert (
            f"https://mybinder.org/v2/gh/{address.slug}/main?urlpath=lab/tree/notebooks/{name}.ipynb" in html
        )
    assert "colab.research" not in (site / "book" / "intro.html").read_text(encoding="utf-8")


@pytest.mark.book
def test_pages_declare_no_live_code_and_no_colab_cell(project: Project, site: Path) -> None:
    for name in project.notebook_names():
        html = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert "THEBE_JS_URL" not in html
        assert "google.colab" not in html


@pytest.mark.book
def test_a_second_build_does_nothing(
    project: Project, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages.stage(project)
    pages.build(project)
    assert capsys.readouterr().out.splitlines() == ["[book] staging: up to date", "[book] site: up to date"]
    assert json.loads(project.step("site").path.read_text())["outputs"]
