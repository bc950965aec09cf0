"""Probes of our own: what models far too small for published tasks can show (beside section 4.2).

Sentences that differ in one point of grammar, words repeated, and the last word of a held-out passage. All
are made here from a seed; the text of the last comes from a corpus. Of each kind half of the items have one
form right and half the other, so that a preference for a word, whatever stands before it, scores one half.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.sources import FileSource, Item
from chinchilla_lib.evaluation.tasks import ACCURACY, INDEX, TEXT, TEXTS, BenchmarkTask, multiple_choice

__all__ = [
    "CLOZE",
    "PROBES",
    "GeneratedItems",
    "cloze_task",
    "make_cloze",
    "make_induction",
    "make_minimal_pairs",
]


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NOUNS: Final = tuple(
    pair.split("/")
    for pair in _split(
        "file/files state/states system/systems word/words user/users method/methods object/objects "
        "name/names year/years law/laws song/songs game/games book/books table/tables process/processes "
        "function/functions value/values element/elements class/classes king/kings ship/ships road/roads "
        "church/churches river/rivers nation/nations power/powers"
    )
)
_PEOPLE: Final = (
    ("man", "men", "himself"),
    ("king", "kings", "himself"),
    ("son", "sons", "himself"),
    ("woman", "women", "herself"),
    ("mother", "mothers", "herself"),
    ("daughter", "daughters", "herself"),
)
_QUALITIES: Final = _split("new old known small large good common important not used")
_SAID: Final = (
    ("is", "are", _QUALITIES),
    ("was", "were", _QUALITIES),
    ("has", "have", _split("been a more the")),
)
_DEMONSTRATIVES: Final = (("this", "these"), ("that", "those"))
_BEFORE: Final = ("We use", "They made", "He used", "You need", "They found", "We know", "He called")
_VERBS: Final = ("saw", "found", "made", "called", "gave", "used", "set", "put")
_PLACES: Final = ("of", "in", "with", "for", "from", "by")
_WORDS: Final = _split(
    "time end use all new first set name part other number same point work state most form line order case "
    "power day one two list man world law text make place type war year hand water land side house light "
    "night head book letter field table change group class king city road room sea tree"
)
CLOZE: Final = "cloze"
"""Name of the task that :func:`cloze_task` makes."""

_SEED: Final = 2203

_ENGLISH: Final = 0.97  # share of ASCII in a text
_RARE: Final = 5  # occurrences of a candidate at least
_TRIES: Final = 200
_WORDS_BEFORE: Final = 20
_OTHERS: Final = 3
_SPREAD: Final = 0.2


def make_minimal_pairs(n_each: int = 200, seed: int = _SEED) -> Iterator[Item]:
    """Pairs of sentences of which one is grammatical, of five phenomena.

    Agreement of verb and subject; the same with a noun of the other number between; demonstrative and noun;
    reflexive and subject; an article on the wrong side of its preposition.

    Parameters
    ----------
    n_each : int
        Different pairs of each phenomenon.
    seed : int

    Yields
    ------
    mapping
        ``phenomenon``, ``choices`` (both sentences), ``label`` of the grammatical one.

    Examples
    --------
    >>> item = next(iter(make_minimal_pairs(n_each=1)))
    >>> item["phenomenon"], item["choices"][item["label"]]
    ('agreement', 'The user is new')
    """
    rng = np.random.default_rng(seed)
    for phenomenon, make in _PHENOMENA.items():
        pairs: dict[tuple[str, str], None] = {}
        while len(pairs) < n_each:
            pairs.setdefault(make(rng, len(pairs) % 2))
        for good, bad in pairs:
            label = int(rng.integers(2))
            yield {
                "phenomenon": phenomenon,
                "choices": [bad, good] if label else [good, bad],
                "label": label,
            }


def _pick(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _agreement(rng: np.random.Generator, number: int) -> tuple[str, str]:
    return _agree(rng, number, f"The {_pick(rng, _NOUNS)[number]}")


def _attraction(rng: np.random.Generator, number: int) -> tuple[str, str]:
    first, second = (_NOUNS[i] for i in rng.choice(len(_NOUNS), 2, replace=False))
    return _agree(rng, number, f"The {first[number]} of the {second[1 - number]}")


def _agree(rng: np.random.Generator, number: int, subject: str) -> tuple[str, str]:
    *forms, ends = _pick(rng, _SAID)
    end = _pick(rng, ends)
    good, bad = (f"{subject} {form} {end}" for form in (forms[number], forms[1 - number]))
    return good, bad


def _demonstrative(rng: np.random.Generator, number: int) -> tuple[str, str]:
    forms = _pick(rng, _DEMONSTRATIVES)
    before, noun = _pick(rng, _BEFORE), _pick(rng, _NOUNS)[number]
    good, bad = (f"{before} {form} {noun}" for form in (forms[number], forms[1 - number]))
    return good, bad


def _reflexive(rng: np.random.Generator, number: int) -> tuple[str, str]:
    *nouns, single = _pick(rng, _PEOPLE)
    forms = single, "themselves"
    before = f"The {nouns[number]} {_pick(rng, _VERBS)}"
    end = _pick(rng, ("", " in the house", " again", " there", " at last"))
    good, bad = (f"{before} {form}{end}" for form in (forms[number], forms[1 - number]))
    return good, bad


def _word_order(rng: np.random.Generator, number: int) -> tuple[str, str]:
    first, second = (_NOUNS[i] for i in rng.choice(len(_NOUNS), 2, replace=False))
    place, beginning = _pick(rng, _PLACES), f"the {first[number]}"
    end = second[int(rng.integers(2))]
    return f"{beginning} {place} the {end}", f"{beginning} the {place} {end}"


_PHENOMENA: Final[dict[str, Callable[[np.random.Generator, int], tuple[str, str]]]] = {
    "agreement": _agreement,
    "attraction": _attraction,
    "demonstrative": _demonstrative,
    "reflexive": _reflexive,
    "word order": _word_order,
}


def make_induction(n_items: int = 500, n_words: int = 8, seed: int = _SEED) -> Iterator[Item]:
    """Random words, their beginning again, and the word that came next the first time.

    It is asked after its own words and after as many others, so that only the copy can help.

    Parameters
    ----------
    n_items : int
    n_words : int
        Words of the first copy, all different.
    seed : int

    Yields
    ------
    mapping
        ``contexts`` (one with the copy, one without), ``word``, ``label`` of the one with the copy.

    Examples
    --------
    >>> item = next(iter(make_induction(n_items=1, n_words=4)))
    >>> sorted(item), item["word"] in item["contexts"][item["label"]]
    (['contexts', 'label', 'word'], True)
    """
    rng = np.random.default_rng(seed)
    for _ in range(n_items):
        drawn = [_WORDS[i] for i in rng.choice(len(_WORDS), 2 * n_words, replace=False)]
        words, others = drawn[:n_words], drawn[n_words:]
        at = int(rng.integers(2, n_words))
        begun = words[:at]
        contexts = [" ".join([*first, *begun]) for first in (words, others)]
        label = int(rng.integers(2))
        yield {"contexts": contexts[::-1] if label else contexts, "word": words[at], "label": label}


def make_cloze(
    texts: Sequence[str], n_items: int = 800, n_bytes: int = 180, seed: int = _SEED
) -> Iterator[Item]:
    """Passages up to a word, that word, and three others of about its frequency in these texts.

    Parameters
    ----------
    texts : sequence of str
        Held-out documents; each gives about as many items.
    n_items : int
    n_bytes : int
        Of a passage at most.
    seed : int

    Yields
    ------
    mapping
        ``context``, ``choices`` (four words, each after its space), ``label``.

    Raises
    ------
    InputError
        If the texts are too few for so many items.
    """
    rng = np.random.default_rng(seed)
    english = [text.split() for text in texts if len(text) > 4 * n_bytes and _ascii_share(text) > _ENGLISH]
    counts = Counter(word for words in english for word in words if _is_word(word))
    ranked = [word for word, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if n >= _RARE]
    rank = {word: i for i, word in enumerate(ranked)}
    made: set[tuple[int, int]] = set()
    for _ in range(_TRIES * n_items):
        if len(made) == n_items or not english:
            break
        i = int(rng.integers(len(english)))
        words = english[i]
        at = int(rng.integers(_WORDS_BEFORE, len(words)))
        right, context = words[at], _end_of(words[max(0, at - n_bytes) : at], n_bytes)
        if right not in rank or (i, at) in made or len(context) < n_bytes / 2:
            continue
        others = _neighbours(rng, ranked, rank[right])
        if len(others) < _OTHERS:
            continue
        made.add((i, at))
        label = int(rng.integers(_OTHERS + 1))
        choices = [*others[:label], right, *others[label:]]
        yield {"context": context, "choices": [f" {word}" for word in choices], "label": label}
    if len(made) < n_items:
        raise InputError(f"the held-out texts gave {len(made)} passages of {n_items}; use a larger corpus")


def _is_word(text: str) -> bool:
    return len(text) >= 3 and text.isascii() and text.isalpha() and text.islower()


def _ascii_share(text: str) -> float:
    return sum(char.isascii() for char in text) / len(text)


def _neighbours(rng: np.random.Generator, ranked: Sequence[str], rank: int) -> list[str]:
    """Some words whose rank lies within a fifth of a word's."""
    width = max(_OTHERS, round(_SPREAD * rank))
    low, high = max(0, rank - width), min(len(ranked), rank + width + 1)
    drawn = rng.choice(high - low, min(high - low, _OTHERS + 1), replace=False) + low
    return [ranked[k] for k in drawn if k != rank][:_OTHERS]


def _end_of(words: Sequence[str], n_bytes: int) -> str:
    kept = ""
    for word in reversed(words):
        longer = f"{word} {kept}" if kept else word
        if len(longer.encode()) > n_bytes:
            break
        kept = longer
    return kept


@dataclass(frozen=True)
class GeneratedItems:
    """Items that are made when they are asked for; their file lies among the temporary ones.

    Attributes
    ----------
    make : callable
        Gives the same items each time.
    """

    make: Callable[[], Iterator[Item]]

    def find(self, task: str) -> Path:
        """The file of items, written anew."""
        lines = "".join(json.dumps(dict(item)) + "\n" for item in self.make()).encode()
        folder = Path(tempfile.mkdtemp(prefix="chinchilla-probes-"))
        path = folder / f"{task}-{sha256(lines).hexdigest()[:12]}.jsonl"
        path.write_bytes(lines)
        return path

    def read(self, path: Path) -> Iterator[tuple[str, Item]]:
        """Each item, with the words by which a message names its place."""
        return FileSource(path.name).read(path)


def _held_out(folder: Path) -> Iterator[Item]:
    shards = open_shards(folder)
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder}: there is no tokenizer.json in it; its tokens are no text")
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    tokens, starts = np.concatenate(shards.validation.shards), shards.validation.document_starts
    return make_cloze([tokenizer.decode(part.tolist()) for part in np.split(tokens, starts[1:])])


def cloze_task(folder: Path) -> BenchmarkTask:
    """The last word of passages from the held-out side of a corpus.

    Parameters
    ----------
    folder : pathlib.Path
        Of a prepared corpus with its tokenizer.
    """
    return BenchmarkTask(
        CLOZE,
        "none",
        GeneratedItems(lambda: _held_out(folder)),
        "passages with four words",
        {"context": TEXT, "choices": TEXTS, "label": INDEX},
        {
            **multiple_choice(lambda item: item["context"], lambda item: item["choices"]),
            "target_delimiter": "",
        },
    )


def _of_induction(item: Item, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """From the log-likelihoods after both contexts to metrics of an item."""
    label = int(item["label"])
    (with_copy, exact), (without, _) = results[label], results[1 - label]
    n_bytes = len(f" {item['word']}".encode())
    return {
        "acc": float(with_copy > without),
        "exact": float(exact),
        "gain_bits_per_byte": (with_copy - without) / (n_bytes * float(np.log(2))),
    }


_INDUCTION: Final = {
    "output_type": "multiple_choice",
    "doc_to_text": lambda item: item["label"],
    "doc_to_choice": lambda item: item["contexts"],
    "doc_to_target": lambda item: item["word"],
    "process_results": _of_induction,
    "metric_list": [{**ACCURACY, "metric": metric} for metric in ("acc", "exact", "gain_bits_per_byte")],
}

PROBES: Final = (
    BenchmarkTask(
        "minimal_pairs",
        "none",
        GeneratedItems(make_minimal_pairs),
        "pairs of sentences",
        {"phenomenon": TEXT, "choices": TEXTS, "label": INDEX},
        {**multiple_choice("", "{{choices}}"), "target_delimiter": ""},
        group="phenomenon",
    ),
    BenchmarkTask(
        "induction",
        "none",
        GeneratedItems(make_induction),
        "words with a copy and without",
        {"contexts": TEXTS, "word": TEXT, "label": INDEX},
        _INDUCTION,
    ),
)
