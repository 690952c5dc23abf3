"""What an adapted model costs over the framework's own passes.

    python benchmarks/adapter_overhead.py

Times, in turn, forward plus input gradient of a convolutional SpikingJelly network in step mode
'm' (2-16-32 channels, 34x34 pixels, T = 16, N = 16): as its owner would take it, through
``Adapted`` with the network's own surrogate, with the attacks' surrogate swapped in, and on the
faster copy. Then a whole attack (fewest flips), against as many of the owner's passes as it asked
for. Prints medians and their ratio to the owner's. What bounds it is the network's own passes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from spikeproof.adapters import Twin, adapt, fast_twin
from spikeproof.attacks import SparseFlip
from spikeproof.attacks.victim import NARROW_SURROGATE, Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip

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
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 6.0)  # else an untrained network is silent
    for p in net.parameters():
        p.requires_grad_(False)  # as Victim does; the owner's passes are given the same start
    x = (torch.rand(BATCH, BINS, 2, SIZE, SIZE) < 0.055).float()
    goal = Untargeted(torch.zeros(BATCH, dtype=torch.long))
    model = adapt(net, x)

    def owner() -> Tensor:
        functional.reset_net(net)
        leaf = x.transpose(0, 1).contiguous().requires_grad_()
        margin = goal.margin(net(leaf).mean(0))
        return torch.autograd.grad(margin.sum(), leaf)[0]

    def owner_forward() -> Tensor:
        functional.reset_net(net)
        with torch.no_grad():
            return net(x.transpose(0, 1).contiguous()).mean(0)

    twin = fast_twin(model, x)
    assert isinstance(twin, Twin), twin
    runs: dict[str, Callable[[], object]] = {
        "SpikingJelly alone, forward": owner_forward,
        "SpikingJelly alone": owner,
        "adapted, its own surrogate": lambda: Victim(model, surrogate=None).gradient(x, goal),
        "adapted, swapped surrogate": lambda: Victim(model, surrogate=NARROW_SURROGATE).gradient(
            x, goal
        ),
        "on the faster copy": lambda: Victim(twin.network, surrogate=NARROW_SURROGATE).gradient(
            x, goal
        ),
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
    forward = statistics.median(seconds["SpikingJelly alone, forward"])
    goal = Untargeted(owner_forward().argmax(1))
    for name, searched in (("adapted", model), ("on the faster copy", twin.network)):
        victim = Victim(searched)
        began = time.perf_counter()
        SparseFlip(steps=15)(victim, x, goal, Flip(), rng=torch.Generator().manual_seed(0))
        took = time.perf_counter() - began
        asked = victim.queries
        passes = asked.gradients * base + asked.forwards * forward
        what = f"{asked.gradients} gradients, {asked.forwards} forwards"
        print(f"whole attack, {name}: {took:.1f} s ({what}); the owner's {passes:.1f} s;", end=" ")
        print(f"ratio {took / passes:.2f}")


if __name__ == "__main__":
    main()
