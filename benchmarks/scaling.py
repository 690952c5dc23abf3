"""How the time of an attack grows with recordings, time bins, pixels and parameters.

    python benchmarks/scaling.py [--out FOLDER] [--sizes 4] [--repeats 3]

Times one gradient step, and an attack (sparse flip at a fixed budget, five steps), while one size
is doubled and the others stay. No recording leaves early: the goal is out of reach. Prints a table
and draws ``scaling.png``, four panels on logarithmic axes; the exponent in each is the slope of the
straight line through the logarithms, so 1 is proportional. Of a network it is the channels that are
doubled. With the default sizes it takes about a minute.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from spikeproof.attacks import SparseFlip, Victim
from spikeproof.goals import Untargeted, WithConfidence
from spikeproof.models import build
from spikeproof.threats import Flip

DENSITY = 0.055  # of active cells, as on N-MNIST
STEPS = 5
RUNS = ("gradient step", f"attack, {STEPS} steps")


@dataclass(frozen=True)
class Size:
    """What is attacked; the defaults are what stays."""

    recordings: int = 8
    bins: int = 16
    side: int = 32  # pixels of the square sensor
    channels: int = 16  # of the first layer; the second has twice as many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the PNG")
    parser.add_argument("--sizes", type=int, default=4, help="sizes in each panel, each doubled")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    double = [2**i for i in range(given.sizes)]
    panels = {
        "recordings": [Size(recordings=4 * k) for k in double],
        "time bins": [Size(bins=8 * k) for k in double],
        "pixels": [Size(side=round(16 * k**0.5)) for k in double],
        "parameters": [Size(channels=8 * k) for k in double],
    }
    print(f"{torch.get_num_threads()} threads, medians of {given.repeats}")
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots(2, 2).flat
    for (name, sizes), axis in zip(panels.items(), axes, strict=True):
        draw(axis, name, *measured(name, sizes, given.repeats))
    given.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out / "scaling.png", dpi=120)
    print(f"drawn in {given.out / 'scaling.png'}")


def measured(name: str, sizes: list[Size], repeats: int) -> tuple[list[int], list[list[float]]]:
    """The varied number of each size, and the median seconds of each of ``RUNS`` there."""
    cases = [prepared(name, size) for size in sizes]
    for _, runs in cases:  # compile, and fill caches
        for run in runs:
            run()
    seconds: list[list[list[float]]] = [[[] for _ in sizes] for _ in RUNS]
    for _ in range(repeats):  # in turn, so that a busy moment does not hit one size alone
        for place, (_, runs) in enumerate(cases):
            for which, run in enumerate(runs):
                began = time.perf_counter()
                run()
                seconds[which][place].append(time.perf_counter() - began)
    numbers = [number for number, _ in cases]
    medians = [[statistics.median(times) for times in of_run] for of_run in seconds]
    print(f"\n{name:>12}" + "".join(f"{run:>20}" for run in RUNS))
    for place, number in enumerate(numbers):
        print(f"{number:12}" + "".join(f"{1e3 * times[place]:17.1f} ms" for times in medians))
    print(f"{'exponent':>12}" + "".join(f"{exponent(numbers, times):20.2f}" for times in medians))
    return numbers, medians


def prepared(name: str, size: Size) -> tuple[int, list[Callable[[], object]]]:
    """The varied number, and what is timed."""
    torch.manual_seed(0)
    line = f"{size.channels}c5-bn-p2-{2 * size.channels}c3-bn-p2-fc10"
    network = build(line, height=size.side, width=size.side).eval()
    x = (torch.rand(size.recordings, size.bins, 2, size.side, size.side) < DENSITY).float()
    labels = torch.zeros(size.recordings, dtype=torch.long)
    goal = WithConfidence(Untargeted(labels), torch.full((size.recordings,), 1e9))
    victim, rng = Victim(network), torch.Generator()
    attack = SparseFlip("budget", STEPS)
    number = {
        "recordings": size.recordings,
        "time bins": size.bins,
        "pixels": size.side**2,
        "parameters": network.n_parameters,
    }[name]
    return number, [
        lambda: victim.gradient(x, goal),
        lambda: attack(victim, x, goal, Flip(0.04), rng=rng),
    ]


def exponent(numbers: list[int], seconds: list[float]) -> float:
    """Slope of the line through the logarithms (least squares)."""
    return float(np.polyfit(np.log(numbers), np.log(seconds), 1)[0])


def draw(axis: Axes, name: str, numbers: list[int], medians: list[list[float]]) -> None:
    """One panel: what was measured as points, the fitted power as a line."""
    ends = np.array([numbers[0], numbers[-1]])
    for run, times, colour in zip(RUNS, medians, ("#4477aa", "#cc6677"), strict=True):
        slope, start = np.polyfit(np.log(numbers), np.log(times), 1)
        axis.plot(ends, np.exp(start) * ends**slope, color=colour, linewidth=1)
        axis.plot(numbers, times, "o", color=colour, label=f"{run}: exponent {slope:.2f}")
    axis.set(xscale="log", yscale="log", xlabel=name, ylabel="seconds")
    axis.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.grid(color="#dddddd")
    axis.legend(frameon=False)


if __name__ == "__main__":
    main()
