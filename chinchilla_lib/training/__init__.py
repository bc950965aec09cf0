"""Where tensors live: the model, its batches, its schedule, one run from config to record."""

from chinchilla_lib.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "train") from error
