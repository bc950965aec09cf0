"""Changes to a file: at its bytes, at its lines, and, in JSON, at its values and names."""

import json
import math
import random
from typing import Any, Final

__all__ = ["change_bytes", "change_json"]

_STRANGE: Final = (
    None, True, False, 0, -1, 1, 2, 2**31, 2**63, 10**400, 1.5, -0.0, 1e-320, 1e308, math.inf, math.nan,
    "", "0", "1e3", "ci", "../../etc/passwd", "/etc/passwd", "\u0000", "\ud800", "a" * 300, "é\u2028",
    [], {}, [[]], [1], {"a": 1},
)  # fmt: skip
_BYTES: Final = (
    b"", b"\0", b"\xff", b"\n", b"\r", b",", b'"', b"'", b"{", b"[" * 3000, b"-1", b"nan", b"1e999",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x1a", b";", b"_", b"9" * 5000,
)  # fmt: skip


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert or swap something."""
    if not data:
        return chance.choice(_BYTES)
    a, b = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    b = min(b, a + 64) if chance.random() < 0.7 else b
    kind = chance.randrange(6)
    if kind == 0:
        place = chance.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
    if kind == 1:
        return data[:a] + data[b:]
    if kind == 2:
        return data[:b] + data[a:]
    if kind == 3:
        return data[:a] + chance.choice(_BYTES) + data[a:]
    if kind == 4:
        return data[:a] + chance.choice(_BYTES) + data[b:]
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def change_json(data: bytes, chance: random.Random) -> bytes:
    """Put a strange value, drop a field, rename it, or take over a value from elsewhere in the text."""
    try:
        value = json.loads(data)
        places = list(_places(value))
        if not places:
            return change_bytes(data, chance)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            holder, key = chance.choice(places)
            kind = chance.randrange(5)
            if kind == 0 and isinstance(holder, dict):
                holder.pop(key, None)
            elif kind == 1 and isinstance(holder, dict) and key in holder:
                holder[f"{key}{chance.choice(('', ' ', 's', '_'))}"] = holder.pop(key)
            elif kind == 2:
                other, name = chance.choice(places)
                if isinstance(other, list) or name in other:
                    _put(holder, key, json.loads(json.dumps(other[name])))
            elif kind == 3 and isinstance(holder, list):
                holder.insert(chance.randrange(len(holder) + 1), chance.choice(_STRANGE))
            else:
                _put(holder, key, chance.choice(_STRANGE))
        return json.dumps(value).encode()
    except (ValueError, RecursionError, IndexError, TypeError):
        return change_bytes(data, chance)


def _put(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value


def _places(value: Any) -> Any:
    """Every object or list with each of its keys."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in list(inside):
        yield value, key
        yield from _places(held)
