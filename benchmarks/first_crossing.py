"""What bounds a training step of a network of first crossings.

    python benchmarks/first_crossing.py [--data FOLDER] [--batch 128]

Times, in turn and on one thread, the parts of a step of a 784-400-10 network in microseconds of
processor time per image: sorting the pixels' times, the pass over them, the gradient of the first
layer's weights (that of its inputs is not needed in training, and shown for attacks), and the
whole step with AdamW. Beside them the same layer in plain PyTorch, and a step of a ReLU
network of the same size, which is products of matrices. Prints medians, and their ratio to the
latter.

Without ``--data`` the images are random, with as many black pixels as MNIST's have (81 %). Black
pixels all spike at the horizon, where they are taken together.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.images import load_images
from spikeproof.models import SerializableNetwork, build
from spikeproof.models.crossing import CrossingNetwork, times
from spikeproof.training import TemporalPenalty

REPEATS = 9
BLACK = 0.81


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--batch", type=int, default=128)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    x, labels = images(settings.data, settings.batch)
    torch.manual_seed(0)
    network = CrossingNetwork((1, 28, 28))
    relu = build("fc400-fc10", height=28, width=28, polarities=1, spiking=False)
    at, due, *_ = (t.detach() for t in network.crossings(x).times)
    rows = network.weights[0].detach().t().contiguous()
    pull, until = torch.randn_like(due), due.clamp(max=network.end)
    parts: dict[str, Callable[[], object]] = {
        "whole step, ReLU network": step(relu, x, labels),
        "sort": lambda: at.sort(dim=1, stable=True),
        "sort and pass": lambda: times._forward_compiled(at, rows, network.end),
        "gradient of weights": lambda: times._grad_weight_compiled(at, until, pull),
        "gradient of inputs": lambda: times._grad_times_compiled(at, rows, until, pull),
        "whole step": step(network, x, labels),
        "pass, plain PyTorch": lambda: times._forward_eager(at, rows, network.end),
        "gradient of weights, plain PyTorch": lambda: times._grad_weight_eager(at, until, pull),
    }
    took: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(REPEATS):
        for name, part in parts.items():
            began = time.process_time()
            part()
            took[name].append(1e6 * (time.process_time() - began) / len(x))
    relu_step, *_ = (statistics.median(spent[1:]) for spent in took.values())
    print(f"{'microseconds per image':36}{'median':>8}{'ratio':>8}")
    for name, spent in took.items():
        median = statistics.median(spent[1:])  # the first run compiles
        print(f"{name:36}{median:8.1f}{median / relu_step:8.2f}")


def step(network: SerializableNetwork, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step of ``network``."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    penalty = TemporalPenalty(1.0)

    def once() -> None:
        if isinstance(network, CrossingNetwork):
            loss, _ = penalty(network, x, labels)
        else:
            loss = F.cross_entropy(network(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return once


def images(data: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """Images of 28x28 pixels and labels."""
    if data is not None:
        learn = load_images(data).learn
        return learn.x[:count], learn.labels[:count]
    x = torch.rand(count, 1, 1, 28, 28)
    return x * (torch.rand(x.shape) > BLACK), torch.arange(count) % 10


if __name__ == "__main__":
    main()
