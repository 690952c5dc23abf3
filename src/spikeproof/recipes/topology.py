"""The published programs of the topology language, on both networks that they describe.

Of each program the non-spiking network is trained, and its weights are carried over to the spiking
one (integrate-and-fire, soft reset): as they are, and ``balanced``, so that activities stay below
one spike per bin. NAND and XOR: points drawn from the four corners, 80 % of them for training, in
several runs; a run draws its weights again while a training point is wrong, as four neurons do not
always learn XOR. Digits: their middle at 10x10 pixels. Inputs are constant currents in [0, 1].

Al-Fayyadh, Ali and Abood, Webology 19(1), 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from spikeproof.evaluate import answer, proportion
from spikeproof.models import Network, NeuronSpec, OfImages, balanced, build, twin
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import answers_of, operations_row
from spikeproof.recipes.shares import line, told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Series, Table
from spikeproof.training import EpochProgress, TrainingConfig, fit

GATE = "dense 2 4 |> dense 4 2"
SEQUENTIAL = "dense 100 100 |> dense 100 10"
PARALLEL = "dense 100 20 |> (dense 20 10 (-) dense 20 10) |> dense 20 10"
NEURON = NeuronSpec("if", reset="soft")
BINS = 64
SIDE = 10  # pixels of a digit
CORNERS = 512  # points of a gate, of which the last fifth is for the test
TYPICAL = 2000  # training points that activities are read from
DRAWS = 20  # of a gate's weights


@dataclass(frozen=True, eq=False)
class Task:
    """What the network sees, ``[N, 1, 1, H, W]`` in [0, 1], and labels: to learn and to test."""

    x: Tensor
    labels: Tensor
    test_x: Tensor
    test_labels: Tensor


@dataclass(frozen=True)
class TaskTally:
    """Right on test points: without spikes, spiking with weights as they are, and balanced."""

    relu: Proportion
    carried: Proportion
    balanced: Proportion


Cost: TypeAlias = tuple[str | Proportion, ...]
"""A network's name, what it gets right, and the cells of its operations."""


def run(bench: RecipeContext) -> Found:
    """Train, carry over and measure the four programs."""
    claims, rows, costs = [], [], []
    runs = 3 if bench.quick else 10
    for name, gate, published in (("NAND", nand, "0.69"), ("XOR", xor, "0.585")):
        with bench.timed(name):
            tasks = [corners(gate, bench.seed + k) for k in range(runs)]
            tally, cost = _gate(name, tasks, bench)
        costs += cost
        rows.append(_row(f"{name}, {runs} runs", tally, published))
        whole = tally.balanced.k == tally.balanced.n
        what = f"{name}, spiking, weights carried over"
        claims.append(Claim(what, tally.balanced, published=published, aim="100 %", holds=whole))
    models, lines = {}, []
    for name, program in (("sequential", SEQUENTIAL), ("parallel", PARALLEL)):
        with bench.timed(f"digits, {name}"):
            tally, cost, spiking, over = _digits(name, program, bench)
        costs += cost
        published = "0.147 (carried: 0.098)" if name == "sequential" else "did not run"
        rows.append(_row(f"digits, {name}", tally, published))
        lines.append(over)
        models[name] = spiking
        share = tally.balanced
        claims.append(
            Claim(
                f"digits at 10x10, {name}, spiking, weights carried over",
                share,
                published=published,
                aim="≥ 85 %" if name == "sequential" else "runs, above chance",
                holds=bench.settled((share.value or 0) >= 0.85)
                if name == "sequential"
                else (share.low or 0) > 0.1,
            )
        )
    columns = ("program", "test points", "ReLU", "spiking, as they are", "spiking, balanced")
    table = Table(
        "Share right on test points",
        (*columns, "published, spiking"),
        tuple(rows),
        f"{BINS} time bins; 95 % intervals. Gates, {GATE}, have only four different points;"
        f" sequential is {SEQUENTIAL}, parallel {PARALLEL}.",
    )
    chart = Chart("Accuracy by time", "time bins", "right on test digits", tuple(lines))
    return Found(tuple(claims), (table, answers_of(costs)), (chart,), models)


def _gate(name: str, tasks: Sequence[Task], bench: RecipeContext) -> tuple[TaskTally, list[Cost]]:
    """All runs together, and what answers of the last one cost."""
    counts, points = [0, 0, 0], 0
    for k, task in enumerate(tasks):
        network = trained(GATE, task, TrainingConfig(60, augment=None), bench.seed + k, draws=DRAWS)
        networks = (network, *spiking_of(network, task))
        counts = [
            n + right(one, task.test_x, task.test_labels, bins)
            for n, one, bins in zip(counts, networks, (1, BINS, BINS), strict=True)
        ]
        points += len(task.test_labels)
    tally = TaskTally(*(proportion(n, points) for n in counts))
    return tally, _costs(name, tally, networks[0], networks[-1], task)


def _digits(
    name: str, program: str, bench: RecipeContext
) -> tuple[TaskTally, list[Cost], OfImages, Series]:
    """One program on the digits: right, costs, the balanced network, and its line over time."""
    learn, test = bench.data.learn, bench.data.test
    channels, height, width = learn.x.shape[2:]
    crop = 20 if min(height, width) == 28 else None  # MNIST has a margin of 4 pixels
    empty = build(program, height=SIDE, width=SIDE, polarities=channels, spiking=False)
    look = OfImages(empty, image=(channels, height, width), crop=crop)
    most = 6000 if bench.quick else len(learn)
    task = Task(look.seen(learn.x[:most]), learn.labels[:most], look.seen(test.x), test.labels)
    many = len(task.labels) > 5000
    epochs = (3 if bench.quick else 8) if many else (20 if bench.quick else 60)
    recipe = TrainingConfig(epochs, 128 if many else 32, augment=None, seed=bench.seed)
    network = trained(
        program,
        task,
        recipe,
        bench.seed,
        report=lambda p: bench.tell(f"digits, {name}", p.epoch, p.epochs),
    )
    carried, fitted = spiking_of(network, task)
    n, steps = len(task.test_labels), [2**k for k in range(1, BINS.bit_length())]
    over_time = [
        proportion(right(fitted, task.test_x, task.test_labels, bins), n) for bins in steps
    ]
    tally = TaskTally(
        proportion(right(network, task.test_x, task.test_labels, 1), n),
        proportion(right(carried, task.test_x, task.test_labels, BINS), n),
        over_time[-1],
    )
    over = line(name, steps, over_time)
    shown = OfImages(fitted, image=(channels, height, width), crop=crop, steps=BINS)
    return tally, _costs(name, tally, network, fitted, task), shown.eval(), over


def _costs(name: str, tally: TaskTally, relu: Network, spiking: Network, task: Task) -> list[Cost]:
    """What answers of the network without spikes and of the balanced one cost."""
    shown = task.test_x.expand(-1, BINS, -1, -1, -1)
    return [
        (f"{name}, ReLU", tally.relu, *operations_row(relu, task.test_x)),
        (f"{name}, spiking, balanced", tally.balanced, *operations_row(spiking, shown)),
    ]


def trained(
    program: str,
    task: Task,
    recipe: TrainingConfig,
    seed: int,
    *,
    draws: int = 1,
    report: Callable[[EpochProgress], None] = lambda _: None,
) -> Network:
    """The non-spiking network; its weights are drawn again while training points are wrong."""
    polarities, height, width = task.x.shape[2:]
    torch.manual_seed(seed)
    for _ in range(draws):
        network = build(program, height=height, width=width, polarities=polarities, spiking=False)
        fit(network, task.x, task.labels, recipe, report=report)
        if right(network, task.x, task.labels, 1) == len(task.labels):
            break
    return network


def spiking_of(network: Network, task: Task) -> tuple[Network, Network]:
    """The spiking networks with the weights of ``network``: as they are, and balanced."""
    fitted = balanced(network, task.x[:TYPICAL])
    return twin(network, neuron=NEURON), twin(fitted, neuron=NEURON)


def right(network: Network, x: Tensor, labels: Tensor, bins: int) -> int:
    """How many of ``x``, shown for ``bins``, get their label."""
    shown = x.expand(-1, bins, -1, -1, -1)
    return int((answer(network, shown, chunk=500).argmax(1) == labels).sum())


def nand(x: Tensor) -> Tensor:
    """What NAND says of points ``[N, 2]``."""
    return 1 - x[:, 0] * x[:, 1]


def xor(x: Tensor) -> Tensor:
    """What XOR says of points ``[N, 2]``."""
    return (x[:, 0] - x[:, 1]).abs()


def corners(gate: Callable[[Tensor], Tensor], seed: int) -> Task:
    """Points of the unit square's corners, as images of two pixels."""
    rng = torch.Generator().manual_seed(seed)
    points = torch.randint(0, 2, (CORNERS, 2), generator=rng).float()
    x, labels, cut = points.view(-1, 1, 1, 1, 2), gate(points).long(), -(-CORNERS * 4 // 5)
    return Task(x[:cut], labels[:cut], x[cut:], labels[cut:])


def _row(name: str, tally: TaskTally, published: str) -> tuple[str, ...]:
    shares = (tally.relu, tally.carried, tally.balanced)
    return (name, str(tally.relu.n), *(told(p) for p in shares), published)


TOPOLOGY = Recipe(
    "topology",
    "One description, two networks: NAND, XOR and MNIST at 10x10",
    "Al-Fayyadh, Ali and Abood, Webology 19(1), 2022",
    run,
)
