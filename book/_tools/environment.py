"""Set up an environment of the project; `make` runs this with the reader's own Python.

``.venv`` is for everything but coursework. ``.venv-coursework`` is for that alone: otter-grader, which would
hold back what the book needs, and the versions that Colab has, with which students work.

Standard library only, and syntax that Python 3.7 can parse, so that an unsuitable Python gets a
clear message and not a syntax error.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST, NEWEST = (3, 11), (3, 13)
TORCH_FILE = "torch-build.txt"
EXTRA = "dev"
COURSEWORK = "coursework"


class SetupError(Exception):
    """Something the reader can mend; the message says how."""


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"[setup] {message}", flush=True)


def dotted(version: tuple[int, int]) -> str:
    """(3, 11) as "3.11"."""
    return f"{version[0]}.{version[1]}"


def check_python(version: tuple[int, int], executable: str) -> None:
    """Refuse a Python outside the supported range."""
    if not OLDEST <= version <= NEWEST:
        raise SetupError(
            f"{executable} is Python {dotted(version)}; the project needs {dotted(OLDEST)} to "
            f"{dotted(NEWEST)}. Name another one, for example: make PYTHON=python{dotted(NEWEST)} book"
        )


def venv_package(version: tuple[int, int]) -> str:
    """What to install where Python cannot create environments."""
    return f"On Debian or Ubuntu: sudo apt install python{dotted(version)}-venv"


def read_torch_build(text: str) -> str:
    """The one word of torch-build.txt."""
    words = [word for line in text.splitlines() for word in line.split("#")[0].split()]
    if len(words) != 1 or not re.match(r"^(cpu|auto|pypi|cu\d+|rocm[\d.]+|xpu)$", words[0]):
        raise SetupError(
            f"{TORCH_FILE}: one word is allowed (cpu, auto, pypi, or a CUDA build such as cu128), "
            f"found: {' '.join(words) or 'nothing'}"
        )
    return words[0]


def parse_find_links(listing: str) -> list[str]:
    """Wheel folders and pages in the output of `pip config list`, in order, each once."""
    found: list[str] = []
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".find-links"):
            found += [place for place in str(ast.literal_eval(value)).split() if place not in found]
    return found


def exists(place: str) -> bool:
    """Whether a find-links entry can be used: uv stops at a missing folder where pip only warns."""
    if place.startswith("file://"):
        place = place[len("file://") :]
    return "://" in place or Path(place).expanduser().is_dir()


class Environment:
    """An environment of one checkout: its folder, the extra it holds, and the versions it holds it at."""

    def __init__(self, root: Path, folder: str, extra: str, constraints: str) -> None:
        self.root = root
        self.extra = extra
        self.constraints = constraints
        self.folder = root / folder
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "chinchilla-setup.json"

    def run(self, *command: str, quiet: bool = False) -> int:
        """Exit status of a command run in the checkout."""
        sink = subprocess.DEVNULL if quiet else None
        return subprocess.run(list(command), cwd=str(self.root), stdout=sink, stderr=sink).returncode

    def ask(self, *arguments: str) -> str:
        """What the environment's Python prints; empty when it fails."""
        command = [str(self.python), *arguments]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return "" if answer.returncode else answer.stdout.decode()

    def version(self) -> tuple[int, int] | None:
        """Version of the environment's Python; None unless it works and has pip."""
        if not self.python.exists():
            return None
        words = self.ask("-c", "import sys, pip; print(*sys.version_info[:2])").split()
        return (int(words[0]), int(words[1])) if words else None

    def create(self, version: tuple[int, int]) -> None:
        """Make an empty environment with the Python that runs this."""
        check_python(version, sys.executable)
        say(f"creating {self.folder} with Python {dotted(version)}")
        if self.run(sys.executable, "-c", "import ensurepip, venv", quiet=True):
            raise SetupError(f"{sys.executable} cannot create environments. {venv_package(version)}")
        if self.run(sys.executable, "-m", "venv", "--clear", str(self.folder)):
            raise SetupError(f"{sys.executable} -m venv failed, see above. {venv_package(version)}")

    def fingerprint(self, version: tuple[int, int]) -> str:
        """Hash of everything an installation depends on."""
        digest = hashlib.sha256(f"{self.root} {dotted(version)}".encode())
        for name in ("pyproject.toml", self.constraints, TORCH_FILE):
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()

    def read_stamp(self) -> dict[str, str]:
        """What the last complete installation left behind."""
        stamp: dict[str, str] = json.loads(self.stamp.read_text()) if self.stamp.exists() else {}
        return stamp

    def find_links(self) -> list[str]:
        """Wheel folders configured for pip, in its files or its environment variable."""
        places = parse_find_links(self.ask("-m", "pip", "config", "list"))
        return [place for place in places if exists(place)]

    def uv_pip_install(self, *arguments: str, quiet: bool = False) -> int:
        """Exit status of `uv pip install` into this environment, under the constraints."""
        uv = [
            str(self.folder / "bin" / "uv"),
            "pip",
            "install",
            "--compile-bytecode",
            "--python",
            str(self.python),
        ]
        return self.run(*uv, "--constraints", self.constraints, *arguments, quiet=quiet)

    def holds_torch(self, place: str) -> bool:
        """Whether a wheel folder alone can give this Python the pinned torch."""
        only = ("--no-index", "--find-links", place, "--no-deps")
        return self.uv_pip_install("--dry-run", "--reinstall", *only, "torch", quiet=True) == 0

    def install(self, version: tuple[int, int]) -> None:
        """Install uv, then the project with everything it needs."""
        started = time.monotonic()
        build = read_torch_build((self.root / TORCH_FILE).read_text())
        say("uv, the installer")
        pip = (str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        if self.run(*pip, "--constraint", self.constraints, "uv"):
            raise SetupError(
                "pip could not install uv, see above. If the package index cannot be reached from here, "
                "name one that can: pip config set global.index-url ADDRESS"
            )
        places = self.find_links()
        arguments = [word for place in places for word in ("--find-links", place)]
        folder = next((place for place in places if self.holds_torch(place)), None)
        if folder is not None:
            source = f"the wheel folder {folder}"
        elif build == "pypi":
            source = "the package index"
        else:
            source = f"PyTorch's own index, build {build}"
            arguments += ["--torch-backend", build]
        if self.read_stamp().get("torch", source) != source:
            arguments += ["--reinstall-package", "torch"]
        say(f"packages; torch comes from {source} (setting: {TORCH_FILE})")
        if self.uv_pip_install("--editable", f".[{self.extra}]", *arguments):
            raise SetupError(explain_failure("--torch-backend" in arguments))
        stamp = {"fingerprint": self.fingerprint(version), "torch": source}
        self.stamp.write_text(json.dumps(stamp, indent=1) + "\n")
        say(f"ready after {time.monotonic() - started:.0f} s")


def explain_failure(from_pytorch: bool) -> str:
    """What to do when uv has failed; its own message stands above."""
    message = (
        "uv could not install the packages, see above. If the package index cannot be reached from here, "
        "name one that can: export UV_DEFAULT_INDEX=ADDRESS"
    )
    if from_pytorch:
        message += (
            ". If PyTorch's own index is what cannot be reached: put a torch wheel for this Python into "
            "a folder and export PIP_FIND_LINKS=FOLDER, or write 'pypi' into "
            f"{TORCH_FILE} (several GB on Linux)"
        )
    return message + ". Then run the same command again."


def main() -> int:
    """Bring the environment up to date; do nothing when it is."""
    parser = argparse.ArgumentParser(description="Set up an environment of the project.")
    parser.add_argument("--explicit", action="store_true", help="this Python was asked for by name")
    parser.add_argument("--coursework", action="store_true", help="the one that grades, .venv-coursework")
    options = parser.parse_args()
    explicit = options.explicit
    environment = Environment(ROOT, ".venv", EXTRA, "constraints.txt")
    if options.coursework:
        environment = Environment(ROOT, ".venv-coursework", COURSEWORK, "coursework/constraints.txt")
    own = (sys.version_info[0], sys.version_info[1])
    try:
        version = environment.version()
        if version is None:
            environment.create(own)
            version = own
        elif explicit and version != own:
            raise SetupError(
                f"{environment.folder} holds Python {dotted(version)} and PYTHON asks for {dotted(own)}: "
                "remove that folder, or leave PYTHON out"
            )
        if environment.read_stamp().get("fingerprint") != environment.fingerprint(version):
            environment.install(version)
    except SetupError as error:
        print(f"[setup] error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
