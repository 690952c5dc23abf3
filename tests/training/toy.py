"""A toy problem: class 0 is busy on the left of a 6x6 sensor, class 1 on the right."""

from __future__ import annotations

import torch

from spikeproof.models import Network, NeuronSpec, build

LINE = "4c3-bn-p2-drop10-fc2"


def data(n=48, bins=4, seed=0, dtype=torch.uint8):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    busy = torch.where(torch.arange(6).view(1, -1) // 3 == labels.view(-1, 1), 0.4, 0.05)
    cells = torch.rand(n, bins, 2, 6, 6, generator=rng) < busy.view(n, 1, 1, 1, 6)
    return cells.to(dtype), labels


def network(line=LINE, seed=0) -> Network:
    torch.manual_seed(seed)
    return build(line, height=6, width=6, neuron=NeuronSpec("plif", threshold=0.5))
