import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.documents import Document, clean_document, clean_text


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@given(st.text(st.characters(codec=None)))
def test_what_is_left_can_be_written(text: str) -> None:
    clean_text(text).encode()


def test_cleaning_keeps_letters_as_they_are() -> None:
    # NFKC would turn the ligature and the superscript into plain characters (Table A8: not applied).
    assert clean_text("ﬁve m²") == "ﬁve m²\n"


def test_cleaning_unifies_lines_and_blanks() -> None:
    assert clean_text("\ufeffone  \r\n\r\n\r\n\r\ntwo\x00\t\rthree\n\n") == "one\n\ntwo\nthree\n"


@pytest.mark.parametrize(("n", "kept"), [(198, False), (199, True)])  # a line end is added
def test_a_short_document_is_dropped(n: int, kept: bool) -> None:
    document = Document("a", "x" * n + "   \n\n", side="validation")
    assert clean_document(document) == (Document("a", "x" * n + "\n", side="validation") if kept else None)
