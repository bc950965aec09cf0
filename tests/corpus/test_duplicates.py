import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.duplicates import (
    FINGERPRINT,
    TRAIN,
    VALIDATION,
    assign_sides,
    fingerprint,
    split_documents,
)
from chinchilla_lib.corpus.ngrams import hash_ngrams, plain_words
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents


def random_documents(n: int, n_words: int, seed: int = 0) -> list[Document]:
    """Documents that share words and nothing longer."""
    words = np.random.default_rng(seed).integers(500, size=(n, n_words))
    return [Document(f"{i}", " ".join(f"w{w}" for w in row)) for i, row in enumerate(words)]


def changed(document: Document, n_changed: int, seed: int) -> Document:
    """The document with some words replaced."""
    words = document.text.split()
    for i in np.random.default_rng(seed).choice(len(words), n_changed, replace=False):
        words[i] = f"new{i}"
    return Document(f"{document.name}'{seed}", " ".join(words))


def jaccard(a: Document, b: Document) -> float:
    first, second = (set(hash_ngrams(plain_words(d.text), 5).tolist()) for d in (a, b))
    return len(first & second) / len(first | second)


def sides(documents: list[Document], share: float = 0.3) -> np.ndarray:
    prints = np.array([fingerprint(d) for d in documents], dtype=FINGERPRINT)
    return assign_sides(prints, validation_share=share).side


def test_near_duplicates_never_lie_on_both_sides() -> None:
    documents = random_documents(60, 200)
    copies = [changed(d, 4, seed=s) for s in (1, 2) for d in documents]
    assert min(jaccard(a, b) for a, b in zip(documents, copies, strict=False)) > 0.8
    side = sides(documents + copies).reshape(3, -1)
    assert (side == side[0]).all()
    assert set(side[0]) == {TRAIN, VALIDATION}
    # Documents of half the words in common are not taken for the same.
    different = [changed(d, 60, seed=3) for d in documents]
    assert max(jaccard(a, b) for a, b in zip(documents, different, strict=True)) < 0.5
    assert (sides(documents + different)[60:] != side[0]).any()


def test_groups_are_held_out_as_often_as_single_documents() -> None:
    documents = random_documents(300, 30)
    groups = [replace(d, text=f"{d.text} {i}") for i in range(4) for d in documents]
    held_out = (sides(groups)[:300] == VALIDATION).mean()
    assert held_out == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 300))


def test_a_document_stays_on_its_side_whatever_the_others() -> None:
    documents = invented_documents()
    train, validation = split_documents(documents, validation_share=0.3)
    assert len(train) + len(validation) == len(documents)
    fewer, fewer_held_out = split_documents(documents[::-2], validation_share=0.3)
    assert set(fewer) <= set(train)
    assert set(fewer_held_out) <= set(validation)


def test_a_larger_share_only_adds_to_the_held_out_side() -> None:
    documents = random_documents(200, 20)
    held_out = [set(split_documents(documents, validation_share=s)[1]) for s in (0.1, 0.3, 0.6)]
    assert held_out[0] < held_out[1] < held_out[2]
    assert len(held_out[1]) == pytest.approx(60, abs=25)  # four standard deviations


def test_repeats_are_dropped_whatever_their_case_and_spacing() -> None:
    documents = random_documents(20, 30)
    shouted = [Document(d.name, d.text.upper().replace(" ", ",\n")) for d in documents]
    side = sides(documents + shouted)
    assert (side[:20] == sides(documents)).all()
    assert (side[20:] == 0).all()


def test_the_publishers_sides_stand_and_their_leaks_are_dropped() -> None:
    documents = random_documents(40, 100)
    fixed = [replace(d, side="validation" if i % 2 else "train") for i, d in enumerate(documents)]
    assert sides(fixed).tolist() == [TRAIN, VALIDATION] * 20
    leaks = [replace(changed(d, 2, seed=1), side="train") for d in fixed]
    followers = [changed(d, 2, seed=2) for d in fixed]
    prints = np.array([fingerprint(d) for d in leaks + fixed + followers], dtype=FINGERPRINT)
    found = assign_sides(prints, validation_share=0.5)
    assert found.side.tolist() == [TRAIN, 0] * 20 + [TRAIN, VALIDATION] * 40
    assert (found.n_leaking, found.n_duplicate, found.n_near_duplicate) == (20, 0, 100)
    # An exact copy goes, wherever it stands; the held-out one stays.
    copies = [replace(d, side="train") for d in fixed]
    assert sides(copies + fixed).tolist() == [TRAIN, 0] * 20 + [0, VALIDATION] * 20


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="validation_share"):
        split_documents(invented_documents(4), validation_share=share)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(InputError, match=r"[01] training and [01] validation"):
        split_documents(invented_documents(1), validation_share=0.5)


def test_of_a_file_of_fingerprints_little_stays_in_memory(tmp_path: Path) -> None:
    """In a process of its own, since its peak is read: a map whose pages stay would add the file's 64 MB."""
    program = """
import resource, sys
import numpy as np
from chinchilla_lib.corpus.duplicates import FINGERPRINT, assign_sides

rng, some = np.random.default_rng(0), np.zeros(10_000, dtype=FINGERPRINT)
with open(sys.argv[1], "wb") as file:
    for _ in range(12):
        some["digest"] = some["letters"] = rng.integers(2**63, size=len(some))
        some["minima"] = rng.integers(2**32, size=some["minima"].shape)
        some.tofile(file)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sides = assign_sides(np.memmap(sys.argv[1], dtype=FINGERPRINT, mode="r"), validation_share=0.01)
print((sides.side > 0).sum(), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "prints")]
    n_kept, mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert n_kept == "120000"
    assert float(mib) < 30
