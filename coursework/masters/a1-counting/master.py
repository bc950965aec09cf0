# %% [markdown]
# # A1 Counting: what is a parameter, and what does a token cost?
#
# Every law of this course relates three counts: parameters $N$, tokens $D$ and operations $C$. Two papers that
# count differently find different exponents in the same runs, and one paper contradicts itself by a tenth. In this
# assignment you count a transformer by hand and in code, find out which count made a printed table, and see what a
# count does to an exponent.
#
# **Learning goals.** Afterwards you can
#
# 1. write down every weight of a transformer, and know which of them a shape's printed numbers imply;
# 2. price a token, forward and backward, operation by operation, and say when $6ND$ is good enough;
# 3. find out by which convention a printed number was made;
# 4. predict what another convention does to a fitted exponent;
# 5. turn a budget into tokens, days and bytes.
#
# **Background.** Hoffmann et al. (2022), [*Training Compute-Optimal Large Language
# Models*](https://arxiv.org/abs/2203.15556), Appendix F and Tables A4 and A9; Kaplan et al. (2020), [*Scaling Laws
# for Neural Language Models*](https://arxiv.org/abs/2001.08361), section 2. In our book the chapters *Parameters
# and FLOPs*, *Why Kaplan differed* and *The models of Table 1*.
#
# | part | questions | points |
# |---|---|---|
# | Parameters | 1 to 3 | 20 |
# | Operations | 4 to 7 | 26 |
# | A table and its appendix | 8 | 6 |
# | What counting does to a frontier | 9, 10 | 15 |
# | Bytes and days | 11, 12 | 13 |
# | In words, marked by hand | 13, 14 | 20 |
# | **total** | | **100** |
#
# **Time.** 3 to 5 hours. **Runs on** any CPU, Colab's or your own, in seconds; nothing is trained.
#
# **Rules.** NumPy, Matplotlib, the standard library, and `load_paper_table` of `chinchilla_lib` for the paper's
# tables; its functions that count are what you write here, so do not call them. Replace each `...`; keep names and
# arguments. Visible tests check little; hidden tests check the rest, on other shapes. No question needs the answer
# to another one. Leave `variant` as your course has set it. **Hand in** this notebook, run from top to bottom.

# %%
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from chinchilla_lib.reference import load_paper_table

variant = 0


@dataclass(frozen=True)
class Shape:
    """What a table of models prints of each."""

    n_layers: int
    d_model: int
    n_heads: int
    kv_size: int
    ffw_size: int
    vocab_size: int = 32000
    seq_len: int = 2048


def draw_shape(seed):
    """A shape whose attention is not always as wide as the model (drawn by lot)."""
    rng = np.random.default_rng(seed)
    d_model = int(rng.choice([512, 640, 768, 1024, 1536]))
    return Shape(
        n_layers=int(rng.integers(3, 30)),
        d_model=d_model,
        n_heads=int(rng.integers(4, 17)),
        kv_size=int(rng.choice([64, 96, 128])),
        ffw_size=int(d_model * rng.choice([2, 3, 4, 8])),
        vocab_size=int(rng.choice([8000, 32000, 50257])),
        seq_len=int(rng.choice([512, 1024, 2048, 4096])),
    )


my_shapes = [draw_shape([variant, 17, k]) for k in range(6)]
for shape in my_shapes:
    print(shape)


def attempt(draw):
    """Call draw(); while an answer that it needs is blank, print one line."""
    try:
        draw()
    except Exception as problem:
        plt.close("all")
        print(f"Nothing to show yet: {type(problem).__name__}: {problem}")

# %% [markdown]
# ## 1. Parameters
#
# $L$ layers of width $d$; attention has $h$ heads of size $k$, so it is $A = hk$ wide, which need not be $d$; the
# feed-forward block has two matrices, to width $f$ and back. First a plain model: **no biases**, and one weight per
# channel for each norm, two norms in a layer and one before the output.

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 7

# %% [markdown]
# **Question 1 (7 points).** Write `layer_params(shape)`: the weights of *one* layer, norms included.

# %% [raw]
# # BEGIN SOLUTION

# %%
def layer_params(shape):
    """Weights of one layer."""
    # BEGIN SOLUTION
    d, width = shape.d_model, shape.n_heads * shape.kv_size
    attention = 4 * d * width
    feed_forward = 2 * d * shape.ffw_size
    return attention + feed_forward + 2 * d
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_a_plain_layer(layer_params):
    from types import SimpleNamespace

    plain = SimpleNamespace(d_model=512, n_heads=8, kv_size=64, ffw_size=2048, n_layers=1)
    assert layer_params(plain) == 12 * 512**2 + 2 * 512, "width 512, 8 heads of 64, 4d: 12 d^2 and two norms"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "attention is as wide as its heads together, and that is not always the width of the model"
"""  # END TEST CONFIG


def test_attention_width(layer_params):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 101, k])
        one.ffw_size = 4 * one.d_model
        width = one.n_heads * one.kv_size
        assert layer_params(one) == 4 * one.d_model * width + 8 * one.d_model**2 + 2 * one.d_model

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "the feed-forward width is a number of its own; and count every matrix and norm of the layer"
"""  # END TEST CONFIG


def test_feed_forward(layer_params):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 102, k])
        one.n_heads, one.kv_size = 8, one.d_model // 8
        assert layer_params(one) == 4 * one.d_model**2 + 2 * one.d_model * one.ffw_size + 2 * one.d_model

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# The embedding turns a token into $d$ numbers, and at the output the same matrix, *tied*, or another of its size,
# *untied*, turns them into a score for each token of the vocabulary.

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 7

# %% [markdown]
# **Question 2 (7 points).** Write `total_params(shape, layer, tied)`: all weights of the model, where `layer` is
# the number of weights of one layer (an argument, so that question 1 does not matter here). Remember the last norm.

# %% [raw]
# # BEGIN SOLUTION

# %%
def total_params(shape, layer, tied):
    """All weights of a model whose layers have `layer` weights each."""
    # BEGIN SOLUTION
    embedding = shape.vocab_size * shape.d_model
    embeddings = embedding if tied else 2 * embedding
    return embeddings + shape.n_layers * layer + shape.d_model
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_no_layers(total_params):
    from types import SimpleNamespace

    empty = SimpleNamespace(n_layers=0, d_model=10, vocab_size=100)
    assert total_params(empty, 7, True) == 1010, "100 tokens of width 10, and one norm"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "with a tied embedding one matrix serves both ends, and it is part of the model"
"""  # END TEST CONFIG


def test_tied(total_params):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 103, k])
        expected = one.vocab_size * one.d_model + one.n_layers * 1234567 + one.d_model
        assert total_params(one, 1234567, True) == expected

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "an untied output matrix has weights of its own"
"""  # END TEST CONFIG


def test_untied(total_params):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 104, k])
        expected = 2 * one.vocab_size * one.d_model + one.n_layers * 7654321 + one.d_model
        assert total_params(one, 7654321, False) == expected

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ### Table A9
#
# The paper prints the sizes of fifty models to the million, and no formula. Its models are Gopher's: a tied
# embedding, and relative positions as in Transformer-XL, for which every layer has one more matrix, $d \times A$,
# that the paper does not mention. Vectors (biases and norms) add to a layer some number of weights for each unit of
# $A$, of $d$ and of $f$. One reading, which this question uses, is $5A + 2d + f$.

# %%
table_a9 = load_paper_table("a9_model_configs")
printed_millions = table_a9.numbers("params_millions")
a9_shapes = [
    Shape(*(int(row[key]) for key in ("n_layers", "d_model", "n_heads", "kv_size", "ffw_size")))
    for row in table_a9.rows
]
print(len(a9_shapes), "models; the first:", a9_shapes[0], f"{printed_millions[0]:.0f}M")

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 6

# %% [markdown]
# **Question 3 (6 points).** Count all fifty in three ways, and set how many agree with the print when rounded to a
# million (whole numbers): `agree_twelve` with $Vd + 12 L d^2$; `agree_without` with the right widths and all
# vectors, but without the matrix of relative positions; `agree_with` with it. Then set `missing_per_cent`, the
# largest amount by which the second count falls short of the *print*, in per cent of the print.

# %% [raw]
# # BEGIN SOLUTION

# %%
# BEGIN SOLUTION NO PROMPT
def gopher_params(one, relative):
    d, width, f = one.d_model, one.n_heads * one.kv_size, one.ffw_size
    layer = (4 + relative) * d * width + 2 * d * f + 5 * width + 2 * d + f
    return one.vocab_size * d + one.n_layers * layer


def agreeing(counts):
    return int(np.sum(np.round(np.array(counts) / 1e6) == printed_millions))


twelve = [one.vocab_size * one.d_model + 12 * one.n_layers * one.d_model**2 for one in a9_shapes]
without = np.array([gopher_params(one, 0) for one in a9_shapes])
with_positions = [gopher_params(one, 1) for one in a9_shapes]
# END SOLUTION
agree_twelve = agreeing(twelve)  # SOLUTION
agree_without = agreeing(without)  # SOLUTION
agree_with = agreeing(with_positions)  # SOLUTION
missing_per_cent = 100 * float(np.max(1 - without / 1e6 / printed_millions))  # SOLUTION
print(agree_twelve, agree_without, agree_with, missing_per_cent)

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_counts_are_counts(agree_twelve, agree_without, agree_with):
    assert all(0 <= count <= 50 and int(count) == count for count in (agree_twelve, agree_without, agree_with))

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "one of the two counts without relative positions is not what the formula gives"
"""  # END TEST CONFIG


def test_without(agree_twelve, agree_without):
    from chinchilla_lib.reference import load_paper_table

    rows = load_paper_table("a9_model_configs").rows
    twelve = without = 0
    for row in rows:
        n, d, h, k, f, m = (
            int(row[key]) for key in ("n_layers", "d_model", "n_heads", "kv_size", "ffw_size", "params_millions")
        )
        twelve += round((32000 * d + 12 * n * d * d) / 1e6) == m
        layer = 4 * d * h * k + 2 * d * f + 5 * h * k + 2 * d + f
        without += round((32000 * d + n * layer) / 1e6) == m
    assert (agree_twelve, agree_without) == (twelve, without)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "with the right widths, the relative positions and all vectors one formula fits every row"
"""  # END TEST CONFIG


def test_all_fifty(agree_with):
    assert agree_with == 50

# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "a share of the print, in per cent, of the model that is most short"
"""  # END TEST CONFIG


def test_missing(missing_per_cent):
    from chinchilla_lib.reference import load_paper_table

    short = []
    for row in load_paper_table("a9_model_configs").rows:
        n, d, h, k, f, m = (
            int(row[key]) for key in ("n_layers", "d_model", "n_heads", "kv_size", "ffw_size", "params_millions")
        )
        layer = 4 * d * h * k + 2 * d * f + 5 * h * k + 2 * d + f
        short.append(100 * (1 - (32000 * d + n * layer) / 1e6 / m))
    assert abs(missing_per_cent - max(short)) < 0.02

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 2. Operations
#
# A product of an $m \times k$ matrix with a $k \times n$ one takes $mkn$ multiplications with an addition each,
# which count as **two** operations each (Appendix F). Nothing is discounted for the causal mask, as there: every
# query is counted against every key.

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 8

# %% [markdown]
# **Question 4 (8 points).** Write `forward_operations(shape)`: the operations of one forward pass over **one
# sequence** of `seq_len` tokens, all layers together, as a dict with the keys `"query_key_value"`,
# `"attention_logits"` (queries against keys), `"attention_values"` (the weights against the values),
# `"attention_output"`, `"feed_forward"`, and `"final_logits"`.

# %% [raw]
# # BEGIN SOLUTION

# %%
def forward_operations(shape):
    """Operations of a forward pass over one sequence, by product."""
    # BEGIN SOLUTION
    t, d, width = shape.seq_len, shape.d_model, shape.n_heads * shape.kv_size
    return {
        "query_key_value": shape.n_layers * 2 * 3 * t * d * width,
        "attention_logits": shape.n_layers * 2 * t * t * width,
        "attention_values": shape.n_layers * 2 * t * t * width,
        "attention_output": shape.n_layers * 2 * t * width * d,
        "feed_forward": shape.n_layers * 2 * 2 * t * d * shape.ffw_size,
        "final_logits": 2 * t * d * shape.vocab_size,
    }
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_keys(forward_operations):
    from types import SimpleNamespace

    one = SimpleNamespace(
        n_layers=1, d_model=4, n_heads=2, kv_size=2, ffw_size=8, vocab_size=16, seq_len=2
    )
    found = forward_operations(one)
    assert set(found) == {
        *("query_key_value", "attention_logits", "attention_values"),
        *("attention_output", "feed_forward", "final_logits"),
    }, "six products"
    assert found["final_logits"] == 256, "2 tokens, width 4, 16 tokens in the vocabulary"

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "products with weights: a multiplication with its addition is two operations, in every token of the sequence and every layer"
"""  # END TEST CONFIG


def test_products_with_weights(forward_operations):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 105, k])
        found, width = forward_operations(one), one.n_heads * one.kv_size
        each = 2 * one.seq_len * one.d_model * width * one.n_layers
        assert found["query_key_value"] == 3 * each
        assert found["attention_output"] == each

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "attention compares every token with every other, in all heads together, twice: for the scores and for the values"
"""  # END TEST CONFIG


def test_attention(forward_operations):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 106, k])
        found = forward_operations(one)
        each = 2 * one.seq_len**2 * one.n_heads * one.kv_size * one.n_layers
        assert found["attention_logits"] == each
        assert found["attention_values"] == each

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the feed-forward block has two products of its own width in every layer; the logits come once"
"""  # END TEST CONFIG


def test_feed_forward_and_logits(forward_operations):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 107, k])
        found = forward_operations(one)
        assert found["feed_forward"] == 4 * one.seq_len * one.d_model * one.ffw_size * one.n_layers
        assert found["final_logits"] == 2 * one.seq_len * one.d_model * one.vocab_size

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
def draw_shares():
    shares = [forward_operations(one) for one in my_shapes]
    names = list(shares[0])
    bottom = np.zeros(len(shares))
    _, ax = plt.subplots(figsize=(6.5, 3.2))
    for name in names:
        part = np.array([one[name] / sum(one.values()) for one in shares])
        ax.bar(range(len(shares)), part, bottom=bottom, label=name)
        bottom += part
    ax.set_xlabel("shape")
    ax.set_ylabel("share of the forward pass")
    ax.legend(fontsize=7, bbox_to_anchor=(1.01, 1))
    plt.show()


attempt(draw_shares)

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 6

# %% [markdown]
# **Question 5 (6 points).** Backward, each product is done twice more: once for the gradient of its input, once for
# that of its weights. Write `training_per_token(operations, seq_len, recompute=False)`: operations of training for
# each **token**, from a dict such as question 4 returns (of a whole sequence). With `recompute` the activations are
# not kept, and the forward pass is done once more on the way back.

# %% [raw]
# # BEGIN SOLUTION

# %%
def training_per_token(operations, seq_len, recompute=False):
    """Forward and backward operations for each token of training."""
    # BEGIN SOLUTION
    passes = 4 if recompute else 3
    return passes * sum(operations.values()) / seq_len
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_a_token(training_per_token):
    found = training_per_token({"a": 10, "b": 20}, 10)
    assert found > 0 and found == int(found), "30 operations forward for 10 tokens"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "per token, forward once and backward twice as much"
"""  # END TEST CONFIG


def test_three_passes(training_per_token):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 108])
    for _ in range(3):
        parts = {name: float(rng.integers(1, 10**9)) for name in "abcd"}
        t = int(rng.integers(10, 5000))
        assert abs(training_per_token(parts, t) / (3 * sum(parts.values()) / t) - 1) < 1e-12

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "recomputing the activations is one more forward pass, not one more of everything"
"""  # END TEST CONFIG


def test_recompute(training_per_token):
    parts = {"a": 700.0, "b": 300.0}
    assert abs(training_per_token(parts, 100, recompute=True) - 40) < 1e-9

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# points: 6

# %% [markdown]
# **Question 6 (6 points).** $6ND$ counts the products with weights and forgets that attention compares tokens with
# tokens. Write `even_length(shape)`: the sequence length at which the scores and the mixing of values cost as much
# as all other products **of the layers** (not the logits).

# %% [raw]
# # BEGIN SOLUTION

# %%
def even_length(shape):
    """Sequence length at which half of the layers' operations are attention's own."""
    # BEGIN SOLUTION
    d, width = shape.d_model, shape.n_heads * shape.kv_size
    return (8 * d * width + 4 * d * shape.ffw_size) / (4 * width)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_it_grows_with_the_width(even_length):
    from types import SimpleNamespace

    short, long = (
        even_length(SimpleNamespace(d_model=d, n_heads=d // 64, kv_size=64, ffw_size=4 * d, n_layers=3))
        for d in (512, 1024)
    )
    assert abs(long / short - 2) < 1e-9, "twice the width, twice the length"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "for the usual shape the answer is a small whole multiple of the width; check both products of attention and all four of its matrices"
"""  # END TEST CONFIG


def test_usual_shapes(even_length):
    from types import SimpleNamespace

    for d in (256, 2048):
        usual = SimpleNamespace(d_model=d, n_heads=d // 64, kv_size=64, ffw_size=4 * d, n_layers=5)
        assert abs(even_length(usual) / (6 * d) - 1) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "attention of another width than the model's, or another feed-forward width"
"""  # END TEST CONFIG


def test_other_widths(even_length):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 109, k])
        width = one.n_heads * one.kv_size
        t = even_length(one)
        own = 4 * t * width
        rest = 8 * one.d_model * width + 4 * one.d_model * one.ffw_size
        assert abs(own / rest - 1) < 1e-9

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ### Appendix F
#
# The appendix lists more than products that a program runs: the embedding, as a product of one-hot vectors with the
# matrix, and $3 h T^2$ operations of the softmax in each layer. It lists no operations for the relative positions.

# %% [raw]
# # BEGIN QUESTION
# name: q7
# points: 6

# %% [markdown]
# **Question 7 (6 points).** Write `appendix_f(operations, shape)`: the forward operations that Appendix F lists,
# for one sequence, given the dict of question 4 for this shape. And `layers_only(operations, shape)`: the same
# without what happens before the first and after the last layer.

# %% [raw]
# # BEGIN SOLUTION

# %%
def appendix_f(operations, shape):
    """Everything that the appendix lists."""
    # BEGIN SOLUTION
    t = shape.seq_len
    softmax = shape.n_layers * 3 * shape.n_heads * t**2
    embedding = 2 * t * shape.vocab_size * shape.d_model
    return sum(operations.values()) + softmax + embedding
    # END SOLUTION


def layers_only(operations, shape):
    """What the layers do of it."""
    # BEGIN SOLUTION
    soft = shape.n_layers * 3 * shape.n_heads * shape.seq_len**2
    return sum(operations.values()) - operations["final_logits"] + soft
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_more_than_the_products(appendix_f):
    from types import SimpleNamespace

    one = SimpleNamespace(n_layers=1, d_model=4, n_heads=2, kv_size=2, ffw_size=8, vocab_size=16, seq_len=2)
    assert appendix_f({"final_logits": 256}, one) > 256

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "all heads of all layers have a softmax; the embedding counts like the logits"
"""  # END TEST CONFIG


def test_appendix(appendix_f):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 110, k])
        parts = {"attention_logits": 10**9, "final_logits": 10**8}
        more = 3 * one.n_layers * one.n_heads * one.seq_len**2
        more += 2 * one.seq_len * one.vocab_size * one.d_model
        assert appendix_f(parts, one) == sum(parts.values()) + more

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the logits and the embedding are no part of the layers, the softmax is"
"""  # END TEST CONFIG


def test_layers(layers_only):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 111, k])
        parts = {"attention_logits": 10**9, "final_logits": 10**8}
        assert layers_only(parts, one) == 10**9 + 3 * one.n_layers * one.n_heads * one.seq_len**2

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 3. A table and its appendix
#
# Table A4 prints, for six models, the FLOPs of Appendix F over $6ND$. $N$ is Gopher's count, of question 3 with
# relative positions; the vocabulary has 32,000 tokens and a sequence 2,048.

# %%
table_a4 = load_paper_table("table_a4_flop_ratio")
printed_ratios = table_a4.numbers("flops_over_six_nd")
a4_shapes = [
    Shape(*(int(row[key]) for key in ("n_layers", "d_model", "n_heads", "kv_size", "ffw_size")))
    for row in table_a4.rows
]
for row, one in zip(table_a4.rows, a4_shapes, strict=True):
    print(f"{row['params']:>5}", row["flops_over_six_nd"], one)

# %% [raw]
# # BEGIN QUESTION
# name: q8
# points: 6

# %% [markdown]
# **Question 8 (6 points).** For the six models, compute the training FLOPs for a token over $6N$ by either reading
# of question 7, three passes as usual. Set `ratios_appendix` and `ratios_layers` (arrays of six), and the number of
# printed ratios that each gives within 0.006, which is rounding and a little more: `fit_appendix` and `fit_layers`.

# %% [raw]
# # BEGIN SOLUTION

# %%
# BEGIN SOLUTION NO PROMPT
def counts_of(one):
    t, d, width = one.seq_len, one.d_model, one.n_heads * one.kv_size
    parts = one.n_layers * (8 * t * d * width + 4 * t * t * width + 4 * t * d * one.ffw_size)
    parts += one.n_layers * 3 * one.n_heads * t**2
    layer = 5 * d * width + 2 * d * one.ffw_size + 5 * width + 2 * d + one.ffw_size
    n = one.vocab_size * d + one.n_layers * layer
    return parts, parts + 4 * t * d * one.vocab_size, 6 * n * t


counted = np.array([counts_of(one) for one in a4_shapes], dtype=float)
# END SOLUTION
ratios_layers = 3 * counted[:, 0] / counted[:, 2]  # SOLUTION
ratios_appendix = 3 * counted[:, 1] / counted[:, 2]  # SOLUTION
fit_layers = int(np.sum(abs(ratios_layers - printed_ratios) <= 0.006))  # SOLUTION
fit_appendix = int(np.sum(abs(ratios_appendix - printed_ratios) <= 0.006))  # SOLUTION
print(ratios_appendix, fit_appendix, ratios_layers, fit_layers, sep="\n")

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_six_ratios(ratios_appendix, ratios_layers):
    assert len(ratios_appendix) == len(ratios_layers) == 6
    assert all(0.5 < ratio < 2 for ratio in [*ratios_appendix, *ratios_layers])

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "one of the two readings is not what question 7 describes, or N is not Gopher's"
"""  # END TEST CONFIG


def test_ratios(ratios_appendix, ratios_layers):
    import numpy as np
    from chinchilla_lib.flops import ratio_to_six_nd
    from chinchilla_lib.reference import load_shapes

    shapes = load_shapes("table_a4_flop_ratio")
    for found, name in ((ratios_appendix, "appendix_f"), (ratios_layers, "table_a4")):
        assert np.allclose(found, [ratio_to_six_nd(one, name) for one in shapes], atol=1e-4)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "count again how many printed ratios each reading gives"
"""  # END TEST CONFIG


def test_which_fits(fit_appendix, fit_layers):
    from chinchilla_lib.flops import ratio_to_six_nd
    from chinchilla_lib.reference import load_paper_table, load_shapes

    printed = load_paper_table("table_a4_flop_ratio").numbers("flops_over_six_nd")
    shapes = load_shapes("table_a4_flop_ratio")
    fits = {
        name: sum(abs(ratio_to_six_nd(one, name) - p) <= 0.006 for one, p in zip(shapes, printed, strict=True))
        for name in ("appendix_f", "table_a4")
    }
    assert (fit_appendix, fit_layers) == (fits["appendix_f"], fits["table_a4"])

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 4. What counting does to a frontier
#
# Kaplan et al. take for $N$ all parameters **but the embedding**, and $C = 6ND$ with this $N$. Both papers then ask
# how the best $N$ grows with $C$. For large models it hardly matters what is counted. For small ones it does.

# %% [raw]
# # BEGIN QUESTION
# name: q9
# points: 6

# %% [markdown]
# **Question 9 (6 points).** Write `tokens_for(flops, n_params, embedding, count)`: the tokens that a budget buys
# for a model with `n_params` parameters in all, `embedding` of them in the (tied) embedding. `count` is
# `"hoffmann"` or `"kaplan"`; another one raises a `ValueError`. Arrays may be given.

# %% [raw]
# # BEGIN SOLUTION

# %%
def tokens_for(flops, n_params, embedding, count):
    """Tokens for a budget by either paper's 6ND."""
    # BEGIN SOLUTION
    if count == "hoffmann":
        return flops / (6 * n_params)
    if count == "kaplan":
        return flops / (6 * (n_params - embedding))
    raise ValueError(f"count is {count!r}; give hoffmann or kaplan")
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_chinchilla(tokens_for):
    assert abs(tokens_for(5.88e23, 70e9, 0.0, "hoffmann") / 1.4e12 - 1) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "one of the two leaves the embedding out, and so its budget buys more tokens"
"""  # END TEST CONFIG


def test_embedding(tokens_for):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 112])
    n, c = rng.uniform(1e5, 1e6, 4), rng.uniform(1e11, 1e12, 4)
    e = 0.3 * n
    assert np.allclose(tokens_for(c, n, e, "kaplan"), c / (6 * 0.7 * n))
    assert np.allclose(tokens_for(c, n, e, "hoffmann"), c / (6 * n))

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a count that is neither must be refused, not guessed"
"""  # END TEST CONFIG


def test_refuses(tokens_for):
    try:
        tokens_for(1e12, 1e6, 1e5, "openai")
    except ValueError:
        return
    raise AssertionError("no ValueError")

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# Below are the best models of some small budgets (simulated: equal scaling, $N = D/20$, by Hoffmann's count), with
# their embedding of 2,000 tokens. All layers together have $12 L d^2$ weights with $L = d/32$.

# %%
def frontier_of(variant):
    """Best models of budgets (simulated): parameters, tokens, embedding."""
    rng = np.random.default_rng([variant, 29])
    width = np.round(np.geomspace(*rng.uniform([48, 500], [80, 800]), 9))
    embedding = 2000.0 * width
    n_params = embedding + 12 * (width / 32) * width**2
    return n_params, 20 * n_params, embedding


n_best, d_best, e_best = frontier_of(variant)
print(f"{n_best[0]:.3g} to {n_best[-1]:.3g} parameters; embedding {e_best[0] / n_best[0]:.0%} to "
      f"{e_best[-1] / n_best[-1]:.0%} of them")

# %% [raw]
# # BEGIN QUESTION
# name: q10
# points: 9

# %% [markdown]
# **Question 10 (9 points).** Write `exponent(n_params, n_tokens, embedding, count)`: the slope of the least-squares
# line of $\ln N$ on $\ln C$ through such a frontier, with $N$ **and** $C = 6ND$ counted as in question 9. Then set
# `a_hoffmann` and `a_kaplan` for the frontier above, and `a_half`, the exponent that comes out when only $N$ is
# counted by Kaplan and $C$ by Hoffmann (a common slip).

# %% [raw]
# # BEGIN SOLUTION

# %%
def exponent(n_params, n_tokens, embedding, count):
    """Exponent of the frontier under a count."""
    # BEGIN SOLUTION
    n = n_params if count == "hoffmann" else n_params - embedding
    return float(np.polyfit(np.log(6 * n * n_tokens), np.log(n), 1)[0])
    # END SOLUTION


# BEGIN SOLUTION NO PROMPT
rest = np.log(n_best - e_best)
# END SOLUTION
a_hoffmann = exponent(n_best, d_best, e_best, "hoffmann")  # SOLUTION
a_kaplan = exponent(n_best, d_best, e_best, "kaplan")  # SOLUTION
a_half = float(np.polyfit(np.log(6 * n_best * d_best), rest, 1)[0])  # SOLUTION
print(a_hoffmann, a_kaplan, a_half)

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_equal_scaling(exponent):
    import numpy as np

    n = np.geomspace(1e6, 1e9, 5)
    assert abs(exponent(n, 20 * n, 0 * n, "hoffmann") - 0.5) < 1e-9, "tokens in proportion: one half"

# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: "by Kaplan's count neither N nor C has the embedding in it; and the line is of ln N on ln C"
"""  # END TEST CONFIG


def test_kaplan(exponent):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 113])
    width = np.geomspace(40, 700, 7) * np.exp(0.03 * rng.standard_normal(7))
    e = 3000 * width
    n = e + width**3 / 2
    d = 15 * n**1.1
    rest = n - e
    slope = np.polyfit(np.log(6 * rest * d), np.log(rest), 1)[0]
    assert abs(exponent(n, d, e, "kaplan") - slope) < 1e-6
    assert abs(exponent(n, d, e, "hoffmann") - np.polyfit(np.log(6 * n * d), np.log(n), 1)[0]) < 1e-6

# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: "one of the three exponents of the frontier above; both N and C change with the count, except in a_half"
"""  # END TEST CONFIG


def test_three_exponents(a_hoffmann, a_kaplan, a_half):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 29])
    width = np.round(np.geomspace(*rng.uniform([48, 500], [80, 800]), 9))
    e = 2000.0 * width
    n = e + 12 * (width / 32) * width**2
    d, rest = 20 * n, np.log(12 * (width / 32) * width**2)
    assert abs(a_hoffmann - 0.5) < 1e-6
    assert abs(a_kaplan - np.polyfit(rest + np.log(6 * d), rest, 1)[0]) < 1e-6
    assert abs(a_half - np.polyfit(np.log(6 * n * d), rest, 1)[0]) < 1e-6

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 5. Bytes and days

# %% [raw]
# # BEGIN QUESTION
# name: q11
# points: 7

# %% [markdown]
# **Question 11 (7 points).** Write `training_bytes(n_params)` for AdamW in mixed precision: weights and gradients
# in 2 bytes each, and in 4 bytes each a master copy of the weights and the two moments. And `cache_bytes(shape,
# n_tokens)`: what a decoder keeps of every token that it has read, keys and values of all layers, in 2 bytes each.

# %% [raw]
# # BEGIN SOLUTION

# %%
def training_bytes(n_params):
    """Bytes of weights, gradients and optimiser, without activations."""
    # BEGIN SOLUTION
    return n_params * (2 + 2 + 4 + 4 + 4)
    # END SOLUTION


def cache_bytes(shape, n_tokens):
    """Bytes of keys and values of some tokens."""
    # BEGIN SOLUTION
    return 2 * 2 * shape.n_layers * shape.n_heads * shape.kv_size * n_tokens
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_a_cache(cache_bytes):
    from types import SimpleNamespace

    one = SimpleNamespace(n_layers=2, n_heads=4, kv_size=8, d_model=32, ffw_size=128)
    assert cache_bytes(one, 10) == 2 * cache_bytes(one, 5), "twice the tokens, twice the bytes"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "weights, gradients, a master copy, and two moments"
"""  # END TEST CONFIG


def test_adamw(training_bytes):
    assert training_bytes(70e9) == 16 * 70e9

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "keys and values, as wide as all heads together, in every layer"
"""  # END TEST CONFIG


def test_cache(cache_bytes):
    def drawn(seed):
        import numpy as np
        from types import SimpleNamespace

        rng = np.random.default_rng(seed)
        d = int(rng.choice([256, 448, 896]))
        return SimpleNamespace(
            n_layers=int(rng.integers(2, 40)),
            d_model=d,
            n_heads=int(rng.integers(3, 9)),
            kv_size=int(rng.choice([32, 80])),
            ffw_size=int(d * rng.choice([2, 3, 5])),
            vocab_size=int(rng.integers(5000, 60000)),
            seq_len=int(rng.choice([300, 700, 3000])),
        )

    variant = 0
    for k in range(3):
        one = drawn([variant, 114, k])
        assert cache_bytes(one, 777) == 4 * 777 * one.n_layers * one.n_heads * one.kv_size

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q12
# points: 6

# %% [markdown]
# **Question 12 (6 points).** Write `days(n_params, n_tokens, peak, n_chips, utilisation)`: how long a training run
# takes, by $6ND$, on chips with a `peak` of so many operations per second, of which a share `utilisation` is
# reached. Then `utilisation_of(n_params, n_tokens, peak, n_chips, observed_days, recompute)`: the share of the peak
# that was reached in *useful* operations, $6ND$. Does a second forward pass, which the chips really do, count?

# %% [raw]
# # BEGIN SOLUTION

# %%
def days(n_params, n_tokens, peak, n_chips, utilisation):
    """Days of training."""
    # BEGIN SOLUTION
    return 6 * n_params * n_tokens / (peak * n_chips * utilisation) / 86400
    # END SOLUTION


def utilisation_of(n_params, n_tokens, peak, n_chips, observed_days, recompute):
    """Useful operations over what the chips could have done."""
    # BEGIN SOLUTION
    # Recomputed operations are done, but of no use: they do not count.
    return 6 * n_params * n_tokens / (peak * n_chips * observed_days * 86400)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_twice_the_chips(days):
    assert abs(days(1e9, 2e10, 1e14, 2, 0.4) / days(1e9, 2e10, 1e14, 4, 0.4) - 2) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a day has 86,400 seconds; a lower utilisation takes longer"
"""  # END TEST CONFIG


def test_days(days):
    import numpy as np

    variant = 0
    n, d, peak, share = np.random.default_rng([variant, 115]).uniform([1e9, 1e10, 1e14, 0.2], [1e11, 1e12, 1e15, 0.6])
    assert abs(days(n, d, peak, 64, share) / (6 * n * d / (64 * peak * share * 86400)) - 1) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "the share of the peak in useful operations: read again which operations are useful"
"""  # END TEST CONFIG


def test_useful(utilisation_of):
    for recompute in (False, True):
        found = utilisation_of(7e10, 1.4e12, 3e14, 1024, 50.0, recompute)
        assert abs(found / (6 * 7e10 * 1.4e12 / (3e14 * 1024 * 50 * 86400)) - 1) < 1e-9

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 6. In words
#
# Marked by hand. Use your own numbers from above.

# %% [raw]
# # BEGIN QUESTION
# name: q13
# points: 10
# manual: true

# %% [markdown]
# **Question 13 (10 points): the table against its appendix.** In at most 250 words: (a) Which of the two readings
# of question 7 gives Table A4, and how far off is the other, for which model most and why for that one? (b) Which
# operations does neither count, though $N$ in the denominator has their weights, and by how much would they move
# the ratio of the smallest model? (Estimate it.) (c) What would you have the authors write, in one sentence, so
# that a reader can reproduce the table? (d) Does any conclusion of the paper depend on it?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer.*
#
# (a) The layers alone give all six ratios within 0.006; with embedding and logits, as the appendix lists them, the
# smallest model comes out at
# 1.58 where 1.03 is printed, the largest at 1.03 where 0.99 is. The two terms are $4TVd$ forward, a share that falls as $V/(Ld)$, so the 73M model
# with its 32,000 tokens and width 640 suffers most.
#
# (b) The products of the relative positions: $2TdA$ for the projection and $2T^2A$ for the second score term in
# each layer; $N$ has the $dA$ weights. The 73M model's layers would cost 23 % more, so that its ratio would rise
# from 1.03 to 1.26.
#
# (c) "Ratios are of the operations within the layers, without embedding and final logits, over $6ND$ with $N$
# including the embedding."
#
# (d) No exponent rests on it: budgets in the fits are $6ND$ throughout. What it supports, that $6ND$ is within a
# tenth, holds under one reading only, and for small models under neither when everything is counted.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q14
# points: 10
# manual: true

# %% [markdown]
# **Question 14 (10 points): what a count is for.** In at most 250 words: (a) Explain with your `a_hoffmann`,
# `a_kaplan` and `a_half` how one and the same set of runs has two exponents, and in which direction and at which
# sizes they differ. (b) Kaplan et al. printed 0.73 and Hoffmann et al. 0.50. Is the count enough to explain it?
# Name another difference between the two studies. (c) You plan a sweep of models of $10^4$ to $10^6$ parameters: by
# which count will you set the budgets, and why does $6ND$ not do there? (d) And which count will you report, if the
# reader wants to buy memory, time, or loss?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer.*
#
# (a) Leave the embedding out and small models shrink by more than large ones: over the same runs $\ln N$ covers a
# longer way, and so does $\ln C$, which contains $N$ once. The slope rises from 0.50 to about 0.53 here; with only
# $N$ recounted it comes out at 0.56 to 0.58, and means nothing. For large models the embedding is a small share and
# the exponents meet.
#
# (b) Partly: Pearce and Song find most of the gap in it at Kaplan's small sizes, Porian et al. in it together with
# warmup, the last layer's cost and schedules; Hoffmann et al. name one fixed schedule for all lengths.
#
# (c) By the matrix products that a step runs (question 4, times three). At those sizes the vocabulary's products
# and attention are most of the work, $6ND$ gives a small model more compute than a large one at a nominally equal
# budget, and moves the minimum.
#
# (d) Memory: all parameters. Time: operations that are run. Loss: either, as long as law and plan use the same one.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
