import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from chinchilla_lib import workspace
from chinchilla_lib.downloads import data_folder
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation import toxicity_classifiers
from chinchilla_lib.evaluation.toxicity_classifiers import (
    LinearClassifier,
    TransformerClassifier,
    fetch_linear,
)

RUDE = ["You are a stupid idiot.", "Shut up, you pathetic loser.", "Go to hell, you scum."]
KIND = ["Thank you for your kind help.", "The garden was quiet after the rain.", "We met on Tuesday."]


@pytest.fixture
def linear() -> LinearClassifier:
    """Two machines that know two words."""
    return LinearClassifier(
        name="two words",
        sha256="0" * 64,
        words={"stupid": 0, "garden": 1},
        rarity=np.array([3.0, 4.0]),
        weights=np.array([[2.0, -1.0], [4.0, -3.0]]),
        biases=np.array([0.5, -0.5]),
        slopes=np.array([-1.0, -2.0]),
        offsets=np.array([0.1, 0.2]),
    )


def test_a_score_is_that_of_weighted_counts_of_length_one(linear: LinearClassifier) -> None:
    (found,) = linear.score(["Stupid, stupid GARDEN!"])
    x = np.array([2 * 3.0, 4.0]) / np.hypot(6, 4)
    values = linear.weights @ x + linear.biases
    assert found == pytest.approx(np.mean([expit(values[0] - 0.1), expit(2 * values[1] - 0.2)]))


def test_words_that_are_not_known_do_not_count(linear: LinearClassifier) -> None:
    empty, unknown, once, among = linear.score(["", "zq a stupidity", "stupid", "zq stupid vrt a"])
    assert unknown == empty
    assert among == once > empty
    assert linear.score([]).shape == (0,)
    assert [linear.known_share(text) for text in ("", "a", "zq stupid vrt a")] == [0, 0, 1 / 3]


def wheel_of(folder: Path) -> Path:
    """A package as the one that is fetched, with two words."""
    joblib = pytest.importorskip("joblib", reason="it comes with the extra eval")
    sklearn = pytest.importorskip("sklearn", reason="it comes with the extra eval")
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    assert sklearn
    vectorizer = TfidfVectorizer()
    x = vectorizer.fit_transform(5 * [*RUDE, *KIND])
    model = CalibratedClassifierCV(LinearSVC(), cv=5).fit(x, 5 * [1, 1, 1, 0, 0, 0])
    path = folder / toxicity_classifiers._WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (("vectorizer", vectorizer), ("model", model)):
            file = io.BytesIO()
            joblib.dump(value, file)
            archive.writestr(f"profanity_check/data/{name}.joblib", file.getvalue())
    np.save(folder / "expected.npy", model.predict_proba(vectorizer.transform([*RUDE, *KIND, "You, garden"])))
    return path


def test_the_published_classifier_tells_rude_from_kind() -> None:
    places = (data_folder("toxicity"), workspace.folder("models", "toxicity"))
    if not any((place / toxicity_classifiers._WHEEL).is_file() for place in places):
        pytest.skip("its package has not been fetched")
    classifier = fetch_linear()
    assert classifier.score(RUDE).min() > 0.5 > classifier.score(KIND).max()
    assert classifier.score([""])[0] < 0.1


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    folder = tmp_path / "data" / "toxicity"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.filterwarnings("ignore")  # of scikit-learn
def test_the_classifier_of_a_package_scores_as_its_own_library_does(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained and saved by scikit-learn here; the published one agrees to 1e-16, tried by hand."""
    path = wheel_of(data)
    monkeypatch.setattr(toxicity_classifiers, "_SHA256", toxicity_classifiers.file_sha256(path))
    found = fetch_linear().score([*RUDE, *KIND, "You, garden"])
    np.testing.assert_allclose(found, np.load(data / "expected.npy")[:, 1], rtol=1e-9)
    assert found[:3].min() > 0.5 > found[3:6].max()


def test_another_package_is_refused(data: Path) -> None:
    (data / toxicity_classifiers._WHEEL).write_bytes(b"another")
    with pytest.raises(InputError, match=r"its SHA-256 begins .*, not cccb8ce07230; remove it"):
        fetch_linear()


def test_without_the_package_the_message_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command: Any, *, folder: Path, what: str) -> None:
        raise InputError(f"{what} cannot be had")

    monkeypatch.setattr(toxicity_classifiers, "run_tool", fails)
    with pytest.raises(InputError, match=r"toxicity: its classifier \(.*alt-profanity-check==1.9.1\) cannot"):
        fetch_linear()


def test_the_package_is_downloaded_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def downloads(command: Any, *, folder: Path, what: str) -> None:
        calls.append(command)
        wheel_of(folder)

    monkeypatch.setattr(toxicity_classifiers, "run_tool", downloads)
    for _ in range(2):
        with pytest.raises(InputError, match="its SHA-256 begins"):  # trained here, so not the published one
            fetch_linear()
    assert len(calls) == 1
    assert "--no-deps" in calls[0]


def save_bert(folder: Path, labels: dict[int, str]) -> Any:
    """A classifier of five words, untrained."""
    transformers = pytest.importorskip("transformers", reason="the extra eval is not installed")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "you", "stupid", "garden"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label=labels,
        label2id={label: i for i, label in labels.items()},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return transformers


@pytest.mark.filterwarnings("ignore")  # of transformers
def test_a_classifier_of_transformers_gives_the_probability_of_its_label(tmp_path: Path) -> None:
    transformers = save_bert(tmp_path / "bert", {0: "kind", 1: "toxic", 2: "insult"})
    classifier = TransformerClassifier(str(tmp_path / "bert"))
    texts = ["you stupid", "garden", "you garden stupid you"]
    asked = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "bert"))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "bert"))
    logits = [model(**asked(text, return_tensors="pt")).logits[0, 1].item() for text in texts]
    np.testing.assert_allclose(classifier.score(texts), expit(logits), atol=1e-6)
    assert len(classifier.sha256) == 64


@pytest.mark.filterwarnings("ignore")  # of transformers
def test_what_is_no_classifier_of_toxicity_is_refused(tmp_path: Path) -> None:
    save_bert(tmp_path / "bert", {0: "cat", 1: "dog"})
    with pytest.raises(InputError, match="its labels are cat, dog; one must be toxic or toxicity"):
        TransformerClassifier(str(tmp_path / "bert"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="no classifier of Hugging Face could be loaded"):
        TransformerClassifier(str(tmp_path / "empty"))
