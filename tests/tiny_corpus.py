"""A seeded corpus of invented words: small, free of any licence, learnable in seconds."""

from functools import cache
from pathlib import Path

import numpy as np

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.duplicates import split_documents
from chinchilla_lib.corpus.shards import Shards, write_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer, train_tokenizer

VOCAB_SIZE = 300


@cache
def invented_documents(n_documents: int = 60, n_words: int = 400, seed: int = 0) -> list[Document]:
    """Documents whose words follow each other by a sparse random chain."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, size=rng.integers(2, 8))) for _ in range(80)]
    successors = rng.integers(len(words), size=(len(words), 4))
    documents = []
    for i in range(n_documents):
        word, text = int(rng.integers(len(words))), []
        for _ in range(n_words):
            text.append(words[word])
            word = int(successors[word, rng.choice(4, p=[0.6, 0.2, 0.1, 0.1])])
        documents.append(Document(f"invented/{i:03d}", " ".join(text) + ".\n"))
    return documents


@cache
def _tokenizer(seed: int) -> Tokenizer:
    return train_tiny_tokenizer(invented_documents(seed=seed))


def train_tiny_tokenizer(documents: list[Document]) -> Tokenizer:
    """A tokenizer of the side of the documents that is not held out."""
    train, _ = split_documents(documents, validation_share=0.2)
    return train_tokenizer((d.text for d in train), vocab_size=VOCAB_SIZE)


def write_tiny_shards(folder: Path, seed: int = 0) -> Shards:
    """Shards of the invented corpus, about 100,000 tokens."""
    documents = invented_documents(seed=seed)
    return write_documents(folder, documents, _tokenizer(seed), name="invented", version=f"seed {seed}")


def write_documents(
    folder: Path, documents: list[Document], tokenizer: Tokenizer, *, name: str, version: str
) -> Shards:
    """Shards of some documents, a fifth of them held out."""
    train, validation = split_documents(documents, validation_share=0.2)
    return write_shards(
        folder,
        name=name,
        version=version,
        licence="CC0-1.0",
        token_bytes=tokenizer.token_bytes(),
        train=[tokenizer.tokenise(train)],
        validation=[tokenizer.tokenise(validation)],
        details={},
        tokenizer_json=tokenizer.to_json(),
    )
