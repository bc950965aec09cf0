"""Build a release and check it as its user would; nothing is uploaded.

The versions in ``pyproject.toml``, ``CITATION.cff`` and ``CHANGELOG.md`` must agree and the tree must be
committed. Source archive and wheel are built, the wheel out of the archive; the wheel is installed into an
empty environment outside of the checkout, where the command line is used on a table that this project did
not write.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

import yaml

from book._tools.project import BuildError, Project, say

FORBIDDEN = (".venv", "_build", "shared/", "coursework/masters", "instructor")
STRANGERS_TABLE = "\n".join(
    [
        "model,n_params,n_tokens,loss,notes",
        *(
            f"m{i}{j},{n},{c / 6 / n},{1.8 + 400 / n**0.34 + 400 / (c / 6 / n) ** 0.28:.4f},"
            for i, c in enumerate((1e18, 1e19, 1e20, 1e21))
            for j, n in enumerate(round(0.09 * c**0.5 * step) for step in (0.25, 0.5, 1, 2, 4))
        ),
        "",
    ]
)


def check_versions(root: Path) -> str:
    """The version, if all files agree on it."""
    version: str = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = str(yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"])
    log = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    if log is None or not version == cited == log[1]:
        raise BuildError(
            f"versions differ: pyproject.toml {version}, CITATION.cff {cited}, CHANGELOG.md "
            f"{log[1] if log else 'without a heading such as ## 1.0.0 (2026-01-31)'}"
        )
    return version


def check_tree(root: Path) -> None:
    """Refuse a tree with changes that are not committed."""
    said = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True)
    if said.returncode or said.stdout.strip():
        raise BuildError(f"commit first: {said.stdout.strip() or said.stderr.strip()}")


def build(root: Path, folder: Path) -> tuple[Path, Path]:
    """Source archive, and the wheel that is built out of it."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"the build failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    [archive], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


def check_contents(archive: Path, wheel: Path) -> None:
    """Refuse what must not be given away, and an archive without what a user looks for."""
    with tarfile.open(archive) as held:
        names = [name.partition("/")[2] for name in held.getnames()]
    with zipfile.ZipFile(wheel) as packed:
        inside = packed.namelist()
    for name in (*names, *inside):
        if any(word in name for word in FORBIDDEN):
            raise BuildError(f"{name} must not be in a release")
    for needed in ("README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "SECURITY.md", "pyproject.toml"):
        if needed not in names:
            raise BuildError(f"{archive.name} lacks {needed}; see [tool.hatch.build.targets.sdist]")


def use(wheel: Path) -> None:
    """Install the wheel elsewhere, and do what its README says with a stranger's table."""
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        place = Path(name)
        subprocess.run([sys.executable, "-m", "venv", str(place / "env")], check=True)
        python = place / "env" / "bin" / "python"

        def run(*command: str) -> str:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True)
            if done.returncode:
                raise BuildError(f"{' '.join(command[-4:])} failed: {done.stderr.strip()[-300:]}")
            return done.stdout

        run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
        (place / "theirs.csv").write_text(STRANGERS_TABLE, encoding="utf-8")
        tool = str(place / "env" / "bin" / "chinchilla-lib")
        say(f"installed alone: {run(tool, '--version').strip()}")
        run(tool, "flops", "--model", "chinchilla")
        run(tool, "fit", "theirs.csv", "--method", "all", "--bootstrap", "200", "--json", "fit.json")
        run(tool, "allocate", "--flops", "1e22", "--law", "fit.json", "--json", "best.json")
        a = json.loads((place / "fit.json").read_text())["exponents"]["a"]
        best = json.loads((place / "best.json").read_text())["n_params"]
        say(f"a stranger's table of 20 runs: a = {a:.3f} (0.452 was put in); {best:.3g} parameters at 1e22")
        if abs(a - 0.452) > 0.03:
            raise BuildError(f"a is {a}, and 0.28 / 0.62 was put in")


def release(project: Project) -> None:
    """All of it; what was built stays in ``dist/``."""
    version = check_versions(project.root)
    check_tree(project.root)
    archive, wheel = build(project.root, project.root / "dist")
    twine = [sys.executable, "-m", "twine", "check", "--strict", str(archive), str(wheel)]
    done = subprocess.run(twine, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"twine: {(done.stdout + done.stderr).strip()[-300:]}")
    check_contents(archive, wheel)
    use(wheel)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in (archive, wheel)]
    (project.root / "dist" / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")
    for path in (archive, wheel):
        say(f"dist/{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    say(f"{version} is built and checked; nothing was uploaded. What is left: CONTRIBUTING.md, 'A release'")
