"""Everything that depends on the repository's address, derived from ``_config.yml``.

`make links` writes the address wherever a static file must hold it: the Colab cell of each
notebook, CITATION.cff, the project's links in pyproject.toml. The site's own address is put in
when the book is staged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from book._tools.project import BuildError, Project

COLAB_TAG = "colab-install"
EXTRAS = "corpora,plots"  # a notebook that needs others names them in its metadata, as "chinchilla_extras"
COLAB_CELL = """\
# @title On Google Colab: install chinchilla-lib (elsewhere this cell does nothing)
import sys

if "google.colab" in sys.modules:
    import importlib
    import importlib.metadata
    import importlib.util
    import subprocess
    import tempfile

    if importlib.util.find_spec("chinchilla_lib") is None:
        # Colab's own builds stay: pip may add packages, but not change these.
        builds = {{"torch", "numpy", "scipy", "pandas", "matplotlib"}}
        kept = [
            f"{{d.name}}=={{d.version}}\\n"
            for d in importlib.metadata.distributions()
            if d.name in builds
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.writelines(kept)
            file.flush()
            pip = [sys.executable, "-m", "pip", "install", "--quiet"]
            library = "chinchilla-lib[{extras}] @ git+{url}@{branch}"
            result = subprocess.run(
                [*pip, "--constraint", file.name, library],
                capture_output=True,
                text=True,
            )
        if result.returncode:
            raise RuntimeError(
                "chinchilla-lib could not be installed. Check the connection, "
                "then run this cell again; if it fails again, choose Runtime > "
                "Disconnect and delete runtime first. pip said:\\n"
                + result.stderr[-2000:]
            )
        importlib.invalidate_caches()"""


@dataclass(frozen=True)
class Address:
    """Where the repository lives: ``repository.url`` and ``repository.branch`` of ``_config.yml``."""

    url: str
    branch: str

    @classmethod
    def read(cls, project: Project) -> Address:
        """Read the one place where the address is set."""
        repository = project.read_yaml("_config.yml")["repository"]
        url = str(repository["url"])
        if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]*[\w-]", url) or url.endswith(".git"):
            raise BuildError(f"_config.yml: repository.url must be https://HOST/OWNER/NAME, found {url}")
        return cls(url=url, branch=str(repository["branch"]))

    @property
    def slug(self) -> str:
        """OWNER/NAME."""
        return "/".join(self.url.split("/")[-2:])

    @property
    def site(self) -> str:
        """Where GitHub Pages serves the book."""
        owner, name = self.slug.split("/")
        return f"https://{owner}.github.io/{name}/"

    def colab_cell(self, extras: str = EXTRAS) -> str:
        """Source of the cell that installs the library on Colab."""
        return COLAB_CELL.format(url=self.url, branch=self.branch, extras=extras)


def derived_files(project: Project) -> dict[Path, str]:
    """Every file that holds the address, with the contents it should have."""
    address = Address.read(project)
    derived = {
        project.root / "CITATION.cff": replace_values(
            (project.root / "CITATION.cff").read_text(encoding="utf-8"),
            {"repository-code": address.url, "url": address.site},
            '{key}: "{value}"',
        ),
        project.root / "pyproject.toml": replace_values(
            (project.root / "pyproject.toml").read_text(encoding="utf-8"),
            {"Documentation": address.site, "Source": address.url},
            '{key} = "{value}"',
        ),
    }
    for path in sorted(project.notebooks.glob("*.ipynb")):
        derived[path] = with_colab_cell(path.read_text(encoding="utf-8"), address)
    return derived


def replace_values(text: str, values: dict[str, str], form: str) -> str:
    """Replace the line of each key; a key that has no line is an error."""
    for key, value in values.items():
        line = form.format(key=key, value=value)
        pattern = "^" + re.escape(form.format(key=key, value="\0")).replace(re.escape("\0"), ".*") + "$"
        text, count = re.subn(pattern, lambda _, line=line: line, text, flags=re.MULTILINE)  # type: ignore[misc]
        if count != 1:
            raise BuildError(f"expected one line for {key!r} where the address is written, found {count}")
    return text


def with_colab_cell(text: str, address: Address) -> str:
    """A notebook's text with its Colab cell up to date; the cell is added after the title if absent."""
    document = nbformat.reads(text, as_version=4)
    cells = [cell for cell in document.cells if COLAB_TAG in cell.metadata.get("tags", [])]
    if not cells:
        cells = [nbformat.v4.new_code_cell(id=COLAB_TAG)]
        document.cells.insert(1, cells[0])
    cell = cells[0]
    cell.source = address.colab_cell(document.metadata.get("chinchilla_extras", EXTRAS))
    cell.metadata = nbformat.from_dict(
        {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": [COLAB_TAG, "remove-cell"]}
    )
    written: str = nbformat.writes(document)
    return written + "\n"


def write_links(project: Project) -> list[Path]:
    """Bring every derived file up to date; return those that changed."""
    changed = []
    for path, text in derived_files(project).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed
