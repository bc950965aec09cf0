"""What the page on speed reads: every ratio of a benchmark, and nothing that is none."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.__main__ import compared

TRAIN = {
    "provenance": {"date": "today"},
    "steps": [{"shape": "64x2", "variant": "rope", "tokens_per_second": {"median": 1.0}}],
    "ratios": [
        {
            "shape": "64x2",
            "ours": "rope",
            "peer": "nanoGPT",
            "ratio": {"median": 1.4, "low": 1.3, "high": 1.5},
        }
    ],
}
FITS = {
    "load_average": [0.1, 0.2, 0.3],
    "threads": "1",
    "rows": [
        {"name": "Approach 3, one checked fit", "ratio": None, "note": "12 starts, checked"},
        {"name": "SciPy, 4,500 starts", "ratio": 900.0, "note": ""},
        {"name": "Epoch's resamples, BFGS, 4,000", "ratio": 30.0, "note": ""},
    ],
}
EVALUATION = {
    "provenance": {},
    "rows": [{"kind": "texts", "times_faster": 2.0, "times_faster_low": 1.9, "times_faster_high": 2.1}],
}


def test_ratios_are_taken_over_with_their_extremes() -> None:
    [row] = compared("training", TRAIN)
    assert (row["ours"], row["peer"], row["ratio"], row["low"], row["high"]) == (
        "64x2 rope", "nanoGPT", "1.4", "1.3", "1.5",
    )  # fmt: skip
    fit, resamples = compared("fits", FITS)
    assert (fit["ours"], fit["ratio"]) == ("Approach 3, one checked fit", "900")
    assert (resamples["ours"], resamples["low"]) == ("Approach 3, fit and 4,000 resamples", "")
    [row] = compared("evaluation", EVALUATION)
    assert (row["peer"], row["ratio"], row["high"]) == ("lm-eval HFLM", "2", "2.1")


def test_what_was_measured_is_kept_until_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(area: str, file: Path) -> dict[str, object]:
        measured.append(area)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return {"training": TRAIN, "fits": FITS, "evaluation": EVALUATION}[area]

    monkeypatch.setattr(benchmarks, "_measure", measure)
    monkeypatch.setattr(benchmarks, "RECORD", tmp_path / "record")
    monkeypatch.setattr(benchmarks, "checkout_commit", lambda: "a" * 40)
    with pytest.raises(KeyboardInterrupt):
        benchmarks.main(["--folder", str(tmp_path)])
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 1000.0}))
    benchmarks.main(["--folder", str(tmp_path)])
    assert measured == ["training", "fits", "fits", "evaluation"]
    record = json.loads((tmp_path / "record" / "provenance.json").read_text())
    assert record["run_seconds"] >= 1000, "the time of what was measured before counts"
    monkeypatch.setattr(benchmarks, "checkout_commit", lambda: "b" * 40)
    benchmarks.main(["--folder", str(tmp_path)])
    assert measured[4:] == ["training", "fits", "evaluation"]
