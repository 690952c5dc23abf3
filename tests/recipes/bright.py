"""A model whose accuracy under attack can be told beforehand."""

from __future__ import annotations

import torch

from spikeproof.images import Images


class Bright(torch.nn.Module):
    """Says 1 where the mean is above ``limit``, which an attack can move by eps.

    ``blind`` hides the gradient, not the logits.
    """

    def __init__(self, limit, *, blind=False):
        super().__init__()
        self.limit, self.blind = limit, blind

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        mean = mean.detach() + 0 * mean if self.blind else mean
        never = torch.full_like(mean, -9.0)
        return torch.stack([self.limit - mean, mean - self.limit, never, never], 1)


def flat(*values):
    """Images of one intensity each; bright ones are of class 1."""
    x = torch.tensor(values).view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2).contiguous()
    return Images(x, (x[:, 0, 0, 0, 0] > 0.5).long(), ("dark", "bright"))
