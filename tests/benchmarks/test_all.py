"""What the page on speed reads: every ratio of a benchmark, and nothing that is none."""

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
