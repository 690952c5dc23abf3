"""A toy for attacks on images: three classes, bright in one third of 6x6 pixels of two channels."""

from __future__ import annotations

from dataclasses import replace

import torch

from spikeproof.models import Direct, Encoded, NeuronSpec, build
from spikeproof.training import fit

from .toy import RECIPE, SIZE

STEPS = 4


def pictures(n=96, seed=0, bright=0.45, noise=0.25):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    third = torch.arange(SIZE) // (SIZE // 3)
    base = torch.where(third.view(1, -1) == labels.view(-1, 1), bright, 0.3)
    drawn = torch.randn(n, 1, 2, SIZE, SIZE, generator=rng)
    return (base.view(n, 1, 1, 1, SIZE) + noise * drawn).clamp(0, 1), labels


def trained_on_pictures(spiking=True, seed=0) -> Encoded:
    """A directly coded network; ``spiking=False`` gives its twin."""
    torch.manual_seed(seed)
    neuron = NeuronSpec(threshold=0.5)
    net = build("6c3-bn-p2-fc3", height=SIZE, width=SIZE, spiking=spiking, neuron=neuron)
    code = Direct(STEPS)
    x, labels = pictures()
    fit(net, code(x), labels, replace(RECIPE, seed=seed))
    net.zero_grad()
    return Encoded(code, net)
