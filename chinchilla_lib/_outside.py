"""What comes from outside, read strictly: JSON that says one thing, fields of the types they should have.

A file may have been cut, edited by hand or written to do harm. Whatever is in it, a reader gives a value or
raises an `InputError`.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any, Final, get_args

from chinchilla_lib.errors import InputError

__all__ = ["check_names", "check_types", "parse_json", "take_list"]

_PLAIN: Final[Mapping[Any, tuple[type, ...]]] = {
    str: (str,),
    int: (int,),
    float: (float, int),
    bool: (bool,),
    type(None): (type(None),),
}
_WORDS: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}
_LARGEST_INT: Final = 2**63 - 1
_HALF_CHARACTER: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes | str) -> Any:
    """The value that a text of JSON holds.

    Parameters
    ----------
    data : bytes or str

    Raises
    ------
    InputError
        If it is not JSON in UTF-8, nested too deeply, names a field twice, or holds half a character.

    Examples
    --------
    >>> parse_json('{"seed": 1}')
    {'seed': 1}
    >>> parse_json('{"seed": 1, "seed": 2}')
    Traceback (most recent call last):
        ...
    chinchilla_lib.errors.InputError: no sound JSON: 'seed' stands twice in one object
    """
    try:
        value = json.loads(data, object_pairs_hook=_object)
        raw = data if isinstance(data, bytes) else data.encode()
        if _HALF_CHARACTER.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except InputError:
        raise
    except RecursionError:
        raise InputError("no sound JSON: it is nested too deeply") from None
    except ValueError as error:  # of its bytes, its syntax, or a number with thousands of digits
        raise InputError(f"no sound JSON: {_first_line(error)}") from None
    return value


def _first_line(error: ValueError) -> str:
    return "".join(str(error).splitlines()[:1])


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"no sound JSON: {twice[:60]!r} stands twice in one object")
    return found


def check_names(data: object, allowed: Collection[str], *, what: str) -> None:
    """Refuse what is no object, or has a field that nothing would read.

    Parameters
    ----------
    data : object
        As JSON gave it.
    allowed : collection of str
    what : str
        For the message.

    Raises
    ------
    InputError
        If a field is unknown; fields may be missing.

    Examples
    --------
    >>> check_names({"nme": "ci"}, ("name", "configs"), what="a plan")
    Traceback (most recent call last):
        ...
    chinchilla_lib.errors.InputError: not a plan: 'nme' is none of its fields, name, configs
    """
    if not isinstance(data, Mapping):
        raise InputError(f"not {what}: found {type(data).__name__} where an object must stand")
    unknown = next((name for name in data if name not in allowed), None)
    if unknown is not None:
        raise InputError(f"not {what}: {str(unknown)[:60]!r} is none of its fields, {', '.join(allowed)}")


def take_list(data: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """The items of a field that must be a list, and neither a text nor an object.

    Parameters
    ----------
    data : mapping
    name : str

    Raises
    ------
    InputError
        If it is none.
    KeyError
        If there is no such field.

    Examples
    --------
    >>> take_list({"seeds": [0, 1]}, "seeds")
    (0, 1)
    """
    if not isinstance(data, Mapping):
        raise InputError(f"found {type(data).__name__} where an object with the list {name} must stand")
    found = data[name]
    if not isinstance(found, list | tuple):
        raise InputError(f"{name} is {repr(found)[:60]}; give a list")
    return tuple(found)


def check_types(value: Any) -> None:
    """Refuse a dataclass whose plain fields are not of the types that it declares.

    A whole number may stand for a number, but not True for 1; whole numbers fit into 64 bits. Fields of other
    types are passed over.

    Parameters
    ----------
    value : dataclass

    Raises
    ------
    InputError
        At the first field of another type.
    """
    for field in fields(value):
        declared: Sequence[Any] = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        if not all(kind in _PLAIN for kind in declared):
            continue
        found = getattr(value, field.name)
        if not any(_is_of(kind, found) for kind in declared):
            wanted = " or ".join(_WORDS[kind] for kind in declared)
            raise InputError(f"{field.name} is {repr(found)[:60]}; give {wanted}")
        if isinstance(found, int) and abs(found) > _LARGEST_INT:
            raise InputError(f"{field.name} begins {str(found)[:20]}; whole numbers must fit into 64 bits")


def _is_of(kind: type, value: object) -> bool:
    return isinstance(value, _PLAIN[kind]) and (kind is bool or not isinstance(value, bool))
