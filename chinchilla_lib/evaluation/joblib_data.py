"""A file of joblib read as data: nothing in it is called, no class that it names is imported.

Such a file is a pickle with raw arrays between its opcodes. Unpickling runs what a file asks for. Here a
machine with the opcodes that data need builds dictionaries, lists and arrays, and of each object a record.
"""

import io
import math
import pickletools
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError

__all__ = ["Record", "read_joblib"]


@dataclass
class Record:
    """What stands in a file for an object.

    Attributes
    ----------
    name : str
        Module and class; as text.
    arguments : tuple
        What it was to be made with.
    state : dict or tuple
        Its attributes.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = field(default_factory=dict)

    def __getitem__(self, attribute: str) -> Any:
        return self.state[attribute]


_MARK: Final = object()
_ARRAY: Final = "joblib.numpy_pickle NumpyArrayWrapper"
_NUMBERS: Final = ("numpy._core.multiarray scalar", "numpy.core.multiarray scalar")
_VALUES: Final = frozenset(
    ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINBYTES")
)


def read_joblib(data: bytes) -> Any:
    """What a file of joblib holds.

    Parameters
    ----------
    data : bytes
        Of a file that is not compressed.

    Returns
    -------
    object
        Plain values, arrays, and a `Record` in place of every other object.

    Raises
    ------
    InputError
        If it asks for more than data, or is damaged.
    """
    file = io.BytesIO(data)
    machine = _Machine(file)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
        (held,) = machine.stack
    except (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError) as error:
        raise InputError(f"not a file of joblib that holds data alone ({error!r})") from None
    return held


class _Machine:
    """The stack and the memory that such a file is read with."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file, self._memory = file, list[Any]()
        self.stack: list[Any] = []

    def step(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        push, pop = self.stack.append, self.stack.pop
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in ("NONE", "NEWTRUE", "NEWFALSE"):
            push({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
        elif name in _VALUES:
            push(argument)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "MARK"):
            push({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": (), "MARK": _MARK}[name])
        elif name == "MEMOIZE":
            self._memory.append(self.stack[-1])
        elif name in ("BINGET", "LONG_BINGET"):
            push(self._memory[argument])
        elif name == "TUPLE":
            push(tuple(self._pop_to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(name[-1])
            self.stack[-n:] = [tuple(self.stack[-n:])]
        elif name == "APPEND":
            value = pop()
            self.stack[-1].append(value)
        elif name == "APPENDS":
            values = self._pop_to_mark()
            self.stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = pop(), pop()
            self.stack[-1][key] = value
        elif name == "SETITEMS":
            pairs = self._pop_to_mark()
            self.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))
        elif name == "STACK_GLOBAL":
            attribute, module = pop(), pop()
            push(Record(f"{module} {attribute}"))
        elif name in ("NEWOBJ", "REDUCE"):
            arguments, kind = pop(), pop()
            made = Record(kind.name, arguments)
            push(_number(made) if made.name in _NUMBERS else made)
        elif name == "BUILD":
            state = pop()
            self.stack[-1].state = state
            if self.stack[-1].name == _ARRAY:
                push(self._array(pop()))
        else:
            raise ValueError(f"opcode {name}")

    def _pop_to_mark(self) -> list[Any]:
        at = max(i for i, value in enumerate(self.stack) if value is _MARK)
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def _array(self, wrapper: Record) -> np.ndarray:
        """The bytes that follow an array's description, behind their padding."""
        self._file.read(self._file.read(1)[0])
        dtype, shape = _dtype(wrapper["dtype"]), wrapper["shape"]
        raw = self._file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(raw, dtype).reshape(shape, order=wrapper["order"])


def _number(record: Record) -> Any:
    dtype, raw = record.arguments
    return np.frombuffer(raw, _dtype(dtype)).item()


def _dtype(record: Record) -> np.dtype[Any]:
    """Of numbers; NumPy refuses to read others from bytes."""
    found: np.dtype[Any] = np.dtype(record.state[1] + record.arguments[0])
    return found
