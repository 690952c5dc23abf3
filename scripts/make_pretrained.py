"""Train the checkpoint that ships with spikeproof: the small network on the embedded digits.

    python scripts/make_pretrained.py            # about 5 minutes on two cores

Writes ``src/spikeproof/models/pretrained/digits-small.safetensors`` and prints its accuracy on the
400 test recordings, which is also recorded in the file.
"""

from __future__ import annotations

from pathlib import Path

import torch

from spikeproof.evaluate import answer, proportion
from spikeproof.events import Grid, load_digits_events
from spikeproof.models.checkpoint import save_checkpoint
from spikeproof.models.network import build
from spikeproof.training.bptt import TrainingConfig, fit

OUT = Path(__file__).parents[1] / "src/spikeproof/models/pretrained/digits-small.safetensors"
ARCHITECTURE = "16c5-bn-p2-32c3-bn-p2-fc10"
RECIPE = TrainingConfig(epochs=24, seed=0)


def main() -> None:
    data, grid = load_digits_events(), Grid()
    everything = range(len(data.learn))
    cells = data.learn.grid_batch(grid, list(everything))
    labels = torch.from_numpy(data.learn.labels.copy())
    torch.manual_seed(RECIPE.seed)
    network = build(ARCHITECTURE, height=grid.height, width=grid.width)
    fit(network, cells, labels, RECIPE, report=lambda p: print(p, flush=True))
    test = data.test.grid_batch(grid, list(range(len(data.test)))).float()
    right = int((answer(network, test).argmax(1).numpy() == data.test.labels).sum())
    accuracy = proportion(right, len(data.test))
    print(f"{right} of {len(data.test)} test recordings right: {accuracy}")
    OUT.parent.mkdir(exist_ok=True)
    about = {
        "name": "digits-small",
        "architecture": ARCHITECTURE,
        "kind": "spiking",
        "parameters": network.n_parameters,
        "data": data.name,
        "split": data.split,
        "grid": {
            "bins": grid.bins,
            "window": grid.window,
            "height": grid.height,
            "width": grid.width,
            "counts": grid.counts,
            "start": grid.start,
        },
        "classes": list(data.test.classes),
        "accuracy": right / len(data.test),
        "right": right,
        "of": len(data.test),
        "epochs": RECIPE.epochs,
        "seed": RECIPE.seed,
    }
    save_checkpoint(OUT, network, about)


if __name__ == "__main__":
    main()
