"""Kaplan's law: recovered from its own runs, refused where it cannot be told, and in all parameters."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_parametric
from chinchilla_lib.fitting.kaplan import allocate_kaplan, embedding_law, fit_kaplan
from chinchilla_lib.laws import KaplanLoss, PowerLaw
from chinchilla_lib.reference import LAWS, load_paper_table, load_shapes
from chinchilla_lib.reference.kaplan import KAPLAN, KAPLAN_LAWS
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS, tier_shape
from tests.test_laws import PUBLISHED

N_OPT = KAPLAN_LAWS["n_opt"].law
A9 = embedding_law(load_shapes("a9_model_configs"))


def runs_of(law: KaplanLoss, *, noise: float = 0.0, seed: int = 0, n_runs: int = 60) -> SweepTable:
    """Runs over the sizes and data of Kaplan et al. (2020)."""
    rng = np.random.default_rng(seed)
    sizes, tokens = 10 ** rng.uniform(5, 9, n_runs), 10 ** rng.uniform(8, 10.4, n_runs)
    return SweepTable(
        run_id=tuple(map(str, range(n_runs))),
        n_params=1.3 * sizes,
        n_params_non_embedding=sizes,
        n_tokens=tokens,
        loss=law.loss(sizes, tokens) * np.exp(noise * rng.standard_normal(n_runs)),
        flops=6 * sizes * tokens,
        flops_convention="kaplan",
        source="simulated",
    )


def test_the_published_law_comes_back_from_its_own_runs() -> None:
    fit = fit_kaplan(runs_of(KAPLAN))
    assert (fit.law.alpha_n, fit.law.alpha_d) == pytest.approx((0.076, 0.095), abs=1e-6)
    assert (fit.law.n_c, fit.law.d_c) == pytest.approx((8.8e13, 5.4e13), rel=1e-3)
    assert np.abs(fit.residuals).max() < 1e-6
    assert fit.messages == ()
    assert "N_opt ~ C^0.5556" in str(fit)


@given(alpha_n=st.floats(0.06, 0.1), alpha_d=st.floats(0.06, 0.12), seed=st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_any_law_comes_back_through_noise(alpha_n: float, alpha_d: float, seed: int) -> None:
    law = KaplanLoss(n_c=8.8e13, d_c=5.4e13, alpha_n=alpha_n, alpha_d=alpha_d)
    table = runs_of(law, noise=1e-3, seed=seed)
    fit = fit_kaplan(table)
    assert fit.optimum.passed
    assert fit.law.loss(1e8, 1e9) == pytest.approx(law.loss(1e8, 1e9), rel=3e-3)
    assert table.n_params_non_embedding is not None
    miss = np.abs(np.log(law.loss(table.n_params_non_embedding, table.n_tokens) / table.loss))
    assert fit.objective <= float(np.where(miss < 1e-3, miss**2 / 2, 1e-3 * (miss - 5e-4)).sum()) + 1e-12


def test_the_frontier_is_the_minimum_along_a_budget() -> None:
    n_opt, d_opt = KAPLAN.n_opt_law.predict(1e20), KAPLAN.d_opt_law.predict(1e20)
    assert 6 * n_opt * d_opt == pytest.approx(1e20, rel=1e-9)
    assert pytest.approx(0.095 / 0.171, rel=1e-12) == KAPLAN.a
    assert pytest.approx(1, rel=1e-12) == KAPLAN.a + KAPLAN.b
    best = KAPLAN.loss(n_opt, d_opt)
    assert all(KAPLAN.loss(n_opt * f, d_opt / f) > best for f in (0.5, 0.99, 1.01, 2))


def test_runs_with_a_floor_are_fitted_worse_than_by_their_own_law() -> None:
    table = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20, 1e21], noise=0.002, seed=1)
    fit = fit_kaplan(replace(table, n_params_non_embedding=table.n_params))
    additive = fit_parametric(table).objective
    assert additive is not None
    assert fit.objective > additive
    np.testing.assert_allclose(
        fit.residuals, table.loss - fit.law.loss(table.n_params, table.n_tokens), rtol=1e-6, atol=1e-9
    )


def test_embeddings_of_the_published_models() -> None:
    """Of Table A9 they grow as the 0.37th power; Pearce and Song take 47491 N^(1/3), near the largest."""
    facts = {row["item"]: row["value"] for row in load_paper_table("pearce_song2024").rows}
    assert facts["embedding correction"].startswith("N_total = N_nonemb + 47491 * N_nonemb^(1/3)")
    theirs = PowerLaw(coefficient=47491, exponent=1 / 3)
    assert pytest.approx(0.374, abs=5e-4) == A9.exponent
    for shape in load_shapes("a9_model_configs"):
        count = count_params(shape)
        assert A9.predict(count.non_embedding) == pytest.approx(count.embedding, rel=0.35)
        assert count.non_embedding + theirs.predict(count.non_embedding) == pytest.approx(
            count.total, rel=0.13
        )


def test_at_one_depth_embeddings_grow_as_the_root() -> None:
    tier = TIERS["cpu-20"]
    law = embedding_law([tier_shape(tier, width) for width in (64, 96, 128, 192)])
    assert law.exponent == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("flops", [3e10, 1e15, 1e20, 5.76e23])
@pytest.mark.parametrize("convention", ["six_nd", "kaplan"])
def test_an_allocation_spends_its_budget(flops: float, convention: str) -> None:
    found = allocate_kaplan(N_OPT, flops, A9, flops_convention=convention)
    others = found.n_params_non_embedding
    counted = found.n_params if convention == "six_nd" else others
    assert 6 * counted * found.n_tokens == pytest.approx(flops, rel=1e-9)
    assert found.n_params == pytest.approx(others + A9.predict(others), rel=1e-9)
    assert others == pytest.approx(N_OPT.predict(6 * others * found.n_tokens), rel=1e-9)


def test_hoffmanns_figure_for_1e21_is_the_size_at_the_critical_batch() -> None:
    found = allocate_kaplan(N_OPT, 1e21, A9, flops_convention="kaplan", critical_batch=True)
    assert found.n_params_non_embedding == pytest.approx(4.68e9, rel=1e-3)


def test_at_small_budgets_kaplans_law_asks_for_the_smaller_model() -> None:
    """Its exponent is larger, but it starts lower: all parameters counted, the laws cross near 1e19 FLOPs."""
    for name in ("hoffmann", "epoch"):
        law = LAWS[name].law
        ratios = [
            allocate_kaplan(N_OPT, flops, A9).n_params / law.n_opt(flops) for flops in (1e12, 1e15, 1e18)
        ]
        assert max(ratios) < 1
        assert allocate_kaplan(N_OPT, 1e20, A9).n_params > law.n_opt(1e20)
    tier = TIERS["cpu-20"]
    ours = embedding_law([tier_shape(tier, width) for width in (16, 32, 64)])
    assert allocate_kaplan(N_OPT, 3e11, ours).n_params < 0.3 * LAWS["epoch"].law.n_opt(3e11)


def test_what_is_not_allowed_is_named() -> None:
    table = runs_of(KAPLAN)
    with pytest.raises(InputError, match="no column 'n_params_non_embedding'"):
        fit_kaplan(replace(table, n_params_non_embedding=None))
    with pytest.raises(InputError, match="4 runs for 4 free parameters"):
        fit_kaplan(table.take([0, 1, 2, 3]))
    with pytest.raises(InputError, match="column 'n_tokens': all runs have one value, 1B"):
        fit_kaplan(replace(table, n_tokens=np.full(60, 1e9)))
    with pytest.raises(InputError, match="delta must be above 0"):
        fit_kaplan(table, delta=0)
    with pytest.raises(InputError, match="flops_convention is 'appendix_f'; give six_nd or kaplan"):
        allocate_kaplan(N_OPT, 1e20, A9, flops_convention="appendix_f")
    with pytest.raises(InputError, match="an exponent between 0 and 1, found 1"):
        allocate_kaplan(PowerLaw(1.0, 1.0), 1e20, A9)
    with pytest.raises(InputError, match="flops must be finite and above 0"):
        allocate_kaplan(N_OPT, math.nan, A9)
    with pytest.raises(InputError, match="two different x or more"):
        embedding_law(load_shapes("a9_model_configs")[:1])
