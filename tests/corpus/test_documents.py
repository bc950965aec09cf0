import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.documents import Document, clean_documents, clean_text, split_documents
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


def test_cleaning_keeps_letters_as_they_are() -> None:
    # NFKC would turn the ligature and the superscript into plain characters (Table A8: not applied).
    assert clean_text("ﬁve m²") == "ﬁve m²\n"


def test_cleaning_unifies_lines_and_blanks() -> None:
    assert clean_text("\ufeffone  \r\n\r\n\r\n\r\ntwo\x00\t\rthree\n\n") == "one\n\ntwo\nthree\n"


def test_repeats_are_dropped_whatever_their_case_and_spacing() -> None:
    text = "We hold these truths to be self-evident. " * 10
    read = [Document("a", text), Document("b", text.upper().replace(" ", "\n")), Document("c", text[:50])]
    kept, cleaning = clean_documents(read)
    assert [document.name for document in kept] == ["a"]
    assert (cleaning.n_read, cleaning.n_duplicate, cleaning.n_too_short, cleaning.n_kept) == (3, 1, 1, 1)


def test_a_document_stays_on_its_side_whatever_the_others() -> None:
    documents = invented_documents()
    train, validation = split_documents(documents, validation_share=0.3)
    assert len(train) + len(validation) == len(documents)
    fewer, fewer_held_out = split_documents(documents[::-2], validation_share=0.3)
    assert set(fewer) <= set(train)
    assert set(fewer_held_out) <= set(validation)


def test_a_larger_share_only_adds_to_the_held_out_side() -> None:
    documents = invented_documents(200, 20)
    sides = [set(split_documents(documents, validation_share=s)[1]) for s in (0.1, 0.3, 0.6)]
    assert sides[0] < sides[1] < sides[2]
    assert len(sides[1]) == pytest.approx(60, abs=25)  # four standard deviations


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="validation_share"):
        split_documents(invented_documents(), validation_share=share)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(InputError, match=r"[01] training and [01] validation"):
        split_documents(invented_documents(1), validation_share=0.5)
