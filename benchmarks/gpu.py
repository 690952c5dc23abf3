"""What a gradient step costs on a GPU, and how close the neurons come to its memory's speed.

    python benchmarks/gpu.py

First the table of ``gradient_step.py`` on a CUDA device: forward plus input gradient of the small
network, as attacks ask for it (recordings go to the device and gradients come back), with the
Triton loops, with the same loops in plain PyTorch, and of the non-spiking twin, the bound. Then one
layer of neurons by itself: bytes that it must move, over the time it takes, beside a copy on the
same device in the same run. Without a CUDA device it says so and exits with status 2.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.models import scan
from spikeproof.models.backend import backend_for
from spikeproof.models.device import placed
from spikeproof.models.network import Network, build, twin
from spikeproof.models.surrogate import ArcTan, FastSigmoid, PiecewiseQuadratic

REPEATS, BATCHES = 15, (16, 64, 256)
SERIES = 64, 16, 16 * 34 * 34  # recordings, bins, neurons of the small network's first layer
PASS = 12  # bytes per neuron and bin that must be moved, forward as backward: three float32
IN_A_ROW = 10  # launches between two clock readings, so that the device does not wait for Python


def main() -> None:
    if not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} finds no CUDA device; nothing was measured.")
        sys.exit(2)
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    loops = backend_for(torch.zeros(1, device=device))
    print(f"loops of float32 neurons: {loops}\n")
    for batch in BATCHES:
        steps(device, batch)
    bandwidth(device)


def steps(device: torch.device, batch: int) -> None:
    """Gradient steps of a batch, in turn."""
    torch.manual_seed(0)
    network = build("16c5-bn-p2-32c3-bn-p2-fc10", height=34, width=34).eval()
    bound = placed(twin(network), device)
    network = placed(network, device)
    x = (torch.rand(batch, 16, 2, 34, 34) < 0.055).float()
    goal = Untargeted(torch.zeros(batch, dtype=torch.long))

    def step(model: Network) -> Callable[[], object]:
        victim = Victim(model, chunk=batch)
        return lambda: victim.gradient(x, goal)

    runs = {
        "fused neuron loops": step(network),
        "plain PyTorch loops": plainly(step(network)),
        "non-spiking twin (bound)": step(bound),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(REPEATS + 2):
        for name, run in runs.items():
            torch.cuda.synchronize()
            began = time.perf_counter()
            run()
            torch.cuda.synchronize()
            if turn >= 2:  # the first ones compile and choose algorithms
                seconds[name].append((time.perf_counter() - began) / batch)
    base = statistics.median(seconds["fused neuron loops"])
    print(f"{f'batch of {batch}':28}{'ms per recording':>18}{'ratio':>8}")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{name:28}{1e3 * middle:18.3f}{middle / base:8.2f}")
    print()


def plainly(run: Callable[[], object]) -> Callable[[], object]:
    """The same with the eager loops."""

    def slow() -> None:
        fast, scan.backend_for = scan.backend_for, lambda series: "eager"
        try:
            run()
        finally:
            scan.backend_for = fast

    return slow


def bandwidth(device: torch.device) -> None:
    """Bytes that the neurons of one layer move over the time they take, beside a copy."""
    n, t, f = SERIES
    series, other = (torch.randn(n, t, f, device=device) for _ in range(2))
    restore = scan.Restore(series.shape, channels_last=False)
    cells = series.numel()
    runs: dict[str, tuple[Callable[[], object], int]] = {
        "copy on the device": (lambda: other.copy_(series), 8 * cells),
    }
    for name, backend in (("fused", backend_for(series)), ("plain", "eager")):
        forward, backward = scan._LOOPS[backend]
        v, _ = forward(series, 0.5, 1.0, True)
        runs[f"{name} forward"] = partial(forward, series, 0.5, 1.0, True), PASS * cells
        for surrogate in (ArcTan(), FastSigmoid(), PiecewiseQuadratic()):
            back = partial(backward, other, v, 0.5, 1.0, True, surrogate, restore)
            runs[f"{name} backward, {type(surrogate).__name__}"] = back, PASS * cells
    milliseconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(REPEATS + 2):
        for name, (run, _) in runs.items():
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            began.record()
            for _ in range(IN_A_ROW):
                run()
            ended.record()
            ended.synchronize()
            if turn >= 2:
                milliseconds[name].append(began.elapsed_time(ended) / IN_A_ROW)
    copied = 8 * cells / statistics.median(milliseconds["copy on the device"])
    print(f"one layer, {n} x {t} bins x {f} neurons")
    print(f"{'':36}{'ms':>9}{'MB needed':>11}{'GB/s':>8}{'of copy':>9}")
    for name, (_, moved) in runs.items():
        middle = statistics.median(milliseconds[name])
        rate = moved / middle
        print(f"{name:36}{middle:9.3f}{moved / 1e6:11.0f}{rate / 1e6:8.0f}{rate / copied:9.2f}")


if __name__ == "__main__":
    main()
