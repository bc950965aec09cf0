# %% [markdown]
# # A4 Judging: is one model better than another?
#
# Two language models answer the same questions, one is right more often, and somebody writes
# "significantly outperforms". This assignment is about what stands behind such a sentence. You build the
# statistics of a downstream comparison from nothing, try them on exams whose truth you know, and then turn
# them on the printed tables of Hoffmann et al. (2022), *Training Compute-Optimal Large Language Models*.
#
# **Learning goals.** Afterwards you can
#
# 1. give a score its standard error, and a difference of two scores the right one: paired, and clustered
#    where questions share a text;
# 2. test a difference, many differences, and a count of wins, and say which of these a sentence claims;
# 3. plan how many questions a comparison needs;
# 4. recompute a printed average, and find out which average it was;
# 5. allow for chance, for rounding, for the length of answers, for tokenizers and for leaked questions;
# 6. write a referee's report that rests on your own numbers.
#
# **Background** (chapters of the book): *The printed scores, counted again*; *Misprints and misreadings*;
# *Language modelling*; *Benchmarks*; *From loss to tasks*. You need a first course in statistics: standard
# error, p-value, binomial law, bootstrap.
#
# | part | questions | points |
# |---|---|---|
# | One exam, two models (simulated) | 1 to 6 | 34 |
# | Many tasks (the paper's tables) | 7 to 10 | 24 |
# | What a score is made of | 11 to 15 | 22 |
# | Written critique, marked by hand | 16 and 17 | 20 |
# | **total** | | **100** |
#
# **Time.** 4 to 5 hours. **Runs on** any CPU, Colab's or your own, in a few seconds; nothing is trained.
#
# **Rules.** NumPy, SciPy, Matplotlib, the standard library, and `chinchilla_lib` for the paper's tables. Keep
# the names and arguments of the functions. Accuracies and differences are *fractions* (0.676) unless a
# question says per cent, as the paper's tables do. Visible tests check little; hidden tests check the rest,
# on other data. Leave `variant` as your course has set it. **Hand in** this notebook, run from top to bottom.

# %%
import math

import numpy as np
from matplotlib import pyplot as plt
from scipy import special, stats

from chinchilla_lib.evaluation.printed import compare, load_printed_scores
from chinchilla_lib.reference import load_paper_table
from chinchilla_lib.reference.recorded import load_recorded

variant = 0

# %% [markdown]
# ## One exam, two models
#
# No answer of Chinchilla or Gopher to a single question was ever printed, so the exam of this part is
# **simulated**, and its truth is known. A question is hard or easy for both models alike. Questions come in
# documents, as in reading comprehension: some documents suit one model and some the other.


# %%
def simulate_exam(seed, n_documents=120, lead=0.7):
    """Two models on the same questions (simulated).

    Returns what the first and the second scored on each question (0.0 or 1.0), the document of each
    question (whole numbers from 0), and the difference in accuracy to be expected on these questions.
    """
    rng = np.random.default_rng(seed)
    document = np.repeat(np.arange(n_documents), rng.integers(1, 16, n_documents))
    n = len(document)
    easy = rng.normal(1.0, 6.0, n) + rng.normal(0.0, 2.0, n_documents)[document]
    taste = rng.normal(0.0, 0.8, n_documents)[document]
    p_first, p_second = special.expit(easy + lead + taste), special.expit(easy - taste)
    first, second = rng.random(n) < p_first, rng.random(n) < p_second
    return first.astype(float), second.astype(float), document, float((p_first - p_second).mean())


first, second, document, _ = simulate_exam([variant, 17])
print(f"{len(first)} questions in {document.max() + 1} documents (simulated)")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 5

# %% [markdown]
# **Question 1 (5 points).** The questions of an exam are a sample of those that could have been asked, and so
# a score has a standard error. Write `accuracy_and_error(scores)`: the mean of the scores of the questions
# (an array; here 0 or 1, elsewhere any number), and the standard error of this mean, from the sample standard
# deviation (divisor $n - 1$), the questions taken as independent. Return both, as fractions.

# %% [raw]
# # BEGIN SOLUTION


# %%
def accuracy_and_error(scores):
    """Mean of some scores, and its standard error."""
    # BEGIN SOLUTION
    scores = np.asarray(scores, dtype=float)
    return scores.mean(), scores.std(ddof=1) / np.sqrt(len(scores))
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_accuracy(accuracy_and_error):
    accuracy, error = accuracy_and_error([1.0, 1.0, 1.0, 0.0])
    assert abs(accuracy - 0.75) < 1e-12, "three of four right: 0.75, a fraction"
    assert error > 0


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the standard error of a mean shrinks as questions are added"
"""  # END TEST CONFIG


def test_error_of_the_mean(accuracy_and_error):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 101])
    for n in (900, 6400):
        scores = (rng.random(n) < 0.7).astype(float)
        _, error = accuracy_and_error(scores)
        assert abs(error / (scores.std() / np.sqrt(n)) - 1) < 0.01


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "few questions, or scores other than 0 and 1; read again which divisor is asked for"
"""  # END TEST CONFIG


def test_few_scores(accuracy_and_error):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 102])
    scores = rng.normal(0.5, 0.2, 5)
    accuracy, error = accuracy_and_error(scores)
    assert abs(accuracy - scores.mean()) < 1e-12
    assert abs(error**2 - ((scores - scores.mean()) ** 2).sum() / 20) < 1e-12


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for name, scores in (("first", first), ("second", second)):
        accuracy, error = accuracy_and_error(scores)
        print(f"{name} model: {accuracy:.3f} +- {error:.3f} (simulated)")
except Exception as error:
    print(f"nothing to show yet, question 1: {type(error).__name__}: {error}")

# %% [markdown]
# Both models answered the *same* questions. What is hard about a question is hard for both and drops out of
# the difference of their scores on it.

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 6

# %% [markdown]
# **Question 2 (6 points).** Write `paired_difference(a, b)`, which returns three numbers: the mean score of
# model `a` less that of model `b`; its standard error if the two arrays were scores on two independent sets
# of questions (unpaired); and its standard error given that entry *i* of both is the same question (paired).
# Divisor $n - 1$ throughout. Then set `times_as_many`: how many times as many questions would an unpaired
# comparison need for the standard error that pairing gives on the exam above (`first`, `second`)?

# %% [raw]
# # BEGIN SOLUTION


# %%
def paired_difference(a, b):
    """Difference of means, its unpaired and its paired standard error."""
    # BEGIN SOLUTION
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    n = len(a)
    unpaired = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)
    paired = (a - b).std(ddof=1) / np.sqrt(n)
    return (a - b).mean(), unpaired, paired
    # END SOLUTION


# %%
# BEGIN SOLUTION NO PROMPT
_, unpaired_error, paired_error = paired_difference(first, second)
# END SOLUTION
times_as_many = (unpaired_error / paired_error) ** 2  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_difference(paired_difference):
    difference, unpaired, paired = paired_difference([1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0])
    assert abs(difference - 0.5) < 1e-12, "0.75 less 0.25"
    assert unpaired > 0 and paired > 0


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the paired error: the difference on each question is what is sampled"
"""  # END TEST CONFIG


def test_paired(paired_difference):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 201])
    hard = rng.random(400)
    a, b = (rng.random(400) < hard).astype(float), (rng.random(400) < hard).astype(float)
    for x, y in ((a, b), (a, 1 - b), (hard + 0.1 * a, hard)):
        assert abs(paired_difference(x, y)[2] / np.sqrt((x - y).var(ddof=1) / 400) - 1) < 1e-6


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the unpaired error: variances of independent scores add"
"""  # END TEST CONFIG


def test_unpaired(paired_difference):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 202])
    hard = rng.random(300)
    a, b = (rng.random(300) < hard).astype(float), (rng.random(300) < hard / 2).astype(float)
    expected = np.sqrt(a.var(ddof=1) / 300 + b.var(ddof=1) / 300)
    assert abs(paired_difference(a, b)[1] / expected - 1) < 1e-6


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "how a standard error goes with the number of questions, on the exam of your variant"
"""  # END TEST CONFIG


def test_times_as_many(times_as_many):
    import numpy as np
    from scipy import special

    variant = 0
    rng = np.random.default_rng([variant, 17])
    document = np.repeat(np.arange(120), rng.integers(1, 16, 120))
    n = len(document)
    easy = rng.normal(1.0, 6.0, n) + rng.normal(0.0, 2.0, 120)[document]
    taste = rng.normal(0.0, 0.8, 120)[document]
    a = (rng.random(n) < special.expit(easy + 0.7 + taste)).astype(float)
    b = (rng.random(n) < special.expit(easy - taste)).astype(float)
    expected = (a.var(ddof=1) + b.var(ddof=1)) / (a - b).var(ddof=1)
    assert abs(times_as_many / expected - 1) < 0.001


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# A paired test of two models needs only the questions that one has right and the other wrong: of these, a
# fair coin would give half to each. This is McNemar's test. In its exact form it is a binomial test.

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 6

# %% [markdown]
# **Question 3 (6 points).** Write `mcnemar(a, b)` for arrays of 0 and 1. Return how many questions `a` alone
# has right, how many `b` alone, and the exact **two-sided** p-value that neither model is better; 1 if there
# is no question on which they differ.

# %% [raw]
# # BEGIN SOLUTION


# %%
def mcnemar(a, b):
    """Questions that one model alone has right, and McNemar's exact two-sided p-value."""
    # BEGIN SOLUTION
    a, b = np.asarray(a), np.asarray(b)
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    n_unequal = only_a + only_b
    p_value = stats.binomtest(only_a, n_unequal).pvalue if n_unequal else 1.0
    return only_a, only_b, p_value
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_discordant(mcnemar):
    only_a, only_b, p_value = mcnemar([1, 1, 1, 0, 0], [1, 0, 0, 1, 0])
    assert (only_a, only_b) == (2, 1)
    assert 0 < p_value <= 1


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "exact, two-sided, and of the questions on which the models differ alone"
"""  # END TEST CONFIG


def test_p_value(mcnemar):
    import numpy as np
    from scipy import stats

    variant = 0
    rng = np.random.default_rng([variant, 301])
    for n, p in ((40, 0.3), (60, 0.35), (500, 0.45)):
        a = (rng.random(n) < 0.6).astype(int)
        b = np.where(rng.random(n) < 0.4, (rng.random(n) < p).astype(int), a)
        wins, losses = int((a > b).sum()), int((a < b).sum())
        expected = min(1.0, 2 * stats.binom.cdf(min(wins, losses), wins + losses, 0.5))
        for x, y in ((a, b), (b, a)):
            assert abs(mcnemar(x, y)[2] - expected) < 1e-9


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "models that do not differ, or differ evenly"
"""  # END TEST CONFIG


def test_even(mcnemar):
    assert mcnemar([1, 0, 1], [1, 0, 1])[2] == 1
    assert abs(mcnemar([1, 0, 1, 0, 1], [0, 1, 0, 1, 1])[2] - 1) < 1e-12


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    difference, unpaired, paired = paired_difference(first, second)
    print(f"difference {difference:+.3f}, unpaired +- {unpaired:.3f}, paired +- {paired:.3f} (simulated)")
    only_first, only_second, p_value = mcnemar(first, second)
    print(f"{only_first} against {only_second} questions: p = {p_value:.2g}")
except Exception as error:
    print(f"nothing to show yet, questions 2 and 3: {type(error).__name__}: {error}")

# %% [markdown]
# Questions on one document are not independent: where a text suits a model, all its questions do. What was
# sampled are documents. With $n$ questions in $G$ documents and $d_i$ the difference on a question, the
# deviations of a document are added up before they are squared:
#
# $$ \mathrm{se}^2 = \frac{1}{n^2}\,\frac{G}{G-1} \sum_{g=1}^{G} \Big( \sum_{i \in g} (d_i - \bar d) \Big)^2 $$

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 6

# %% [markdown]
# **Question 4 (6 points).** Write `clustered_error(differences, document)`: this standard error. `document`
# names the document of each question, in any order, by any whole numbers or names.

# %% [raw]
# # BEGIN SOLUTION


# %%
def clustered_error(differences, document):
    """Standard error of a mean difference over questions that come in documents."""
    # BEGIN SOLUTION
    differences = np.asarray(differences, dtype=float)
    names, index = np.unique(np.asarray(document), return_inverse=True)
    totals = np.bincount(index, weights=differences - differences.mean())
    n_documents = len(names)
    return np.sqrt(n_documents / (n_documents - 1) * (totals**2).sum()) / len(differences)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_documents_of_one(clustered_error):
    import numpy as np

    differences = np.array([1.0, 0.0, -1.0, 1.0, 0.0, 1.0])
    error = clustered_error(differences, np.arange(6))
    assert abs(error - differences.std(ddof=1) / np.sqrt(6)) < 1e-12, "documents of one question each"


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "questions of one document are no independent questions"
"""  # END TEST CONFIG


def test_copies(clustered_error):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 401])
    d = rng.integers(-1, 2, 50).astype(float)
    once = d.std(ddof=1) / np.sqrt(50)
    error = clustered_error(np.repeat(d, 6), np.repeat(np.arange(50), 6))
    assert abs(error / once - 1) < 1e-6  # six copies of each question tell nothing new


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "documents of unequal length, in any order, with any names"
"""  # END TEST CONFIG


def test_unequal_documents(clustered_error):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 402])
    document = rng.permutation(np.repeat(np.arange(30) * 7 + 3, rng.integers(1, 20, 30)))
    d = 0.3 * (document % 2) + rng.normal(0, 1, len(document))
    squares = sum(((d[document == g] - d.mean()).sum()) ** 2 for g in set(document.tolist()))
    assert abs(clustered_error(d, document) / (np.sqrt(squares * 30 / 29) / len(d)) - 1) < 1e-6


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# The bootstrap gets there without a formula, if what it draws is what was sampled.

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 6

# %% [markdown]
# **Question 5 (6 points).** Write `bootstrap_interval(differences, document, rng, n_draws=2000, level=0.9)`:
# the percentile interval (low, high) of the mean difference over questions. Each draw takes as many
# *documents* as there are, with replacement, each with all its questions; its value is the mean over all
# questions drawn. At level 0.9 the interval leaves out one twentieth at either end. `rng` is a NumPy
# `Generator`; draw from it alone.

# %% [raw]
# # BEGIN SOLUTION


# %%
def bootstrap_interval(differences, document, rng, n_draws=2000, level=0.9):
    """Percentile interval of a mean difference, by a bootstrap over documents."""
    # BEGIN SOLUTION
    names, index = np.unique(np.asarray(document), return_inverse=True)
    totals = np.bincount(index, weights=np.asarray(differences, dtype=float))
    sizes = np.bincount(index)
    drawn = rng.integers(0, len(names), (n_draws, len(names)))
    means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return low, high
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_constant(bootstrap_interval):
    import numpy as np

    low, high = bootstrap_interval(np.full(12, 0.25), np.arange(12) // 3, np.random.default_rng(0))
    assert abs(low - 0.25) < 1e-12 and abs(high - 0.25) < 1e-12, "differences that are all equal"


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "width of the interval; think of what was sampled, and of how much is left out at either end"
"""  # END TEST CONFIG


def test_width(bootstrap_interval):
    import numpy as np
    from scipy import stats

    variant = 0
    rng = np.random.default_rng([variant, 501])
    document = np.repeat(np.arange(80), 10)
    d = rng.normal(0, 1, 80)[document] + rng.normal(0, 1, 800)
    error = np.array([d[document == g].mean() for g in range(80)]).std(ddof=1) / np.sqrt(80)
    for level in (0.9, 0.5):
        low, high = bootstrap_interval(d, document, rng, n_draws=4000, level=level)
        assert abs((high - low) / (2 * stats.norm.ppf((1 + level) / 2) * error) - 1) < 0.12


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "documents of unequal length; the mean is over questions"
"""  # END TEST CONFIG


def test_mean_over_questions(bootstrap_interval):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 502])
    sizes = np.repeat([1, 20], 60)
    document = np.repeat(np.arange(120), sizes)
    d = (sizes[document] == 20) + rng.normal(0, 0.3, len(document))
    low, high = bootstrap_interval(d, document, rng)
    assert low < d.mean() < high and high - low < 0.2


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# With a known truth the errors can be put to the test: 300 exams, and how often an interval of 90 % holds the
# difference that was to be expected. Clustered errors are meant for new documents; so the truth here is that
# of a very long exam.

# %%
try:
    truth = simulate_exam([variant, 18], n_documents=30_000)[3]
    wide = stats.norm.ppf(0.95)
    held, errors = np.zeros(3), np.zeros(3)
    for i in range(300):
        a, b, own, _ = simulate_exam([variant, 19, i])
        difference, unpaired, paired = paired_difference(a, b)
        each = np.array([unpaired, paired, clustered_error(a - b, own)])
        held += np.abs(difference - truth) < wide * each
        errors += each
    for name, share, error in zip(("unpaired", "paired", "clustered"), held / 300, errors / 300, strict=True):
        print(f"{name:10} error {error:.4f}, interval of 90 % holds the truth in {share:.0%} (simulated)")
    interval = bootstrap_interval(first - second, document, np.random.default_rng([variant, 20]))
    print(
        f"bootstrap over documents, your exam: {interval[0]:+.3f} to {interval[1]:+.3f}; truth {truth:+.3f}"
    )
    fig, ax = plt.subplots(figsize=(5, 2.2), layout="constrained")
    ax.barh(["unpaired", "paired", "clustered"], held / 300, color="0.6")
    ax.axvline(0.9, color="k", linewidth=1)
    ax.set(xlim=(0, 1), xlabel="share of intervals that hold the truth (simulated)")
except Exception as error:
    print(f"nothing to show yet, questions 2, 4 and 5: {type(error).__name__}: {error}")

# %% [markdown]
# Unpaired, the interval is far too wide and would miss real gains; paired but blind to documents, it is too
# narrow. Two real models on the same items are in the library: a smaller one on more tokens and a larger one
# on fewer, of equal training budget, both more than ten thousand times smaller than Chinchilla, on a cloze
# task (**recorded, small scale**).

# %%
try:
    record = load_recorded("loss-to-task-cpu-60")
    answers = [
        [float(value) for value in row["values"].split()]
        for width in ("92x2-s0", "192x2-s0")
        for row in record.answer_rows
        if (row["task"], row["metric"]) == ("cloze", "acc") and f"-{width}-" in row["run_id"]
    ]
    difference, unpaired, paired = paired_difference(*answers)
    print(f"smaller less larger: {difference:+.3f}, unpaired +- {unpaired:.3f}, paired +- {paired:.3f}")
    print("alone right, McNemar's p: {} against {}, {:.2g}".format(*mcnemar(*answers)))
except Exception as error:
    print(f"nothing to show yet, questions 2 and 3: {type(error).__name__}: {error}")

# %% [markdown]
# How many questions does it take to see a gain? A two-sided test of level $\alpha$ finds a true gain
# $\delta$ with probability $1 - \beta$ if $\delta = (z_{1-\alpha/2} + z_{1-\beta})\,\mathrm{se}$, where se is
# that of the difference. One question's difference has variance $p_1(1-p_1) + p_2(1-p_2)$ unpaired, and
# paired $u - \delta^2$, where $u$ is the share of questions that one model has right and the other wrong.

# %% [raw]
# # BEGIN QUESTION
# name: q6
# points: 5

# %% [markdown]
# **Question 6 (5 points).** Write `items_needed(p_first, p_second, unequal=None, level=0.05, power=0.8)`: the
# smallest whole number of questions by this rule, unpaired where `unequal` (the share $u$) is None, else
# paired. Then set `n_unpaired` and `n_paired` for a gain of one point at the accuracy `p_low` with the share
# `share_unequal`, level and power as above.

# %% [raw]
# # BEGIN SOLUTION

# %%
p_low = 0.60 + 0.03 * (variant % 7)
share_unequal = 0.12 + 0.01 * (variant % 5)


def items_needed(p_first, p_second, unequal=None, level=0.05, power=0.8):
    """Questions that a two-sided test needs."""
    # BEGIN SOLUTION
    gain = p_first - p_second
    unpaired = p_first * (1 - p_first) + p_second * (1 - p_second)
    variance = unpaired if unequal is None else unequal - gain**2
    z = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power)
    return math.ceil(variance * (z / gain) ** 2)
    # END SOLUTION


# %%
n_unpaired = items_needed(p_low + 0.01, p_low)  # SOLUTION
n_paired = items_needed(p_low + 0.01, p_low, share_unequal)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_smaller_gain(items_needed):
    many, few = items_needed(0.51, 0.49), items_needed(0.52, 0.48)
    assert many == int(many) and 3.9 < many / few < 4.1, "half the gain: four times the questions"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "unpaired; two-sided, and with the power asked for"
"""  # END TEST CONFIG


def test_unpaired_items(items_needed):
    from scipy import stats

    variant = 0
    p = 0.55 + 0.02 * (variant % 10)
    for gain, level, power in ((0.03, 0.05, 0.8), (-0.05, 0.01, 0.9)):
        z = stats.norm.isf(level / 2) + stats.norm.isf(1 - power)
        exact = (p * (1 - p) + (p + gain) * (1 - p - gain)) * (z / gain) ** 2
        assert 0 <= items_needed(p + gain, p, level=level, power=power) - exact < 1.001


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "paired, and the numbers of your variant"
"""  # END TEST CONFIG


def test_paired_items(items_needed, n_unpaired, n_paired):
    from scipy import stats

    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert 0 <= items_needed(0.7, 0.65, 0.2) - (0.2 - 0.05**2) * (z / 0.05) ** 2 < 1.001
    variant = 0
    low, share = 0.60 + 0.03 * (variant % 7), 0.12 + 0.01 * (variant % 5)
    high = low + 0.01
    assert abs(n_unpaired / ((low * (1 - low) + high * (1 - high)) * (z / 0.01) ** 2) - 1) < 0.001
    assert abs(n_paired / ((share - 0.01**2) * (z / 0.01) ** 2) - 1) < 0.001


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    gains = np.geomspace(0.005, 0.1, 40)
    fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, unequal in (("unpaired", None), ("paired", share_unequal)):
        ax.loglog(100 * gains, [items_needed(p_low + g, p_low, unequal) for g in gains], label=name)
    n_mmlu = sum(score.n_items for score in load_printed_scores() if score.suite == "MMLU")
    ax.axhline(n_mmlu, color="0.6", linewidth=1)
    ax.annotate("MMLU", (6, 1.1 * n_mmlu), color="0.4")
    ax.set(xlabel="gain to be seen (points)", ylabel="questions")
    ax.legend()
except Exception as error:
    plt.close("all")
    print(f"nothing to show yet, question 6: {type(error).__name__}: {error}")

# %% [markdown]
# ## Many tasks
#
# From here on the numbers are the paper's: scores of both models, **in per cent with one decimal**, as
# printed in Tables 7 to 10 and A5 to A7, and the number of questions of each task where it could be counted
# in the files as released. Your variant looks at 45 of the 57 tasks of MMLU, without regard to their scores.

# %%
printed = load_printed_scores()
mmlu = [score for score in printed if score.suite == "MMLU"]
bigbench = [score for score in printed if score.suite == "BIG-bench"]
mine = [mmlu[i] for i in sorted(np.random.default_rng([variant, 7]).permutation(len(mmlu))[:45])]
gains = np.array([score.chinchilla - score.gopher for score in mine])
print(f"{len(mmlu)} tasks of MMLU, {len(bigbench)} of BIG-bench, {len(mine)} in your choice of MMLU")
print(f"the first: {mine[0].task}, {mine[0].chinchilla} against {mine[0].gopher} on {mine[0].n_items} items")

# %% [raw]
# # BEGIN QUESTION
# name: q7
# points: 5

# %% [markdown]
# **Question 7 (5 points).** "Better on 51 of 57 tasks": how likely would a fair coin be so one-sided? Write
# `sign_test(gains)`: wins (gain above 0), ties, losses, and the exact two-sided p-value of the sign test,
# which leaves ties out; 1 if there are only ties. Set `my_tally` to the four for `gains`.

# %% [raw]
# # BEGIN SOLUTION


# %%
def sign_test(gains):
    """Wins, ties, losses, and the two-sided p-value of the sign test."""
    # BEGIN SOLUTION
    gains = np.asarray(gains)
    wins, losses = int((gains > 0).sum()), int((gains < 0).sum())
    p_value = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    return wins, len(gains) - wins - losses, losses, p_value
    # END SOLUTION


# %%
my_tally = sign_test(gains)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_counts(sign_test):
    wins, ties, losses, _ = sign_test([1.5, 0.0, -0.2, 3.0])
    assert (wins, ties, losses) == (2, 1, 1)


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "two-sided, and what the test does with ties"
"""  # END TEST CONFIG


def test_sign_p_value(sign_test):
    import numpy as np
    from scipy import stats

    variant = 0
    rng = np.random.default_rng([variant, 701])
    for n, ties in ((20, 0), (12, 5), (57, 9)):
        drawn = np.concatenate([rng.normal(0.6, 1, n), np.zeros(ties)])
        few = min((drawn > 0).sum(), (drawn < 0).sum())
        assert abs(sign_test(drawn)[3] - min(1.0, 2 * stats.binom.cdf(few, n, 0.5))) < 1e-12
    assert sign_test([0.0, 0.0])[3] == 1


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the tasks of your variant"
"""  # END TEST CONFIG


def test_my_tally(my_tally):
    import numpy as np
    from scipy import stats

    from chinchilla_lib.evaluation.printed import load_printed_scores

    variant = 0
    mmlu = [score for score in load_printed_scores() if score.suite == "MMLU"]
    chosen = np.random.default_rng([variant, 7]).permutation(len(mmlu))[:45]
    signs = np.sign([mmlu[i].chinchilla - mmlu[i].gopher for i in chosen])
    wins, losses = int((signs > 0).sum()), int((signs < 0).sum())
    assert tuple(my_tally[:3]) == (wins, 45 - wins - losses, losses)
    p_value = 2 * stats.binom.cdf(losses, wins + losses, 0.5)
    assert abs(my_tally[3] / p_value - 1) < 1e-6


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# That Chinchilla wins so often is one claim; that it is better on a given task is another, made 45 times at
# once. `chinchilla_lib.evaluation.printed.compare` has an unadjusted p-value for each task (Fisher's exact
# test on the counts, unpaired, since no answers were printed). Holm's method adjusts them: sort $m$ p-values
# from the smallest; multiply the smallest by $m$, the next by $m - 1$, and so on; make each at least as large
# as the one before, and 1 at most.

# %%
p_values = np.array([one.p_value for one in compare(mine)])
level = 0.05

# %% [raw]
# # BEGIN QUESTION
# name: q8
# points: 6

# %% [markdown]
# **Question 8 (6 points).** Write `holm(p_values)`: the adjusted p-values, in the order given. Set
# `n_alone` and `n_holm`: how many of your tasks are below `level` each by itself, and after adjustment.
# (`compare` returns adjusted values, too; write your own.)

# %% [raw]
# # BEGIN SOLUTION


# %%
def holm(p_values):
    """Adjusted p-values by Holm's method."""
    # BEGIN SOLUTION
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(stepped))
    return adjusted
    # END SOLUTION


# %%
n_alone = (p_values < level).sum()  # SOLUTION
n_holm = (holm(p_values) < level).sum()  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_smallest(holm):
    import numpy as np

    adjusted = np.asarray(holm([0.5, 0.01, 0.04]))
    assert adjusted.shape == (3,) and abs(adjusted[1] - 0.03) < 1e-12, "three at once: 0.01 becomes 0.03"


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "each step of Holm's method, ties and the end included"
"""  # END TEST CONFIG


def test_steps(holm):
    import numpy as np

    assert np.allclose(holm([0.04, 0.01, 0.03, 0.9]), [0.09, 0.04, 0.09, 0.9], atol=1e-12)
    variant = 0
    p = np.random.default_rng([variant, 801]).random(30) ** 3
    adjusted, largest = np.empty(30), 0.0
    for rank, i in enumerate(sorted(range(30), key=p.__getitem__)):
        largest = max(largest, p[i] * (30 - rank))
        adjusted[i] = min(1.0, largest)
    assert np.allclose(holm(p), adjusted, atol=1e-12)


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "how many tasks are beyond noise, alone and after adjustment"
"""  # END TEST CONFIG


def test_numbers(n_alone, n_holm):
    import numpy as np

    from chinchilla_lib.evaluation.printed import compare, load_printed_scores

    variant = 0
    mmlu = [score for score in load_printed_scores() if score.suite == "MMLU"]
    chosen = np.random.default_rng([variant, 7]).permutation(len(mmlu))[:45]
    found = compare([mmlu[i] for i in chosen])
    assert n_alone == sum(one.p_value < 0.05 for one in found)
    assert n_holm == sum(one.p_adjusted < 0.05 for one in found)


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    ax.scatter(gains, p_values, s=14, label="each alone")
    ax.scatter(gains, holm(p_values), s=14, marker="x", label="Holm")
    ax.axhline(level, color="k", linewidth=1)
    ax.set(yscale="log", xlabel="gain of Chinchilla (points)", ylabel="p-value")
    ax.legend()
except Exception as error:
    plt.close("all")
    print(f"nothing to show yet, question 8: {type(error).__name__}: {error}")

# %% [markdown]
# A mean over tasks (*macro*: each task counts once) and a mean over questions (*micro*: each question counts
# once) are two numbers. The paper prints four means, and not how they were taken.

# %%
table_6 = {row["who"]: float(row["accuracy_pct"]) for row in load_paper_table("table6_mmlu").rows}
other = {row["metric"]: row for row in load_paper_table("other_eval_numbers").rows}
mean_62 = other["BIG-bench mean of 62 tasks"]
printed_means = {
    ("MMLU", "Chinchilla"): table_6["Chinchilla 5-shot"],
    ("MMLU", "Gopher"): table_6["Gopher 5-shot"],
    ("BIG-bench", "Chinchilla"): float(mean_62["chinchilla"]),
    ("BIG-bench", "Gopher"): float(mean_62["gopher"]),
}
for (suite, model), value in printed_means.items():
    print(f"{suite:10} {model:11} {value:5.1f} %, as printed")

# %% [raw]
# # BEGIN QUESTION
# name: q9
# points: 8

# %% [markdown]
# **Question 9 (8 points).** Write `averages(scores, n_items)`: the macro and the micro average of the scores
# of some tasks. Recompute the four means from `mmlu` and `bigbench` (all tasks; entries have `chinchilla`,
# `gopher` in per cent and `n_items`). The printed mean is rounded, and so are the scores it was computed
# from, each by 0.05 at most: it *agrees* with yours if they are no more than 0.1 apart. Set `verdict`, a
# dictionary with the keys of `printed_means`: with which of your two averages does the printed one agree?
# Each value is `"macro"`, `"micro"`, `"both"` or `"neither"`.

# %% [raw]
# # BEGIN SOLUTION


# %%
def averages(scores, n_items):
    """Macro and micro average."""
    # BEGIN SOLUTION
    return np.mean(scores), np.average(scores, weights=n_items)
    # END SOLUTION


# %%
verdict = {}
# BEGIN SOLUTION
for (suite, model), value in printed_means.items():
    tasks = mmlu if suite == "MMLU" else bigbench
    scores = [task.chinchilla if model == "Chinchilla" else task.gopher for task in tasks]
    both = averages(scores, [task.n_items for task in tasks])
    macro_agrees, micro_agrees = (abs(mean - value) <= 0.1 for mean in both)
    verdict[suite, model] = {
        (True, True): "both",
        (True, False): "macro",
        (False, True): "micro",
        (False, False): "neither",
    }[macro_agrees, micro_agrees]
# END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_equal_sizes(averages):
    macro, micro = averages([50.0, 70.0], [10, 10])
    assert abs(macro - 60) < 1e-9 and abs(micro - 60) < 1e-9, "tasks of one size: no difference"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "tasks of unequal size; which of the two averages does each question count in?"
"""  # END TEST CONFIG


def test_unequal_sizes(averages):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 901])
    scores, n_items = rng.uniform(20, 95, 9), rng.integers(30, 3000, 9)
    macro, micro = averages(scores, n_items)
    assert abs(macro - scores.sum() / 9) < 1e-9
    assert abs(micro - (scores * n_items).sum() / n_items.sum()) < 1e-9


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Chinchilla's mean on MMLU"
"""  # END TEST CONFIG


def test_mmlu_chinchilla(verdict):
    assert verdict["MMLU", "Chinchilla"] == "both"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Gopher's mean on MMLU"
"""  # END TEST CONFIG


def test_mmlu_gopher(verdict):
    assert verdict["MMLU", "Gopher"] == "micro"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the two means on BIG-bench"
"""  # END TEST CONFIG


def test_bigbench(verdict):
    assert verdict["BIG-bench", "Chinchilla"] == "neither"
    assert verdict["BIG-bench", "Gopher"] == "macro"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for suite, tasks in (("MMLU", mmlu), ("BIG-bench", bigbench)):
        sizes = [task.n_items for task in tasks]
        macro, micro = averages([task.chinchilla for task in tasks], sizes)
        macro_2, micro_2 = averages([task.gopher for task in tasks], sizes)
        said = printed_means[suite, "Chinchilla"] - printed_means[suite, "Gopher"]
        print(f"{suite:10} gain as printed {said:5.2f}; like with like: ", end="")
        print(f"macro {macro - macro_2:5.2f}, micro {micro - micro_2:5.2f} points")
    shares = sorted((task.n_items / sum(sizes), task.task) for task in bigbench)[-2:]
    print("largest tasks of BIG-bench:", ", ".join(f"{name} {share:.0%} of items" for share, name in shares))
except Exception as error:
    print(f"nothing to show yet, question 9: {type(error).__name__}: {error}")

# %% [markdown]
# A share of $n$ questions is a whole number over $n$. So a printed score says how many questions were right,
# if there are few enough of them; and where no whole number gives it, the score was not taken on these
# questions. It also says what two equal printed scores may hide.

# %% [raw]
# # BEGIN QUESTION
# name: q10
# points: 5

# %% [markdown]
# **Question 10 (5 points).** Write `possible_counts(percent, n_items)`: the whole numbers of right answers,
# from the smallest, that give this score printed with one decimal (at most 0.05 from it; allow $10^{-9}$ for
# the machine); empty if there is none. And `difference_range(first, second, n_items)`: by how many right
# answers the first model may lead, at least and at most, given both printed scores; None if one of them fits
# no whole number.

# %% [raw]
# # BEGIN SOLUTION


# %%
def possible_counts(percent, n_items):
    """Numbers of right answers that a printed score allows."""
    # BEGIN SOLUTION
    counts = np.arange(n_items + 1)
    return counts[np.abs(100 * counts / n_items - percent) <= 0.05 + 1e-9]
    # END SOLUTION


def difference_range(first, second, n_items):
    """Least and greatest lead of the first model, in questions."""
    # BEGIN SOLUTION
    a, b = possible_counts(first, n_items), possible_counts(second, n_items)
    return (a[0] - b[-1], a[-1] - b[0]) if len(a) and len(b) else None
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_one_count(possible_counts):
    assert list(possible_counts(41.1, 112)) == [46], "46 of 112 is 41.07 per cent"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "many questions, or a score that no count gives"
"""  # END TEST CONFIG


def test_many_or_none(possible_counts):
    assert list(possible_counts(63.6, 38)) == []
    variant = 0
    n = 50_000 + 2 * variant
    counts = [k for k in range(n + 1) if abs(100 * k / n - 54.2) <= 0.05 + 1e-9]
    assert [int(k) for k in possible_counts(54.2, n)] == counts


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a lead is least where one count is low and the other is high"
"""  # END TEST CONFIG


def test_lead(difference_range):
    assert tuple(difference_range(81.8, 81.8, 1838)) == (-1, 1)
    assert tuple(difference_range(69.0, 69.0, 100)) == (0, 0)
    assert tuple(difference_range(80.8, 79.2, 10042)) == (151, 169)  # 8109 to 8118 and 7949 to 7958
    assert difference_range(47.6, 50.0, 38) is None


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for score in printed:
        if score.n_items and score.chinchilla == score.gopher:
            lead = difference_range(score.chinchilla, score.gopher, score.n_items)
            print(f"{score.task}: {score.chinchilla} both, lead of Chinchilla {lead[0]} to {lead[1]} items")
    for suite, tasks in (("MMLU", mmlu), ("BIG-bench", bigbench)):
        for model in ("chinchilla", "gopher"):
            found = [possible_counts(getattr(task, model), task.n_items) for task in tasks]
            fits = [len(counts) > 0 for counts in found]
            line = f"{suite:10} {model:11} {sum(fits)} of {len(fits)} scores fit the released items"
            if all(fits):
                total = sum(task.n_items for task in tasks)
                low, high = (100 * sum(counts[end] for counts in found) / total for end in (0, -1))
                line += f"; micro average {low:.3f} to {high:.3f}"
            print(line)
except Exception as error:
    print(f"nothing to show yet, question 10: {type(error).__name__}: {error}")

# %% [markdown]
# The abstract prints 67.5 % for MMLU, Table 6 67.6 %. You can now say whether rounding, or the way of
# averaging, explains that.
#
# ## What a score is made of
#
# Near 0 and 1 the interval $\hat p \pm z \sqrt{\hat p (1 - \hat p)/n}$ fails: with all right it has no width.
# Wilson's interval holds every $p$ that a test would not reject, the error taken at $p$ and not at $\hat p$:
# $|\hat p - p| \le z \sqrt{p(1-p)/n}$.

# %% [raw]
# # BEGIN QUESTION
# name: q11
# points: 4

# %% [markdown]
# **Question 11 (4 points).** Write `wilson(n_right, n_items, level=0.95)`: the ends of Wilson's interval, as
# fractions, without a correction for continuity.

# %% [raw]
# # BEGIN SOLUTION


# %%
def wilson(n_right, n_items, level=0.95):
    """Wilson's interval of a share."""
    # BEGIN SOLUTION
    z = stats.norm.ppf((1 + level) / 2)
    share = n_right / n_items
    middle = (share + z**2 / (2 * n_items)) / (1 + z**2 / n_items)
    half = z * np.sqrt(share * (1 - share) / n_items + z**2 / (4 * n_items**2)) / (1 + z**2 / n_items)
    return middle - half, middle + half
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_contains(wilson):
    low, high = wilson(30, 40)
    assert 0 < low < 0.75 < high < 1


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "a share near 0 or 1, and other levels"
"""  # END TEST CONFIG


def test_near_one(wilson):
    import numpy as np
    from scipy import stats

    variant = 0
    rng = np.random.default_rng([variant, 1101])
    few = int(rng.integers(1, 5))
    for n, k, level in ((70, 70, 0.95), (70, 70 - few, 0.95), (32, few, 0.9), (100, 0, 0.99)):
        expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert np.allclose(wilson(k, n, level), [expected.low, expected.high], atol=1e-6)


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for score in bigbench:
        if score.chinchilla > 94 and score.fits(score.chinchilla):
            k = round(score.chinchilla * score.n_items / 100)
            low, high = wilson(k, score.n_items)
            print(f"{score.task}: {score.chinchilla} % of {score.n_items}: {low:.1%} to {high:.1%}")
except Exception as error:
    print(f"nothing to show yet, question 11: {type(error).__name__}: {error}")

# %% [markdown]
# A task with two answers begins at one half, one with ten at one tenth. A score above chance is
# $(\text{accuracy} - \text{chance}) / (1 - \text{chance})$: 0 for guessing, 1 for all right.

# %% [raw]
# # BEGIN QUESTION
# name: q12
# points: 5

# %% [markdown]
# **Question 12 (5 points).** Write `above_chance(accuracy, chance)`, for numbers or arrays, and
# `guess_p_value(n_right, n_items, chance)`: the probability that guessing has **at least** `n_right` right
# (one-sided here, since only more than chance is of interest).

# %% [raw]
# # BEGIN SOLUTION


# %%
def above_chance(accuracy, chance):
    """Accuracy on a scale from guessing (0) to all right (1)."""
    # BEGIN SOLUTION
    return (np.asarray(accuracy) - chance) / (1 - np.asarray(chance))
    # END SOLUTION


def guess_p_value(n_right, n_items, chance):
    """Probability that guessing has at least so many right."""
    # BEGIN SOLUTION
    return stats.binom.sf(n_right - 1, n_items, chance)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_ends(above_chance, guess_p_value):
    assert abs(above_chance(1.0, 0.25) - 1) < 1e-12
    assert abs(guess_p_value(0, 10, 0.25) - 1) < 1e-12, "none or more: certain"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "guessing scores 0, and all the range above it counts"
"""  # END TEST CONFIG


def test_above_chance(above_chance):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1201])
    accuracy, chance = rng.uniform(0.1, 1, 8), rng.choice([0.1, 0.2, 0.25, 0.5], 8)
    assert abs(above_chance(0.25, 0.25)) < 1e-12
    assert np.allclose(above_chance(accuracy, chance), 1 - (1 - accuracy) / (1 - chance), atol=1e-12)


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "at least so many, and no more sides than asked for"
"""  # END TEST CONFIG


def test_at_least(guess_p_value):
    from scipy import stats

    variant = 0
    assert abs(guess_p_value(10, 10, 0.5) - 0.5**10) < 1e-12
    for k, n, chance in ((42 + variant % 3, 126, 0.25), (7, 20, 0.5)):
        assert abs(guess_p_value(k, n, chance) - sum(stats.binom.pmf(range(k, n + 1), n, chance))) < 1e-9


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for score in mmlu:
        counts = [round(value * score.n_items / 100) for value in (score.chinchilla, score.gopher)]
        p = [guess_p_value(k, score.n_items, 0.25) for k in counts]
        if max(p) > 0.05 / len(mmlu):
            print(f"{score.task:24} not told from guessing: Chinchilla p = {p[0]:.1g}, Gopher p = {p[1]:.1g}")
    # simulated: ten tasks, one model leads where answers are many, the other where they are two
    chance = np.repeat([0.1, 0.5], 5)
    base = np.random.default_rng([variant, 12]).uniform(0.6, 0.8, 10)
    one, two = base + 0.05 * (chance < 0.3), base + 0.04 * (chance > 0.3)
    print(f"simulated, macro: {one.mean():.3f} against {two.mean():.3f}; above chance: ", end="")
    print(f"{above_chance(one, chance).mean():.3f} against {above_chance(two, chance).mean():.3f}")
except Exception as error:
    print(f"nothing to show yet, question 12: {type(error).__name__}: {error}")

# %% [markdown]
# Models answer multiple choice by log-likelihood: the answer they find likeliest. Long answers are less likely
# than short ones because they are long, so many benchmarks divide by length. In tokens, the length depends on
# the model's tokenizer; in bytes it does not. The choice can decide who wins (**simulated** below).

# %%
rng = np.random.default_rng([variant, 13])
n_bytes = rng.integers(8, 60, (600, 4))
right = rng.integers(0, 4, 600)
is_right = np.arange(4) == right[:, None]
log_likelihoods = {  # nats, of 600 questions with 4 answers each
    "one": -0.5 * n_bytes + rng.normal(0, 9, (600, 4)) + 10.0 * is_right,
    "two": n_bytes * (-0.5 + rng.normal(0, 0.15, (600, 4)) + 0.2 * is_right),
}

# %% [raw]
# # BEGIN QUESTION
# name: q13
# points: 4

# %% [markdown]
# **Question 13 (4 points).** Write `choice_accuracy(log_likelihoods, right, lengths=None)`: the share of
# questions (rows) on which the chosen answer (column) is the right one. The chosen answer is that of the
# highest log-likelihood, or, if `lengths` are given, of the highest log-likelihood for each unit of length.

# %% [raw]
# # BEGIN SOLUTION


# %%
def choice_accuracy(log_likelihoods, right, lengths=None):
    """Accuracy of the likeliest answers."""
    # BEGIN SOLUTION
    values = np.asarray(log_likelihoods, dtype=float)
    if lengths is not None:
        values = values / np.asarray(lengths)
    return (values.argmax(axis=1) == np.asarray(right)).mean()
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_likeliest(choice_accuracy):
    accuracy = choice_accuracy([[-3.0, -5.0], [-9.0, -2.0], [-1.0, -4.0]], [0, 1, 1])
    assert abs(accuracy - 2 / 3) < 1e-12


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "log-likelihood for each unit of length"
"""  # END TEST CONFIG


def test_per_length(choice_accuracy):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1301])
    lengths, right = rng.integers(1, 30, (300, 4)), rng.integers(0, 4, 300)
    values = -lengths * rng.uniform(0.2, 1.0, (300, 4))
    best = [max(range(4), key=lambda j: row[j] / size[j]) for row, size in zip(values, lengths, strict=True)]
    assert abs(choice_accuracy(values, right, lengths) - np.mean(np.array(best) == right)) < 1e-9
    likeliest = np.mean(np.argsort(values, axis=1)[:, -1] == right)
    assert abs(choice_accuracy(values, right) - likeliest) < 1e-9


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    for name, values in log_likelihoods.items():
        plain = choice_accuracy(values, right)
        for_each_byte = choice_accuracy(values, right, n_bytes)
        print(f"model {name}: likeliest {plain:.3f}, likeliest for its bytes {for_each_byte:.3f} (simulated)")
except Exception as error:
    print(f"nothing to show yet, question 13: {type(error).__name__}: {error}")

# %% [markdown]
# Losses for a token compare models of one tokenizer only: longer tokens are harder to foretell, and fewer.
# Bits for a byte compare all. Over several documents, sums come first and ratios last; and a perplexity is
# the exponential of a mean loss, not a mean of exponentials.

# %% [raw]
# # BEGIN QUESTION
# name: q14
# points: 5

# %% [markdown]
# **Question 14 (5 points).** For arrays with one entry for each document, mean loss (nats for a token),
# tokens, bytes, write `bits_per_byte(losses, n_tokens, n_bytes)` and `perplexity(losses, n_tokens)` (for a
# token), both of the whole corpus. There are $\ln 2$ nats in a bit.

# %% [raw]
# # BEGIN SOLUTION


# %%
def bits_per_byte(losses, n_tokens, n_bytes):
    """Bits for a byte of a corpus."""
    # BEGIN SOLUTION
    nats = (np.asarray(losses) * np.asarray(n_tokens)).sum()
    return nats / np.log(2) / np.sum(n_bytes)
    # END SOLUTION


def perplexity(losses, n_tokens):
    """Perplexity for a token of a corpus."""
    # BEGIN SOLUTION
    mean_loss = np.average(losses, weights=n_tokens)
    return np.exp(mean_loss)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_copies_of_a_document(bits_per_byte, perplexity):
    assert abs(perplexity([2.0, 2.0], [10, 10]) - 7.389056098930650) < 1e-9
    once, twice = bits_per_byte([2.0], [10], [40]), bits_per_byte([2.0, 2.0], [10, 10], [40, 40])
    assert once > 0 and abs(once - twice) < 1e-12, "a second copy of a document changes nothing"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "units; a token is several bytes"
"""  # END TEST CONFIG


def test_units(bits_per_byte):
    import math

    variant = 0
    loss, ratio = 2.0 + 0.1 * variant, 4.5
    assert abs(bits_per_byte([loss], [1000], [4500]) - loss / math.log(2) / ratio) < 1e-9


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "documents of unequal length; what is added up, and when"
"""  # END TEST CONFIG


def test_documents(bits_per_byte, perplexity):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1401])
    losses, tokens = rng.uniform(1.5, 5, 12), rng.integers(20, 2000, 12)
    sizes = (tokens * rng.uniform(2, 6, 12)).astype(int)
    nats = float(losses @ tokens)
    one_document = bits_per_byte([nats / tokens.sum()], [int(tokens.sum())], [int(sizes.sum())])
    assert abs(bits_per_byte(losses, tokens, sizes) / one_document - 1) < 1e-9
    assert abs(perplexity(losses, tokens) / np.exp(nats / tokens.sum()) - 1) < 1e-9


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    rng = np.random.default_rng([variant, 14])
    sizes = rng.integers(500, 20_000, 40)
    bits = rng.uniform(0.7, 1.1, 40)  # simulated: bits for a byte of each document
    for name, ratio, worse in (("short tokens", 3.0, 1.0), ("long tokens", 4.4, 0.97)):
        tokens = (sizes / ratio).astype(int)
        losses = worse * bits * np.log(2) * sizes / tokens
        per_token, per_byte = perplexity(losses, tokens), bits_per_byte(losses, tokens, sizes)
        print(
            f"{name:12}: perplexity {per_token:5.2f} for a token, {per_byte:.3f} bits for a byte (simulated)"
        )
except Exception as error:
    print(f"nothing to show yet, question 14: {type(error).__name__}: {error}")

# %% [markdown]
# Some questions may have been in the training text of one model. If it is known which, the leak shows as a
# lead on these beyond the lead on the others: both models find leaked questions easier or harder for other
# reasons, but only one has read them.

# %% [raw]
# # BEGIN QUESTION
# name: q15
# points: 4

# %% [markdown]
# **Question 15 (4 points).** Write `leak_effect(differences, leaked)`: `differences` are the first model's
# score less the second's on each question, `leaked` says (True or False) which questions are in the training
# text of the first. Return how much larger the lead is on leaked questions than on the others, and the
# standard error of that (two independent groups of questions, divisors $n - 1$).

# %% [raw]
# # BEGIN SOLUTION


# %%
def leak_effect(differences, leaked):
    """How much larger a lead is on leaked questions, and the standard error of that."""
    # BEGIN SOLUTION
    differences, leaked = np.asarray(differences, dtype=float), np.asarray(leaked, dtype=bool)
    inside, outside = differences[leaked], differences[~leaked]
    error = np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    return inside.mean() - outside.mean(), error
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_effect(leak_effect):
    effect, error = leak_effect([1.0, 0.0, 0.0, 0.0, -1.0, 1.0], [True, True, False, False, False, False])
    assert abs(effect - 0.5) < 1e-12 and error > 0


# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "two groups, each with its own size and its own spread"
"""  # END TEST CONFIG


def test_error(leak_effect):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 1501])
    leaked = rng.random(500) < 0.1
    d = rng.integers(-1, 2, 500) * (1 + leaked) + 0.2 * leaked
    parts = [d[leaked], d[~leaked]]
    expected = np.sqrt(sum(((x - x.mean()) ** 2).sum() / (len(x) - 1) / len(x) for x in parts))
    effect, error = leak_effect(d, leaked)
    assert abs(effect - (parts[0].mean() - parts[1].mean())) < 1e-9
    assert abs(error / expected - 1) < 1e-6


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
try:
    a, b, _, _ = simulate_exam([variant, 15], n_documents=300, lead=0.0)
    rng = np.random.default_rng([variant, 16])
    leaked = rng.random(len(a)) < 0.1
    a[leaked & (rng.random(len(a)) < 0.5)] = 1.0  # simulated: half of the leaked answers are remembered
    print(f"all questions: lead {np.mean(a - b):+.3f}; not leaked: {np.mean((a - b)[~leaked]):+.3f}")
    print("leak {:+.3f} +- {:.3f} (simulated)".format(*leak_effect(a - b, leaked)))
except Exception as error:
    print(f"nothing to show yet, question 15: {type(error).__name__}: {error}")

# %% [markdown]
# ## Written critique
#
# Marked by hand. What counts are your own numbers and what you make of them; add cells for more numbers where
# you need them. Say of each number what it rests on: printed scores, a simulation, recorded small models.

# %% [raw]
# # BEGIN QUESTION
# name: q16
# points: 12
# manual: true

# %% [markdown]
# **Question 16 (12 points): a referee's report.** The abstract says that Chinchilla "uniformly and
# significantly outperforms" Gopher and others on a large range of downstream tasks, and that it reaches 67.5 %
# on MMLU, more than 7 points above Gopher. Write the part of a referee's report that deals with these
# sentences, in at most 400 words and with at least five numbers of your own. Cover: (a) *uniformly*; (b)
# *significantly*, and of what; (c) the averages: which were taken alike, which printed figure you cannot
# reproduce, and what the gains become like with like; (d) whether both models answered the same questions;
# (e) what the authors should publish, and what could then be said that cannot be said now; (f) what stands.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer; a good report may choose other numbers.*
#
# (a) *Uniformly* is too strong. Of 166 printed pairs of scores Chinchilla is better in 155, equal in 3 and
# worse in 8: on MMLU 51, 2 and 4 of 57, on BIG-bench 58, 0 and 4 of 62. On PIQA (81.8 both) the print does not
# even tell the sign: between one question behind and one ahead.
#
# (b) The number of wins is significant: a fair coin gives 51 against 4 with p = 2e-11. Tasks are no random
# sample, and share models and training text, so this speaks of this suite. The single gains mostly are not:
# on MMLU 24 of 57 are below 0.05 each alone, 5 after Holm; of all 138 scores whose items could be counted,
# taken together, 30 after Holm.
# No loss is beyond noise either. The errors are unpaired, since no answers were printed, hence too large; and
# blind to questions that share a text, hence too small.
#
# (c) On MMLU Chinchilla's 67.6 agrees with the macro (67.64) and the micro average (67.56); Gopher's 60.0 with
# the micro average alone (60.01; macro 60.61). Like with like the gain is 7.03 or 7.55, not 7.6; "more than 7"
# stands. 67.5 is neither: the counts of right answers follow from Table A6, and the micro average is at least
# 67.56. On BIG-bench Gopher's 54.4 is the macro average; Chinchilla's 65.1 is no average of Table A7 (64.52,
# micro 55.72). The gain is 10.1, not 10.7.
#
# (d) On MMLU all scores of both fit the released questions. On BIG-bench 53 of 62 of Chinchilla's do and 25
# of Gopher's: these pairs seem not to compare the same questions.
#
# (e) Publish each model's answer to each question, with the question's document, and prompts. Then errors can
# be paired and clustered, a point of gain can be seen with several times fewer questions, and overlap with
# the training text can be tested question by question.
#
# (f) It stands that Chinchilla is better on nearly all tasks and by about 7 points on MMLU; so does what is
# claimed for the choice of model size. It does not stand that it is better on *each*.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q17
# points: 8
# manual: true

# %% [markdown]
# **Question 17 (8 points): what the averages hide.** In at most 250 words and with numbers of your own: give
# one example each of how an average over tasks can mislead (a) through weights, (b) through chance level or
# ceiling, (c) through tasks on which the models move in opposite directions (the chapter *From loss to tasks*
# has one; Tables A6 and A7 have others). Then (d) propose the one small table that you would print in place of
# a single average, and say why.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer.*
#
# (a) Two of the 62 tasks of BIG-bench (hyperbaton, movie_dialog_same_or_diff) hold 70 % of the questions, and
# both models are near one half on them. Micro, Chinchilla's gain is 4.5 points; macro 10.1. Neither is wrong;
# they answer different questions.
#
# (b) A task with two answers begins at 50: navigate went from 51.1 to 52.6, hardly above guessing, and counts
# in the mean like a task from 10 to 11.5. In the simulated ten tasks one model leads by the plain mean and
# the other above chance. At the other end general_knowledge_json can rise from 93.9 by 6 points at most.
#
# (c) In *From loss to tasks* minimal pairs as a whole stay flat while agreement past a nearer noun falls far
# below chance and other kinds rise. In Table A7 dark_humor_detection (-16.9) and crash_blossom (-16.0) fall
# while odd_one_out rises by 38.4; in the mean these vanish. (Both falls are on fewer than 100 questions, and
# neither is beyond noise after adjustment.)
#
# (d) For each group of tasks: number of tasks and of questions, macro average above chance of both models,
# the difference with its paired, clustered interval, wins/ties/losses, and how many gains and losses are
# beyond noise after Holm. The reader sees level, size, certainty and disagreement at once, and an average can
# no longer stand for all of them.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
