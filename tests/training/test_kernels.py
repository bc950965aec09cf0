"""What several calls share: scales and sums. Each kernel's own numbers are tested with their gradients."""

import torch

from chinchilla_lib.training.kernels import Kernels


def test_the_gradient_by_logits_is_that_of_the_scaled_sum(kernels: Kernels) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 37, generator=generator, requires_grad=True)
    targets = torch.randint(37, (2, 5), generator=generator)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    (gradient,) = torch.autograd.grad(0.3 * expected.sum(), logits)
    found, losses = logits.detach().clone(), torch.empty(2, 5)
    kernels.cross_entropy(found, targets, losses, 0.3)
    torch.testing.assert_close(losses.flatten(), expected.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-6)


def test_the_gradient_by_gains_is_overwritten_or_added_to(kernels: Kernels) -> None:
    generator = torch.Generator().manual_seed(0)
    d_y, u = torch.randn(2, 3, 5, 24, generator=generator)[0], torch.randn(3, 5, 24, generator=generator)
    inverse_rms, gain = torch.ones(3, 5), torch.ones(3, 24)
    own = (d_y * u).sum(1)
    for add, expected in ((False, own), (True, own + 7)):
        d_gain = torch.full((3, 24), 7.0)
        kernels.norm_backward(d_y, u, inverse_rms, gain, torch.zeros(3, 5, 24), d_gain, add=add)
        torch.testing.assert_close(d_gain, expected, rtol=1e-5, atol=1e-5)
