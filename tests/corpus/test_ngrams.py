import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.ngrams import hash_ngrams, mix_bits, plain_words

WORDS = st.lists(st.sampled_from(["a", "b", "salt", "licht", "größe", "x1"]), min_size=1, max_size=40)


@given(WORDS, st.integers(1, 15))
def test_equal_runs_of_words_and_no_others_have_equal_hashes(words: list[str], n: int) -> None:
    hashes = hash_ngrams(" ".join(words), n).tolist()
    n = min(n, len(words))
    runs = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    assert len(hashes) == len(runs)
    assert len(set(zip(runs, hashes, strict=True))) == len(set(runs)) == len(set(hashes))


@given(WORDS, WORDS)
def test_a_hash_does_not_depend_on_where_the_run_stands(before: list[str], words: list[str]) -> None:
    whole = hash_ngrams(" ".join(before + words), len(words))
    assert whole[-1] == hash_ngrams(" ".join(words), len(words))[0]


def test_hashes_never_change() -> None:
    # A corpus's split hangs on them.
    assert hash_ngrams("the more the merrier", 3).tolist() == [15060576026878880414, 3556619135304898502]


def test_case_spacing_and_punctuation_do_not_count() -> None:
    assert plain_words("  Ein_Maß: ﬁve—m² ") == plain_words("ein mass\nFIVE m2") == "ein mass five m2"
    assert plain_words("?!") == ""
    assert len(hash_ngrams("", 5)) == 1


def test_mixed_bits_are_a_permutation_and_even() -> None:
    mixed = mix_bits(np.arange(100_000, dtype=np.uint64))
    assert len(np.unique(mixed)) == 100_000
    ones = np.unpackbits(mixed.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / np.sqrt(64 * 100_000)
