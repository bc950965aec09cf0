# %% [markdown]
# # A2 Training: one step, one schedule, one valley
#
# A scaling law is fitted to numbers that somebody's training loop printed. Here you write the parts of that loop
# that most often go wrong, each tested on its own; then you train a valley of your own on a text whose entropy is
# known; and you see what a learning rate does that was scheduled for another length.
#
# **Learning goals.** Afterwards you can
#
# 1. write the norm, the attention and the loss of a decoder, and name the mistakes that still train;
# 2. write a step: rate, gradients, clipping, weight decay where it belongs;
# 3. read text without repeating it, and measure a held-out loss that compares between models;
# 4. plan models of equal compute, and find the best of them;
# 5. measure what a schedule of the wrong length costs, in pairs.
#
# **Background.** Hoffmann et al. (2022), [*Training Compute-Optimal Large Language
# Models*](https://arxiv.org/abs/2203.15556), sections 3 and 3.2, appendices B and G. In our book the chapters *One
# training run*, *Schedule and optimiser* and *IsoFLOP profiles and the frontier*. You should have trained a small
# network in PyTorch before.
#
# | part | questions | points |
# |---|---|---|
# | Parts of a model | 1 to 4 | 29 |
# | A step of training | 5 to 7 | 23 |
# | Text in, loss out | 8, 9 | 13 |
# | A valley of your own | 10, 11 | 10 |
# | A schedule of the wrong length | 12 | 5 |
# | In words, marked by hand | 13, 14 | 20 |
# | **total** | | **100** |
#
# **Time.** 4 to 6 hours. **Runs on** any CPU, Colab's or your own (no GPU needed): everything together takes about
# half a minute.
#
# **Rules.** PyTorch, NumPy, Matplotlib, the standard library. Replace each `...`; keep names and arguments. What a
# question asks you to write, write with tensors and products: no `scaled_dot_product_attention`, no `RMSNorm` of
# torch. Functions are also tested on inputs that you do not see, and no question needs the answer to another one.
# Leave `variant` as your course has set it. **Hand in** this notebook, run from top to bottom.

# %%
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from chinchilla_lib.architecture import count_params
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.sweeps.plan import plan_runs
from chinchilla_lib.sweeps.tiers import TIERS
from chinchilla_lib.training.loop import train_run

torch.set_num_threads(1)
variant = 0


def attempt(draw):
    """Call draw(); while an answer that it needs is blank, print one line."""
    try:
        draw()
    except Exception as problem:
        plt.close("all")
        print(f"Nothing to show yet: {type(problem).__name__}: {problem}")

# %% [markdown]
# ## 1. Parts of a model
#
# A batch of activations has the shape `(batch, length, width)`.

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 6

# %% [markdown]
# **Question 1 (6 points).** Write `rms_norm(x, weight, eps)`: each position's vector divided by the root of its
# mean square, to which `eps` is added *under* the root, then multiplied by `weight`, channel by channel.

# %% [raw]
# # BEGIN SOLUTION

# %%
def rms_norm(x, weight, eps):
    """Root-mean-square norm over the last axis."""
    # BEGIN SOLUTION
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_ones(rms_norm):
    import torch

    x = torch.full((2, 3, 4), 5.0)
    assert torch.allclose(rms_norm(x, torch.ones(4), 0.0), torch.ones(2, 3, 4)), "equal channels become ones"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "each position has a scale of its own: the mean square of its channels, which is not their variance"
"""  # END TEST CONFIG


def test_each_position(rms_norm):
    import torch

    variant = 0
    g = torch.Generator().manual_seed(1000 + variant)
    x = torch.randn(3, 5, 8, generator=g) * torch.rand(3, 5, 1, generator=g) + 2
    found = rms_norm(x, torch.ones(8), 0.0)
    assert torch.allclose(found, x / x.pow(2).mean(-1, keepdim=True).sqrt(), atol=1e-5)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "eps belongs under the root, and the weight to each channel"
"""  # END TEST CONFIG


def test_eps_and_weight(rms_norm):
    import torch

    variant = 0
    g = torch.Generator().manual_seed(1001 + variant)
    x, weight = 1e-3 * torch.randn(2, 3, 6, generator=g), torch.randn(6, generator=g)
    expected = x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight
    assert torch.allclose(rms_norm(x, weight, 1e-5), expected, atol=1e-6)

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 5

# %% [markdown]
# **Question 2 (5 points).** Write `split_heads(x, n_heads)`: from `(batch, length, n_heads * size)`, in which a
# head's channels stand next to each other, to `(batch, n_heads, length, size)`; and `merge_heads(x)`, the way back.

# %% [raw]
# # BEGIN SOLUTION

# %%
def split_heads(x, n_heads):
    """Give each head an axis, before that of the positions."""
    # BEGIN SOLUTION
    batch, length, width = x.shape
    return x.view(batch, length, n_heads, width // n_heads).transpose(1, 2)
    # END SOLUTION


def merge_heads(x):
    """Put the heads' channels next to each other again."""
    # BEGIN SOLUTION
    batch, n_heads, length, size = x.shape
    return x.transpose(1, 2).reshape(batch, length, n_heads * size)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_shape(split_heads):
    import torch

    assert split_heads(torch.zeros(2, 7, 12), 3).shape == (2, 3, 7, 4)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the right shape, and other numbers in it: each head has its own channels of every position"
"""  # END TEST CONFIG


def test_channels(split_heads):
    import torch

    x = torch.arange(2 * 5 * 6, dtype=torch.float32).view(2, 5, 6)
    found = split_heads(x, 3)
    for head in range(3):
        assert torch.equal(found[:, head], x[:, :, 2 * head : 2 * head + 2])

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the way back puts every number where it was"
"""  # END TEST CONFIG


def test_way_back(merge_heads):
    import torch

    x = torch.arange(2 * 3 * 5 * 2, dtype=torch.float32).view(2, 3, 5, 2)
    found = merge_heads(x)
    assert found.shape == (2, 5, 6)
    for head in range(3):
        assert torch.equal(found[:, :, 2 * head : 2 * head + 2], x[:, head])

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 10

# %% [markdown]
# **Question 3 (10 points).** Write `causal_attention(q, k, v)` for tensors of shape `(batch, heads, length, size)`:
# each position mixes the values of itself and of those before it, by the softmax of the products of its query with
# their keys over the root of `size`.

# %% [raw]
# # BEGIN SOLUTION

# %%
def causal_attention(q, k, v):
    """Attention of each position to itself and to those before it."""
    # BEGIN SOLUTION
    length, size = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(size)
    future = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(dim=-1) @ v
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_first_position(causal_attention):
    import torch

    q, k, v = torch.randn(3, 2, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(causal_attention(q, k, v)[:, :, 0], v[:, :, 0]), "the first position sees itself alone"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "a position must not learn from those after it: change the future, and the past may not move"
"""  # END TEST CONFIG


def test_no_look_ahead(causal_attention):
    import torch

    variant = 0
    g = torch.Generator().manual_seed(1002 + variant)
    q, k, v = torch.randn(3, 2, 3, 9, 4, generator=g)
    before = causal_attention(q, k, v)
    k[:, :, 5:], v[:, :, 5:] = 7.0, -9.0
    after = causal_attention(q, k, v)
    assert torch.allclose(before[:, :, :5], after[:, :, :5], atol=1e-6)
    assert not torch.allclose(before[:, :, 5:], after[:, :, 5:], atol=1e-3)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a position sees itself, too"
"""  # END TEST CONFIG


def test_sees_itself(causal_attention):
    import torch

    q = torch.zeros(1, 1, 4, 2)
    v = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 4, 1).expand(1, 1, 4, 2)
    found = causal_attention(q, q, v)[0, 0, :, 0]
    assert torch.allclose(found, torch.tensor([1.0, 1.5, 2.0, 2.5])), "equal scores: the mean of all so far"

# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: "scores are divided by the root of the head's size, and the weights of a query add to one"
"""  # END TEST CONFIG


def test_numbers(causal_attention):
    import torch
    from torch.nn import functional

    variant = 0
    g = torch.Generator().manual_seed(1003 + variant)
    for size in (3, 16):
        q, k, v = 2 * torch.randn(3, 2, 3, 11, size, generator=g)
        expected = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        assert torch.allclose(causal_attention(q, k, v), expected, atol=1e-4)

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 8

# %% [markdown]
# **Question 4 (8 points).** Write `next_token_loss(logits, tokens, lengths)`: `logits` of shape `(batch, length,
# vocabulary)` are those at every position of `tokens`, shape `(batch, length)`; row `i` has `lengths[i]` real
# tokens and padding after them. Return the mean cross entropy, in nats, over all predicted real tokens of the
# batch: position $t$ predicts token $t + 1$, and padding is never predicted.

# %% [raw]
# # BEGIN SOLUTION

# %%
def next_token_loss(logits, tokens, lengths):
    """Mean cross entropy over all predicted tokens of a batch."""
    # BEGIN SOLUTION
    log_p = logits[:, :-1].log_softmax(dim=-1)
    cost = -log_p.gather(-1, tokens[:, 1:, None]).squeeze(-1)
    places = torch.arange(1, tokens.shape[1], device=tokens.device)
    real = (places < lengths[:, None]).to(cost.dtype)
    return (cost * real).sum() / real.sum()
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_no_knowledge(next_token_loss):
    import math

    import torch

    tokens = torch.randint(50, (4, 9), generator=torch.Generator().manual_seed(0))
    found = next_token_loss(torch.zeros(4, 9, 50), tokens, torch.full((4,), 9))
    assert abs(float(found) - math.log(50)) < 1e-5, "equal logits cost the logarithm of the vocabulary"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "a position predicts the token after it, not its own"
"""  # END TEST CONFIG


def test_shift(next_token_loss):
    import torch

    variant = 0
    g = torch.Generator().manual_seed(1004 + variant)
    tokens = torch.randint(20, (3, 8), generator=g)
    logits = torch.zeros(3, 8, 20)
    logits[:, :-1].scatter_(-1, tokens[:, 1:, None], 30.0)
    assert float(next_token_loss(logits, tokens, torch.full((3,), 8))) < 1e-4
    logits = torch.zeros(3, 8, 20).scatter_(-1, tokens[:, :, None], 30.0)
    repeats = float((tokens[:, 1:] == tokens[:, :-1]).float().mean())
    assert abs(float(next_token_loss(logits, tokens, torch.full((3,), 8))) - 30 * (1 - repeats)) < 0.01

# %%
""" # BEGIN TEST CONFIG
points: 4
hidden: true
failure_message: "every real token counts the same, whatever row it stands in, and padding not at all"
"""  # END TEST CONFIG


def test_padding(next_token_loss):
    import torch
    from torch.nn import functional

    variant = 0
    g = torch.Generator().manual_seed(1005 + variant)
    logits, tokens = torch.randn(3, 7, 11, generator=g), torch.randint(11, (3, 7), generator=g)
    lengths = torch.tensor([7, 2, 4])
    costs = torch.cat(
        [functional.cross_entropy(logits[i, : n - 1], tokens[i, 1:n], reduction="none") for i, n in enumerate(lengths)]
    )
    assert abs(float(next_token_loss(logits, tokens, lengths)) - float(costs.mean())) < 1e-5

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 2. A step of training

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 8

# %% [markdown]
# **Question 5 (8 points).** Write `learning_rate(step, n_steps, warmup, peak, final=0.1)`. Steps count from 0 to
# `n_steps - 1`. In the warmup the rate rises on a line: step 0 has `peak / (warmup + 1)`, step `warmup` has `peak`.
# From there it falls by half a cosine, to `final * peak` at the last step.

# %% [raw]
# # BEGIN SOLUTION

# %%
def learning_rate(step, n_steps, warmup, peak, final=0.1):
    """Warmup and a cosine that is made for the run."""
    # BEGIN SOLUTION
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    way = (step - warmup) / (n_steps - 1 - warmup)
    return peak * (final + (1 - final) * (1 + math.cos(math.pi * way)) / 2)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_peak(learning_rate):
    assert abs(learning_rate(10, 100, 10, 3e-3) / 3e-3 - 1) < 1e-9, "step `warmup` has the peak"

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the first step trains, too: its rate is not 0"
"""  # END TEST CONFIG


def test_warmup(learning_rate):
    variant = 0
    peak, warmup = 1e-3 * (1 + variant % 5), 7
    for step in range(warmup):
        assert abs(learning_rate(step, 100, warmup, peak) / (peak * (step + 1) / (warmup + 1)) - 1) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "the cosine ends at the share of the peak that was asked for, and at the last step, not one after it"
"""  # END TEST CONFIG


def test_last_step(learning_rate):
    for n_steps, warmup, final in ((100, 10, 0.1), (57, 3, 0.2), (40, 0, 0.0)):
        assert abs(learning_rate(n_steps - 1, n_steps, warmup, 0.01, final) - final * 0.01) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "half a cosine in between: half-way down it is at the mean of both ends"
"""  # END TEST CONFIG


def test_middle(learning_rate):
    for n_steps, warmup in ((101, 0), (111, 10)):
        middle = warmup + (n_steps - 1 - warmup) // 2
        assert abs(learning_rate(middle, n_steps, warmup, 1.0, 0.1) - 0.55) < 1e-9
        quarter = warmup + (n_steps - 1 - warmup) // 4
        assert abs(learning_rate(quarter, n_steps, warmup, 1.0, 0.1) - (0.1 + 0.45 * (1 + 2**-0.5))) < 1e-6

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# points: 6

# %% [markdown]
# **Question 6 (6 points).** Weight decay pulls weights to zero. Matrices can bear it; scales of norms and biases
# should not be pulled. Write `parameter_groups(model, weight_decay)`: two groups for `torch.optim.AdamW`, first the
# parameters with two or more axes with `weight_decay`, then all others with 0. Each parameter of the model must
# stand in one group, once.

# %% [raw]
# # BEGIN SOLUTION

# %%
def parameter_groups(model, weight_decay):
    """Groups for AdamW: decay for matrices alone."""
    # BEGIN SOLUTION
    parameters = list(model.parameters())  # a tied one comes once
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_two_groups(parameter_groups):
    from torch import nn

    groups = parameter_groups(nn.Linear(3, 4), 0.1)
    assert [len(list(group["params"])) for group in groups] == [1, 1], "a matrix, and a bias"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "scales of norms and biases are not to be decayed, and matrices are"
"""  # END TEST CONFIG


def test_decay(parameter_groups):
    from torch import nn

    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 2, bias=False))
    first, second = parameter_groups(model, 0.3)
    assert first["weight_decay"] == 0.3 and second["weight_decay"] == 0
    assert {id(p) for p in first["params"]} == {id(model[0].weight), id(model[1].weight), id(model[3].weight)}
    assert {id(p) for p in second["params"]} == {id(model[1].bias), id(model[2].weight), id(model[2].bias)}

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a tied matrix has two names and is one parameter; torch warns or refuses when it comes twice"
"""  # END TEST CONFIG


def test_tied(parameter_groups):
    from torch import nn

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.head = nn.Linear(4, 7, bias=True)
            self.head.weight = self.embedding.weight

    model = Tied()
    found = [id(p) for group in parameter_groups(model, 0.1) for p in group["params"]]
    assert sorted(found) == sorted({id(model.embedding.weight), id(model.head.bias)})

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q7
# points: 9

# %% [markdown]
# **Question 7 (9 points).** Write `train_step(model, optimizer, loss_of, rate, clip)`: one step. Set the learning
# rate of *every* group of the optimizer to `rate`; compute `loss = loss_of(model)` and its gradients, without those
# of an earlier step; scale all gradients by one factor so that their norm *over all parameters together* is at most
# `clip`; step. Return the loss of the model as it was **before** the step, and the norm of the gradients before
# clipping, as floats.

# %% [raw]
# # BEGIN SOLUTION

# %%
def train_step(model, optimizer, loss_of, rate, clip):
    """One step of training; loss and norm of the gradient before it."""
    # BEGIN SOLUTION
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss = loss_of(model)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return float(loss), float(norm)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_a_step_down(train_step):
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    loss, norm = train_step(model, torch.optim.SGD(model.parameters(), lr=9.0), lambda m: m.weight.square().sum(), 0.1, 9.0)
    assert abs(loss - 1) < 1e-6 and abs(norm - 2) < 1e-6, "w = 1: the loss w^2 is 1, its gradient 2"
    assert abs(float(model.weight) - 0.8) < 1e-6

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the rate belongs into every group of the optimizer"
"""  # END TEST CONFIG


def test_every_group(train_step):
    import torch
    from torch import nn

    model = nn.Linear(2, 2)
    nn.init.ones_(model.weight), nn.init.ones_(model.bias)
    groups = [{"params": [model.weight], "lr": 5.0}, {"params": [model.bias], "lr": 7.0}]
    optimizer = torch.optim.SGD(groups, lr=3.0)
    train_step(model, optimizer, lambda m: m.weight.sum() + m.bias.sum(), 0.25, 100.0)
    assert torch.allclose(model.weight, torch.full((2, 2), 0.75))
    assert torch.allclose(model.bias, torch.full((2,), 0.75))

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "gradients of an earlier step must be gone"
"""  # END TEST CONFIG


def test_no_old_gradients(train_step):
    import torch
    from torch import nn

    model = nn.Linear(3, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(3):
        _, norm = train_step(model, optimizer, lambda m: m.weight.sum(), 0.5, 100.0)
        assert abs(norm - 3**0.5) < 1e-5
    assert torch.allclose(model.weight, torch.full((1, 3), -1.5))

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: "one factor for all parameters, from the norm of all of them together; what is below the bound stays as it is"
"""  # END TEST CONFIG


def test_clipping(train_step):
    import torch
    from torch import nn

    for clip, expected in ((1.0, (-0.6, -0.8)), (50.0, (-3.0, -4.0))):
        model = nn.Linear(1, 1)
        nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        _, norm = train_step(model, optimizer, lambda m: 3 * m.weight.sum() + 4 * m.bias.sum(), 1.0, clip)
        assert abs(norm - 5) < 1e-5
        assert abs(float(model.weight) - expected[0]) < 1e-4 and abs(float(model.bias) - expected[1]) < 1e-4

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 3. Text in, loss out

# %% [raw]
# # BEGIN QUESTION
# name: q8
# points: 7

# %% [markdown]
# **Question 8 (7 points).** Write `windows(n_text, length, seed)`: the starts of the windows of one epoch, in
# random order, as a NumPy array. A window that starts at $s$ reads tokens $s$ to $s + $ `length` $ - 1$ and
# predicts those from $s + 1$ to $s + $ `length`. No token may be predicted twice; and as many windows as possible,
# beginning at the front of the text, must fit into `n_text` tokens. The same seed gives the same order.

# %% [raw]
# # BEGIN SOLUTION

# %%
def windows(n_text, length, seed):
    """Starts of windows, each token predicted at most once."""
    # BEGIN SOLUTION
    starts = np.arange((n_text - 1) // length) * length
    return np.random.default_rng(seed).permutation(starts)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_inside_the_text(windows):
    starts = windows(1000, 64, 0)
    assert min(starts) == 0 and max(starts) + 64 < 1000

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "all of the text is read, once: windows that fit, next to each other, and the token after the last one is needed, too"
"""  # END TEST CONFIG


def test_next_to_each_other(windows):
    variant = 0
    for n_text, length in ((1000 + variant, 64), (641, 64), (640, 64), (129, 128)):
        assert sorted(windows(n_text, length, 3)) == [k * length for k in range((n_text - 1) // length)]

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the order is drawn by lot: text that is read in its own order is not independent from step to step"
"""  # END TEST CONFIG


def test_shuffled(windows):
    from itertools import pairwise

    starts = list(windows(100_000, 50, 1))
    assert starts != sorted(starts)
    near = sum(abs(b - a) == 50 for a, b in pairwise(starts))
    assert near < 30

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the same seed must give the same order, whatever was drawn before; and another seed another one"
"""  # END TEST CONFIG


def test_seeds(windows):
    first = list(windows(10_000, 10, 5))
    windows(500, 10, 9)
    assert list(windows(10_000, 10, 5)) == first
    assert list(windows(10_000, 10, 6)) != first

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q9
# points: 6

# %% [markdown]
# **Question 9 (6 points).** Write `heldout_loss(model, tokens, length)`: the mean loss, in nats, over **all**
# tokens of a held-out text (a tensor of one axis) but the first, cut into windows of `length` inputs, the last one
# shorter. `model(inputs)` takes `(1, n)` tokens and returns logits `(1, n, vocabulary)`. Nothing random (dropout)
# may take part, no gradient may be kept, and the model is to be left in the mode in which it was found.

# %% [raw]
# # BEGIN SOLUTION

# %%
def heldout_loss(model, tokens, length):
    """Mean loss over a text that was held out."""
    # BEGIN SOLUTION
    was_training = model.training
    model.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(tokens) - 1, length):
            piece = tokens[start : start + length + 1]
            log_p = model(piece[None, :-1])[0].log_softmax(dim=-1)
            total -= float(log_p.gather(-1, piece[1:, None]).sum())
    model.train(was_training)
    return total / (len(tokens) - 1)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_no_knowledge(heldout_loss):
    import math

    import torch
    from torch import nn

    class Blank(nn.Module):
        def forward(self, x):
            return torch.zeros(*x.shape, 8)

    found = heldout_loss(Blank(), torch.arange(17) % 8, 4)
    assert abs(found - math.log(8)) < 1e-5

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "every token counts the same, also those of the last, shorter window"
"""  # END TEST CONFIG


def test_last_window(heldout_loss):
    import torch
    from torch import nn

    class Sure(nn.Module):
        def forward(self, x):
            scores = torch.zeros(*x.shape, 8)
            return scores + 2.0 * (torch.arange(8) == 3)

    variant = 0
    tokens = torch.randint(8, (23,), generator=torch.Generator().manual_seed(1006 + variant))
    tokens[-3:] = 3
    cost = (-torch.log_softmax(2.0 * (torch.arange(8) == 3).float(), -1))[tokens[1:]]
    assert abs(heldout_loss(Sure(), tokens, 5) - float(cost.mean())) < 1e-5

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "dropout must be off while the loss is measured"
"""  # END TEST CONFIG


def test_dropout(heldout_loss):
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(8, 16), nn.Dropout(0.5), nn.Linear(16, 8))
    tokens = torch.arange(60) % 8
    model.train()
    first = heldout_loss(model, tokens, 10)
    model.train()
    assert first > 0 and first == heldout_loss(model, tokens, 10)

# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "the model goes on training afterwards, if it was training before"
"""  # END TEST CONFIG


def test_mode(heldout_loss):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Embedding(8, 8), nn.Dropout(0.5))
    for training in (True, False):
        model.train(training)
        assert heldout_loss(model, torch.arange(20) % 8, 6) > 0
        assert model.training == training and model[1].training == training

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [markdown]
# ## 4. A valley of your own
#
# The text is drawn by lot from a law whose entropy is known: triples of two tokens and a third that mostly follows
# from them. Rare pairs must be learnt one by one. No model can go below the entropy, and a model that knows nothing
# but how frequent tokens are stays above the *unigram* entropy. `train(width, n_tokens)` is the library's engine:
# two layers of that width on so many tokens, a second or so; it returns the held-out loss in nats per token.
# `cycle` stretches the cosine beyond the run (part 5).

# %%
VOCABULARY, LENGTH = 256, 126
source = ZipfRecall(vocab_size=VOCABULARY, n_tokens=3_000_000, seed=variant)
shards = source.write(Path(tempfile.mkdtemp()) / "text")
budget = 4e10 * 10 ** np.random.default_rng([variant, 31]).uniform(-0.08, 0.08)
tier = replace(TIERS["ci"], corpus="zipf-recall", vocab_size=VOCABULARY, seq_len=LENGTH)
widths = (8, 12, 20, 32, 48, 64)


def config_of(width, n_tokens, seed=0):
    """The engine's plan of a run: batch and peak rate by its rules."""
    (at_budget,) = plan_runs(tier, {budget: (width,)}, corpus=shards.identity, seeds=(seed,))
    n_steps = max(20, round(n_tokens / at_budget.batch_size_tokens))
    return replace(at_budget, n_steps=n_steps)


def train(width, n_tokens, seed=0, cycle=1.0):
    """Train a model of two layers, and measure it on held-out text."""
    config = config_of(width, n_tokens, seed)
    if cycle != 1:
        config = replace(config, cycle_steps=round(cycle * config.n_steps))
    return train_run(config, shards).loss


def n_params_of(width):
    return count_params(config_of(width, 1e6).shape).total


counts = np.bincount(np.asarray(source.heldout()).ravel(), minlength=VOCABULARY)
share = counts[counts > 0] / counts.sum()
unigram = float(-(share * np.log(share)).sum())
print(f"budget {budget:.3g} FLOPs; entropy {source.entropy:.3f}, unigram {unigram:.3f} nats per token")
print({width: n_params_of(width) for width in widths})

# %% [raw]
# # BEGIN QUESTION
# name: q10
# points: 5

# %% [markdown]
# **Question 10 (5 points).** Write `tokens_of(flops, layers, d, ffw, vocabulary, length)`: the tokens that a budget
# buys for a model of `layers` layers of width `d` whose attention is as wide as the model. Count every matrix
# product of a training step, forward and backward: those with weights ($4d^2 + 2 d f$ weights in a layer),
# attention's two products of $2 T d$ operations each for a token and layer, and the logits. (At these sizes $6ND$
# would be far off.)

# %% [raw]
# # BEGIN SOLUTION

# %%
def tokens_of(flops, layers, d, ffw, vocabulary, length):
    """Tokens that a budget buys, by the matrix products of a step."""
    # BEGIN SOLUTION
    layer = 2 * (4 * d**2 + 2 * d * ffw) + 4 * length * d
    forward = layers * layer + 2 * d * vocabulary
    return flops / (3 * forward)
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_in_proportion(tokens_of):
    assert abs(tokens_of(2e10, 2, 16, 64, 256, 126) / tokens_of(1e10, 2, 16, 64, 256, 126) - 2) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a product is two operations for each weight, and backward is twice forward"
"""  # END TEST CONFIG


def test_weights(tokens_of):
    for d in (8, 64):
        assert abs(tokens_of(1e10, 3, d, 4 * d, 0, 0) / (1e10 / (3 * 3 * 2 * 12 * d**2)) - 1) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "attention's own products and the logits cost as well; at small widths they are most of it"
"""  # END TEST CONFIG


def test_small_models(tokens_of):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 121])
    for _ in range(3):
        layers, d, ffw, vocabulary, length = (int(x) for x in rng.integers([1, 8, 20, 100, 50], [6, 99, 400, 3000, 900]))
        forward = layers * (8 * d**2 + 4 * d * ffw + 4 * length * d) + 2 * d * vocabulary
        assert abs(tokens_of(7e10, layers, d, ffw, vocabulary, length) / (7e10 / (3 * forward)) - 1) < 1e-9

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q11
# points: 5

# %% [markdown]
# **Question 11 (5 points).** Write `valley_minimum(n_params, loss)`: fit a parabola of the loss in $\ln N$ by least
# squares and return the size at its lowest point and whether that lies *between* the smallest and the largest size
# (and is a minimum at all: if the parabola has none, return `(None, False)`). Then train the six `widths`, each on
# the tokens that `budget` buys (two layers, `ffw` of $4d$, `VOCABULARY`, `LENGTH`), and keep the losses as
# `my_losses`, a list in the order of `widths`.

# %% [raw]
# # BEGIN SOLUTION

# %%
def valley_minimum(n_params, loss):
    """Size at the lowest point of a parabola in ln N, and whether it lies inside."""
    # BEGIN SOLUTION
    x = np.log(np.asarray(n_params, dtype=float))
    bend, slope, _ = np.polyfit(x - x.mean(), loss, 2)
    if bend <= 0:
        return None, False
    best = x.mean() - slope / (2 * bend)
    return float(np.exp(best)), bool(x.min() < best < x.max())
    # END SOLUTION

# %%
# BEGIN SOLUTION NO PROMPT
def tokens_here(d):
    forward = 2 * (24 * d**2 + 4 * LENGTH * d) + 2 * d * VOCABULARY
    return budget / (3 * forward)


# END SOLUTION
my_losses = [train(width, tokens_here(width)) for width in widths]  # SOLUTION
print(my_losses)

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_a_known_valley(valley_minimum):
    import numpy as np

    n = np.geomspace(1e4, 1e6, 7)
    best, inside = valley_minimum(n, 3 + 0.1 * np.log(n / 5e4) ** 2)
    assert abs(best / 5e4 - 1) < 1e-6 and inside

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "a lowest point beyond the sizes, or a parabola that opens downwards, is no valley"
"""  # END TEST CONFIG


def test_no_valley(valley_minimum):
    import numpy as np

    n = np.geomspace(1e4, 1e6, 7)
    best, inside = valley_minimum(n, 3 + 0.1 * np.log(n / 3e6) ** 2)
    assert abs(best / 3e6 - 1) < 1e-6 and not inside
    assert tuple(valley_minimum(n, 3 - 0.1 * np.log(n / 5e4) ** 2)) == (None, False)

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "six losses above the entropy of the text and far below that of its tokens alone, with the lowest in the middle; check the tokens of each width"
"""  # END TEST CONFIG


def test_my_valley(my_losses):
    import numpy as np
    from chinchilla_lib.corpus.zipf import ZipfRecall

    variant = 0
    entropy = ZipfRecall(vocab_size=256, n_tokens=3_000_000, seed=variant).entropy
    losses = np.array(my_losses, dtype=float)
    assert losses.shape == (6,) and np.isfinite(losses).all()
    assert (losses > entropy).all() and (losses < entropy + 0.8).all()
    assert 0 < losses.argmin() < 5
    assert losses[-1] - losses.min() > 0.03 and losses[0] - losses.min() > 0.03

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %%
def draw_valley():
    sizes = [n_params_of(width) for width in widths]
    best, inside = valley_minimum(sizes, my_losses)
    _, ax = plt.subplots(figsize=(5.5, 3.2))
    ax.plot(sizes, my_losses, "o-")
    ax.axhline(source.entropy, color="0.5", linestyle=":", label="entropy of the text")
    if inside:
        ax.axvline(best, color="0.5", linewidth=0.8, label="lowest point")
    ax.set_xscale("log")
    ax.set_xlabel("parameters")
    ax.set_ylabel("loss (nats per token)")
    ax.legend(fontsize=8)
    plt.show()


attempt(draw_valley)

# %% [markdown]
# ## 5. A schedule of the wrong length
#
# A cosine made for twice the tokens and stopped half-way ends at more than half of the peak rate. Runs that share a
# seed start alike and read the same text, so their difference has little noise: compare in pairs. Here are three
# pairs of one size.

# %%
pairs = [(train(20, 2.5e5, seed), train(20, 2.5e5, seed, cycle=2.0)) for seed in (1, 2, 3)]
matched_losses, long_losses = (list(side) for side in zip(*pairs, strict=True))
for seed, (matched, long) in enumerate(pairs, start=1):
    print(f"seed {seed}: matched {matched:.4f}, twice too long {long:.4f}")

# %% [raw]
# # BEGIN QUESTION
# name: q12
# points: 5

# %% [markdown]
# **Question 12 (5 points).** Write `paired_excess(long, matched)`: the mean by which the losses with the long
# cosine lie above those with the matched one, and the standard error of this mean, from the pairs (divisor $n - 1$
# in the standard deviation).

# %% [raw]
# # BEGIN SOLUTION

# %%
def paired_excess(long, matched):
    """Mean difference of pairs, and its standard error."""
    # BEGIN SOLUTION
    apart = np.asarray(long, dtype=float) - np.asarray(matched, dtype=float)
    return float(apart.mean()), float(apart.std(ddof=1) / math.sqrt(len(apart)))
    # END SOLUTION


attempt(lambda: print("excess {:.4f} nats, standard error {:.4f}".format(*paired_excess(long_losses, matched_losses))))

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
"""  # END TEST CONFIG


def test_sign(paired_excess):
    assert paired_excess([3.1, 3.3], [3.0, 3.1])[0] > 0, "a long cosine that is worse has a positive excess"

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the mean of the differences, long less matched"
"""  # END TEST CONFIG


def test_mean(paired_excess):
    assert abs(paired_excess([3.0, 3.4, 3.3], [3.1, 3.2, 3.0])[0] - 0.4 / 3) < 1e-9

# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "the error comes from the differences of pairs, not from either side alone"
"""  # END TEST CONFIG


def test_error(paired_excess):
    import numpy as np

    variant = 0
    rng = np.random.default_rng([variant, 122])
    level = rng.normal(3, 0.5, 6)
    apart = rng.normal(0.05, 0.01, 6)
    assert abs(paired_excess(level + apart, level)[1] / (apart.std(ddof=1) / 6**0.5) - 1) < 1e-6

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
# **Question 13 (10 points): mistakes that train.** In at most 250 words: (a) Which of the mistakes below would show
# in the *training* loss of a run, in which direction, and which would not show at all without another check: a mask
# that lets a position see the next token; no division by the root of the head's size; losses averaged over
# sequences, not tokens; decay on norms; gradients not cleared; held-out text read in training mode. (b) How does a
# text of known entropy help with one of them? (c) Your valley's models differ in size by a factor of thirty and
# share one rule for rate and batch. How could that rule, if it were wrong, move the minimum, and what would you
# train to find out?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer.*
#
# (a) The mask: the loss falls far too low, below the entropy. No scaling: the loss falls more slowly, more so for
# large heads, and nothing looks broken. Means over sequences: only the number changes, and only where lengths
# differ; comparisons between batches of different make-up go wrong. Decay on norms: hardly visible. Gradients not
# cleared: the loss is noisy or diverges; with Adam, which divides by the size of gradients, it may look merely bad.
# Dropout in evaluation: the training loss is untouched, the held-out one too high and different each time.
#
# (b) It is a floor: the one reading that proves a look-ahead, and a scale on which "good" means something.
#
# (c) A rate too high for wide models raises the right wall and moves the minimum to small sizes. Train the
# smallest, the middle and the largest size at half, once and twice the rate: if each is best at its own, the rule
# is fine.

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
# **Question 14 (10 points): a schedule that does not match.** In at most 250 words: (a) What did your pairs show,
# with its error? Would unpaired runs of three seeds have shown it? (b) Kaplan et al. read losses of short runs off
# long schedules. In which direction does that move the best size for a budget, and why does it act differently on
# small and on large models? (c) The paper finds that up to 25 % too long does little harm. Why might that be? (d)
# You may train one long run and want losses at three lengths: what schedule will you use, and what does it cost?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Model answer.*
#
# (a) An excess of some 0.01 to 0.05 nats with a standard error of about a third of it; three unpaired seeds scatter
# by about as much as the effect, so no.
#
# (b) Short runs look worse than they are. At one budget the small models have the long runs, the large ones the
# short: large models read off early are penalised more, if schedules are made for one common number of tokens.
# Whether this explains Kaplan's larger exponent depends on how lengths and sizes were combined; the paper says that
# fewer tokens were undervalued, so that size seemed the better use of compute.
#
# (c) At 1.25 the rate has fallen to 0.19 of the peak: nearly all of the decay has happened; and a higher rate for
# longer learns more, which makes up for it.
#
# (d) Warmup-stable-decay: one trunk and three short cooldowns of a fifth each, 1.15 times the longest run for
# lengths of a quarter, a half and the whole, where cosines cost 1.75.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
