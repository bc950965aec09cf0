"""The ledger: what changes a byte is noticed, what is cut off is refused, a file is whole or as it was."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.game.ledger import Ledger, check_student

PLAIN = st.dictionaries(
    st.text(max_size=5), st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
)


def sample() -> Ledger:
    ledger = Ledger.begin({"student": "ada", "budget": 1e12})
    for loss in (3.25, 3.125):
        ledger = ledger.extended("train", {"loss": loss})
    return ledger.extended("submit", {"low": 3.0})


@given(st.lists(PLAIN, max_size=4))
def test_what_is_written_is_read(contents: list[dict[str, Any]]) -> None:
    ledger = Ledger.begin({"student": "ada"})
    for content in contents:
        ledger = ledger.extended("train", content)
    assert Ledger.from_text(ledger.to_text()) == ledger


@given(st.data())
def test_every_changed_byte_is_noticed(data: st.DataObject) -> None:
    raw = sample().to_text().encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 127).filter(lambda one: one != raw[place]))
    changed = raw[:place] + bytes([byte]) + raw[place + 1 :]
    with pytest.raises(InputError, match=r"ledger: entry \d does not hold"):
        Ledger.from_text(changed.decode())


@given(st.integers(1, len(sample().to_text()) - 1))
def test_a_file_cut_off_within_a_line_is_refused_and_one_cut_between_lines_is_a_shorter_game(
    length: int,
) -> None:
    text = sample().to_text()[:length]
    if text.endswith("\n"):
        assert len(Ledger.from_text(text).entries) == text.count("\n")
    else:
        with pytest.raises(InputError, match="cut off"):
            Ledger.from_text(text)


@pytest.mark.parametrize("number", range(4))
def test_the_first_entry_that_does_not_hold_is_named(number: int) -> None:
    lines = sample().to_text().splitlines()
    data = json.loads(lines[number])
    data["content"]["loss"] = 0.5
    lines[number] = json.dumps(data, sort_keys=True, separators=(",", ":"))
    with pytest.raises(InputError, match=f"entry {number} does not hold: its hash"):
        Ledger.from_text("\n".join(lines) + "\n")


def test_entries_cannot_change_places_or_be_left_out() -> None:
    first, second, third, last = sample().to_text().splitlines(keepends=True)
    for text in (first + third + second + last, first + third + last, second + third, first + first):
        with pytest.raises(InputError, match="does not hold"):
            Ledger.from_text(text)


@pytest.mark.parametrize("line", ["", "[]", "null", "{}", '{"number":0}', "[" * 5000, "NaN"])
def test_what_is_no_entry_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="ledger: entry 0 does not hold"):
        Ledger.from_text(line + "\n")


@pytest.mark.parametrize("value", [[], {}, [1.0]])
def test_content_is_plain(value: Any) -> None:
    with pytest.raises(InputError, match="entry 1 does not hold: its content holds more than plain values"):
        Ledger.begin({"student": "ada"}).extended("train", {"loss": value})


def test_an_entry_that_is_not_written_as_a_game_does_is_refused() -> None:
    first, *rest = sample().to_text().splitlines(keepends=True)
    spaced = json.dumps(json.loads(first), sort_keys=True) + "\n"
    with pytest.raises(InputError, match="entry 0 does not hold: its line is not written as"):
        Ledger.from_text("".join([spaced, *rest]))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    with pytest.raises(InputError, match=r"ada\.jsonl: cannot be read"):
        Ledger.read(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="byte 0 is not UTF-8"):
        Ledger.read(path)
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(InputError, match="larger than"):
        Ledger.read(path)


def test_a_write_that_fails_leaves_the_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ledger = tmp_path / "ada.jsonl", sample()
    ledger.write(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        ledger.extended("train", {"loss": 3.0}).write(path)
    assert Ledger.read(path) == ledger
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["", "a b", "../ada", ".ada", "a" * 65, "a\n", "a/b", None, 7])
def test_names_that_no_file_should_have_are_refused(name: Any) -> None:
    with pytest.raises(InputError, match="student is"):
        check_student(name)


def test_a_name_has_one_form() -> None:
    assert check_student("Zoe\u0301") == check_student("Zo\u00e9")
