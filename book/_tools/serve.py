"""Serve the built site on this machine."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from book._tools.project import Project, say

FIRST_PORT, TRIES = 8000, 20


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of one folder, reachable from this machine only; port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(QuietHandler, directory=str(folder)))


def serve(project: Project) -> None:
    """Serve until Ctrl-C, on the first free port."""
    for port in range(FIRST_PORT, FIRST_PORT + TRIES):
        try:
            server = make_server(project.site, port)
        except OSError:
            continue
        say(f"the book is at http://localhost:{port}/ (Ctrl-C ends)")
        server.serve_forever()
    say(f"no free port from {FIRST_PORT} to {FIRST_PORT + TRIES - 1}")
