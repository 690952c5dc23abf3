"""The published programs of the topology language, as a non-spiking and as a spiking network.

    python benchmarks/topology.py [--data FOLDER] [--bins T] [--runs N]

For each program the non-spiking network is trained, its weights are carried over to the spiking one
(integrate-and-fire, soft reset) and both are measured on points that neither was trained on:

* as they are: ``twin``;
* balanced: ``twin`` of ``balanced``, which keeps the activity of every hidden unit below one spike
  per bin. What is typical is read from training points.

Inputs are constant currents between 0 and 1 over ``--bins`` time bins. NAND and XOR: 512 points
drawn from the four corners, 80 % for training, and a fresh draw of points and weights for each of
``--runs`` runs; a run draws weights again until its training points are right. (Four neurons do
not always learn XOR.) Digits: MNIST, the four files of it in ``--data``, cut to the 20x20 pixels
that hold the digit and averaged to 10x10, trained on 60,000 and measured on 10,000; without
``--data`` scikit-learn's 1,797 digits, scaled from 8x8 to 10x10, every fifth of them for the test.

Published (Al-Fayyadh, Ali and Abood, Webology 19, 2022): weights carried over gave the spiking
networks 0.69 on NAND and 0.585 on XOR. The sequential digits reached 0.147 with weights drawn at
random and 0.098 with weights carried over; the parallel program did not run on spiking neurons.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from spikeproof.evaluate import answer, proportion
from spikeproof.models import Network, NeuronSpec, balanced, build, twin
from spikeproof.training import Recipe, fit

GATE = "dense 2 4 |> dense 4 2"
SEQUENTIAL = "dense 100 100 |> dense 100 10"
PARALLEL = "dense 100 20 |> (dense 20 10 (-) dense 20 10) |> dense 20 10"
NEURON = NeuronSpec("if", reset="soft")
TYPICAL = 2000  # training points that activities are read from
DRAWS = 20  # of a gate's weights


@dataclass(frozen=True, eq=False)
class Task:
    """Inputs ``[N, 1, 1, H, W]`` between 0 and 1, and their labels ``[N]``."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass
class Tally:
    """How many of the test points each network got right, over all runs."""

    points: int = 0
    relu: int = 0
    as_they_are: int = 0
    balanced: int = 0


def main() -> None:
    options = argparse.ArgumentParser(description="The published programs on both networks.")
    options.add_argument("--data", type=Path, help="folder with the four files of MNIST")
    options.add_argument("--bins", type=int, default=64)
    options.add_argument("--runs", type=int, default=10, help="of NAND and XOR")
    given = options.parse_args()
    digits = scanned() if given.data is None else mnist(given.data)
    print(f"{given.bins} bins; share right on test points, with its 95 % interval")
    head = ("ReLU", "spiking, as they are", "spiking, balanced")
    print(f"{'':22}{'points':>7}" + "".join(f"{name:>24}" for name in head) + f"{'s':>6}")
    for name, gate in (("NAND", nand), ("XOR", xor)):
        tasks = [corners(gate, seed) for seed in range(given.runs)]
        row(f"{name}, {given.runs} runs", GATE, tasks, given.bins, Recipe(60, augment=None))
    quick = len(digits.train[1]) > 10_000
    recipe = Recipe(8, 128, augment=None) if quick else Recipe(60, augment=None)
    for name, program in (("digits, sequential", SEQUENTIAL), ("digits, parallel", PARALLEL)):
        row(name, program, [digits], given.bins, recipe)


def row(name: str, program: str, tasks: list[Task], bins: int, recipe: Recipe) -> None:
    began = time.perf_counter()
    tally = Tally()
    for seed, task in enumerate(tasks):
        network = trained(program, task, recipe, seed, draws=DRAWS if program == GATE else 1)
        x, labels = task.test
        typical = task.train[0][:TYPICAL]
        carried = twin(network, neuron=NEURON)
        fitted = twin(balanced(network, typical), neuron=NEURON)
        tally.points += len(labels)
        tally.relu += right(network, x, labels)
        tally.as_they_are += right(carried, x.expand(-1, bins, -1, -1, -1), labels)
        tally.balanced += right(fitted, x.expand(-1, bins, -1, -1, -1), labels)
    cells = [cell(k, tally.points) for k in (tally.relu, tally.as_they_are, tally.balanced)]
    shown = "".join(f"{c:>24}" for c in cells)
    print(f"{name:22}{tally.points:7}{shown}{time.perf_counter() - began:6.0f}", flush=True)


def trained(program: str, task: Task, recipe: Recipe, seed: int, draws: int) -> Network:
    """The non-spiking network; its weights are drawn again while training points are wrong."""
    x, labels = task.train
    height, width = x.shape[3:]
    torch.manual_seed(seed)
    for _ in range(draws):
        network = build(program, height=height, width=width, polarities=1, spiking=False)
        fit(network, x, labels, recipe)
        if right(network, x, labels) == len(labels):
            break
    return network


def right(network: Network, x: Tensor, labels: Tensor) -> int:
    """How many of ``x`` get their label."""
    return int((answer(network, x, chunk=500).argmax(1) == labels).sum())


def cell(k: int, n: int) -> str:
    p = proportion(k, n)
    return f"{p.value:.3f} ({p.low:.3f}-{p.high:.3f})"


def nand(x: Tensor) -> Tensor:
    return 1 - x[:, 0] * x[:, 1]


def xor(x: Tensor) -> Tensor:
    return (x[:, 0] - x[:, 1]).abs()


def corners(gate: Callable[[Tensor], Tensor], seed: int, n: int = 512, share: float = 0.8) -> Task:
    """Points of the unit square's corners, with what the gate says of them."""
    x = torch.randint(0, 2, (n, 2), generator=torch.Generator().manual_seed(seed)).float()
    return split(x.view(n, 1, 1, 1, 2), gate(x).long(), torch.arange(n) < share * n)


def scanned() -> Task:
    """Scikit-learn's digits at 10x10."""
    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images).float().view(-1, 1, 8, 8) / 16
    x = F.interpolate(x, (10, 10), mode="bilinear", align_corners=False)
    return split(x[:, None], torch.from_numpy(labels).long(), torch.arange(len(x)) % 5 != 0)


def split(x: Tensor, labels: Tensor, train: Tensor) -> Task:
    return Task((x[train], labels[train]), (x[~train], labels[~train]))


def mnist(folder: Path) -> Task:
    """MNIST at 10x10."""
    parts = []
    for part in ("train", "t10k"):
        x = torch.from_numpy(idx(folder / f"{part}-images-idx3-ubyte.gz", 16)).float() / 255
        x = F.avg_pool2d(x.view(-1, 1, 28, 28)[..., 4:24, 4:24], 2)
        labels = torch.from_numpy(idx(folder / f"{part}-labels-idx1-ubyte.gz", 8)).long()
        parts.append((x[:, None], labels))
    return Task(*parts)


def idx(path: Path, head: int) -> np.ndarray:
    """The bytes behind the ``head`` bytes that say the shape."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=head).copy()


if __name__ == "__main__":
    main()
