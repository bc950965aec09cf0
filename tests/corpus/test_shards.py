import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.corpus.shards import TokenisedText, open_shards, write_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents, write_tiny_shards


def test_the_text_can_be_read_back_from_the_shards(tmp_path: Path) -> None:
    shards = write_tiny_shards(tmp_path / "c")
    tokenizer = Tokenizer.load(tmp_path / "c" / "tokenizer.json")
    texts = {document.text for document in invented_documents()}
    for split in (shards.train, shards.validation):
        tokens = np.concatenate(split.shards)
        assert len(tokens) == split.n_tokens
        assert (tokens[split.document_starts] == 0).all()
        assert (tokens == 0).sum() == len(split.document_starts)
        read = {tokenizer.decode(part[1:]) for part in np.split(tokens, split.document_starts[1:])}
        assert read <= texts
        assert sum(len(text.encode()) for text in read) == split.n_bytes
        assert int(shards.token_bytes[tokens].sum()) == split.n_bytes
        texts -= read
    assert not texts


def test_stretches_of_text_become_shards_and_empty_ones_do_not(tmp_path: Path) -> None:
    whole = write_tiny_shards(tmp_path / "whole")
    tokens, starts = whole.train.shards[0], whole.train.document_starts
    lengths = np.diff(np.append(starts, len(tokens)))
    stretches = [
        TokenisedText(tokens[starts[a] : starts[b]], lengths[a:b], ["a name\nof two lines"] * (b - a))
        for a, b in ((0, 5), (5, 5), (5, 20))
    ]
    cut = write_shards(
        tmp_path / "cut",
        name="cut",
        version="1",
        licence="CC0-1.0",
        token_bytes=whole.token_bytes,
        train=stretches,
        validation=stretches[:1],
        details={"note": 1},
        alignment=5,
    )
    assert [len(shard) for shard in cut.train.shards] == [starts[5], starts[20] - starts[5]]
    np.testing.assert_array_equal(cut.train.document_starts, starts[:20])
    assert (cut.manifest["note"], cut.validation.alignment) == (1, 5)
    assert (tmp_path / "cut" / "train-documents.txt").read_text() == "a name of two lines\n" * 20


def test_writing_twice_gives_the_same_identity(tmp_path: Path) -> None:
    assert write_tiny_shards(tmp_path / "a").identity == write_tiny_shards(tmp_path / "b").identity
    assert write_tiny_shards(tmp_path / "c", seed=1).identity != open_shards(tmp_path / "a").identity


FILES = [
    "train-00000.bin",
    "validation-00000.bin",
    "train-documents.bin",
    "validation-documents.bin",
    "token_bytes.bin",
    "tokenizer.json",
]


@pytest.mark.fault_selection
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_harm_to_any_file_is_found_and_named(tmp_path: Path, file: str, harm: str) -> None:
    write_tiny_shards(tmp_path / "c")
    path = tmp_path / "c" / file
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif harm == "truncate":
        path.write_bytes(content[:-2])
    else:
        path.unlink()
    with pytest.raises(InputError, match=f"{file}.*prepare the corpus again"):
        open_shards(tmp_path / "c")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"format": 1}', '{"format": 99}', '{"format":1,"files":3}']
)
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        open_shards(tmp_path)


def test_a_missing_corpus_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chinchilla-lib corpus prepare"):
        open_shards(tmp_path / "nowhere")


def test_a_folder_in_other_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    with pytest.raises(InputError, match="holds no shards"):
        write_tiny_shards(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "dear"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def forge(manifest: dict[str, Any], *names: str | int, value: Any) -> None:
    *outside, last = names
    for name in outside:
        manifest = manifest[name]  # type: ignore[index]
    manifest[last] = value  # type: ignore[index]


@pytest.mark.parametrize(
    ("names", "value", "said"),
    [
        (("splits", "train", "shards", 0), "../c/train-00000.bin", "no SHA-256 of '../c/train-00000.bin'"),
        (("files", "../secret"), {"bytes": 6, "sha256": "0"}, "'../secret' is no file of the folder"),
        (("files", "/etc/passwd"), {"bytes": 6, "sha256": "0"}, "'/etc/passwd' is no file of the folder"),
        (("splits", "train", "n_tokens"), 7, "n_tokens of train is 7; its files hold"),
        (("splits", "train", "n_documents"), True, "n_documents of train is True"),
        (("splits", "train", "n_bytes"), -1, "n_bytes is -1"),
        (("alignment",), 0, "alignment is 0"),
        (("vocab_size",), 299, "the size of its vocabulary"),
        (("files", "train-00000.bin", "bytes"), "many", "the manifest says many"),
        (("splits",), [], "not a manifest this library wrote"),
    ],
)
def test_a_manifest_that_says_more_than_its_files_is_refused(
    tmp_path: Path, names: tuple[str | int, ...], value: Any, said: str
) -> None:
    write_tiny_shards(tmp_path / "c")
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / "c" / "manifest.json"
    manifest = json.loads(path.read_text())
    forge(manifest, *names, value=value)
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=re.escape(said)):
        open_shards(tmp_path / "c")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train-00000.bin", np.array([0, 300], dtype="<u2"), "holds token 300; the vocabulary ends at 299"),
        ("train-00000.bin", np.zeros(3, dtype="u1"), "3 bytes hold no tokens"),
        ("train-documents.bin", np.array([0, 2**40], dtype="<i8"), "begin outside of the text"),
        ("train-documents.bin", np.array([9, 0], dtype="<i8"), "begin outside of the text or out of order"),
    ],
)
def test_files_that_fit_their_sha_but_not_the_vocabulary_are_refused(
    tmp_path: Path, file: str, content: np.ndarray[Any, Any], said: str
) -> None:
    """Kernels do not look at token ids again, so a forged shard must not reach them."""
    shards = write_tiny_shards(tmp_path / "c")
    path = tmp_path / "c" / "manifest.json"
    data = content.tobytes()
    (tmp_path / "c" / file).write_bytes(data)
    manifest = json.loads(path.read_text())
    manifest["files"][file] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    n = len(content)
    told = {"n_documents": n} if file == "train-documents.bin" else {"n_tokens": n}
    manifest["splits"]["train"] |= told
    path.write_text(json.dumps(manifest))
    assert shards.vocab_size == 300
    with pytest.raises(InputError, match=re.escape(said)):
        open_shards(tmp_path / "c")
