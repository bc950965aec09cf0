"""The recorded campaign of the fast search against the full one."""

from chinchilla_lib.reference.recorded import load_recorded

RECORDED = load_recorded("certify-parametric")


def test_the_campaign_is_whole() -> None:
    assert [int(row["data_set"]) for row in RECORDED.rows] == list(range(300))
    assert RECORDED.provenance["n_runs"] == 300
    sizes = [int(row["n_runs"]) for row in RECORDED.rows]
    assert min(sizes) <= 12
    assert max(sizes) >= 180
    assert max(float(row["noise"]) for row in RECORDED.rows) > 0.04


def test_the_fast_search_is_never_worse() -> None:
    worse = [row["data_set"] for row in RECORDED.rows if float(row["fast"]) > float(row["full"]) * (1 + 1e-9)]
    assert worse == []
