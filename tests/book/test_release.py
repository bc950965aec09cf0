"""A release is refused while its files disagree or hold what must not be given away."""

import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from book._tools import floors
from book._tools.project import BuildError
from book._tools.release import STRANGERS_TABLE, check_contents, check_versions
from chinchilla_lib.fitting import fit_parametric
from chinchilla_lib.sweeps.table import SweepTable

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "SECURITY.md", "pyproject.toml")


def write(folder: Path, package: str, cited: str, logged: str) -> None:
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{package}"\n')
    (folder / "CITATION.cff").write_text(f"version: {cited}\n")
    (folder / "CHANGELOG.md").write_text(f"# Changes\n\n## {logged} (2026-01-31)\n")


def test_versions_of_this_checkout_agree() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", check_versions(ROOT))


@pytest.mark.parametrize("versions", [("1.2.0", "1.2.0", "1.1.0"), ("1.2.0", "1.1.0", "1.2.0")])
def test_versions_that_differ_are_named(tmp_path: Path, versions: tuple[str, str, str]) -> None:
    write(tmp_path, "1.2.0", "1.2.0", "1.2.0")
    assert check_versions(tmp_path) == "1.2.0"
    write(tmp_path, *versions)
    with pytest.raises(BuildError, match=rf"versions differ: .*{versions[0]}.*{versions[1]}.*{versions[2]}"):
        check_versions(tmp_path)


def packed(folder: Path, names: tuple[str, ...], inside: tuple[str, ...]) -> tuple[Path, Path]:
    archive, wheel = folder / "x-1.tar.gz", folder / "x-1-py3-none-any.whl"
    with tarfile.open(archive, "w:gz") as file:
        for name in names:
            file.addfile(tarfile.TarInfo(f"x-1/{name}"), io.BytesIO())
    with zipfile.ZipFile(wheel, "w") as file_:
        for name in inside:
            file_.writestr(name, "")
    return archive, wheel


def test_what_must_not_be_given_away_stops_a_release(tmp_path: Path) -> None:
    check_contents(*packed(tmp_path, NEEDED, ("chinchilla_lib/laws.py",)))
    with pytest.raises(BuildError, match="shared/data must not be in a release"):
        check_contents(*packed(tmp_path, (*NEEDED, "shared/data"), ()))
    with pytest.raises(BuildError, match=r"instructor/a1\.zip must not be"):
        check_contents(*packed(tmp_path, NEEDED, ("instructor/a1.zip",)))
    with pytest.raises(BuildError, match="lacks LICENSE"):
        check_contents(*packed(tmp_path, tuple(set(NEEDED) - {"LICENSE"}), ()))


def test_the_strangers_table_has_the_exponent_that_was_put_in(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(STRANGERS_TABLE)
    law = fit_parametric(SweepTable.from_csv(path)).law
    assert law is not None
    assert law.a == pytest.approx(0.28 / 0.62, abs=0.001)


def test_the_floors_are_the_versions_with_which_students_work() -> None:
    lines = (ROOT / "coursework" / "constraints.txt").read_text().splitlines()
    assert set(floors.COLAB) <= {line.split(";")[0].strip() for line in lines}
    assert "torch>=2.6" in (ROOT / "pyproject.toml").read_text() and "torch==2.6.0" in floors.FLOORS
    assert [room for room in floors.ROOMS if not (ROOT / room).exists()] == []
