"""The audit in one call."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import spikeproof
from spikeproof import Data, Events, Grid, Settings, run_audit
from spikeproof.events import Recordings

SIDE = 12
TINY = Settings(recordings=6, steps=3, fit_steps=2, patch=4, shares=(0.1,), learn=9)


def data() -> Data:
    """Two classes: events on the left, events on the right."""
    rng = np.random.default_rng(0)

    def events(i: int) -> Events:
        x = rng.integers(0, 6, 40) + 6 * (i % 2)
        t = np.sort(rng.integers(0, 40_000, 40))
        return Events(x, rng.integers(0, SIDE, 40), t, rng.integers(0, 2, 40), SIDE, SIDE)

    kept = [events(i) for i in range(20)]
    labels = np.arange(20) % 2
    names = tuple(f"r{i}" for i in range(20))
    every = Recordings(labels, ("left", "right"), names, SIDE, SIDE, lambda i: kept[i])
    return Data("halves", every.subset(range(10)), every.subset(range(10, 20)), "by hand")


class Halves(torch.nn.Module):
    """Compares the activity of the two halves; answers for a third class that no label has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x[..., :6].sum((1, 2, 3, 4)), x[..., 6:].sum((1, 2, 3, 4))
        return torch.stack([left, right, left * 0 + 30], 1)


@pytest.mark.parametrize(
    "model", [Halves().eval(), Halves().eval().forward], ids=["module", "function"]
)
def test_a_model_of_ones_own(model, tmp_path):
    grid = Grid(bins=4, window=40_000, height=SIDE, width=SIDE)
    audit = run_audit(model, data(), out=tmp_path / "a", grid=grid, name="halves", settings=TINY)
    assert audit.complete
    assert audit.model.name == "halves"
    assert audit.clean.accuracy.value == 1.0
    assert (tmp_path / "a" / "report.html").exists()
    flips = audit.attack("flip-minimum")
    assert flips is not None
    assert flips.success.n == 6


def test_a_model_without_gradient(tmp_path):
    """Verdicts by the model; attacks search on an imitation and ask."""
    closed = torch.no_grad()(Halves().eval().forward)
    grid = Grid(bins=4, window=40_000, height=SIDE, width=SIDE)
    audit = run_audit(closed, data(), out=tmp_path / "a", grid=grid, name="halves", settings=TINY)
    assert audit.complete
    assert any("verdicts are the model's own" in said for said in audit.model.assumptions)
    assert "Gradient is lacking" in {doubt.title for doubt in audit.caveats}
    flips = audit.attack("flip-minimum")
    assert flips is not None
    assert flips.success.k == flips.success.n > 0
    assert flips.gradients == 0
    assert flips.forwards > 0
    universal = audit.attack("universal-10")
    assert universal is not None
    assert universal.gradients > 0  # of the imitation


def test_importing_the_package_is_quick():
    script = "import sys, spikeproof; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = spikeproof.nonsense
    assert set(spikeproof.__all__) <= set(dir(spikeproof))
