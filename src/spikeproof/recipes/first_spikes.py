"""Networks of first spikes beside the ReLU networks that they compute exactly.

In double precision: pixels-340-10 trained from scratch twice, as ReLU network and as network of
first spikes, from the same weights with the same steps and a penalty on values, so that few neurons
spike; and a small VGG with batch norm and max pooling, trained as ReLU network (in single
precision), mapped, and trained on as network of first spikes with a penalty on each layer. The
dense one is then put on imperfect hardware, as it is and after training on that hardware.

Stanojevic et al., Nature Communications 15:6793 (2024).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.evaluate import answer, proportion
from spikeproof.images import Images
from spikeproof.models import Network, SerializableNetwork, build
from spikeproof.models.ttfs import FirstSpikeNetwork, Hardware, choose_windows, from_relu
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import OPERATIONS, OPERATIONS_NOTE, operations_row
from spikeproof.recipes.shares import line, told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.training import SparsityPenalty, TrainingConfig, fit

HIDDEN, CALIBRATION, EXACT = 340, 1000, 1e-6
VGG = "8c3-bn-8c3-bn-mp2-16c3-bn-16c3-bn-mp2-fc64-bn-fc{}"
PENALTY, VGG_PENALTY = 0.15, 5.0  # on the mean value of a hidden neuron
JITTER = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
BITS = (2, 3, 4, 5, 6, 8)
MOST_QUICK = 6000  # images that the quick version learns from


@dataclass(frozen=True)
class Measured:
    """A network of first spikes on the test images; spikes per hidden neuron, and with pixels."""

    right: Proportion
    spikes: float
    with_pixels: float
    neurons: int
    apart: float = 0.0


def run(bench: RecipeContext) -> Found:
    """Train, map, compare and put on imperfect hardware."""
    learn = bench.data.learn
    if bench.quick:
        learn = Images(learn.x[:MOST_QUICK], learn.labels[:MOST_QUICK], learn.classes)
    many = len(bench.data.learn) > 5000
    epochs = (2 if bench.quick else 8) if many else (30 if bench.quick else 60)
    recipe = TrainingConfig(epochs, 128, rate=2e-3, smoothing=0.0, seed=bench.seed, augment=None)
    dense, dense_claims, dense_rows = _dense(bench, learn, recipe)
    tuned = max(1, epochs // 4) if many else (5 if bench.quick else 10)
    vgg, vgg_claims, vgg_rows = _vgg(bench, learn, replace(recipe, epochs=tuned))
    with bench.timed("imperfect hardware"):
        charts = _sweeps(bench, dense, learn, replace(recipe, epochs=1 if many else 5, rate=5e-4))
    table = Table(
        "On the test images",
        ("network", "right", "neurons", "with pixels", *OPERATIONS),
        (*dense_rows, *vgg_rows),
        "Pixels spike in the first window, from t = 0 to 1; with pixels, they count as neurons."
        f" {OPERATIONS_NOTE}",
    )
    return Found((*dense_claims, *vgg_claims), (table,), charts, {"dense": dense, "vgg": vgg})


def _dense(
    bench: RecipeContext, learn: Images, recipe: TrainingConfig
) -> tuple[FirstSpikeNetwork, list[Claim], list[tuple[str, ...]]]:
    """Both networks trained with the same steps."""
    torch.manual_seed(bench.seed)
    relu = _relu(f"fc{HIDDEN}-fc{len(learn.classes)}", bench).double()
    spiking = from_relu(relu, learn.x[:CALIBRATION])
    _fit("dense, as ReLU network", relu, learn, recipe, SparsityPenalty(PENALTY), bench)
    _fit("dense, as first spikes", spiking, learn, recipe, SparsityPenalty(PENALTY), bench)
    pairs = zip(relu.parameters(), spiking.parameters(), strict=True)
    drift = max(float((p.flatten() - q.flatten()).detach().abs().max()) for p, q in pairs)
    with bench.timed("dense, testing"):
        there = _logits(relu, bench.data.test.x)
        mapped = measured(from_relu(relu, learn.x[:CALIBRATION]), bench.data.test, there)
        choose_windows(spiking, learn.x[:CALIBRATION])
        found = measured(spiking, bench.data.test)
    steps = recipe.epochs * -(-len(learn) // recipe.batch)
    claims = [
        _exact("dense", mapped),
        Claim(
            f"dense, trained from scratch: largest difference of a weight after {steps} steps",
            figure=drift,
            published="same trajectory",
            aim="≤ 1e-6",
            holds=drift <= EXACT,
        ),
        Claim(
            f"dense, {HIDDEN} hidden neurons, first spikes: right",
            found.right,
            published="as ReLU",
            aim="≥ 98 %",
            holds=bench.settled((found.right.value or 0) >= 0.98),
        ),
        _sparse("dense", found, bench),
    ]
    rows = [
        _relu_row("dense, ReLU network", relu, there, bench),
        _row(f"dense, penalty {PENALTY:g}", spiking, found, bench),
    ]
    return spiking, claims, rows


def _vgg(
    bench: RecipeContext, learn: Images, recipe: TrainingConfig
) -> tuple[FirstSpikeNetwork, list[Claim], list[tuple[str, ...]]]:
    """A VGG-type network mapped, and trained on to be sparse."""
    torch.manual_seed(bench.seed)
    relu = _relu(VGG.format(len(learn.classes)), bench)
    _fit("vgg, as ReLU network", relu, learn, recipe, SparsityPenalty(), bench)
    with bench.timed("vgg, testing"):
        there = _logits(relu.double(), bench.data.test.x)
        spiking = from_relu(relu, learn.x[:CALIBRATION])
        mapped = measured(spiking, bench.data.test, there)
        rows = [
            _relu_row("vgg, ReLU network", relu, there, bench),
            _row("vgg, mapped", spiking, mapped, bench),
        ]
    penalised = SparsityPenalty(VGG_PENALTY)
    _fit("vgg, as first spikes", spiking.float(), learn, recipe, penalised, bench)
    with bench.timed("vgg, testing"):
        choose_windows(spiking.double(), learn.x[:CALIBRATION])
        found = measured(spiking, bench.data.test)
    rows.append(_row(f"vgg, trained on, penalty {VGG_PENALTY:g}", spiking, found, bench))
    return spiking, [_exact("vgg", mapped), _sparse("vgg", found, bench)], rows


def measured(network: FirstSpikeNetwork, test: Images, reference: Tensor | None = None) -> Measured:
    """What ``network`` does with the test images, and how far it is from ``reference`` logits."""
    parts, spikes, neurons = [], torch.zeros(len(network.spiking) + 1, dtype=torch.double), [0]
    for x in torch.split(test.x.to(torch.double), 500):
        with torch.no_grad():
            trace = network.trace(x)
        parts.append(trace.logits)
        spikes += torch.tensor([float(flags.sum()) for flags in trace.spikes])
        neurons = [flags[0].numel() for flags in trace.spikes]
    logits, spikes = torch.cat(parts), spikes / len(test)
    return Measured(
        proportion(_right(logits, test.labels), len(test)),
        float(spikes[1:].sum()) / sum(neurons[1:]),
        float(spikes.sum()) / sum(neurons),
        sum(neurons[1:]),
        0.0 if reference is None else float((logits - reference).abs().max()),
    )


def _sweeps(
    bench: RecipeContext, network: FirstSpikeNetwork, learn: Images, recipe: TrainingConfig
) -> tuple[Chart, ...]:
    """Accuracy against jitter, bits of times and bits of weights."""
    sweeps: tuple[tuple[str, str, tuple[float, ...], Callable[[float], Hardware]], ...] = (
        ("Jitter of spike times", "standard deviation; pixels spike in 1", JITTER, _jitter),
        ("Bits of spike times", "bits", BITS, lambda n: Hardware(time_bits=int(n))),
        ("Bits of weights", "bits", BITS, lambda n: Hardware(weight_bits=int(n))),
    )
    charts = []
    for title, axis, places, hardware in sweeps:
        bare, tuned = [], []
        for place in places:
            bench.tell(f"{title.lower()} {place:g}")
            poor = network.on(hardware(place))
            bare.append(_answers(poor, bench))
            retrained = copy.deepcopy(poor)
            fit(
                retrained,
                learn.x,
                learn.labels,
                recipe,
                objective=SparsityPenalty(PENALTY, room=1.5),
            )
            choose_windows(retrained, learn.x[:CALIBRATION])
            tuned.append(_answers(retrained, bench))
        lines = (line("as it is", places, bare), line("trained on it", places, tuned))
        charts.append(Chart(f"{title}, dense", axis, "right on test images", lines))
    return tuple(charts)


def _jitter(sigma: float) -> Hardware:
    return Hardware(jitter=sigma)


def _answers(network: FirstSpikeNetwork, bench: RecipeContext) -> Proportion:
    torch.manual_seed(bench.seed)
    test = bench.data.test
    return proportion(_right(_logits(network, test.x), test.labels), len(test))


def _relu(line: str, bench: RecipeContext) -> Network:
    channels, height, width = bench.data.test.x.shape[2:]
    return build(line, height=height, width=width, polarities=channels, spiking=False)


def _fit(
    part: str,
    network: SerializableNetwork,
    learn: Images,
    recipe: TrainingConfig,
    objective: SparsityPenalty,
    bench: RecipeContext,
) -> None:
    with bench.timed(part):
        fit(
            network,
            learn.x,
            learn.labels,
            recipe,
            objective=objective,
            report=lambda p: bench.tell(part, p.epoch, p.epochs),
        )


def _logits(network: SerializableNetwork, x: Tensor) -> Tensor:
    return answer(network, x.to(next(network.parameters()).dtype), chunk=500)


def _right(logits: Tensor, labels: Tensor) -> int:
    return int((logits.argmax(1) == labels).sum())


def _exact(name: str, mapped: Measured) -> Claim:
    return Claim(
        f"{name}, mapped: largest difference of a logit on {mapped.right.n} images",
        figure=mapped.apart,
        published="exact",
        aim="≤ 1e-6",
        holds=mapped.apart <= EXACT,
    )


def _sparse(name: str, found: Measured, bench: RecipeContext) -> Claim:
    return Claim(
        f"{name}, with a penalty: spikes per neuron and image",
        figure=found.spikes,
        published="< 0.3",
        aim="< 0.3",
        holds=bench.settled(found.spikes < 0.3),
    )


def _row(
    name: str, network: FirstSpikeNetwork, found: Measured, bench: RecipeContext
) -> tuple[str, ...]:
    cells = (f"{found.neurons:,}", f"{found.with_pixels:.3f}")
    return (name, told(found.right, 2), *cells, *operations_row(network, bench.data.test.x))


def _relu_row(name: str, relu: Network, logits: Tensor, bench: RecipeContext) -> tuple[str, ...]:
    test = bench.data.test
    right = proportion(_right(logits, test.labels), len(test))
    costs = operations_row(relu, test.x.to(next(relu.parameters()).dtype))
    return (name, told(right, 2), "–", "–", *costs)


FIRST_SPIKES = Recipe(
    "first-spikes",
    "Exact networks of first spikes, fewer than 0.3 spikes per neuron",
    "Stanojevic et al., Nature Communications 15:6793 (2024)",
    run,
)
