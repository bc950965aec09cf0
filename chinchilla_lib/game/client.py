"""What a student's game asks the instructor's oracle with (:mod:`chinchilla_lib.game.server`)."""

import json
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from chinchilla_lib.errors import InputError

__all__ = ["OracleClient"]

_SECONDS: Final = 30
_LARGEST: Final = 16 * 2**20


class _NoRedirects(HTTPRedirectHandler):
    """The token goes to the address that was given, and to no other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class OracleClient:
    """Asks over HTTP; :class:`chinchilla_lib.game.game.Game` makes one of an address.

    Parameters
    ----------
    address : str
        Begins with ``https://`` or ``http://``.
    token : str
        The student's.

    Raises
    ------
    InputError
        If the address is none.

    Examples
    --------
    >>> OracleClient("oracle.example.org", "token")
    Traceback (most recent call last):
    chinchilla_lib.errors.InputError: oracle is 'oracle.example.org'; give an address with https:// or http://
    """

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"oracle is {address!r}; give an address with https:// or http://")
        if not (token and token.isascii() and token.isprintable()):
            raise InputError("token must be printable ASCII text; copy it as the instructor gave it")
        self._address = address.rstrip("/")
        self._token = token
        self._opener = build_opener(_NoRedirects)

    def entries(self, known: int) -> str:
        """Lines of the ledger from an entry on."""
        return self._ask("ledger", {"known": known})

    def train(self, query: Mapping[str, Any], known: int) -> str:
        """Ask; the lines from an entry on, of which the last is the answer."""
        return self._ask("train", {**query, "known": known})

    def submit(self, allocation: Mapping[str, Any], known: int) -> str:
        """Submit; the lines from an entry on, of which the last is the submission."""
        return self._ask("submit", {**allocation, "known": known})

    def _ask(self, what: str, content: Mapping[str, Any]) -> str:
        request = Request(  # noqa: S310  # its scheme was checked
            f"{self._address}/{what}",
            data=json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_SECONDS) as response:
                return _text(response.read(_LARGEST))
        except HTTPError as error:
            with error:
                said = _text(error.read(_LARGEST)).strip()
            raise InputError(said or f"the oracle answers {error.code}; ask the instructor") from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                f"the oracle at {self._address} does not answer ({reason}); nothing was lost: "
                "open the game again later"
            ) from None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
