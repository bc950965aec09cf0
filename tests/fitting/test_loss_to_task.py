import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.loss_to_task import above_chance, fit_exponential, fit_sigmoid

LOSS = np.linspace(2.9, 4.4, 20)
GROUPS = list(range(20))


def exponential(loss: np.ndarray) -> np.ndarray:
    return 1 - (0.75 - 40 * np.exp(-1.6 * loss))


def sigmoid(loss: np.ndarray) -> np.ndarray:
    return 0.25 + 0.6 / (1 + np.exp((loss - 2.5) / 0.4))


def test_exact_data_give_the_constants_back() -> None:
    fit = fit_exponential(LOSS, exponential(LOSS), n_items=1000, chance=0.25, groups=GROUPS, n_draws=5)
    assert fit.params == pytest.approx({"eps": 0.75, "k": 40, "gamma": 1.6}, rel=1e-3)
    assert fit.predict([2.0]) == pytest.approx(exponential(np.array([2.0])), abs=1e-4)
    assert fit.n_minima == 1
    fit = fit_sigmoid(LOSS, sigmoid(LOSS), n_items=1000, chance=0.25, groups=GROUPS, n_draws=5)
    assert fit.params == pytest.approx({"floor": 0.25, "top": 0.85, "middle": 2.5, "width": 0.4}, rel=1e-3)


@pytest.mark.parametrize("fit", [fit_exponential, fit_sigmoid])
def test_no_other_constants_fit_better(fit: object) -> None:
    """Against differential evolution, which shares nothing with the scan, on noisy data."""
    from scipy.optimize import differential_evolution

    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 0.02, 20)
        y = np.clip(exponential(LOSS) + noise, 0, 1)
        found = fit(LOSS, y, n_items=1000, chance=0.25, groups=GROUPS, n_draws=2)  # type: ignore[operator]
        value = float(((y - found.predict(LOSS)) ** 2).sum())
        assert found.left >= -1e-9

        def squares(free: np.ndarray, y: np.ndarray = y, form: str = found.form) -> float:
            a, b, c = free
            if form == "exponential":  # level, height at the lowest loss, ln gamma
                curve = a + b * np.exp(-np.exp(c) * (LOSS - LOSS[0]))
            else:  # height, middle, ln width
                curve = 0.25 + a / (1 + np.exp((LOSS - b) / np.exp(c)))
            return float(((y - curve) ** 2).sum())

        bounds = (
            [(0, 1), (0, 1), (np.log(0.02 / 1.5), np.log(100 / 1.5))]
            if found.form == "exponential"
            else [(0, 0.75), (LOSS[0] - 6, LOSS[0] + 3), (np.log(0.03), np.log(15))]
        )
        other = differential_evolution(squares, bounds, seed=1, tol=1e-12, maxiter=600)
        assert value <= other.fun * (1 + 1e-6)


def test_nine_intervals_in_ten_hold_a_further_size() -> None:
    """At the next loss of the same law, with the scatter of a size: coverage over simulated sweeps."""
    rng = np.random.default_rng(5)
    at, held = 2.7, 0
    n = 150
    for seed in range(n):
        y = np.clip(exponential(LOSS) + rng.normal(0, 0.01, 20), 0, 1)
        fit = fit_exponential(LOSS, y, n_items=2000, chance=0.25, groups=GROUPS, n_draws=200, seed=seed)
        low, high = fit.interval(at)
        held += low <= exponential(np.array([at]))[0] + rng.normal(0, 0.01) <= high
    assert 0.8 <= held / n <= 0.97  # 0.9 with three standard errors of 150, and a little for resampling


def test_seeds_of_a_size_are_drawn_together() -> None:
    """The same runs twice over tell nothing new: the interval must not shrink."""
    noise = np.random.default_rng(2).normal(0, 0.02, 20)
    y = np.clip(exponential(LOSS) + noise, 0, 1)
    once = fit_exponential(LOSS, y, n_items=1000, chance=0.25, groups=GROUPS)
    twice = fit_exponential(np.tile(LOSS, 2), np.tile(y, 2), n_items=1000, chance=0.25, groups=GROUPS * 2)
    assert twice.params == pytest.approx(once.params, rel=1e-4)
    assert twice.interval(2.7) == pytest.approx(once.interval(2.7), abs=1e-3)


def test_draws_take_losses_of_their_own() -> None:
    fit = fit_sigmoid(LOSS, sigmoid(LOSS), n_items=1000, chance=0.25, groups=GROUPS, n_draws=7)
    assert fit.n_draws == 7
    assert fit.draw(np.full((7, 2), 3.0)).shape == (7, 2)
    np.testing.assert_array_equal(fit.draw([3.0, 3.0]), fit.draw(np.full((7, 2), 3.0)))


def test_no_accuracy_is_foretold_above_one() -> None:
    """Far below the losses fitted an exponential exceeds every bound; an accuracy does not."""
    fit = fit_exponential(LOSS, exponential(LOSS), n_items=1000, chance=0.25, groups=GROUPS, n_draws=50)
    assert fit.predict([0.5])[0] > 1
    assert fit.interval(0.5) == (1, 1)


def test_chance_by_hand() -> None:
    assert above_chance(1.0, 3, 0.5) == pytest.approx(1 / 8)
    assert above_chance(0.0, 3, 0.5) == 1
    assert above_chance(0.5, 2, 0.25) == pytest.approx(1 - 0.75**2)


def test_a_task_at_chance_is_refused() -> None:
    guesses = np.random.default_rng(0).binomial(400, 0.5, 20) / 400
    for fit in (fit_exponential, fit_sigmoid):
        with pytest.raises(InputError, match="at chance everywhere: the best of 20 runs has"):
            fit(LOSS, guesses, n_items=400, chance=0.5, groups=GROUPS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": LOSS[:-1]}, "give one of each run"),
        ({"groups": GROUPS[:-1]}, "give one of each run"),
        ({"groups": [0] * 20}, "there are 1 sizes"),
        ({"loss": np.full(20, 3.0)}, "differ in loss"),
        ({"accuracy": exponential(LOSS) + 1}, "not between 0 and 1"),
        ({"chance": 0.0}, "chance is 0.0"),
        ({"n_draws": 0}, "n_draws 0"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, object], told: str) -> None:
    arguments = {
        "loss": LOSS,
        "accuracy": exponential(LOSS),
        "n_items": 1000,
        "chance": 0.25,
        "groups": GROUPS,
    }
    with pytest.raises(InputError, match=told):
        fit_exponential(**(arguments | change))  # type: ignore[arg-type]
