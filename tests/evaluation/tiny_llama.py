"""A Llama of random weights with a tokenizer, as Transformers writes them: made in a second, no network."""

import random
from pathlib import Path
from typing import Final

import tokenizers
import torch
import transformers

_TEXT: Final = "the dog sees a cat and bird runs to red house while old man sings songs of rain"
WORDS: Final = _TEXT.split()
LENGTH: Final = 96


def say(n: int, rng: random.Random) -> str:
    """So many words."""
    return " ".join(rng.choice(WORDS) for _ in range(n))


def write_tiny_llama(folder: Path, *, marks: bool = False) -> Path:
    """Write one; with marks its tokenizer puts <bos> before each text."""
    rng = random.Random(0)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.train_from_iterator(
        [say(50, rng) for _ in range(50)],
        tokenizers.trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<eos>", "<bos>"],
            initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    if marks:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", 1)]
        )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", bos_token="<bos>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=backend.get_vocab_size(), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=LENGTH, bos_token_id=1,
        eos_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder
