"""What a gradient step of an attack costs, and where the time goes.

    python benchmarks/gradient_step.py

Times, side by side and in turn, forward plus input gradient of the small network (34x34 pixels,
T = 16) with the compiled neuron loops, with the same loops in plain PyTorch, and of the
non-spiking twin, whose time is convolution and little else: the bound. Prints medians and ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from spikeproof.attacks.victim import Victim
from spikeproof.goals import Mislead
from spikeproof.models import scan
from spikeproof.models.network import Network, build, twin

BATCH, REPEATS = 16, 9


def main() -> None:
    torch.manual_seed(0)
    network = build("16c5-bn-p2-32c3-bn-p2-fc10", height=34, width=34).eval()
    x = (torch.rand(BATCH, 16, 2, 34, 34) < 0.055).float()
    goal = Mislead(torch.zeros(BATCH, dtype=torch.long))

    def step(model: Network) -> Callable[[], None]:
        victim = Victim(model)
        return lambda: victim.gradient(x, goal) and None  # type: ignore[func-returns-value]

    def plainly(run: Callable[[], None]) -> Callable[[], None]:
        def slow() -> None:
            compiled, scan.backend_for = scan.backend_for, lambda series: "eager"
            try:
                run()
            finally:
                scan.backend_for = compiled

        return slow

    runs = {
        "compiled neuron loops": step(network),
        "plain PyTorch loops": plainly(step(network)),
        "non-spiking twin (bound)": step(twin(network)),
    }
    cold = time.perf_counter()
    runs["compiled neuron loops"]()
    print(f"first step, compilation or its cache included: {time.perf_counter() - cold:.2f} s")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - began) / BATCH)
    base = statistics.median(seconds["compiled neuron loops"])
    print(f"{'':28}{'ms per recording':>18}{'ratio':>8}   {torch.get_num_threads()} threads")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{name:28}{1e3 * middle:18.2f}{middle / base:8.2f}")


if __name__ == "__main__":
    main()
