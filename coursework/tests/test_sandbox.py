"""Scripts that mean harm, in both kinds of isolation."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from coursework._tools import sandbox
from coursework._tools.sandbox import BUBBLEWRAP, LIMITS, Ended

ANSWER = "import json, os, sys\nos.write(int(sys.argv[1]), json.dumps({said}).encode())\n"


def run(tmp_path: Path, code: str, kind: str, seconds: float = 20, memory_mb: int = 1024) -> Ended:
    folder = tmp_path / "home"
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(code)
    return sandbox.run(script, ["word"], folder, seconds=seconds, memory_mb=memory_mb, kind=kind)


def answer(said: str) -> str:
    return ANSWER.format(said=said)


def test_a_script_answers_and_knows_its_arguments_and_its_home(tmp_path: Path, kind: str) -> None:
    ended = run(tmp_path, answer("[sys.argv[2], os.getcwd(), os.environ['HOME']]"), kind)
    home = str(tmp_path / "home")
    assert json.loads(ended.answer) == ["word", home, home] and ended.limit == ""


def test_an_endless_script_is_ended_in_time(tmp_path: Path, kind: str) -> None:
    code = "import signal\nfor n in (2, 15):\n    signal.signal(n, signal.SIG_IGN)\nwhile True:\n    pass\n"
    ended = run(tmp_path, code, kind, seconds=1.5)
    assert ended.limit == "time" and ended.seconds < 10 and ended.answer == ""


def test_memory_of_all_processes_together_is_limited(tmp_path: Path, kind: str) -> None:
    code = (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        block = b'x' * (100 << 20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    ended = run(tmp_path, code, kind, memory_mb=256)
    assert ended.limit == "memory" and ended.seconds < 15


def test_what_a_script_leaves_behind_is_ended(tmp_path: Path, kind: str) -> None:
    code = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(4321)'], start_new_session=True)\n"
    )
    ended = run(tmp_path, code + answer("1"), kind)
    assert ended.answer == "1"
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and left_over():
        time.sleep(0.1)
    assert left_over() == []


def left_over() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if "time.sleep(4321)" in str(p.info["cmdline"])]


def test_a_flood_of_answers_is_cut(tmp_path: Path, kind: str) -> None:
    code = "import os, sys\nfor _ in range(200):\n    os.write(int(sys.argv[1]), b'x' * 65536)\n"
    assert len(run(tmp_path, code, kind).answer) <= sandbox.LARGEST_ANSWER


def test_secrets_of_the_users_environment_are_not_passed_on(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "xyz")
    assert json.loads(run(tmp_path, answer("os.environ.get('SECRET_TOKEN')"), kind).answer) is None


def need_bubblewrap() -> None:
    if sandbox.isolation() != BUBBLEWRAP:
        pytest.skip("bubblewrap does not work here")


def test_bubblewrap_hides_the_users_files_and_keeps_writes_inside(tmp_path: Path) -> None:
    need_bubblewrap()
    (tmp_path / "grades.csv").write_text("secret")
    places = [
        str(tmp_path / "grades.csv"),
        str(tmp_path / "new"),
        "/usr/new",
        f"{sandbox.ROOT}/chinchilla_lib/new",
    ]
    code = (
        "written = []\n"
        f"for place in {places!r}:\n"
        "    try:\n"
        "        open(place, 'w').write('x')\n"
        "        written.append(place)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    looked = [
        str(tmp_path / "grades.csv"),
        str(sandbox.ROOT / "coursework" / "masters"),
        "/home",
        str(Path.home() / ".ssh"),
    ]
    said = f"[os.path.exists(place) for place in {looked!r}]"
    assert json.loads(run(tmp_path, answer(said) + code, BUBBLEWRAP).answer) == [False] * 4
    assert (tmp_path / "grades.csv").read_text() == "secret"
    assert [place for place in places[1:] if os.path.exists(place)] == []  # noqa: PTH110


def test_bubblewrap_has_no_network(tmp_path: Path) -> None:
    need_bubblewrap()
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            "import socket\n"
            "try:\n"
            f"    socket.create_connection(('127.0.0.1', {port}), timeout=3)\n"
            "    reached = True\n"
            "except OSError:\n"
            "    reached = False\n"
        )
        assert json.loads(run(tmp_path, code + answer("reached"), BUBBLEWRAP).answer) is False


def test_limits_alone_leave_the_network_and_the_users_files(tmp_path: Path) -> None:
    """What the printed warning says is so: if it were not, the warning would have to go."""
    target = tmp_path / "outside"
    run(tmp_path, f"open({str(target)!r}, 'w').write('x')\n", LIMITS)
    assert target.exists()
