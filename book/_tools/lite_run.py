"""Run chapters in a real browser, as a reader would: ``make lite-run ARGS="flop-accounting"``.

Needs the site of `make lite`, Chromium or Chrome, and a network, over which Pyodide comes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, sync_playwright

from book._tools import lite
from book._tools.notebooks import ANSI
from book._tools.project import BuildError, Project, elapsed, say
from book._tools.serve import make_server

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
DEFAULT_CHAPTER = "flop-accounting"
DEFAULT_MINUTES = 10.0
OPEN = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  return Boolean(panel?.context?.isReady && panel.sessionContext?.session?.kernel);
}"""
RUN = """() => {
  window.chapterRun = "running";
  window.jupyterapp.commands.execute("notebook:run-all-cells")
    .then(() => { window.chapterRun = "done"; }, error => { window.chapterRun = String(error); });
}"""
ENDED = "() => window.chapterRun !== 'running'"
READ = "() => [window.chapterRun, window.jupyterapp.shell.currentWidget.context.model.toJSON()]"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, served on this machine."""
    server = make_server(folder, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def executed(browser: Browser, base: str, name: str, minutes: float = DEFAULT_MINUTES) -> dict[str, Any]:
    """Open a chapter in the site at an address, run all its cells, and give the notebook with its outputs."""
    said: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(minutes * 60_000)
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"no answer: {request.url}"))
    try:
        page.goto(base + lite.page_of(name))
        page.wait_for_function(OPEN)
        page.evaluate(RUN)
        page.wait_for_function(ENDED)
        end, document = page.evaluate(READ)
    except Error as error:
        lines = [f"{name}: the browser did not finish: {error.message.splitlines()[0]}", *said[-10:]]
        raise BuildError("\n".join(lines)) from error
    finally:
        page.close()
    if end != "done":
        raise BuildError("\n".join([f"{name}: the cells could not be run: {end}", *said[-10:]]))
    return dict(document)


def problems(document: dict[str, Any]) -> list[str]:
    """What went wrong in an executed notebook: cells that were not run, and errors."""
    found = []
    for number, cell in enumerate(document["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        if cell.get("execution_count") is None:
            found.append(f"cell {number} was not run")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                trace = ANSI.sub("", "\n".join(output["traceback"])).splitlines()[-8:]
                found.append("\n    ".join([f"cell {number}: {output['ename']}: {output['evalue']}", *trace]))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the named chapters one after another; 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="python -m book._tools.lite_run", description=__doc__)
    project = Project(Path(__file__).resolve().parents[2])
    parser.add_argument("names", nargs="*", metavar="CHAPTER", default=[DEFAULT_CHAPTER])
    parser.add_argument("--all", action="store_true", help="every chapter that the site has")
    parser.add_argument("--site", type=Path, default=project.lite, help="folder of the site")
    parser.add_argument("--minutes", type=float, default=DEFAULT_MINUTES, help="for one chapter")
    asked = parser.parse_args(arguments)
    names = sorted(p.stem for p in (asked.site / "files").glob("*.ipynb")) if asked.all else asked.names
    browser = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    missing = [name for name in names if not (asked.site / "files" / f"{name}.ipynb").is_file()]
    if missing or not names or browser is None:
        why = (
            "needs Chromium (Debian, Ubuntu: sudo apt install chromium)"
            if browser is None
            else f"{asked.site} has no chapter {', '.join(missing)}; `make lite` builds them"
        )
        print(f"[book] error: {why}", file=sys.stderr)
        return 1
    failed = 0
    with served(asked.site) as base, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for name in names:
            started = time.monotonic()
            try:
                found = problems(executed(chromium, base, name, asked.minutes))
            except BuildError as error:
                found = [str(error)]
            failed += bool(found)
            say(f"{name}: {'went wrong' if found else 'ran'} after {elapsed(started)}")
            print("".join(f"  {problem}\n" for problem in found), end="", file=sys.stderr)
        chromium.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
