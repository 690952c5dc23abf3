"""A toy for victims: three classes, busy in the left, middle or right third of 6x6 pixels."""

from __future__ import annotations

from dataclasses import replace

import torch

from spikeproof.models import Network, NeuronSpec, build
from spikeproof.training import TrainingConfig, fit

BINS, SIZE = 4, 6
RECIPE = TrainingConfig(epochs=12, batch=24, rate=0.02, augment=None)


def data(n=96, seed=0, quiet=0.08, busy=0.3):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    third = torch.arange(SIZE) // (SIZE // 3)
    rate = torch.where(third.view(1, -1) == labels.view(-1, 1), busy, quiet)
    cells = torch.rand(n, BINS, 2, SIZE, SIZE, generator=rng) < rate.view(n, 1, 1, 1, SIZE)
    return cells.float(), labels


def trained(line="4c3-bn-fc3", spiking=True, seed=0) -> Network:
    torch.manual_seed(seed)
    neuron = NeuronSpec(threshold=0.5)
    net = build(line, height=SIZE, width=SIZE, spiking=spiking, neuron=neuron)
    cells, labels = data()
    fit(net, cells, labels, replace(RECIPE, seed=seed))
    net.zero_grad()
    return net


def right(net, cells, labels):
    """The recordings that ``net`` classifies correctly."""
    with torch.no_grad():
        chosen = net(cells).argmax(1) == labels
    return cells[chosen], labels[chosen]


class Masked(torch.nn.Module):
    """``net`` with the gradient at its input times ``by``: 0 hides it, -1 turns it round."""

    def __init__(self, net, by):
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x):
        return self.net(_Scaled.apply(x, self.by))


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, by):
        ctx.by = by
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.by, None
