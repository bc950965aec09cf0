"""JSON from outside says one thing, of the types it should have, or is refused in one line."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib._outside import check_names, check_types, parse_json, take_list
from chinchilla_lib.errors import InputError

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_sound_json_is_what_the_standard_library_reads(value: object, as_bytes: bool) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert parse_json(text.encode() if as_bytes else text) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no sound JSON"),
        (b"\xff", "no sound JSON"),
        (b'{"a": 1', "no sound JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "no sound JSON"),
        (b'"\\ud800"', "no sound JSON"),
        (b'[{"a": 1, "b": 2, "a": 1}]', "'a' stands twice"),
    ],
)
def test_what_is_no_sound_json_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        parse_json(data)
    assert len(str(refused.value).splitlines()) == 1


def test_a_whole_character_in_two_halves_is_one() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_names_may_be_missing_but_not_unknown() -> None:
    check_names({"name": "ci"}, ("name", "configs"), what="a plan")
    with pytest.raises(InputError, match="not a plan: 'nme' is none of its fields, name, configs"):
        check_names({"nme": "ci"}, ("name", "configs"), what="a plan")
    with pytest.raises(InputError, match="not a plan: found list"):
        check_names(["name"], ("name",), what="a plan")


@pytest.mark.parametrize("found", ["text", {"a": 1}, 3, None])
def test_a_list_is_neither_text_nor_object(found: object) -> None:
    assert take_list({"seeds": [0, 1]}, "seeds") == (0, 1)
    with pytest.raises(InputError, match="give a list"):
        take_list({"seeds": found}, "seeds")
    with pytest.raises(KeyError):
        take_list({}, "seeds")


@dataclass
class Fields:
    name: str = "ci"
    count: int = 1
    share: float = 0.5
    seed: int | None = None
    other: tuple[int, ...] = ()


@pytest.mark.parametrize("changes", [{}, {"share": 1}, {"seed": 3}, {"other": "anything"}])
def test_fields_of_their_types_pass(changes: dict[str, object]) -> None:
    check_types(Fields(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"name": 1}, {"count": 1.0}, {"count": True}, {"share": "0.5"}, {"seed": "3"}, {"count": 2**63}],
)
def test_fields_of_another_type_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        check_types(Fields(**changes))  # type: ignore[arg-type]
