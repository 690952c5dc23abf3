"""A recipe of no time, and images of no size."""

from __future__ import annotations

from pathlib import Path

import torch

from spikeproof.evaluate import proportion
from spikeproof.images import ImageData, Images
from spikeproof.models import build
from spikeproof.recipes import Found, Recipe, RecipeContext, keep, recorded
from spikeproof.report import build_reproduction
from spikeproof.results.reproduction import Chart, Claim, Series, Table


def images(n=30, side=6, n_classes=3, seed=0):
    """Images whose class is the third of them that is bright."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % n_classes
    x = 0.2 * torch.rand(n, 1, 1, side, side, generator=rng)
    for i, label in enumerate(labels.tolist()):
        x[i, ..., label * side // n_classes : (label + 1) * side // n_classes] += 0.8
    return Images(x, labels, tuple(str(k) for k in range(n_classes)))


def data(name="toy", **settings):
    return ImageData(name, images(**settings), images(seed=1, **settings), "Made twice.")


def run(bench: RecipeContext) -> Found:
    """Claims of each kind, a table, a chart and a network."""
    channels, height, width = bench.data.test.x.shape[2:]
    with bench.timed("making"):
        bench.tell("counting", 1, 2)
        classes = len(bench.data.test.classes)
        line = f"fc{classes}"
        network = build(line, height=height, width=width, polarities=channels)
    return Found(
        claims=(
            Claim("it is right", proportion(97, 100), published="98.1 %", aim="≥ 90 %", holds=True),
            Claim("it is fast", figure=12.5, unit="ms", aim="≤ 10 ms", holds=False, why="slow <b>"),
            Claim("it is large", figure=3.0e-15, why="too small to tell"),
        ),
        tables=(Table("Shares", ("what", "share"), (("a", "0.5 (0.4–0.6)"),), "A note."),),
        charts=(
            Chart(
                "Rising",
                "bits",
                "right",
                (
                    Series("up", (1.0, 2.0, 64.0), (0.1, 0.5, 1.0), (0.0, 0.4, 0.9), (0.2, 0.6, 1)),
                    Series("$flat$", (1.0, 2.0, float("nan")), (0.5, 0.5, 0.5)),
                ),
            ),
            Chart(
                "Loss", "epoch", "loss", (Series("loss", (0.0, 1.0), (2.0, 1.0)),), percent=False
            ),
        ),
        models={"net": network},
    )


def toy_reproduction(place: Path) -> Path:
    """A folder with the toy's reproduction and page."""
    bench = RecipeContext(data(), quick=True)
    found = TOY.run(bench)
    record = recorded(TOY, bench, found, command="spikeproof reproduce toy --quick", version="1.2")
    keep(place / "out", record, found, bench.data, build_reproduction)
    return place / "out"


TOY = Recipe("toy", "A toy & its claims", "Nobody, Nowhere 0 (2000)", run)
STRANGER = Recipe("stranger", "What it has not seen", "Nobody", run, strange=True)
