"""From a named corpus to shards, in one call that does nothing when the shards are there."""

import logging
from pathlib import Path

from chinchilla_lib.corpus.documents import clean_documents, split_documents
from chinchilla_lib.corpus.shards import Shards, open_shards, write_shards
from chinchilla_lib.corpus.sources import find_source
from chinchilla_lib.corpus.tokenizer import train_tokenizer

__all__ = ["prepare_corpus"]

_log = logging.getLogger(__name__)


def prepare_corpus(name: str, folder: Path, *, vocab_size: int = 512) -> Shards:
    """Read, clean, split, tokenise and write a corpus, or open what is there.

    What is there is kept when it is whole and was made from the same source, at the same
    version, with as large a vocabulary; else it is made again.

    Parameters
    ----------
    name : str
        One of :data:`chinchilla_lib.corpus.sources.SOURCES`.
    folder : pathlib.Path
        Where the shards lie.
    vocab_size : int
        Tokens of the BPE.

    Returns
    -------
    Shards

    Raises
    ------
    InputError
        If the name is unknown, the vocabulary out of range, the folder in other use or
        the shards damaged.
    """
    source = find_source(name)
    version = source.version()
    if (folder / "manifest.json").is_file():
        shards = open_shards(folder)
        if (shards.name, shards.manifest["version"], shards.vocab_size) == (name, version, vocab_size):
            return shards
        _log.info("%s holds %s, vocabulary %d: made again", folder, shards.name, shards.vocab_size)
    _log.info("preparing %s (%s)", name, source.title)
    documents, cleaning = clean_documents(source.documents())
    train, validation = split_documents(documents, validation_share=source.validation_share)
    tokenizer = train_tokenizer((d.text for d in train), vocab_size=vocab_size)
    shards = write_shards(
        folder,
        name=name,
        version=version,
        licence=source.licence,
        tokenizer=tokenizer,
        train=train,
        validation=validation,
        cleaning=cleaning,
    )
    _log.info(
        "%s: %d training and %d held-out tokens", name, shards.train.n_tokens, shards.validation.n_tokens
    )
    return shards
