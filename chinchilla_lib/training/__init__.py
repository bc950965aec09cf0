"""Where tensors live: the model, its batches, its schedule, one run from config to record."""
