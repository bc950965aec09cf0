# %% [markdown]
# # A3 Fitting
#
# Three ways lead from a table of training runs to a compute-optimal frontier. You will write all three
# with NumPy and SciPy, fall into a trap that a famous fit fell into, and find out what the runs can say
# and what they cannot.
#
# **You will learn**
#
# - to read a frontier off an envelope of curves, off parabolas, and off a fitted law, and what each
#   assumes;
# - to minimise a badly scaled objective and to check the optimum yourself;
# - to resample what is independent, and to measure whether an interval deserves its level;
# - to tell a number that the runs identify from one that they do not.
#
# **Background.** Hoffmann et al. (2022), [*Training Compute-Optimal Large Language
# Models*](https://arxiv.org/abs/2203.15556), sections 3.1 to 3.3 and D.2; Besiroglu et al. (2024), [*Chinchilla
# Scaling: A replication attempt*](https://arxiv.org/abs/2404.10102). In our book the chapters *Approach 1: the
# envelope of training curves*, *Approach 2: valleys, parabolas and their bias*, *Approach 3: the parametric
# loss, and its critique*, *Three approaches, and Kaplan's law* and *Forms, and what to train next*.
#
# All runs here are **simulated**, from a law
#
# $$L(N, D) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}$$
#
# whose five numbers are known. So you can see how far off you are. With real runs nobody can.
# $N$ is parameters, $D$ training tokens, $L$ nats per token, and compute is $C = 6ND$ FLOPs throughout.
#
# | part | questions | points |
# |---|---|---|
# | The frontier of a law | 1 | 8 |
# | Approach 1: the envelope | 2, 3 | 12 |
# | Approach 2: valleys | 4, 5 | 14 |
# | Approach 3: one surface | 6, 7, 8 | 24 |
# | How sure? | 9, 10 | 12 |
# | What the runs can know | 11, 12 | 10 |
# | In words (graded by a person) | 13, 14, 15 | 20 |
#
# **Time:** 4 to 5 hours. **Rules:** any CPU is enough, Colab's or your own; everything together runs in less
# than a minute. Import nothing but NumPy, SciPy, Matplotlib and the standard library. Replace each `...`; keep
# the names and arguments of functions. Functions are also tested on inputs that you do not see, and no question
# needs the answer to another one. **Hand in** this notebook, saved after *Restart and run all*.

# %%
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from scipy import optimize, stats

variant = 0

# %% [markdown]
# The next cell makes the data. Nothing in it is to be changed. `attempt` calls a function that draws what your
# answers give; where an answer is still blank it prints one line.


# %%
@dataclass(frozen=True)
class Law:
    """The law behind the simulated runs."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, n_params, n_tokens):
        return self.E + self.A / n_params**self.alpha + self.B / n_tokens**self.beta


@dataclass(frozen=True)
class Runs:
    """Finished runs: arrays of equal length, one place for each run."""

    flops: np.ndarray
    n_params: np.ndarray
    n_tokens: np.ndarray
    loss: np.ndarray


def law_of(variant):
    rng = np.random.default_rng([variant, 17])
    drawn = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    E, low, high, u, v = drawn.tolist()
    alpha, beta = (low, high) if rng.random() < 0.5 else (high, low)
    return Law(E, u * 1e9**alpha, v * 2e10**beta, alpha, beta)


def best_size(law, flops):
    """The best size by brute force, on a fine grid."""
    sizes = np.geomspace(1e6, 1e13, 70001)
    return sizes[np.argmin(law.loss(sizes, flops / (6 * sizes)))]


def simulate_sweep(law, budgets, n_sizes, reach, noise, rng):
    """At each budget, sizes from best / reach to best * reach; noise is that of ln L."""
    middle = np.repeat([best_size(law, budget) for budget in budgets], n_sizes)
    flops = np.repeat(budgets, n_sizes)
    n_params = middle * np.tile(np.geomspace(1 / reach, reach, n_sizes), len(budgets))
    n_tokens = flops / (6 * n_params)
    scatter = np.exp(noise * rng.standard_normal(flops.size))
    return Runs(flops, n_params, n_tokens, law.loss(n_params, n_tokens) * scatter)


def attempt(draw):
    """Call draw(); while an answer that it needs is blank, print one line."""
    try:
        draw()
    except Exception as problem:
        plt.close("all")
        print(f"Nothing to show yet: {type(problem).__name__}: {problem}")


law = law_of(variant)
sweep_budgets = np.geomspace(1e18, 3e20, 6)
sweep = simulate_sweep(law, sweep_budgets, 9, 4, 0.003, np.random.default_rng([variant, 23]))
print(law)
print(f"{sweep.loss.size} runs, losses from {sweep.loss.min():.2f} to {sweep.loss.max():.2f} nats per token")

# %% [markdown]
# ## 1. The frontier of a law
#
# Put $D = C/6N$ into the law and ask where the loss is lowest. The derivative vanishes at
#
# $$N_{opt}(C) = G\,(C/6)^{a}, \qquad D_{opt}(C) = G^{-1}(C/6)^{b},$$
#
# with exponents $a$ and $b$ that hang on $\alpha$ and $\beta$ alone, and $G$ that hangs on all but $E$. Derive
# them on paper before you look them up in equation 4 of the paper. One thing to hold on to: if size helps little
# (small $\alpha$), does the frontier ask for more size or for less as compute grows?

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 8

# %% [markdown]
# **Question 1 (8 points).** Write
#
# - `exponents(alpha, beta)`, which returns $(a, b)$;
# - `optimal_allocation(flops, A, B, alpha, beta)`, which returns $(N_{opt}, D_{opt})$, also for an array of
#   FLOPs;
# - `optimal_loss(flops, E, A, B, alpha, beta)`, the loss at the optimum. It stands on its own: let it compute
#   what it needs without calling the other two.

# %% [raw]
# # BEGIN SOLUTION


# %%
def exponents(alpha, beta):
    """Exponents a and b of N_opt and D_opt in compute."""
    # BEGIN SOLUTION
    return beta / (alpha + beta), alpha / (alpha + beta)
    # END SOLUTION


def optimal_allocation(flops, A, B, alpha, beta):
    """Parameters and tokens of the lowest loss at given FLOPs."""
    # BEGIN SOLUTION
    scale = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    n_opt = scale * (flops / 6) ** (beta / (alpha + beta))
    return n_opt, flops / (6 * n_opt)
    # END SOLUTION


def optimal_loss(flops, E, A, B, alpha, beta):
    """The lowest loss that given FLOPs can reach, in nats per token."""
    # BEGIN SOLUTION
    ratio = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    size = ratio * (flops / 6) ** (beta / (alpha + beta))
    return E + A / size**alpha + B / (flops / 6 / size) ** beta
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_equal_exponents(exponents, optimal_allocation):
    a, b = exponents(0.35, 0.35)
    assert abs(a - 0.5) < 1e-12 and abs(b - 0.5) < 1e-12, "equal exponents: both grow as the root of compute"
    n_opt, d_opt = optimal_allocation(6e18, 400.0, 400.0, 0.35, 0.35)
    assert abs(n_opt / 1e9 - 1) < 1e-9, "the law is the same in N and D, and so are its best N and D"
    assert abs(d_opt / 1e9 - 1) < 1e-9


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: a and b are not the right way round. A term with a small exponent is hard to shrink, which variable must then grow faster?
""" # END TEST CONFIG
def test_which_exponent(exponents):
    a, b = exponents(0.3, 0.5)
    assert abs(a - 0.625) < 1e-12 and abs(b - 0.375) < 1e-12


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: the allocation spends its FLOPs at 6ND, or has the lowest loss there, but not both. Compare it with a search over sizes.
""" # END TEST CONFIG
def test_allocation(optimal_allocation):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    for alpha, beta in ((low, high), (high, low)):
        A, B = u * 1e9**alpha, v * 2e10**beta
        flops = np.array([1e18, 1e21, 1e24])
        n_opt, d_opt = optimal_allocation(flops, A, B, alpha, beta)
        assert np.allclose(6 * n_opt * d_opt, flops, rtol=1e-9)
        x = np.log(np.geomspace(1e6, 1e14, 200001))
        for C, n in zip(flops, n_opt, strict=True):
            loss = E + A * np.exp(-alpha * x) + B * np.exp(-beta * (np.log(C / 6) - x))
            assert abs(np.log(n) - x[np.argmin(loss)]) < 2e-3


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: the lowest loss has three parts, and one of them no compute can lower.
""" # END TEST CONFIG
def test_optimal_loss(optimal_loss):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    for alpha, beta in ((low, high), (high, low)):
        A, B = u * 1e9**alpha, v * 2e10**beta
        for C in (1e18, 1e22):
            n = np.geomspace(1e6, 1e14, 100001)
            lowest = (E + A / n**alpha + B / (C / 6 / n) ** beta).min()
            assert abs(optimal_loss(C, E, A, B, alpha, beta) - lowest) < 1e-6


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    true_a, true_b = exponents(law.alpha, law.beta)
    print(f"true exponents: a = {true_a:.4f}, b = {true_b:.4f}")
    for budget in (1e20, 1e24):
        size, tokens = optimal_allocation(budget, law.A, law.B, law.alpha, law.beta)
        print(f"{budget:.0e} FLOPs: {size:.3g} parameters, {tokens:.3g} tokens, {tokens / size:.1f} each")


# %% [markdown]
# ## 2. Approach 1: the envelope of curves
#
# Ten models of different sizes are trained for long, and their training loss is recorded on the way. At a given
# number of FLOPs some model is lowest: its size is the best for that budget. Losses of single steps are noisy,
# and where ten noisy numbers compete, the one with the luckiest noise wins too often. So curves are smoothed
# first; `smooth` does that. (Our simulated curves have a rate that is always decayed, so that a run under way
# is as good as one that ends there. The chapter shows what that hides.)


# %%
def smooth(loss, width):
    """A Gaussian mean over neighbouring points; width is in points."""
    steps = np.arange(len(loss))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / width) ** 2)
    return weights @ loss / weights.sum(1)


curve_rng = np.random.default_rng([variant, 29])
curves = []
for n in np.geomspace(2e8, 1.2e10, 10):
    tokens = n * np.geomspace(1.5, 300, 160)
    noisy = law.loss(n, tokens) * np.exp(0.01 * curve_rng.standard_normal(160))
    curves.append({"n_params": n, "flops": 6 * n * tokens, "loss": noisy})
envelope_budgets = np.geomspace(2e19, 3e21, 60)

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 8

# %% [markdown]
# **Question 2 (8 points).** Write `envelope(curves, budgets, width=4)`. It returns an array as long as `budgets`:
# the parameters of the model whose *smoothed* loss is lowest there. Between its points a curve is interpolated
# linearly in $\ln C$. At a budget where a curve has no points on both sides (the run had not begun, or had
# ended) the model does not take part; where none takes part the answer is `nan`. Beware of `np.interp`, which
# answers outside of its range, too.

# %% [raw]
# # BEGIN SOLUTION


# %%
def envelope(curves, budgets, width=4):
    """Size of the model with the lowest smoothed loss at each budget."""
    # BEGIN SOLUTION
    losses = [
        np.interp(
            np.log(budgets),
            np.log(curve["flops"]),
            smooth(curve["loss"], width),
            left=np.inf,
            right=np.inf,
        )
        for curve in curves
    ]
    sizes = np.array([curve["n_params"] for curve in curves], float)
    best = sizes[np.argmin(losses, axis=0)]
    return np.where(np.isfinite(np.min(losses, axis=0)), best, np.nan)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_two_curves(envelope):
    import numpy as np

    flops = np.geomspace(1e18, 1e20, 81)
    flat = {"n_params": 1e8, "flops": flops, "loss": np.full(81, 3.0)}
    steep = {"n_params": 1e9, "flops": flops, "loss": 3.5 - 0.5 * np.log10(flops / 1e18)}
    found = envelope([flat, steep], np.array([3e18, 3e19]))
    assert np.array_equal(found, [1e8, 1e9]), "the curves cross at 1e19 FLOPs"


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: a run that has not begun, or has ended, does not take part at a budget; where no run takes part there is no best size.
""" # END TEST CONFIG
def test_ended_runs(envelope):
    import numpy as np

    short = {"n_params": 1e8, "flops": np.geomspace(1e18, 1e19, 60), "loss": np.full(60, 3.0)}
    late = {"n_params": 1e9, "flops": np.geomspace(5e18, 1e20, 60), "loss": np.full(60, 3.2)}
    soon = {"n_params": 2e9, "flops": np.geomspace(3e19, 1e20, 60), "loss": np.full(60, 2.9)}
    found = envelope([short, late, soon], np.array([5e17, 2e18, 8e18, 2e19, 5e19, 2e20]))
    assert np.array_equal(np.isnan(found), [True, False, False, False, False, True])
    assert np.array_equal(found[1:5], [1e8, 1e8, 1e9, 2e9])


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: a single lucky point must not win a budget, and the noise of points must not decide between sizes.
""" # END TEST CONFIG
def test_noise(envelope):
    import numpy as np

    flops = np.geomspace(1e18, 1e20, 101)
    lucky = np.full(101, 3.05)
    lucky[50] -= 0.12
    good = {"n_params": 1e9, "flops": flops, "loss": np.full(101, 3.0)}
    found = envelope([{"n_params": 1e8, "flops": flops, "loss": lucky}, good], flops[45:56])
    assert np.array_equal(found, np.full(11, 1e9))

    variant = 0
    rng = np.random.default_rng([variant, 1017])
    shares = 0.0
    for _ in range(5):
        curves = [
            {"n_params": n, "flops": flops, "loss": floor + 0.02 * rng.standard_normal(101)}
            for n, floor in ((1e8, 3.03), (1e9, 3.0), (1e10, 3.03))
        ]
        shares += np.mean(envelope(curves, flops[10:90]) == 1e9) / 5
    assert shares > 0.85


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    chosen = envelope(curves, envelope_budgets)
    raw = envelope(curves, envelope_budgets, width=0.01)
    _, ax = plt.subplots(figsize=(6, 4))
    ax.loglog(envelope_budgets, raw, "x", color="0.7", label="without smoothing")
    ax.loglog(envelope_budgets, chosen, "o", ms=4, label="envelope")
    ax.loglog(envelope_budgets, [best_size(law, c) for c in envelope_budgets], "k-", lw=1, label="truth")
    ax.set(xlabel="FLOPs", ylabel="best size", title="Simulated: sizes on the envelope")
    ax.legend()
    plt.show()


# %% [markdown]
# Selected sizes climb in steps, since only ten sizes were trained, and at both ends of the range the size is
# drawn inwards: there is no smaller or no larger one to choose. A line through the points in the middle,
# straight in logarithms, is the frontier.
#
# So that the next question does not hang on the last one, here are selected points of another set of *simulated*
# curves.

# %%
point_rng = np.random.default_rng([variant, 31])
frontier_flops = np.geomspace(1e19, 1e22, 25)
frontier_params = np.array([best_size(law, c) for c in frontier_flops])
frontier_params = frontier_params * np.exp(0.12 * point_rng.standard_normal(25))

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 4

# %% [markdown]
# **Question 3 (4 points).** Write `fit_power_law(x, y)`, which fits $y = k x^{p}$ by least squares in the
# logarithms and returns $(k, p)$. Then set `exponent_found` to the exponent of the points `frontier_flops`,
# `frontier_params`, and `size_found` to the size that the fitted line has at $10^{24}$ FLOPs.

# %% [raw]
# # BEGIN SOLUTION


# %%
def fit_power_law(x, y):
    """Coefficient k and exponent p of y = k x**p."""
    # BEGIN SOLUTION
    exponent, log_coefficient = np.polyfit(np.log(x), np.log(y), 1)
    return np.exp(log_coefficient), exponent
    # END SOLUTION


exponent_found = fit_power_law(frontier_flops, frontier_params)[1]  # SOLUTION
size_found = fit_power_law(frontier_flops, frontier_params)[0] * 1e24**exponent_found  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_exact_law(fit_power_law):
    k, p = fit_power_law([1.0, 10.0, 100.0], [1.0, 10.0**0.5, 10.0])
    assert abs(p - 0.5) < 1e-9 and abs(k - 1) < 1e-9, "the root of x has exponent 1/2 and coefficient 1"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: the coefficient is wrong. Which logarithm was taken, and which power undoes it?
""" # END TEST CONFIG
def test_coefficient(fit_power_law):
    import numpy as np

    x = np.geomspace(1e18, 1e22, 7)
    k, p = fit_power_law(x, 0.13 * x**0.47)
    assert abs(p - 0.47) < 1e-9 and abs(k / 0.13 - 1) < 1e-6


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: the exponent or the extrapolated size is not that of the line through the given points.
""" # END TEST CONFIG
def test_points(exponent_found, size_found):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    alpha, beta = (low, high) if rng.random() < 0.5 else (high, low)
    A, B = u * 1e9**alpha, v * 2e10**beta
    x = np.log(np.geomspace(1e19, 1e22, 25))
    y = (np.log(alpha * A / (beta * B)) + beta * (x - np.log(6))) / (alpha + beta)
    y = y + 0.12 * np.random.default_rng([variant, 31]).standard_normal(25)
    slope, level = np.polyfit(x, y, 1)
    assert abs(exponent_found - slope) < 1e-3
    assert abs(np.log(size_found) - (level + slope * np.log(1e24))) < 1e-2


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 3. Approach 2: valleys
#
# Hold the compute fixed and vary the size: the loss falls and rises again. A parabola in the logarithm of the
# size, fitted to the runs of one budget, has its minimum between the runs, and not at the one that happened to
# come out lowest. Such a minimum is worth something only if the parabola has one, and if the runs enclose it.

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 9

# %% [markdown]
# **Question 4 (9 points).** Write `valley_minimum(n_params, loss)`, which takes the runs of one budget and
# returns the size at the minimum of a parabola in $\ln N$, fitted to the losses by least squares. It returns
# `nan` where the parabola opens downwards, and where its minimum is outside of the sizes that were trained.

# %% [raw]
# # BEGIN SOLUTION


# %%
def valley_minimum(n_params, loss):
    """Size at the minimum of a parabola in ln N, or nan."""
    # BEGIN SOLUTION
    x = np.log(n_params)
    curvature, slope, _ = np.polyfit(x - x.mean(), loss, 2)
    if curvature <= 0:
        return np.nan
    lowest = x.mean() - slope / (2 * curvature)
    return np.exp(lowest) if x.min() <= lowest <= x.max() else np.nan
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_exact_parabola(valley_minimum):
    import numpy as np

    n = np.geomspace(1e8, 1e10, 7)
    found = valley_minimum(n, 2.5 + 0.05 * np.log(n / 7e8) ** 2)
    assert abs(found / 7e8 - 1) < 1e-6, "the minimum lies between the runs, at 7e8"


# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: the minimum is that of another curve. In which variable is the parabola, and does the run with the lowest loss decide more than it should?
""" # END TEST CONFIG
def test_noisy_valleys(valley_minimum):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1037])
    for _ in range(20):
        true = rng.uniform(4e8, 3e9)
        n = np.sort(np.exp(rng.uniform(np.log(true / 5), np.log(true * 5), 9)))
        n[0], n[-1] = true / 5, true * 5
        x = np.log(n)
        loss = 2.4 + 0.04 * (x - np.log(true)) ** 2 + 0.006 * rng.standard_normal(9)
        c2, c1, _ = np.polynomial.Polynomial.fit(x, loss, 2).convert().coef[::-1]
        expected = np.exp(-c1 / (2 * c2))
        assert abs(valley_minimum(n, loss) / expected - 1) < 1e-4


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: not every parabola has a minimum among the runs. What is returned for a hill, and for a valley whose floor was not reached?
""" # END TEST CONFIG
def test_no_minimum(valley_minimum):
    import numpy as np

    n = np.geomspace(1e8, 1e10, 6)
    x = np.log(n / 1e9)
    assert np.isnan(float(valley_minimum(n, 3 - 0.03 * x**2))), "a hill"
    assert np.isnan(float(valley_minimum(n, 3 + 0.03 * (x - 4) ** 2))), "minimum beyond the largest size"
    assert np.isnan(float(valley_minimum(n, 3 + 0.03 * (x + 4) ** 2))), "minimum below the smallest size"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    _, ax = plt.subplots(figsize=(6, 4))
    minima = []
    for budget in sweep_budgets:
        here = sweep.flops == budget
        minima.append(valley_minimum(sweep.n_params[here], sweep.loss[here]))
        (line,) = ax.semilogx(sweep.n_params[here], sweep.loss[here], "o-", ms=4, lw=0.7)
        ax.axvline(minima[-1], color=line.get_color(), lw=0.7, ls=":")
    ax.set(xlabel="parameters", ylabel="loss (nats per token)", title="Simulated: valleys and their minima")
    plt.show()
    slope = np.polyfit(np.log(sweep_budgets), np.log(minima), 1)[0]
    print(f"Approach 2 on the sweep: a = {slope:.4f}, truth {law.beta / (law.alpha + law.beta):.4f}")


# %% [markdown]
# A valley is no parabola. Along $6ND = C$ the law gives a sum of two exponentials of $\ln N$, steeper on one side
# than on the other, so that a parabola's minimum is off even without noise: by how much depends on the window,
# which is how far the sizes reach to both sides.

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 5

# %% [markdown]
# **Question 5 (5 points).** Write `window_bias(loss_of, n_opt, flops, reach, minimum_of)`. It places nine sizes,
# evenly in $\ln N$, from `n_opt / reach` to `n_opt * reach`, trains each on the tokens that `flops` allow at
# $C = 6ND$, takes their exact losses from `loss_of(n_params, n_tokens)`, and returns
# `minimum_of(n_params, loss)` over `n_opt`. The functions are given as arguments: `minimum_of` may be your
# `valley_minimum` or any other.

# %% [raw]
# # BEGIN SOLUTION


# %%
def window_bias(loss_of, n_opt, flops, reach, minimum_of):
    """The minimum found over the true one, for exact losses in a window."""
    # BEGIN SOLUTION
    n_params = n_opt * np.geomspace(1 / reach, reach, 9)
    return minimum_of(n_params, loss_of(n_params, flops / (6 * n_params))) / n_opt
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_even_valley(window_bias):
    import numpy as np

    def lowest_run(n, loss):
        return n[np.argmin(loss)]

    def even(n, d):
        return 2 + 0.1 * np.log(n / 1e9) ** 2

    assert abs(window_bias(even, 1e9, 1e20, 4, lowest_run) - 1) < 1e-9, "the middle size is the best one"


# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: the sizes, or the tokens that go with them, are not those of one budget and the window described.
""" # END TEST CONFIG
def test_bias(window_bias):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    for alpha, beta in ((low, high), (high, low)):
        A, B = u * 1e9**alpha, v * 2e10**beta
        for flops, reach in ((1e19, 2.0), (1e20, 6.0), (1e21, 30.0)):
            n_opt = (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (flops / 6) ** (beta / (alpha + beta))

            def parabola(n, loss):
                c2, c1, _ = np.polyfit(np.log(n / 1e9), loss, 2)
                return 1e9 * np.exp(-c1 / (2 * c2))

            n = n_opt * np.exp(np.linspace(-1, 1, 9) * np.log(reach))
            expected = parabola(n, E + A / n**alpha + B / (flops / 6 / n) ** beta) / n_opt
            found = window_bias(
                lambda n, d, law=(E, A, alpha, B, beta): law[0] + law[1] / n ** law[2] + law[3] / d ** law[4],
                n_opt,
                flops,
                reach,
                parabola,
            )
            assert abs(found - expected) < 1e-6


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    print("simulated, no noise; minimum found over the true one")
    for budget in (1e19, 1e21):
        true = best_size(law, budget)
        found = [window_bias(law.loss, true, budget, reach, valley_minimum) for reach in (2, 4, 16, 64)]
        print(f"{budget:.0e} FLOPs, reach 2, 4, 16, 64:", "  ".join(f"{x:.3f}" for x in found))


# %% [markdown]
# Read the two lines against each other: what does the bias do to the *level* of the frontier, and what to its
# *slope*? And what would happen if the window sat to one side of the best size at small budgets, and to the other
# side at large ones?
#
# ## 4. Approach 3: one surface
#
# Five numbers for all runs at once. The paper fits, with $\theta = (\ln A, \ln B, \ln E, \alpha, \beta)$,
#
# $$f(\theta) = \sum_i \mathrm{Huber}_{\delta}\bigl(r_i\bigr),\qquad
# r_i = \ln\bigl(e^{\ln A - \alpha \ln N_i} + e^{\ln B - \beta \ln D_i} + e^{\ln E}\bigr) - \ln L_i,$$
#
# with $\delta = 10^{-3}$. $\mathrm{Huber}_\delta(r)$ is $r^2/2$ where $|r| \le \delta$ and
# $\delta\,(|r| - \delta/2)$ beyond. Logarithms keep $A$, $B$ and $E$ positive without bounds. The logarithm of a
# sum of exponentials has to be written so that large exponents do not overflow: take the largest one out first.
#
# An optimiser wants the gradient, too. Two hints: the derivative of Huber's loss is $r$ clipped to
# $[-\delta, \delta]$; and the derivative of a log-sum-exp in one of its exponents is that term's share of the sum.

# %% [raw]
# # BEGIN QUESTION
# name: q6
# points: 11

# %% [markdown]
# **Question 6 (11 points).** Write `huber_objective(theta, n_params, n_tokens, loss, delta=1e-3)`, which returns
# the value $f(\theta)$ (a float: the *sum* over runs) and its gradient, an array of five. Derive the gradient by
# hand; differences of values are too coarse for what follows.

# %% [raw]
# # BEGIN SOLUTION


# %%
def huber_objective(theta, n_params, n_tokens, loss, delta=1e-3):
    """Sum of Huber losses of ln L, and its gradient in theta."""
    # BEGIN SOLUTION
    log_a, log_b, log_e, alpha, beta = theta
    x, y = np.log(n_params), np.log(n_tokens)
    terms = np.stack([log_a - alpha * x, log_b - beta * y, np.full_like(x, log_e)])
    largest = terms.max(axis=0)
    parts = np.exp(terms - largest)
    total = parts.sum(axis=0)
    residual = largest + np.log(total) - np.log(loss)
    share = parts / total
    size = np.abs(residual)
    value = np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2)).sum()
    pull = np.clip(residual, -delta, delta) * share
    gradient = [*pull.sum(axis=1), -(pull[0] * x).sum(), -(pull[1] * y).sum()]
    return float(value), np.array(gradient)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_exact_runs(huber_objective):
    import numpy as np

    n, d = np.array([1e8, 1e9, 1e10]), np.array([4e9, 2e10, 1e10])
    loss = 1.7 + 400 / n**0.34 + 2000 / d**0.37
    theta = np.array([np.log(400), np.log(2000), np.log(1.7), 0.34, 0.37])
    value, gradient = huber_objective(theta, n, d, loss)
    assert abs(value) < 1e-20 and np.shape(gradient) == (5,), "exact losses leave nothing"
    assert np.abs(gradient).max() < 1e-10


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: the value is not the sum over runs of the Huber loss of the difference of log losses.
""" # END TEST CONFIG
def test_value(huber_objective):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1041])
    for delta in (1e-3, 1e-2):
        n, d = np.exp(rng.uniform(18, 23, 30)), np.exp(rng.uniform(21, 26, 30))
        loss = (1.8 + 500 / n**0.35 + 900 / d**0.33) * np.exp(0.5 * delta * rng.standard_t(2, 30))
        predicted = 1.8 + 500 / n**0.35 + 900 / d**0.33
        r = np.abs(np.log(predicted / loss))
        assert (r < delta).any() and (r > delta).any()
        expected = sum(x**2 / 2 if x <= delta else delta * (x - delta / 2) for x in r)
        theta = np.array([np.log(500), np.log(900), np.log(1.8), 0.35, 0.33])
        value, _ = huber_objective(theta, n, d, loss, delta)
        assert abs(value / expected - 1) < 1e-6


# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: the gradient is not that of the value returned with it. Compare it with differences, one component at a time.
""" # END TEST CONFIG
def test_gradient(huber_objective):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1043])
    n, d = np.exp(rng.uniform(18, 23, 25)), np.exp(rng.uniform(21, 26, 25))
    loss = (1.8 + 500 / n**0.35 + 900 / d**0.33) * np.exp(0.05 * rng.standard_normal(25))
    for _ in range(3):
        theta = np.array([np.log(500), np.log(900), np.log(1.8), 0.35, 0.33]) + 0.02 * rng.standard_normal(5)
        value, gradient = huber_objective(theta, n, d, loss, 0.05)
        assert value > 0 and np.abs(gradient).max() > 0
        for j in range(5):
            step = 1e-5 * np.eye(5)[j]
            up = huber_objective(theta + step, n, d, loss, 0.05)[0]
            down = huber_objective(theta - step, n, d, loss, 0.05)[0]
            slope = (up - down) / 2e-5
            assert abs(gradient[j] - slope) < 1e-3 * abs(slope) + 1e-5 * np.abs(gradient).max()


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: some starts of a search lie far off, and there the value or gradient is not finite. Take the largest exponent out first.
""" # END TEST CONFIG
def test_far_starts(huber_objective):
    import numpy as np

    n, d = np.array([1e8, 1e9]), np.array([4e9, 2e10])
    loss = np.array([3.0, 2.5])
    for theta in ([1500, 5, 0, 0, 0], [-1500, -1600, -1500, 0.5, 0.5]):
        with np.errstate(all="ignore"):
            value, gradient = huber_objective(np.array(theta, float), n, d, loss)
        assert np.isfinite(value) and value > 0 and np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# So that you can go on in any case, and check yourself, here is an objective of the same kind, whose gradient
# comes from *complex steps*: $\mathrm{Im}\,g(x + ih)/h$ is the derivative of $g$, without cancellation. It is
# several times slower than a gradient by hand, fails on far starts (it overflows), and so is no answer to
# question 6.


# %%
def log_loss(theta, n_params, n_tokens):
    """Predicted ln L and its derivatives: shapes (n,) and (5, n), by complex steps."""
    moved = np.asarray(theta, complex)[:, None] + 1e-30j * np.eye(5)  # column j: step in theta[j]
    log_a, log_b, log_e, alpha, beta = moved[:, :, None]
    x, y = np.log(n_params), np.log(n_tokens)
    value = np.log(np.exp(log_a - alpha * x) + np.exp(log_b - beta * y) + np.exp(log_e))
    return value[0].real, value.imag / 1e-30


def given_objective(theta, runs, delta=1e-3):
    """Sum of Huber losses of ln L and its gradient; half the sum of squares for delta=np.inf."""
    with np.errstate(all="ignore"):
        predicted, slopes = log_loss(theta, runs.n_params, runs.n_tokens)
        residual = predicted - np.log(runs.loss)
        clipped = np.clip(residual, -delta, delta)
        value = (clipped * (residual - clipped / 2)).sum()
        gradient = slopes @ clipped
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return 1e6, np.zeros(5)
    return value, gradient


@attempt
def _():
    theta = np.array([6.0, 8.0, 0.5, 0.35, 0.37])
    ours = huber_objective(theta, sweep.n_params, sweep.n_tokens, sweep.loss)
    given = given_objective(theta, sweep)
    print(f"value: {ours[0]:.12f} by hand, {given[0]:.12f} given")
    print(f"largest difference of the gradients: {np.abs(ours[1] - given[1]).max():.1e}")


# %% [markdown]
# ### The search
#
# The surface has bad stationary points, where one of the three terms has vanished; so one starts from many places
# and takes the best end. And one does not believe the word of an optimiser. L-BFGS-B stops when a step gains less
# than `ftol` times $\max(|f|, 1)$, or when no component of the gradient exceeds `gtol`. Both are *absolute* where
# $f$ is small, and says `success` either way. Ask first how large $f$ is here: residuals of a third of a percent,
# $\delta = 10^{-3}$, fifty runs.

# %%
grid_rng = np.random.default_rng([variant, 43])
grid = [np.arange(0, 26, 5.0), np.arange(0, 26, 5.0), np.linspace(-1, 1, 5), np.linspace(0, 2, 5)]
starts = np.stack([grid_rng.choice(values, 60) for values in (*grid, grid[3])], axis=1)
print(f"{len(starts)} starts out of the paper's grid of {6 * 6 * 5 * 5 * 5}; the first: {starts[0]}")

# %% [raw]
# # BEGIN QUESTION
# name: q7
# points: 9

# %% [markdown]
# **Question 7 (9 points).** Write `search(objective, starts)`. `objective(theta)` returns value and gradient;
# `starts` has one start in each row (any number of columns). Minimise from every start with L-BFGS-B
# (`optimize.minimize(..., jac=True, method="L-BFGS-B")`) and return
#
# 1. the best point found,
# 2. the value of `objective` there,
# 3. the share of starts whose value comes within a part in 10,000 of the best one (relative).
#
# The point that you return must not depend on the scale of the objective: a sum, an average or a millionth of
# either has the same optimum. Settings alone can do it, or the objective can be rescaled first.

# %% [raw]
# # BEGIN SOLUTION


# %%
def search(objective, starts):
    """Best point of many starts, its value, and the share of starts that agree."""
    # BEGIN SOLUTION
    settings = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 5000, "maxfun": 50000}
    ends = []
    for point in starts:
        for _ in range(3):  # each time in units of the value reached so far
            scale = objective(point)[0] or 1.0
            point = optimize.minimize(
                lambda theta, scale=scale: tuple(part / scale for part in objective(theta)),
                point,
                jac=True,
                method="L-BFGS-B",
                options=settings,
            ).x
        ends.append((objective(point)[0], point))
    values = np.array([value for value, _ in ends])
    best = int(np.argmin(values))
    agree = np.mean(values - values[best] <= 1e-4 * abs(values[best]))
    return ends[best][1], values[best], agree
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_bowl(search):
    import numpy as np

    def bowl(theta):
        weights = np.array([1.0, 4.0])
        away = theta - np.array([3.0, -1.0])
        return 5 + weights @ away**2, 2 * weights * away

    point, value, agree = search(bowl, np.array([[0.0, 0.0], [10.0, 10.0]]))
    assert np.allclose(point, [3, -1], atol=1e-3) and abs(value - 5) < 1e-6
    assert agree == 1, "both starts end in the one minimum"


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: on the sum over simulated runs the best of many starts is not at the optimum.
""" # END TEST CONFIG
def test_sum(search):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1047])
    n, d = np.exp(rng.uniform(18, 23, 50)), np.exp(rng.uniform(21, 26, 50))
    x, y = np.log(n), np.log(d)
    loss = (1.8 + 500 / n**0.35 + 900 / d**0.33) * np.exp(0.003 * rng.standard_normal(50))

    def objective(theta):
        z = np.stack([theta[0] - theta[3] * x, theta[1] - theta[4] * y, theta[2] + 0 * x])
        w = np.exp(z - z.max(0))
        r = z.max(0) + np.log(w.sum(0)) - np.log(loss)
        c = np.clip(r, -1e-3, 1e-3)
        p = c * w / w.sum(0)
        return 100 * (c * (r - c / 2)).sum(), 100 * np.array(
            [*p.sum(1), -(p[0] * x).sum(), -(p[1] * y).sum()]
        )

    truth = np.array([np.log(500), np.log(900), np.log(1.8), 0.35, 0.33])
    starts = truth + rng.standard_normal((30, 5)) * np.array([3, 3, 0.5, 0.2, 0.2])
    starts[[0, -1], 0] = -40.0  # the term of size has vanished: a bad stationary point is near
    point, value, _ = search(objective, starts)
    assert value <= objective(truth)[0]
    assert abs(objective(point)[0] / value - 1) < 1e-9
    a = point[4] / (point[3] + point[4])
    assert abs(a - 0.33 / 0.68) < 0.03


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: the objective divided by its number of runs, or by a thousand, has the same optimum, but the search ends elsewhere. When does the optimiser stop?
""" # END TEST CONFIG
def test_scale(search):
    import numpy as np
    from scipy import optimize

    variant = 0
    rng = np.random.default_rng([variant, 1049])
    n, d = np.exp(rng.uniform(18, 23, 50)), np.exp(rng.uniform(21, 26, 50))
    x, y = np.log(n), np.log(d)
    loss = (1.8 + 500 / n**0.35 + 900 / d**0.33) * np.exp(0.003 * rng.standard_normal(50))

    def objective(theta, scale):
        z = np.stack([theta[0] - theta[3] * x, theta[1] - theta[4] * y, theta[2] + 0 * x])
        w = np.exp(z - z.max(0))
        r = z.max(0) + np.log(w.sum(0)) - np.log(loss)
        c = np.clip(r, -1e-3, 1e-3)
        p = c * w / w.sum(0)
        gradient = np.array([*p.sum(1), -(p[0] * x).sum(), -(p[1] * y).sum()])
        return scale * (c * (r - c / 2)).sum(), scale * gradient

    truth = np.array([np.log(500), np.log(900), np.log(1.8), 0.35, 0.33])
    best = optimize.minimize(
        objective, truth, (1e5,), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8}
    )
    starts = truth + rng.standard_normal((30, 5)) * np.array([3, 3, 0.5, 0.2, 0.2])
    starts[[0, -1], 0] = -40.0  # the term of size has vanished: a bad stationary point is near
    for scale in (1 / 50, 1e-3):
        point, value, _ = search(lambda theta, scale=scale: objective(theta, scale), starts)
        assert abs(value / scale - objective(point, 1.0)[0]) < 1e-6 * best.fun / 1e5
        assert value / scale <= best.fun / 1e5 * 1.001


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: where starts end in different minima, the best one or the share that found it is wrong.
""" # END TEST CONFIG
def test_two_minima(search):
    import numpy as np

    def wells(theta):
        x = theta[0]
        return 2 + (x**2 - 4) ** 2 + 0.5 * x, np.array([4 * x * (x**2 - 4) + 0.5])

    point, value, agree = search(wells, np.array([[-3.0], [1.5], [2.5], [3.0]]))
    assert abs(point[0] + 2) < 0.1 and abs(value - wells(point)[0]) < 1e-9
    assert abs(agree - 0.25) < 1e-9


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    best, value, agree = search(lambda theta: given_objective(theta, sweep), starts)
    print(f"sum: {value:.6e}, found by {agree:.0%} of the starts")
    gradient = given_objective(best, sweep)[1]
    print(f"largest component of the gradient: {np.abs(gradient).max():.1e}")
    log_a, log_b, log_e, alpha, beta = best
    print(f"E = {np.exp(log_e):.3f}, A = {np.exp(log_a):.4g}, B = {np.exp(log_b):.4g}")
    print(f"alpha = {alpha:.4f}, beta = {beta:.4f}, a = {beta / (alpha + beta):.4f}; the truth: {law}")


# %% [markdown]
# ### The trap
#
# Now on purpose what the question warned of: default settings, and an average in place of a sum.

# %% [raw]
# # BEGIN QUESTION
# name: q8
# points: 4

# %% [markdown]
# **Question 8 (4 points).** Write `stops_early(objective, starts, scale)`. It minimises `scale` times the objective
# (value and gradient) from every start by L-BFGS-B at its *default* settings, and returns the share of starts that
# report `success`, and the point of the lowest value among all ends.

# %% [raw]
# # BEGIN SOLUTION


# %%
def stops_early(objective, starts, scale):
    """Share of starts that report success at default settings, and the best end."""

    # BEGIN SOLUTION
    def scaled(theta):
        value, gradient = objective(theta)
        return scale * value, scale * gradient

    ends = [optimize.minimize(scaled, start, jac=True, method="L-BFGS-B") for start in starts]
    best = min(ends, key=lambda end: end.fun)
    return np.mean([end.success for end in ends]), best.x
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_unscaled(stops_early):
    import numpy as np

    share, point = stops_early(lambda x: (x @ x, 2 * x), np.array([[2.0, 1.0], [9.0, 5.0]]), 1.0)
    assert share == 1 and np.abs(point).max() < 1e-3


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: with a tiny scale, default settings must stop where they start and call it a success. Are value and gradient both scaled, and the settings untouched?
""" # END TEST CONFIG
def test_tiny_scale(stops_early):
    import numpy as np

    starts = np.array([[7.0, 1.0], [-4.0, 3.0], [9.0, 9.0]])
    share, point = stops_early(lambda x: (x @ x, 2 * x), starts, 1e-9)
    assert share == 1 and np.allclose(point, [-4.0, 3.0])
    share, point = stops_early(lambda x: (x @ x, 2 * x), starts, 1e3)
    assert share == 1 and np.abs(point).max() < 1e-3


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    def value_of(theta):
        return given_objective(theta, sweep)

    print("default settings, best of all starts; the sum at each end, whatever was minimised")
    for name, scale in (("average", 1 / sweep.loss.size), ("sum", 1.0), ("sum times 1000", 1e3)):
        share, end = stops_early(value_of, starts, scale)
        value, gradient = value_of(end)
        print(
            f"{name:15} success {share:4.0%}  sum {value:.4e}  gradient {np.abs(gradient).max():.1e}"
            f"  a = {end[4] / (end[3] + end[4]):.4f}"
        )
    print(f"truth                                                        a = {law.beta / (law.alpha + law.beta):.4f}")


# %% [markdown]
# ## 5. How sure?
#
# The bootstrap asks how an estimate would scatter over other sets of runs, and answers by drawing from the runs at
# hand, with replacement. What is drawn must be what is independent. A table of checkpoints has many rows for each
# run, and the rows of one run share its luck: drawing rows pretends to have as many runs as rows.

# %% [raw]
# # BEGIN QUESTION
# name: q9
# points: 8

# %% [markdown]
# **Question 9 (8 points).** Write
#
# - `bootstrap(estimate, table, n_draws, seed)`. `table` is a dictionary of arrays of equal length; `table["run"]`
#   says which run a row belongs to. Each draw takes as many runs as there are, with replacement, each with all of
#   its rows (a run drawn twice has its rows twice, unchanged), and calls `estimate` with a dictionary of the same keys.
#   `estimate` returns an array of $k$ numbers; `bootstrap` returns them all, in the shape `(n_draws, k)`;
# - `percentile_interval(draws, column, level)`: the lower and upper end of the central interval that holds the share
#   `level` of the draws in this column.

# %% [raw]
# # BEGIN SOLUTION


# %%
def bootstrap(estimate, table, n_draws, seed):
    """Estimates from runs drawn with replacement, (n_draws, k)."""
    # BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero(table["run"] == run) for run in np.unique(table["run"])]
    draws = []
    for _ in range(n_draws):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[i] for i in drawn])
        draws.append(estimate({key: column[rows] for key, column in table.items()}))
    return np.array(draws)
    # END SOLUTION


def percentile_interval(draws, column, level):
    """Central interval of one column of the draws."""
    # BEGIN SOLUTION
    tail = (1 - level) / 2
    return tuple(np.quantile(draws[:, column], [tail, 1 - tail]))
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 2
""" # END TEST CONFIG
def test_shapes(bootstrap, percentile_interval):
    import numpy as np

    table = {"run": np.arange(6), "loss": np.arange(6.0)}
    draws = bootstrap(lambda t: np.array([t["loss"].mean(), t["loss"].size]), table, 50, 0)
    assert np.shape(draws) == (50, 2), "one row for each draw, one column for each number"
    assert (np.asarray(draws)[:, 1] == 6).all(), "six runs of one row: each draw has six rows"
    low, high = percentile_interval(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]]), 0, 0.5)
    assert (low, high) == (1.0, 3.0)


# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: what is drawn is not whole runs with replacement. Rows of one run are not independent, and subsets of the runs scatter too little.
""" # END TEST CONFIG
def test_whole_runs(bootstrap):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1053])
    run = rng.permutation(np.repeat(np.arange(20) * 7 + 3, 10))
    luck = rng.standard_normal(20)
    loss = luck[(run - 3) // 7] + 0.1 * rng.standard_normal(200)
    repeated = []

    def estimate(table):
        ids, counts = np.unique(table["run"], return_counts=True)
        assert (counts % 10 == 0).all() and counts.sum() == 200 and table["loss"].size == 200
        for one in ids[:3]:
            assert np.isclose(table["loss"][table["run"] == one].mean(), loss[run == one].mean())
        repeated.append(ids.size)
        return np.array([table["loss"].mean(), table["loss"].max()])

    draws = np.asarray(bootstrap(estimate, {"run": run, "loss": loss}, 1500, 1))
    assert abs(np.mean(repeated) / 20 - 0.64) < 0.03
    means = np.array([loss[run == one].mean() for one in np.unique(run)])
    assert abs(draws[:, 0].std() / (means.std() / np.sqrt(20)) - 1) < 0.12


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: the interval is that of another column, or leaves the wrong share in its tails.
""" # END TEST CONFIG
def test_interval(percentile_interval):
    import numpy as np

    draws = np.stack([np.linspace(0, 1, 1001), np.linspace(10, 30, 1001) ** 2], axis=1)[::-1]
    assert np.allclose(percentile_interval(draws, 0, 0.9), (0.05, 0.95), atol=1e-3)
    assert np.allclose(percentile_interval(draws, 1, 0.8), (12**2, 28**2), atol=0.1)


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# An interval at 80 % ought to hold the truth in 80 % of cases. Where the truth is known, that can be counted: make
# many sets of runs, give each its interval, and count.

# %% [raw]
# # BEGIN QUESTION
# name: q10
# points: 4

# %% [markdown]
# **Question 10 (4 points).** Write `coverage(simulate, interval, truth, n_sets, seed)`. `simulate(rng)` returns a new
# data set, `interval(data)` its interval `(low, high)`. Return the share of `n_sets` sets whose interval holds
# `truth`, and the standard error of that share.

# %% [raw]
# # BEGIN SOLUTION


# %%
def coverage(simulate, interval, truth, n_sets, seed):
    """Share of simulated sets whose interval holds the truth, and its standard error."""
    # BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(n_sets):
        low, high = interval(simulate(rng))
        held += low <= truth <= high
    share = held / n_sets
    return share, np.sqrt(share * (1 - share) / n_sets)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_certain(coverage):
    share, error = coverage(lambda rng: rng.normal(), lambda x: (-1e9, 1e9), 0.0, 20, 0)
    assert share == 1 and error == 0
    assert coverage(lambda rng: rng.normal(), lambda x: (5e8, 1e9), 0.0, 20, 0)[0] == 0


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: the share is not that of new sets whose interval holds the truth, or its standard error is not that of a share.
""" # END TEST CONFIG
def test_normal(coverage):
    import numpy as np

    variant = 0
    truth = 1.5 + variant
    seen = []

    def simulate(rng):
        return rng.normal(truth, 2.0)

    def interval(x):
        seen.append(x)
        return x - 2, x + 2

    share, error = coverage(simulate, interval, truth, 1500, 11)
    assert len(seen) == 1500 and len(set(seen)) == 1500
    assert abs(share - 0.6827) < 0.045
    assert abs(share - np.mean(np.abs(np.array(seen) - truth) <= 2)) < 1e-9
    assert abs(error / np.sqrt(share * (1 - share) / 1500) - 1) < 1e-2


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# Table 2 of the paper gives the 10th and 90th percentile over 100 subsets of 80 % of the runs, drawn *without*
# replacement. Beside it the bootstrap, at the same level, on a small problem whose fit is one line of algebra: 48
# *simulated* runs of one large model on more and more tokens, whose floor is taken as known, so that
# $\ln(L - \text{floor})$ is a line in $\ln D$ with slope $-\beta$.


# %%
def slope_of(x, y):
    """Least-squares slopes along the last axis."""
    x = x - x.mean(-1, keepdims=True)
    return (x * y).sum(-1) / (x * x).sum(-1)


decay_tokens = np.geomspace(2e9, 2e11, 48)
decay_rng = np.random.default_rng([variant, 59])


def simulate_decay(rng):
    excess = law.B / decay_tokens**law.beta
    return np.log(decay_tokens), np.log(excess * np.exp(0.05 * rng.standard_normal(48)))


def interval_of_pairs(data):
    rows = decay_rng.integers(48, size=(400, 48))
    return np.quantile(-slope_of(data[0][rows], data[1][rows]), [0.1, 0.9])


def interval_of_subsets(data):
    rows = np.argsort(decay_rng.random((100, 48)), axis=1)[:, :38]
    return np.quantile(-slope_of(data[0][rows], data[1][rows]), [0.1, 0.9])


@attempt
def _():
    for name, interval in (("runs with replacement", interval_of_pairs), ("80 % subsets", interval_of_subsets)):
        share, error = coverage(simulate_decay, interval, law.beta, 400, variant)
        print(f"{name:22} hold the true beta in {share:.0%} of sets (+- {error:.0%}); nominal 80 %")


# %% [markdown]
# ## 6. What the runs can know
#
# A sweep that spans little compute sees little of how the loss bends towards its floor. Raise $E$ by some and the
# exponents by some, and the runs hardly notice: a *ridge*. A standard error at the best fit does not show it. The
# *profile* does: fix one number at each of many values, fit all others anew, and see how much worse the best fit
# gets. (Holding the others where they were is a different thing, a slice, and makes everything look certain.)
#
# With noise of known size $\sigma$ in $\ln L$, half the sum of squared residuals over $\sigma^2$ is minus the log
# likelihood. Values whose profile is above its lowest by at most half of the 90 % point of $\chi^2_1$, which is
# 2.71, make up a 90 % interval. The narrow sweep below has three budgets within a factor of three.

# %%
sigma = 0.006
narrow = simulate_sweep(law, np.geomspace(1e19, 3e19, 3), 8, 2, sigma, np.random.default_rng([variant, 61]))
truth = np.array([np.log(law.A), np.log(law.B), np.log(law.E), law.alpha, law.beta])
floors = np.arange(0.1, 2.45, 0.05)


def misfit_narrow(theta):
    """Minus the log likelihood of the narrow sweep, and its gradient."""
    value, gradient = given_objective(theta, narrow, delta=np.inf)
    return value / sigma**2, gradient / sigma**2


# %% [raw]
# # BEGIN QUESTION
# name: q11
# points: 6

# %% [markdown]
# **Question 11 (6 points).** Write `profile(objective, column, values, start)`: for each of `values`, the lowest value
# of `objective(theta)` (which returns value and gradient) with `theta[column]` held there and all other numbers
# free. `start` is a good point to begin at. Walk outwards from it, each fit starting where its neighbour ended; equal
# bounds hold a number fixed in L-BFGS-B.
#
# Then profile $E$ over `floors` for the narrow sweep (`misfit_narrow`, from `truth`; mind that the column holds
# $\ln E$), and set `e_low` and `e_high` to the smallest and largest of `floors` within the 90 % interval. Take as the
# lowest value that of your profile.

# %% [raw]
# # BEGIN SOLUTION


# %%
def profile(objective, column, values, start):
    """Lowest objective with one number held at each of the values."""
    # BEGIN SOLUTION
    settings = {"ftol": 1e-12, "gtol": 1e-7, "maxiter": 5000, "maxfun": 50000}
    values = np.asarray(values, float)
    lowest = np.empty(values.size)
    solved = {start[column]: np.array(start, float)}
    for i in np.argsort(np.abs(values - start[column])):
        nearest = min(solved, key=lambda value: abs(value - values[i]))
        point = solved[nearest].copy()
        point[column] = values[i]
        bounds = [(None, None)] * point.size
        bounds[column] = (values[i], values[i])
        end = optimize.minimize(
            objective, point, jac=True, method="L-BFGS-B", bounds=bounds, options=settings
        )
        lowest[i], solved[values[i]] = end.fun, end.x
    return lowest
    # END SOLUTION


profile_narrow = profile(misfit_narrow, 2, np.log(floors), truth)  # SOLUTION
within_narrow = profile_narrow - np.min(profile_narrow) <= stats.chi2.ppf(0.9, 1) / 2  # SOLUTION
e_low = floors[within_narrow].min()  # SOLUTION
e_high = floors[within_narrow].max()  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_separate(profile):
    import numpy as np

    def bowl(theta):
        return 1 + theta @ theta, 2 * theta

    found = profile(bowl, 1, np.array([-1.0, 0.0, 2.0]), np.zeros(3))
    assert np.allclose(found, [2, 1, 5], atol=1e-6)


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: where numbers are tied to each other, the others must be fitted anew at each value.
""" # END TEST CONFIG
def test_tied(profile):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1061])
    root = rng.standard_normal((4, 4)) + 2 * np.eye(4)
    hessian = root @ root.T + 0.2 * np.eye(4)
    middle = rng.standard_normal(4)

    def bowl(theta):
        away = theta - middle
        return 3 + away @ hessian @ away / 2, hessian @ away

    for column in (0, 2):
        values = middle[column] + np.array([-2.0, -0.5, 0.0, 1.0, 3.0])
        expected = 3 + (values - middle[column]) ** 2 / np.linalg.inv(hessian)[column, column] / 2
        assert np.allclose(profile(bowl, column, values, middle), expected, rtol=1e-3, atol=1e-3)


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: the interval of E is not that of the profile of the narrow sweep. Is the profile that of ln E with all else free, and the bound that of 90 %?
""" # END TEST CONFIG
def test_floor(e_low, e_high):
    import numpy as np
    from scipy import optimize

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    alpha, beta = (low, high) if rng.random() < 0.5 else (high, low)
    A, B = u * 1e9**alpha, v * 2e10**beta
    flops = np.repeat(np.geomspace(1e19, 3e19, 3), 8)
    n = (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (flops / 6) ** (beta / (alpha + beta))
    n = n * np.tile(np.geomspace(1 / 2, 2, 8), 3)
    d = flops / (6 * n)
    x, y = np.log(n / 1e9), np.log(d / 2e10)
    noise = 0.006 * np.random.default_rng([variant, 61]).standard_normal(24)
    log_loss = np.log(E + A / n**alpha + B / d**beta) + noise

    floors = np.arange(0.1, 2.45, 0.05)
    costs = np.empty(floors.size)
    middle = int(np.argmin(np.abs(floors - E)))
    for steps in (range(middle, -1, -1), range(middle, floors.size)):
        point = np.array([np.log(u), np.log(v), alpha, beta])
        for i in steps:

            def residuals(p, floor=floors[i]):
                return (np.log(floor + np.exp(p[0] - p[2] * x) + np.exp(p[1] - p[3] * y)) - log_loss) / 0.006

            fit = optimize.least_squares(residuals, point, x_scale=[0.1, 0.1, 0.1, 0.1], xtol=1e-12, ftol=1e-12)
            costs[i], point = fit.cost, fit.x
    inside = floors[costs - costs.min() <= 2.7055 / 2]
    assert abs(e_low - inside.min()) < 0.051 and abs(e_high - inside.max()) < 0.051


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    def misfit_wide(theta):
        value, gradient = given_objective(theta, sweep, delta=np.inf)
        return value / 0.003**2, gradient / 0.003**2  # the noise of that sweep

    _, ax = plt.subplots(figsize=(6, 4))
    for name, misfit in (("narrow sweep", misfit_narrow), ("six budgets", misfit_wide)):
        lowest = profile(misfit, 2, np.log(floors), truth)
        ax.plot(floors, lowest - lowest.min(), label=name)
    ax.axhline(stats.chi2.ppf(0.9, 1) / 2, color="0.6", lw=1)
    ax.axvline(law.E, color="k", lw=1, ls=":")
    ax.set(ylim=(0, 6), xlabel="E", ylabel="profile above its lowest", title="Simulated: what is known of E")
    ax.legend()
    plt.show()
    print(f"narrow sweep: E from {e_low:.2f} to {e_high:.2f}, truth {law.E:.2f}")

    def misfit_at(exponent, misfit):
        """The misfit as a function of (ln A, ln B, ln E, alpha, a): beta follows."""

        def changed(p):
            theta = np.array([*p[:4], p[3] * p[4] / (1 - p[4])])
            value, g = misfit(theta)
            by_alpha = g[3] + g[4] * p[4] / (1 - p[4])
            return value, np.array([*g[:3], by_alpha, g[4] * p[3] / (1 - p[4]) ** 2])

        start = np.array([*truth[:4], law.beta / (law.alpha + law.beta)])
        return profile(changed, 4, exponent, start)

    exponents_tried = np.linspace(0.05, 0.95, 91)
    for name, misfit in (("narrow sweep", misfit_narrow), ("six budgets", misfit_wide)):
        lowest = misfit_at(exponents_tried, misfit)
        within = exponents_tried[lowest - lowest.min() <= stats.chi2.ppf(0.9, 1) / 2]
        print(f"{name}: a from {within.min():.2f} to {within.max():.2f}")
    print(f"truth: a = {law.beta / (law.alpha + law.beta):.3f}")


# %% [markdown]
# ### The next run
#
# Money is left for one run of $10^{21}$ FLOPs. Which size? Near the optimum $\ln L$ is almost linear in $\theta$.
# With the matrix $J$ of slopes $\partial \ln L_i/\partial\theta_j$, one row for each run, the covariance of the fit is
# $\sigma^2 (J^{\top}J)^{-1}$, and a number with gradient $g$ in $\theta$ has the variance
# $\sigma^2\, g^{\top}(J^{\top}J)^{-1} g$. A further run is a further row, and its loss need not be known.

# %%
done = log_loss(truth, narrow.n_params, narrow.n_tokens)[1].T  # one row for each run of the narrow sweep
candidate_params = best_size(law, 1e21) * np.geomspace(1 / 30, 30, 31)
candidates = log_loss(truth, candidate_params, 1e21 / (6 * candidate_params))[1].T

# %% [raw]
# # BEGIN QUESTION
# name: q12
# points: 4

# %% [markdown]
# **Question 12 (4 points).** Write
#
# - `exponent_gradient(alpha, beta)`: the gradient of $a = \beta/(\alpha + \beta)$ in
#   $\theta = (\ln A, \ln B, \ln E, \alpha, \beta)$, an array of five;
# - `error_after(done, candidates, gradient, sigma)`: for each row of `candidates`, the standard error of the number
#   with this gradient, once the run of that row has been added to those of `done`.
#
# Set `best_next` to the place (index) in `candidates` of the run after which $a$ is known best.

# %% [raw]
# # BEGIN SOLUTION


# %%
def exponent_gradient(alpha, beta):
    """Gradient of a in (ln A, ln B, ln E, alpha, beta)."""
    # BEGIN SOLUTION
    return np.array([0, 0, 0, -beta, alpha]) / (alpha + beta) ** 2
    # END SOLUTION


def error_after(done, candidates, gradient, sigma):
    """Standard error of a number after each candidate run, one for each row."""
    # BEGIN SOLUTION
    errors = []
    for row in candidates:
        slopes = np.vstack([done, row])
        errors.append(sigma * np.sqrt(gradient @ np.linalg.solve(slopes.T @ slopes, gradient)))
    return np.array(errors)
    # END SOLUTION


slopes_of_a = exponent_gradient(law.alpha, law.beta)  # SOLUTION
best_next = int(np.argmin(error_after(done, candidates, slopes_of_a, sigma)))  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_one_direction(error_after):
    import numpy as np

    found = error_after(np.eye(2), np.array([[0.0, 0.0], [np.sqrt(3), 0.0]]), np.array([1.0, 0.0]), 0.1)
    assert np.allclose(found, [0.1, 0.05]), "four times the information on a number halves its error"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: the gradient of a is wrong, compare it with differences of a.
""" # END TEST CONFIG
def test_gradient_of_a(exponent_gradient):
    import numpy as np

    found = exponent_gradient(0.3, 0.5)
    assert np.allclose(found, [0, 0, 0, -0.78125, 0.46875], atol=1e-9)


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: the standard error is wrong where numbers are tied to each other.
""" # END TEST CONFIG
def test_tied_numbers(error_after):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1067])
    done, more = rng.standard_normal((12, 5)), rng.standard_normal((6, 5))
    gradient = rng.standard_normal(5)
    expected = []
    for row in more:
        covariance = np.linalg.inv(done.T @ done + np.outer(row, row))
        expected.append(0.02 * np.sqrt(gradient @ covariance @ gradient))
    assert np.allclose(error_after(done, more, gradient, 0.02), expected, rtol=1e-8)


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: another candidate leaves less uncertainty about a.
""" # END TEST CONFIG
def test_best_next(best_next):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 17])
    E, low, high, u, v = rng.uniform([1.6, 0.28, 0.38, 0.30, 0.30], [1.9, 0.33, 0.45, 0.45, 0.45])
    alpha, beta = (low, high) if rng.random() < 0.5 else (high, low)
    A, B = u * 1e9**alpha, v * 2e10**beta

    def best(flops):
        return (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (flops / 6) ** (beta / (alpha + beta))

    def slopes(n, d):
        p, q = A / n**alpha, B / d**beta
        columns = [p, q, E + 0 * n, -p * np.log(n), -q * np.log(d)]
        return np.stack(columns, axis=1) / (E + p + q)[:, None]

    flops = np.repeat(np.geomspace(1e19, 3e19, 3), 8)
    n = best(flops) * np.tile(np.geomspace(1 / 2, 2, 8), 3)
    done = slopes(n, flops / (6 * n))
    n = best(1e21) * np.geomspace(1 / 30, 30, 31)
    g = np.array([0, 0, 0, -beta, alpha])
    errors = [g @ np.linalg.solve(done.T @ done + np.outer(r, r), g) for r in slopes(n, 1e21 / (6 * n))]
    assert int(best_next) == best_next and errors[int(best_next)] <= 1.002 * min(errors)


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION


# %%
@attempt
def _():
    after = error_after(done, candidates, exponent_gradient(law.alpha, law.beta), sigma)
    _, ax = plt.subplots(figsize=(6, 4))
    ax.semilogx(candidate_params, after, "o-", ms=4)
    ax.axvline(best_size(law, 1e21), color="k", lw=1, ls=":")
    ax.set(xlabel="size of the next run", ylabel="standard error of a after it", title="Simulated: the next run")
    plt.show()
    at_best = after[len(after) // 2]
    print(f"a run at the best size leaves {at_best:.4f}, the best candidate {after.min():.4f}")


# %% [markdown]
# ## 7. In words
#
# Graded by a person. Write in sentences and quote *your own* numbers from above.

# %% [raw]
# # BEGIN QUESTION
# name: q13
# points: 8
# manual: true

# %% [markdown]
# **Question 13 (8 points).** *The average and the interval.* In about 200 words:
# (a) Why does an average in place of a sum, which has the same optimum, lead to another answer? Use the table
# after question 8: what is printed as a success there, and what would have told you, had you not known the truth?
# (b) Besiroglu et al. found the paper's intervals implausibly narrow: an interval of $a$ of width about 0.001 would
# take some 600,000 runs, not fewer than 500. Which two things, the scheme and the stopping, may have made them so
# narrow, and in which way does each? What did you measure on the first one?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# (a) The optimum of $f/n$ is that of $f$, but L-BFGS-B stops on absolute tests: gain less than `ftol` times
# $\max(|f|, 1)$, gradient below `gtol`. With $f \approx 10^{-4}$ for the sum and $10^{-6}$ for the average every step
# gains too little, so it stops soon after the start and reports success (100 % of the starts in my table). The
# best end of the average has a sum several times (up to tens of times) that of the optimum and another $a$. Without
# the truth: the gradient *relative to its scale*, restarting from the end or at another scale gives another
# value, starts end at many different values, and the residuals are larger than the noise. (b) Scheme: subsets of
# 80 % share most runs, so their estimates differ from each other by about half of what two data sets do
# ($\sqrt{0.2/0.8}$ of the standard error); measured coverage about 50 % in place of 80 %. Stopping: each refit stops near
# where it starts, whatever the runs drawn, so the draws scatter about the start, not about their own optima. Both make
# draws alike; neither says anything about the runs.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q14
# points: 6
# manual: true

# %% [markdown]
# **Question 14 (6 points).** *Is it identifiable?* In about 150 words: what does the narrow sweep know of $E$, and what
# of $a$? Explain the ridge: which numbers move together, and why do the runs not notice? A colleague sets $E = 0$
# "because we cannot measure it anyway": what does that do to the exponents and to a forecast at a thousand
# times the compute? What would you print in place of "$E = $ [best fit]"?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# The 90 % interval of $E$ is wide (my e_low to e_high), for some data open below: the runs span a factor of three of
# compute and a small range of losses, in which a higher floor with a steeper decay looks the same as a lower floor
# with a shallower one. $E$ up, $\alpha$ and $\beta$ up, $A$ and $B$ up with them; the runs see only the sum, its slope
# and a little of its curvature. The exponent $a$ is not known either: my interval holds both 1/2 and, often, Kaplan's
# 0.73, while six budgets pin it to a hundredth. $E = 0$ is a choice of one point on the ridge, or off it: a slow term has
# to do the floor's work, so that one exponent (or both) comes out far too small and $a$ is thrown off; and a sum without
# a floor keeps falling, so that the forecast at a thousand times the compute is too low (by about 0.3 nats here). The
# numbers then look certain because the doubt was assumed away. Print a verdict first, then an interval or a
# bound ("not identified; E below 2.0 at 90 %").

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q15
# points: 6
# manual: true

# %% [markdown]
# **Question 15 (6 points).** *Which approach, which run?* In about 150 words: compare what the three approaches gave you
# here, and name for each the assumption that it stands on and one way for it to go wrong that you have seen in
# this notebook. Then: the next run of question 12 is not at the best size. Why does it help more there? What does
# that advice take for granted, and what would you buy instead if you doubted the law itself?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Approach 1 assumes that a run under way is as good as one that ends there and that enough sizes were trained; it is
# drawn inwards at the ends, steps from size to size, and noise picks winners. Approach 2 assumes that a valley is
# a parabola within the window; its level is biased by the window, its slope is not, as long as the window stays where it is.
# Approach 3 uses all runs and assumes the whole law; it fails by its optimiser and by ridges. At the best size the
# loss is flat and its slopes in theta are a mixture of those already seen; far off, one term dominates, so the run measures
# that term's exponent by a long lever. This takes the additive law for granted out there, and the noise as equal; if the
# law is in doubt, buy another valley at the larger budget, enclosing its minimum, or hold runs back as a test.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
