"""Published runs: found, checked, and used by an estimator."""

import csv
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric
from chinchilla_lib.reference import load_paper_table, published
from chinchilla_lib.reference.published import ISOFLOP_BUDGETS, PUBLISHED, PublishedTable, load_published


def test_the_fit_leaves_out_the_five_largest_losses(published_folder: Path) -> None:
    every = load_published("epoch_fig4", points="all", folder=published_folder)
    fitted = load_published("epoch_fig4", folder=published_folder)
    assert (len(every), len(fitted)) == (245, 240)
    left_out = set(every.run_id) - set(fitted.run_id)
    assert left_out == {f"epoch_fig4-{row}" for row in range(5)}
    assert fitted.loss.max() < every.loss[:5].min()
    # Facts of the reconstruction that its readers have published.
    assert len(set(every.loss)) == 99
    assert (every.flops.min(), every.flops.max()) == pytest.approx((1.3972e18, 1.2956e22), rel=1e-4)
    assert (every.n_params.min(), every.n_params.max()) == pytest.approx((57.334e6, 16183.3e6), rel=1e-4)
    np.testing.assert_allclose(6 * every.n_params * every.n_tokens, every.flops)
    assert every.flops_convention == "six_nd"
    assert all(table.notes and "Besiroglu" in table.cite for table in (every, fitted))


def test_some_of_the_points_keep_their_notes(published_folder: Path) -> None:
    """Below 1e21 FLOPs they are the 217 of Open-Athena's refit by squares of the log loss."""
    table = load_published("epoch_fig4", folder=published_folder)
    below = table.take(np.flatnonzero(table.flops < 1e21))
    assert (len(below), below.notes, below.title) == (217, table.notes, table.title)
    [row] = [
        row
        for row in load_paper_table("approach3_fits").rows
        if row["fit"] == "Open-Athena refit, Approach 3 log loss"
    ]
    law = fit_parametric(below, delta=np.inf).law
    assert law is not None
    for field, digits in (("E", 4), ("alpha", 4), ("beta", 4)):
        assert getattr(law, field) == pytest.approx(float(row[field]), abs=0.6 * 10**-digits)


def test_the_printed_parameters_score_as_others_found(published_folder: Path) -> None:
    """The Huber objective of three laws on the 240 points, as published with the data."""
    table = load_published("epoch_fig4", folder=published_folder)
    log_n, log_d = np.log(table.n_params), np.log(table.n_tokens)

    def objective(a: float, b: float, e: float, alpha: float, beta: float) -> float:
        terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full(len(table), e)])
        miss = np.abs(np.logaddexp.reduce(terms) - np.log(table.loss))
        return float(np.where(miss < 1e-3, miss**2 / 2, 1e-3 * (miss - 5e-4)).sum())

    assert objective(
        6.16924637, 7.67015673, 0.59730681, 0.34731050, 0.36717243
    ) == pytest.approx(1.0182740178e-3, rel=1e-9)  # fmt: skip
    assert objective(6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083) == pytest.approx(
        0.00123, abs=5e-6
    )
    assert objective(np.log(406.4), np.log(410.7), np.log(1.69), 0.34, 0.28) == pytest.approx(
        0.00412, abs=5e-6
    )


def test_valleys_are_those_of_figure_3(published_folder: Path) -> None:
    table = load_published("epoch_fig4", points="isoflop", folder=published_folder)
    assert table.budgets().tolist() == list(ISOFLOP_BUDGETS)
    assert table.flops_budget is not None
    ratio = table.flops / table.flops_budget
    assert 0.85 <= ratio.min() <= ratio.max() <= 1.05
    assert min(len(valley.index) for valley in table.valleys()) >= 9
    # Table 2 gives 0.462 to 0.534 for Approach 2.
    assert 0.462 <= fit_isoflop_profiles(table).a <= 0.534


def test_the_published_layout_is_read_as_ours(published_folder: Path, tmp_path: Path) -> None:
    ours = load_published("epoch_fig4", points="all", folder=published_folder)
    _write_published(tmp_path / "svg_extracted_data.csv", ours)
    theirs = load_published("epoch_fig4", points="all", folder=tmp_path)
    for name in ("n_params", "n_tokens", "flops", "loss"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert theirs.run_id == ours.run_id


def _write_published(path: Path, table: PublishedTable, factor: float = 1.0) -> None:
    """The columns of the public file: more than we read, in its order and under its names."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y", "color", "Model Size", "Training FLOP", "hex_color", "loss"])
        for n, c, loss in zip(table.n_params.tolist(), table.flops.tolist(), table.loss, strict=True):
            writer.writerow([0, 0, "#000000", n, c, "#000000", float(loss) * factor])


def test_a_download_is_kept_and_comes_second(
    published_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    there = load_published("epoch_fig4", points="all", folder=published_folder)

    def download(url: str, path: Path, *, what: str) -> None:
        calls.append(url)
        path.parent.mkdir(parents=True)
        _write_published(path, there)

    monkeypatch.setattr(published, "download_file", download)
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    assert len(load_published("epoch_fig4")) == 240
    assert len(load_published("epoch_fig4")) == 240
    assert calls == [PUBLISHED["epoch_fig4"].url]
    assert (tmp_path / "published" / "svg_extracted_data.csv").is_file()


def test_other_numbers_are_refused(published_folder: Path, tmp_path: Path) -> None:
    there = load_published("epoch_fig4", points="all", folder=published_folder)
    _write_published(tmp_path / "svg_extracted_data.csv", there, factor=1 + 1e-8)
    with pytest.raises(InputError, match=r"the SHA-256 of its numbers begins .* not 4bc651125439"):
        load_published("epoch_fig4", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no column 'Model Size'"),
        ("Model Size,loss\n1,2\n", "there is no column 'Training FLOP'"),
        ("Model Size,Training FLOP,loss\n1,x,2\n", "SHA-256 of its numbers"),
        ("Model Size,Training FLOP,loss\n1\n", "SHA-256 of its numbers"),
    ],
)
def test_broken_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "epoch_fig4.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load_published("epoch_fig4", folder=tmp_path)


def test_absent_and_offline_says_where_it_looked_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))

    def offline(opener: object, url: str, timeout: float) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", offline)
    with pytest.raises(InputError) as refusal:
        load_published("epoch_fig4")
    message = str(refusal.value)
    assert f"looked for in {tmp_path / 'published'}" in message
    assert PUBLISHED["epoch_fig4"].url in message
    assert "the network is down" in message
    assert "\n" not in message
    with pytest.raises(InputError, match=r"is not there; put the file there, it is published at https://"):
        load_published("epoch_fig4", download=False)
    with pytest.raises(InputError, match="is not there"):
        load_published("epoch_fig4", folder=tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_refusals_name_the_choices() -> None:
    with pytest.raises(
        InputError, match="no published runs are called 'gemstones'; choose one of epoch_fig4"
    ):
        load_published("gemstones")
    with pytest.raises(InputError, match="points must be one of fitted, all, isoflop, found 'most'"):
        load_published(points="most")  # type: ignore[arg-type]
