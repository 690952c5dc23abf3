"""What an adapted model costs over the framework's own passes.

    python benchmarks/adapter_overhead.py

Times, in turn, forward plus input gradient of a convolutional SpikingJelly network in step mode
'm' (2-16-32 channels, 34x34 pixels, T = 16, N = 16): as its owner would take it, through
``Adapted`` with the network's own surrogate, and with the attacks' surrogate swapped in. Prints
medians and their ratio to the owner's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from spikeproof.adapters import adapt
from spikeproof.attacks.victim import SHARP, Victim
from spikeproof.goals import Mislead

BATCH, BINS, SIZE, REPEATS = 16, 16, 34, 9


def main() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Conv2d(2, 16, 5, padding=2, bias=False),
        layer.BatchNorm2d(16),
        neuron.LIFNode(surrogate_function=surrogate.ATan()),
        layer.AvgPool2d(2),
        layer.Conv2d(16, 32, 3, padding=1, bias=False),
        layer.BatchNorm2d(32),
        neuron.LIFNode(surrogate_function=surrogate.ATan()),
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Linear(32 * (SIZE // 4) ** 2, 10),
    ).eval()
    functional.set_step_mode(net, "m")
    for p in net.parameters():
        p.requires_grad_(False)  # as Victim does; the owner's passes are given the same start
    x = (torch.rand(BATCH, BINS, 2, SIZE, SIZE) < 0.055).float()
    goal = Mislead(torch.zeros(BATCH, dtype=torch.long))
    model = adapt(net, x)

    def owner() -> Tensor:
        functional.reset_net(net)
        leaf = x.transpose(0, 1).contiguous().requires_grad_()
        margin = goal.margin(net(leaf).mean(0))
        return torch.autograd.grad(margin.sum(), leaf)[0]

    runs: dict[str, Callable[[], object]] = {
        "SpikingJelly alone": owner,
        "adapted, its own surrogate": lambda: Victim(model, surrogate=None).gradient(x, goal),
        "adapted, swapped surrogate": lambda: Victim(model, surrogate=SHARP).gradient(x, goal),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if repeat:  # the first turn warms up
                seconds[name].append((time.perf_counter() - began) / BATCH)
    base = statistics.median(seconds["SpikingJelly alone"])
    print(f"{'':30}{'ms per recording':>18}{'ratio':>8}   {torch.get_num_threads()} threads")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{name:30}{1e3 * middle:18.2f}{middle / base:8.2f}")


if __name__ == "__main__":
    main()
