"""SpikingJelly's frame folders through the command line, attacked on counts."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cli.conftest import EFFORT, SIDE, call, succeed

from spikeproof.models import load_checkpoint
from spikeproof.results import load

BINS = 3
FILE = f"""
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Flatten(2), nn.Linear(2 * {SIDE} * {SIDE}, 2, bias=False))
    with torch.no_grad():  # each half of the sensor speaks for its class
        half = net[1].weight.zero_().view(2, 2, {SIDE}, {SIDE})
        half[0, ..., :{SIDE // 2}] = half[1, ..., {SIDE // 2}:] = 1.0
    return nn.Sequential(net, Mean())

class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)
"""


@pytest.fixture(scope="module")
def jelly(tmp_path_factory):
    """Counts in one half of the sensor, two and three in a cell, as SpikingJelly stores them."""
    folder, rng = tmp_path_factory.mktemp("jelly"), np.random.default_rng(0)
    (folder / "net.py").write_text(FILE)
    for split in ("train", "test"):
        for label in (0, 1):
            place = folder / "frames_number_3_split_by_number" / split / str(label)
            place.mkdir(parents=True)
            for i in range(4):
                frames = np.zeros((BINS, 2, SIDE, SIDE))
                cells = rng.integers(0, [BINS, 2, SIDE, SIDE // 2], (20, 4))
                t, p, y, x = cells.T
                frames[t, p, y, x + label * SIDE // 2] = rng.integers(2, 4, 20)
                np.savez_compressed(place / f"{i}.npz", frames=frames)
    return folder


def test_an_audit_on_counts(jelly, tmp_path):
    data = jelly / "frames_number_3_split_by_number"
    succeed("audit", "--model", f"{jelly / 'net.py'}:build", "--data", data, "--counts",
            "--bins", BINS, *EFFORT, "--steps", 40, "--out", tmp_path)  # fmt: skip
    audit = load(tmp_path)
    assert audit.complete
    assert audit.clean.accuracy.value == 1.0
    # a further event finds room in a cell's time, so nothing is refused as impossible
    assert audit.attack("flip-minimum").success.value == 1.0
    assert not any("no time is left" in doubt.detail for doubt in audit.caveats)
    assert audit.attack("retime") is None  # a count has no single event to move
    moved = ("attack", "--model", f"{jelly / 'net.py'}:build", "--data", data, "--threat", "retime")
    assert "needs cells that are 0 or 1" in call(*moved, "--out", tmp_path / "moved").stderr


def test_training_takes_the_frames_as_bins(jelly, tmp_path):
    data, out = jelly / "frames_number_3_split_by_number", tmp_path / "n.safetensors"
    line = ["--arch", "4c3-p2-fc2", "--epochs", 1, "--batch", 4, "--threads", 1]
    succeed("train", "--data", data, *line, "--out", out)
    grid = load_checkpoint(out).about["grid"]
    assert (grid["bins"], grid["window"], grid["counts"]) == (BINS, BINS * 1_000_000, False)


def test_outputs_without_a_label_are_refused_before_the_training(jelly, tmp_path):
    data = jelly / "frames_number_3_split_by_number"
    result = call("train", "--data", data, "--arch", "4c3-fc3", "--out", tmp_path / "n.safetensors")
    assert result.exit_code == 2
    assert "has 2 labels for the network's 3 outputs; end --arch with fc2" in result.stderr
