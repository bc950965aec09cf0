"""The instructor's oracle: it answers and keeps the ledgers, so that a discarded attempt counts, too.

Plain HTTP for a seminar room or behind a server that speaks TLS. A request names its student by a token
alone; no answer and no line of the log holds one.
"""

import csv
import hashlib
import hmac
import secrets
import sys
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, Final

from chinchilla_lib._outside import parse_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.game.game import Game
from chinchilla_lib.game.ledger import check_student
from chinchilla_lib.game.variants import find_variant
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["OracleServer", "new_tokens", "read_tokens"]

_LARGEST: Final = 4096
_SECONDS: Final = 10
_SHORTEST: Final = 16


def new_tokens(students: Iterable[str]) -> dict[str, str]:
    """A new random token for each student.

    Parameters
    ----------
    students : iterable of str

    Raises
    ------
    InputError
        If a name is not allowed or stands twice.

    Examples
    --------
    >>> len(new_tokens(["ada", "bob"])["ada"])
    22
    """
    tokens: dict[str, str] = {}
    for student in students:
        name = check_student(student)
        if name in tokens:
            raise InputError(f"student {name!r} is named twice; give each one a name")
        tokens[name] = secrets.token_urlsafe(16)
    return tokens


def read_tokens(path: str | Path) -> dict[str, str]:
    """Tokens of students from a CSV file with the columns ``student`` and ``token``.

    Raises
    ------
    InputError
        If it cannot be read, a name is not allowed, a token is short, or either stands twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tokens.csv"
    ...     _ = path.write_text("student,token\\nada,0123456789abcdef\\n")
    ...     read_tokens(path)
    {'ada': '0123456789abcdef'}
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    tokens: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        student, token = row.get("student"), row.get("token")
        if not student or not token or len(token) < _SHORTEST:
            raise InputError(
                f"{path}: row {number} needs a student and a token of {_SHORTEST} characters or more; "
                "'chinchilla-lib game tokens' makes some"
            )
        name = check_student(student)
        if name in tokens or token in tokens.values():
            raise InputError(f"{path}: row {number} repeats a student or a token")
        tokens[name] = token
    if not tokens:
        raise InputError(f"{path}: no rows; give the columns student and token")
    return tokens


class OracleServer(ThreadingHTTPServer):
    """Serves one variant to a class; ``serve_forever`` runs it.

    Parameters
    ----------
    variant : str
    tokens : mapping
        Token of each student.
    folder : str or Path
        Where ledgers are kept, a file for each student; games go on from there.
    table : SweepTable, optional
        Runs that answer in place of the recorded ones, for a course that keeps even these to itself.
    host, port : str, int
        By default this machine alone, on a free port.

    Raises
    ------
    InputError
        If the variant is none, the folder cannot be made, or the address is taken.

    Examples
    --------
    >>> import tempfile, threading
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tokens = {"ada": "0123456789abcdef"}
    ...     with OracleServer("code", tokens, folder) as server:
    ...         threading.Thread(target=server.serve_forever, daemon=True).start()
    ...         game = Game("ada", "code", oracle=server.address, token=tokens["ada"])
    ...         flops = game.train(1e5, 1e6).flops
    ...         server.shutdown()
    >>> game.spent == flops
    True
    """

    daemon_threads = True

    def __init__(
        self,
        variant: str,
        tokens: Mapping[str, str],
        folder: str | Path,
        *,
        table: SweepTable | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._variant = find_variant(variant).name
        self._students = {_hashed(token): check_student(student) for student, token in tokens.items()}
        self._folder, self._table = Path(folder), table
        self._games: dict[str, Game] = {}
        self._locks = {student: Lock() for student in self._students.values()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(f"the oracle cannot begin: {error.strerror or error}") from None

    @property
    def address(self) -> str:
        """Where it answers."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def student_of(self, token: str) -> str | None:
        """Whose token it is."""
        wanted = _hashed(token)
        found = [student for known, student in self._students.items() if hmac.compare_digest(known, wanted)]
        return found[0] if found else None

    def answer(self, student: str, what: str, content: Mapping[str, Any]) -> str:
        """What is asked, and the new lines of the ledger.

        Raises
        ------
        InputError
            If it is refused.
        """
        content = dict(content)
        known = content.pop("known", None)
        if type(known) is not int or known < 0:
            raise InputError(f"known must be a whole number from 0 on, found {known!r:.60}")
        with self._locks[student]:
            if student not in self._games:
                path = self._folder / f"{student}.jsonl"
                self._games[student] = Game(student, self._variant, path, table=self._table)
            game = self._games[student]
            try:
                if what == "train":
                    game.train(**content)
                elif what == "submit":
                    low, high = content.pop("low", None), content.pop("high", None)
                    game.submit(**content, interval=(low, high))
            except TypeError:
                raise InputError(f"{what} has the wrong fields: {sorted(content)!r:.120}") from None
            return "".join(f"{entry.line()}\n" for entry in game.ledger.entries[known:])


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: OracleServer
    timeout = _SECONDS
    server_version = "oracle"
    sys_version = ""

    def do_POST(self) -> None:
        """Answer."""
        what = self.path.removeprefix("/")
        length = self.headers.get("Content-Length", "")
        student = self.server.student_of(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if student is None:
            self._send(401, "token is not known here; copy it as the instructor gave it")
        elif what not in ("ledger", "train", "submit"):
            self._send(404, "the oracle answers /ledger, /train and /submit")
        elif not (length.isascii() and length.isdigit() and int(length) <= _LARGEST):
            self._send(413, f"a request says its length, of {_LARGEST} bytes or fewer")
        else:
            self._reply(student, what, self.rfile.read(int(length)))

    def _reply(self, student: str, what: str, body: bytes) -> None:
        try:
            content = parse_json(body)
            if not isinstance(content, dict):
                raise InputError("a request is a table of fields")
            text, status = self.server.answer(student, what, content), 200
        except InputError as error:
            text, status = str(error), 400
        sys.stderr.write(f"{student} {what} {status}\n")
        self._send(status, text)

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing of a request's own text goes to the log."""


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
