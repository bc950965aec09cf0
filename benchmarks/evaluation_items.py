"""Requests in the shape of well-known tasks, made of invented sentences, and a model to ask."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tokenizers
import torch
import transformers

__all__ = ["KINDS", "Kind", "write_random_model"]

_NAMES: Final = "the farmer,a child,my neighbour,the old captain,her sister,a young doctor,the teacher"
_VERBS: Final = "carried,looked for,painted,sold,remembered,repaired,gave away,talked about,hid"
_THINGS: Final = "a wooden chair,the last letter,some bread,two horses,the small boat,an empty bottle,the map"
_PLACES: Final = "in the garden,near the river,after the storm,before dinner,on the hill,at the market"
_PARTS: Final = tuple(part.split(",") for part in (_NAMES, _VERBS, _THINGS, _PLACES))
_LETTERS: Final = "ABCD"


@dataclass(frozen=True)
class Kind:
    """Requests of one kind.

    Attributes
    ----------
    name : str
    method : str
        Of lm-eval's models, that answers them.
    requests : list of tuple
        What each is called with.
    """

    name: str
    method: str
    requests: list[tuple[Any, ...]]


def _say(n: int, rng: random.Random) -> str:
    """So many sentences of some ten words."""
    return " ".join(" ".join(map(rng.choice, _PARTS)).capitalize() + "." for _ in range(n))


def _endings(n: int) -> Kind:
    """Four ends to a context, as in HellaSwag."""
    rng = random.Random(1)
    contexts = [_say(6, rng) for _ in range(n)]
    return Kind(
        "endings",
        "loglikelihood",
        [(context, f" {_say(2, rng)}") for context in contexts for _ in range(4)],
    )


def _question(rng: random.Random) -> str:
    choices = "".join(f"\n{letter}. {_say(1, rng)}" for letter in _LETTERS)
    return f"{_say(2, rng)} What came next?{choices}\nAnswer:"


def _examples(n: int) -> Kind:
    """Letters after five examples that all questions share, as in MMLU."""
    rng = random.Random(2)
    before = "".join(f"{_question(rng)} {rng.choice(_LETTERS)}\n\n" for _ in range(5))
    questions = [before + _question(rng) for _ in range(2 * n)]
    return Kind(
        "examples",
        "loglikelihood",
        [(question, f" {letter}") for question in questions for letter in _LETTERS],
    )


def _last_words(n: int) -> Kind:
    """The last word of a passage, nothing shared, as in LAMBADA."""
    rng = random.Random(3)
    passages = [_say(7, rng)[:-1].rpartition(" ") for _ in range(2 * n)]
    return Kind("last words", "loglikelihood", [(before, f" {word}") for before, _, word in passages])


def _whole_texts(n: int) -> Kind:
    """The likelihood of whole texts."""
    rng = random.Random(4)
    texts = [(_say(rng.randint(20, 50), rng),) for _ in range(max(1, n // 2))]
    return Kind("whole texts", "loglikelihood_rolling", texts)


def _written(n: int) -> Kind:
    """Answers of up to 32 tokens, three examples before each question, as in TriviaQA."""
    rng = random.Random(5)
    before = "".join(f"Q: {_say(1, rng)} Who?\nA: {rng.choice(_PARTS[0])}\n\n" for _ in range(3))
    options = {"until": ["\n\n"], "max_gen_toks": 32, "do_sample": False}
    prompts = [f"{before}Q: {_say(rng.randint(1, 3), rng)} Who?\nA:" for _ in range(2 * n)]
    return Kind("written", "generate_until", [(prompt, options) for prompt in prompts])


KINDS: Final[tuple[Callable[[int], Kind], ...]] = (_endings, _examples, _last_words, _whole_texts, _written)
"""Each makes its requests, of so many contexts, questions or texts, about."""


def write_random_model(folder: Path, **shape: int) -> Path:
    """Write a Llama of random weights, in the shape of SmolLM2-135M where not told otherwise."""
    rng = random.Random(0)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.train_from_iterator(
        [_say(50, rng) for _ in range(50)],
        tokenizers.trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<end>"],
            initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    smollm2 = {
        "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192,
    }  # fmt: skip
    config = transformers.LlamaConfig(
        **(smollm2 | shape), tie_word_embeddings=True, bos_token_id=None, eos_token_id=0
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder
