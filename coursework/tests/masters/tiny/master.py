# %% [markdown]
# # Tiny

# %%
import numpy as np

variant = 0
print(np.float64(variant))

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 4

# %% [markdown]
# Define `double`.

# %% [raw]
# # BEGIN SOLUTION

# %%
def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    the_answer_that_nobody_may_see_before_time = 2 * x
    return the_answer_that_nobody_may_see_before_time
    # END SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
""" # END TEST CONFIG
def test_one(double):
    assert double(1) == 2, "twice 1 is 2"

# %%
""" # BEGIN TEST CONFIG
points: 3
hidden: true
failure_message: negative numbers are doubled, too
""" # END TEST CONFIG
def test_negative(double):
    variant = 0
    number = -1 - variant
    assert double(number) == 2 * number, "a sentence of a hidden test, which students must not see"

# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 5
# manual: true

# %% [markdown]
# Write.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# A model answer of a written question, long enough to be looked for.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
