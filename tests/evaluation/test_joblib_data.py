import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.joblib_data import Record, read_joblib


class Thing:
    """What a library might keep."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Command:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def dumped(value: Any) -> bytes:
    joblib = pytest.importorskip("joblib", reason="it comes with the extra eval")
    file = io.BytesIO()
    joblib.dump(value, file)
    return file.getvalue()


def test_what_joblib_wrote_is_read_back() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.random((3, 2)), np.arange(5, dtype="<i4"), np.asfortranarray(rng.random((2, 3)))]
    value = {"a": [1, 2.5, None, True, (1, 2, 3, 4), ()], "many": {f"word {i}": i for i in range(2000)}}
    found = read_joblib(dumped({**value, "arrays": arrays, "again": arrays[:1], "number": np.float64(0.1)}))
    assert {key: found[key] for key in value} == value
    for expected, array in zip(arrays, found["arrays"], strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype
    assert found["number"] == 0.1


def test_an_object_is_a_record_of_its_state() -> None:
    found = read_joblib(dumped(Thing(np.ones(2))))
    assert isinstance(found, Record)
    assert found.name == f"{__name__} Thing"
    np.testing.assert_array_equal(found["values"], [1, 1])


def test_nothing_is_run(tmp_path: Path) -> None:
    path = tmp_path / "touched"
    harmful = pickle.dumps(Command(path), protocol=5)
    read_joblib(harmful)  # as a record of what it would have called
    assert not path.exists()
    pickle.loads(harmful)
    assert path.exists()


@pytest.mark.parametrize("change", [lambda data: data[:-30], lambda data: b"other " + data, lambda _: b""])
def test_a_damaged_file_is_refused(change: Any) -> None:
    with pytest.raises(InputError, match="not a file of joblib that holds data alone"):
        read_joblib(change(dumped({"a": np.ones(9)})))


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(InputError, match="not a file of joblib that holds data alone"):
        read_joblib(dumped(np.array([{"a": 1}, None], dtype=object)))
