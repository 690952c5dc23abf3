"""Victims that evaluations of robustness go wrong on, one for each way.

    python benchmarks/victims.py [--data FOLDER] [--cache FOLDER]

Five models of one architecture, on the embedded digits or on recordings of yours:

* plain: trained on clean recordings;
* hardened: adversarial training within 4 % of the active cells;
* masked: plain's weights with a surrogate so narrow that nearly all its gradients are zero, which
  an attack can replace by its own;
* sealed: the same in neurons that nobody knows how to lend a surrogate to, so that it cannot;
* rate: stochastic rate coding, every pixel's spikes are drawn anew in every bin from its mean over
  time, and the answer is the mean over some draws.

Prints how many test recordings each gets right and how long its training took. With ``--cache``
networks are kept there and trained only once. ``ensemble.py`` attacks them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from spikeproof.adapters import ExpectationOverTransformation
from spikeproof.attacks import AdversarialBatch
from spikeproof.cli.training import binned
from spikeproof.errors import SpikeproofError
from spikeproof.evaluate import answer, proportion
from spikeproof.events import Grid, load_data
from spikeproof.models import (
    Bernoulli,
    Encoded,
    Network,
    NeuronSpec,
    PiecewiseQuadratic,
    build,
    load_checkpoint,
    save_checkpoint,
)
from spikeproof.threats import Flip
from spikeproof.training import TrainingConfig, fit
from spikeproof.training.bptt import Perturb
from spikeproof.types import Cells, Labels, Model

NARROW = PiecewiseQuadratic(1e-4)
DRAWS = 4


@dataclass(frozen=True)
class Choice:
    """Which recordings and how much training; the defaults train in a minute or two."""

    data: str | None
    holdout: int
    cache: Path | None
    line: str
    epochs: int


@dataclass(frozen=True, eq=False)
class Victims:
    """Models by name, as the judge asks them (``models``) and as attacks see them (``search``)."""

    models: dict[str, Model]
    search: dict[str, Model]
    cells: Cells
    labels: Labels
    source: str


class RateCoded(nn.Module):
    """Spikes drawn anew in every bin, with the pixel's mean over all bins as probability."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.draw = Bernoulli(bins)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes ``[N, T, P, H, W]``, with the gradient of their probability."""
        return self.draw(x.mean(1, keepdim=True))


class Sealed:
    """A network whose neurons cannot be found, only called."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``."""
        return self._network(x)


def main() -> None:
    made = victims(choice(parser().parse_args()))
    print(f"\n{'victim':10}{'right':>12}{'95 %':>16}   {len(made.labels)} test recordings")
    for name, model in made.models.items():
        said = torch.cat([answer(model, x.float()).argmax(1) for x in made.cells.split(64)])
        share = proportion(int((said == made.labels).sum()), len(made.labels))
        sure = f"{100 * share.low:.1f}-{100 * share.high:.1f} %"
        print(f"{name:10}{share.k:>8}/{share.n}{sure:>16}", flush=True)


def parser() -> argparse.ArgumentParser:
    """The options that say which victims."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", help="recordings in folders by class (default: the digits)")
    options.add_argument("--holdout", type=int, default=200, help="test recordings of --data")
    options.add_argument("--cache", type=Path, help="a folder that keeps the networks")
    options.add_argument("--arch", default="8c5-bn-p2-16c3-bn-p2-fc10", help="of all victims")
    options.add_argument("--epochs", type=int, default=6, help="of each training")
    return options


def choice(said: argparse.Namespace) -> Choice:
    """What the options say."""
    return Choice(said.data, said.holdout, said.cache, said.arch, said.epochs)


def victims(chosen: Choice) -> Victims:
    """Train the victims, or take them from the cache; tell about each on a line."""
    data = load_data(chosen.data, holdout=chosen.holdout)
    grid = Grid(height=data.learn.height, width=data.learn.width)
    learn, test = (
        binned(part, grid, lambda *_: None, "reading") for part in (data.learn, data.test)
    )
    labels = torch.from_numpy(data.learn.labels.copy())
    networks = {
        name: _network(name, chosen, data.name, grid, learn, labels, perturb)
        for name, perturb in (
            ("plain", None),
            ("hardened", AdversarialBatch(Flip(0.04))),
            ("rate", _redrawn),
        )
    }
    masked = _built(chosen.line, grid, NeuronSpec(surrogate=NARROW)).eval()
    masked.load_state_dict(networks["plain"].state_dict())
    rate = Encoded(RateCoded(grid.bins), networks["rate"]).eval()
    models: dict[str, Model] = {
        "plain": networks["plain"],
        "hardened": networks["hardened"],
        "masked": masked,
        "sealed": Sealed(masked),
        "rate": ExpectationOverTransformation(rate, DRAWS),
    }
    search = models | {
        "rate": ExpectationOverTransformation(rate, DRAWS, seed=1)
    }  # not the noise of the judge
    truth = torch.from_numpy(data.test.labels.copy())
    return Victims(models, search, test, truth, data.name)


def _network(
    name: str,
    chosen: Choice,
    source: str,
    grid: Grid,
    cells: Tensor,
    labels: Labels,
    perturb: Perturb | None,
) -> Network:
    path = None if chosen.cache is None else chosen.cache / f"{source}-{name}.safetensors"
    wanted = {"line": chosen.line, "epochs": chosen.epochs, "of": len(labels)}
    if path is not None and path.exists():
        kept = load_checkpoint(path)
        if {key: kept.about.get(key) for key in wanted} != wanted:
            raise SpikeproofError(f"{path}: is of other settings; choose another --cache")
        print(f"{name:10}from {path}", flush=True)
        return kept.network
    network = _built(chosen.line, grid, NeuronSpec())
    began = time.perf_counter()
    fit(network, cells, labels, TrainingConfig(chosen.epochs), perturb=perturb)
    seconds = time.perf_counter() - began
    print(f"{name:10}trained in {seconds:.0f} s", flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, network, wanted)
    return network


def _built(line: str, grid: Grid, neuron: NeuronSpec) -> Network:
    torch.manual_seed(0)
    return build(line, height=grid.height, width=grid.width, neuron=neuron)


def _redrawn(network: Network, x: Cells, labels: Labels) -> Cells:
    with torch.no_grad():
        drawn: Tensor = RateCoded(x.shape[1])(x)
    return drawn


if __name__ == "__main__":
    main()
