"""Rate-coded spiking networks from trained ones, and how long they must run.

Two networks without spikes are trained, one dense and one convolutional with batch norm, and
converted. Each converted network is asked once and gives its answer after every number of steps:
with a constant current from membranes that start halfway, empty or each at its own level, and with
spikes drawn with probability x in each step (Poisson coding, as most call it), as the mean of a few
draws.

Rate SNN by conversion: Leontev, Antonov and Sukhov, ITNT 2021. How: Diehl et al., IJCNN 2015;
Rueckauer et al., Front. Neurosci. 11:682, 2017; Bu et al., AAAI 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeproof.evaluate import proportion
from spikeproof.images import Images
from spikeproof.models import Coded, Network, SerializableNetwork, build, converted, logits_by_step
from spikeproof.models.conversion import Balance, Code
from spikeproof.models.rate import Start
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import answers
from spikeproof.recipes.shares import line, told
from spikeproof.recipes.shares import right as right_of
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.training import TrainingConfig, fit

PROGRAMS = {"dense": "fc400-fc{}", "convolutional": "16c5-bn-p2-32c3-bn-p2-fc{}"}
TYPICAL = 500  # training images that activities are read from
SAVED = 64  # steps of the networks that are kept
ALLOWED = 0.01  # of the accuracy may be lost
CHUNK = 4  # images whose steps are held at once
DRAWN = 32  # steps in the charts; after these little changes
SHOWN = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Way:
    """One way to run a converted network; a random code is drawn ``draws`` times."""

    name: str
    code: Code = "direct"
    balance: Balance = "weights"
    start: Start = 0.5
    draws: int = 1


@dataclass(frozen=True, eq=False)
class Curve:
    """How many of ``n`` images are right after each step, ``right`` ``[T]``, a mean of draws."""

    right: Tensor
    n: int

    def at(self, step: int) -> Proportion:
        """What is right after ``step`` steps."""
        return proportion(round(float(self.right[step - 1])), self.n)

    def settles(self, least: float) -> int | None:
        """The first step from which on at least ``least`` images stay right, if there is one."""
        below = (self.right < least).nonzero()
        first = int(below[-1]) + 2 if len(below) else 1
        return first if first <= len(self.right) else None


def run(bench: RecipeContext) -> Found:
    """Train, convert and measure both networks."""
    claims, rows, charts, models = [], [], [], {}
    asked: dict[str, SerializableNetwork] = {}
    right: dict[str, Proportion] = {}
    steps = 64 if bench.quick else 256
    for name, program in PROGRAMS.items():
        with bench.timed(f"{name}, training"):
            network = _trained(name, program, bench)
        test = _test(name, bench)
        typical = bench.data.learn.x[:TYPICAL]
        ann = right_of(network, test)
        curves: dict[Way, Curve] = {}
        asked[f"{name}, ANN"], right[f"{name}, ANN"] = network, ann
        for way in _ways(bench):
            with bench.timed(f"{name}, {way.name}"):
                made = _convert(network, typical, way, steps)
                curves[way] = curve(made, test, way.draws, bench.seed)
            asked[f"{name}, {way.name}"] = made
            right[f"{name}, {way.name}"] = curves[way].at(steps)
        first = next(iter(curves.values()))
        claims += _claims(name, ann, first, bench)
        shown = [t for t in SHOWN if t <= steps]
        rows += [
            (name, way.name, told(ann, 2), *(told(c.at(t), 2) for t in shown))
            for way, c in curves.items()
        ]
        charts.append(_chart(name, ann, curves, steps))
        models[name] = _convert(network, typical, Way("saved"), SAVED)
    table = Table(
        "Right on test images, by time steps",
        ("network", "how", "ANN", *map(str, shown)),
        tuple(rows),
        f"{PROGRAMS['dense'].format('K')} and {PROGRAMS['convolutional'].format('K')}; 95 %"
        f" intervals. Poisson: a spike with probability x in each step, mean of"
        f" {_ways(bench)[-1].draws} draws, which make the interval no narrower.",
    )
    with bench.timed("operations"):
        some = bench.data.test.x[: 20 if bench.quick else 200]
        costs = answers(asked, right, some, chunk=CHUNK)
    return Found(tuple(claims), (table, costs), tuple(charts), models)


def curve(model: Coded, test: Images, draws: int, seed: int) -> Curve:
    """What ``model`` gets right by steps; random codes are drawn from ``seed`` on."""
    total = torch.zeros(())
    for draw in range(draws):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + draw)
            said = logits_by_step(model, test.x).argmax(2)
        total = total + (said == test.labels.unsqueeze(1)).sum(0)
    return Curve(total / draws, len(test))


def _ways(bench: RecipeContext) -> tuple[Way, ...]:
    return (
        Way("constant current"),
        Way("constant current, thresholds", balance="threshold"),
        Way("constant current, empty at the start", start=0.0),
        Way("constant current, each from its own", start="spread"),
        Way("Poisson", code="bernoulli", draws=2 if bench.quick else 3),
    )


def _convert(network: Network, typical: Tensor, way: Way, steps: int) -> Coded:
    return converted(
        network, typical, steps=steps, balance=way.balance, code=way.code, start=way.start
    )


def _trained(name: str, program: str, bench: RecipeContext) -> Network:
    learn = bench.data.learn
    many = len(learn) > 5000
    most = 6000 if bench.quick else len(learn)
    dense = name == "dense"
    quick, full = ((6, 6) if dense else (1, 3)) if many else (15, 40)
    epochs = quick if bench.quick else full
    recipe = TrainingConfig(epochs, 128 if many else 32, 3e-3, augment=None, seed=bench.seed)
    channels, height, width = learn.x.shape[2:]
    torch.manual_seed(bench.seed)
    network = build(
        program.format(len(learn.classes)),
        height=height,
        width=width,
        polarities=channels,
        spiking=False,
    )
    fit(
        network,
        learn.x[:most],
        learn.labels[:most],
        recipe,
        report=lambda p: bench.tell(f"{name}, training", p.epoch, p.epochs),
    )
    return network


def _test(name: str, bench: RecipeContext) -> Images:
    """The test images; convolutions over hundreds of steps take their time."""
    test = bench.data.test
    most = {"dense": (1000, 10_000), "convolutional": (100, 1000)}[name][not bench.quick]
    return Images(test.x[:most], test.labels[:most], test.classes)


def _claims(name: str, ann: Proportion, found: Curve, bench: RecipeContext) -> list[Claim]:
    steps = len(found.right)
    spiking = found.at(steps)
    lost = (ann.k - spiking.k) / ann.n
    settled = found.settles(ann.k - ALLOWED * ann.n)
    aim = "≤ 1 point lost"
    return [
        Claim(
            f"{name}, converted: right after {steps} steps",
            spiking,
            published="as the ANN",
            aim=f"{aim} of {(ann.value or 0):.2%}",
            holds=bench.settled(lost <= ALLOWED),
        ),
        Claim(
            f"{name}, converted: {aim} from this number of steps on",
            figure=None if settled is None else float(settled),
            unit="steps",
            aim=f"≤ {steps}",
            holds=bench.settled(settled is not None),
        ),
    ]


def _chart(name: str, ann: Proportion, curves: dict[Way, Curve], steps: int) -> Chart:
    last = min(steps, DRAWN)
    times = list(range(1, last + 1))
    lines = [
        line(way.name, times, [c.at(t) for t in times])
        for way, c in curves.items()
        if way.balance == "weights"  # thresholds give the same line
    ]
    flat = line("ANN", [1, last], [ann, ann])
    return Chart(f"Accuracy by time, {name}", "time steps", "right", (*lines, flat))


CONVERSION = Recipe(
    "conversion",
    "Rate-coded networks by conversion, and how many steps they need",
    "Leontev, Antonov and Sukhov, ITNT 2021",
    run,
)
