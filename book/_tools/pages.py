"""Stage the sources of the book and build the site from them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from book._tools import calculator, citation, exercises, explore, front, lecturers, ledger, lite, publish
from book._tools.address import Address
from book._tools.notebooks import outputs_of
from book._tools.project import BuildError, Project, digest, duration, elapsed, files_under, say

DEFAULT_SECONDS = 40.0
STATIC = "book/_static"
URL_PLACE = b"REPOSITORY_URL"
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
)
"""What pages load, part by part: the package's one file for all is heavier by a third."""


def staged_files(project: Project) -> dict[str, bytes]:
    """Contents of the staged source folder, by path."""
    staged = {"_config.yml": staged_config(project), "_toc.yml": (project.root / "_toc.yml").read_bytes()}
    for path in files_under(project.root / "book", skip=("_tools", "__pycache__")):
        staged[path.relative_to(project.root).as_posix()] = path.read_bytes()
    for name in project.notebook_names():
        executed = outputs_of(project, name)[0].read_bytes()
        staged[f"notebooks/{name}.ipynb"] = lite.linked(project, name, exercises.folded(executed, name))
    ledger.fill(project, staged)
    lecturers.fill(project, staged)
    address = Address.read(project).url.encode()
    for name in [name for name in staged if name.endswith(".md")]:
        staged[name] = staged[name].replace(URL_PLACE, address)
    staged[front.PATH] = front.draw()
    staged[calculator.PATH] = calculator.draw()
    staged[explore.PATH] = explore.draw()
    staged[explore.LIBRARY_PATH] = explore.library()
    staged["book/citation.bib"] = citation.bibtex(project).encode()
    for path, name in mathjax_files():
        staged[f"{STATIC}/mathjax/{name}"] = path.read_bytes()
    return staged


def staged_config(project: Project) -> bytes:
    """The book's configuration with the site's own address, which depends on the repository's."""
    config = project.read_yaml("_config.yml")
    site = Address.read(project).site
    config["html"]["baseurl"] = site
    config["sphinx"]["config"] |= {"ogp_site_url": site, "ogp_site_name": config["title"]}
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()


def mathjax_files() -> list[tuple[Path, str]]:
    """MathJax, so that reading the book asks no other host: files and their names in the site."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise BuildError("the package sphinx-mathjax-offline is not installed: run `make setup`")
    folder = Path(found.origin).parent / "static" / "mathjax"
    files = []
    for part in MATHJAX:
        files += [folder / part] if (folder / part).is_file() else files_under(folder / part)
    return [(path, path.relative_to(folder).as_posix()) for path in files]


def stage(project: Project) -> bool:
    """Bring the staged folder up to date; return whether anything changed."""
    wanted = staged_files(project)
    existing = {path.relative_to(project.source).as_posix(): path for path in files_under(project.source)}
    changed = 0
    for name, path in existing.items():
        if name not in wanted:
            path.unlink()
            changed += 1
    for name, content in wanted.items():
        path = project.source / name
        if name not in existing or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed += 1
    say(f"staging: {changed} of {len(wanted)} files changed" if changed else "staging: up to date")
    return bool(changed)


def site_inputs(project: Project) -> str:
    """Hash of what the site is built from and by; the API page reads the library's docstrings."""
    staged = files_under(project.source)
    names = [path.relative_to(project.source).as_posix() for path in staged]
    library = [path for path in files_under(project.package) if path.suffix == ".py"]
    tools = files_under(project.root / "book/_tools")
    return digest([*staged, *library, *tools, project.root / "constraints.txt"], *names)


def site_outputs(project: Project) -> list[Path]:
    """Every file of the site."""
    return files_under(project.site) if project.site.is_dir() else [project.site / "index.html"]


def build(project: Project) -> None:
    """Build the site with warnings as errors, whole each time: a page left alone is not checked again."""
    step, inputs = project.step("site"), site_inputs(project)
    if step.is_current(inputs, site_outputs(project)):
        say("site: up to date")
        return
    say(f"site: building the pages, about {duration(step.seconds(DEFAULT_SECONDS))}")
    step.begin(inputs)
    started = time.monotonic()
    output = project.build / "jupyter-book"
    shutil.rmtree(output, ignore_errors=True)
    log = project.build / "site.log"
    command = [str(Path(sys.executable).with_name("jb")), "build", str(project.source)]
    command += ["--path-output", str(output), "-n", "-W", "--keep-going", "-q"]
    with log.open("w") as handle:
        status = subprocess.run(
            command, cwd=project.root, stdout=handle, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status:
        lines = log.read_text().splitlines()
        found = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-20:]
        raise BuildError("\n".join(["the site did not build without warnings:", *found, f"(log: {log})"]))
    shutil.rmtree(project.site, ignore_errors=True)
    (output / "_build" / "html").rename(project.site)
    publish.finish(project)
    step.finish(inputs, site_outputs(project), time.monotonic() - started)
    say(f"site: done after {elapsed(started)}")
