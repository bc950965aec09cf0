"""One address, set once; and the Colab cell that is made from it."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest

from book._tools.address import Address, derived_files, replace_values, with_colab_cell
from book._tools.project import BuildError, Project

ROOT = Path(__file__).resolve().parents[2]


def git(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a git checkout: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def address(project: Project) -> Address:
    return Address.read(project)


def test_derived_files_are_what_make_links_would_write(project: Project) -> None:
    stale = [path.name for path, text in derived_files(project).items() if path.read_text() != text]
    assert stale == [], "run `make links`"


def test_no_file_holds_a_second_copy_of_the_address(project: Project, address: Address) -> None:
    """With another address set, `make links` must leave no trace of this one outside _config.yml."""
    names = {address.slug, address.slug.split("/")[0], address.site.split("//")[1].rstrip("/")}
    derived = set(derived_files(project))
    holders = set()
    for name in git("ls-files", "-co", "--exclude-standard").splitlines():
        path = project.root / name
        if path.is_file() and any(part in path.read_bytes().decode(errors="ignore") for part in names):
            holders.add(path)
    assert project.root / "_config.yml" in holders
    assert holders - derived - {project.root / "_config.yml"} == set()


def test_changing_the_address_changes_every_derived_file(project: Project, tmp_path: Path) -> None:
    copy = Project(tmp_path)
    copy.notebooks.mkdir()
    for path in [*derived_files(project), project.root / "_config.yml"]:
        (tmp_path / path.relative_to(project.root)).write_bytes(path.read_bytes())
    config = tmp_path / "_config.yml"
    old = Address.read(project)
    config.write_text(config.read_text().replace(old.url, "https://github.com/someone/else"))
    for path, text in derived_files(copy).items():
        assert old.slug not in text and old.site not in text, path.name
        assert "https://github.com/someone/else" in text, path.name
    assert Address.read(copy).site == "https://someone.github.io/else/"


@pytest.mark.parametrize(
    "url", ["http://github.com/a/b", "https://github.com/a", "https://github.com/a/b.git", "a/b"]
)
def test_unusable_addresses_are_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_text(f"repository: {{url: '{url}', branch: main}}")
    with pytest.raises(BuildError, match=r"_config.yml: repository.url must be https://HOST/OWNER/NAME"):
        Address.read(Project(tmp_path))


def test_a_missing_line_for_the_address_is_an_error() -> None:
    with pytest.raises(BuildError, match="'url'"):
        replace_values("title: x\n", {"url": "y"}, '{key}: "{value}"')


def test_cell_is_added_after_the_title_and_kept_current(project: Project, address: Address) -> None:
    text = next(project.notebooks.glob("*.ipynb")).read_text()
    again = with_colab_cell(text, Address("https://github.com/a/b", "main"))
    assert with_colab_cell(again, address) == with_colab_cell(text, address)


class Pip:
    """Stands in for `subprocess.run`: notes the command, and what its constraint file says."""

    def __init__(self, returncode: int = 0) -> None:
        self.commands: list[list[str]] = []
        self.constraints = ""
        self.returncode = returncode

    def __call__(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        self.constraints = Path(command[command.index("--constraint") + 1]).read_text()
        return subprocess.CompletedProcess(command, self.returncode, "", "ERROR: No route to host")


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip)
    return pip


@pytest.fixture
def on_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a fresh Colab runtime: google.colab is loaded, the library is absent."""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def run_cell(address: Address) -> None:
    exec(compile(address.colab_cell(), "colab-cell", "exec"), {})


def test_elsewhere_the_cell_does_nothing(address: Address, pip: Pip) -> None:
    assert "google.colab" not in sys.modules
    run_cell(address)
    assert pip.commands == []


def test_on_colab_pip_installs_from_the_repository_and_keeps_what_is_there(
    address: Address, pip: Pip, on_colab: None
) -> None:
    run_cell(address)
    [command] = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[-1] == f"chinchilla-lib[corpora,plots] @ git+{address.url}@{address.branch}"
    assert "--quiet" in command
    assert not {"--upgrade", "-U", "--force-reinstall"} & set(command)
    from importlib.metadata import version

    assert f"torch=={version('torch')}\n" in pip.constraints
    assert f"numpy=={version('numpy')}\n" in pip.constraints


def test_a_notebook_may_ask_for_other_extras(address: Address) -> None:
    document = nbformat.v4.new_notebook(metadata={"chinchilla_extras": "eval,plots"})
    document.cells.append(nbformat.v4.new_markdown_cell("# Title", id="title"))
    written = with_colab_cell(nbformat.writes(document), address)
    assert f"chinchilla-lib[eval,plots] @ git+{address.url}" in written
    assert nbformat.reads(written, as_version=4).metadata["chinchilla_extras"] == "eval,plots"


def test_on_colab_with_the_library_present_nothing_is_installed(
    address: Address, pip: Pip, on_colab: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    run_cell(address)
    assert pip.commands == []


def test_on_colab_a_failure_says_what_to_do(address: Address, pip: Pip, on_colab: None) -> None:
    pip.returncode = 1
    with pytest.raises(RuntimeError, match=r"(?s)run this cell again.*No route to host"):
        run_cell(address)


COLAB = """
import sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
"""
REPORT = """
from importlib.metadata import version, distribution
import chinchilla_lib
assert chinchilla_lib.__file__.startswith(sys.prefix), chinchilla_lib.__file__
print(version("torch"), version("chinchilla-lib"))
"""


def test_real_install_in_a_fresh_environment_leaves_torch_alone(
    address: Address, project: Project, tmp_path: Path
) -> None:
    """The committed cell, unchanged, with git sent to a clone on this disk and no package index."""
    bare = tmp_path / "clone.git"
    git("clone", "--quiet", "--bare", str(ROOT), str(bare))
    git("update-ref", f"refs/heads/{address.branch}", git("rev-parse", "HEAD").strip(), cwd=bare)
    python = make_runtime(tmp_path / "colab", torch="2.11.0+cu128")
    script = tmp_path / "cell.py"
    script.write_text(f"{COLAB}\n{address.colab_cell()}\n{REPORT}")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as "no isolation": hatchling is at hand
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address.url,
    }
    result = subprocess.run(
        [str(python), str(script)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == "2.11.0+cu128"


def make_runtime(folder: Path, torch: str) -> Path:
    """An environment with this one's packages, except the library, and with a torch in name only."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    [site] = (folder / "lib").glob("python*/site-packages")
    import numpy

    shared = folder / "shared"
    shared.mkdir()
    for path in Path(numpy.__file__).parents[1].iterdir():
        left_out = ("torch", "chinchilla", "_chinchilla", "__", "pip", "distutils", "_editable")
        if not path.name.lower().startswith(left_out) and path.suffix != ".pth":
            (shared / path.name).symlink_to(path)
    (site / "shared.pth").write_text(f"{shared}\n")
    info = site / f"torch-{torch}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {torch}\n")
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("")
    return python
