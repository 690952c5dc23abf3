"""The Triton loops against the eager ones; run by ``test_triton_kernels.py``, not collected.

Triton decides when a kernel is defined whether it will be interpreted, so these run in a process of
their own: on CPU tensors with ``TRITON_INTERPRET=1``, else on the CUDA device. As in
``test_scan.py`` the inputs are such that all arithmetic on the membrane is exact, and spikes must
agree in every cell.
"""

from __future__ import annotations

import os

import pytest
import torch

from spikeproof.models import ArcTan, FastSigmoid, PiecewiseQuadratic, PotentialDependent
from spikeproof.models import dynamics as dynamics_module
from spikeproof.models import scan as scan_module
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.scan import scan

from .test_dynamics import CASES, RESETS, gradient, per_channel
from .test_scan import SURROGATES, currents, gradients

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
FLAT, MAPS = [(2, 6, 5), (1, 1, 1), (2, 3, 700)], [(3, 5, 4, 3, 2), (2, 4, 3, 10, 10)]
SHAPES = [*((s, False) for s in FLAT + MAPS), *((s, True) for s in MAPS)]


def both(monkeypatch, run, current, decay):
    """What ``run`` gives with the Triton loops in float32, and with the eager ones in float64."""
    with monkeypatch.context() as patch:
        patch.setattr(scan_module, "backend_for", lambda series: "triton")
        fused = [x.cpu() for x in gradients(run, current.to(DEVICE), decay)]
    return fused, gradients(run, current.double(), decay)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize(("shape", "channels_last"), SHAPES, ids=str)
def test_triton_and_eager_agree(monkeypatch, surrogate, reset, shape, channels_last):
    current = currents(*shape)
    if channels_last:
        current = current.movedim(2, -1).contiguous().movedim(-1, 2)
    settings = {"threshold": 1.0, "reset": reset, "surrogate": surrogate}
    fused, eager = both(monkeypatch, lambda c, d: scan(c, d, **settings), current, 0.5)
    assert torch.equal(fused[0], eager[0].float())
    assert torch.allclose(fused[1].double(), eager[1], atol=1e-5)
    assert torch.allclose(fused[2].double(), eager[2], rtol=1e-5, atol=1e-4)
    assert fused[0].stride() == current.stride()


@pytest.mark.parametrize("decay", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("threshold", [0.1, 0.7, 2.0])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_any_settings_agree_away_from_the_threshold(monkeypatch, decay, threshold, reset):
    current = torch.randn(2, 7, 40, generator=torch.Generator().manual_seed(1))
    settings = {"threshold": threshold, "reset": reset, "surrogate": FastSigmoid()}
    fused, eager = both(monkeypatch, lambda c, d: scan(c, d, **settings), current, decay)
    assert torch.equal(fused[0], eager[0].float())  # no potential of this draw is that close
    assert torch.allclose(fused[1].double(), eager[1], atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0), (0, 3, 4, 2, 2)], ids=str)
def test_empty_inputs(monkeypatch, shape):
    monkeypatch.setattr(scan_module, "backend_for", lambda series: "triton")
    current = torch.ones(shape, device=DEVICE, requires_grad=True)
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=PiecewiseQuadratic())
    spikes.sum().backward()
    assert spikes.shape == current.grad.shape == shape


def test_potentials_that_are_no_numbers_do_not_spike(monkeypatch):
    monkeypatch.setattr(scan_module, "backend_for", lambda series: "triton")
    current = torch.tensor([[[torch.nan, 2.0], [2.0, 2.0]]], device=DEVICE)
    spikes = scan(current, 0.5, threshold=1.0, reset="soft", surrogate=ArcTan())
    assert spikes.cpu().tolist() == [[[0.0, 1.0], [0.0, 1.0]]]


def test_the_width_of_a_bump_can_come_from_the_channel(monkeypatch):
    current = currents(2, 5, 3, 4, 4) * torch.tensor([0.2, 1.0, 3.0]).view(3, 1, 1)
    settings = {"threshold": 1.0, "reset": "soft", "surrogate": PotentialDependent()}
    fused, eager = both(monkeypatch, lambda c, d: scan(c, d, **settings), current, 0.5)
    assert torch.allclose(fused[1].double(), eager[1], atol=1e-4)


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(c) or "plain")
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("emits_membrane", [False, True])
def test_neurons_of_other_frameworks_agree(monkeypatch, case, reset, emits_membrane):
    settings = {"decay": 0.5, "threshold": 1.0, "reset": reset} | case
    agree(monkeypatch, Dynamics(**settings, surrogate=ArcTan(3.0), emits_membrane=emits_membrane))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_their_surrogates_agree(monkeypatch, surrogate):
    agree(monkeypatch, Dynamics(0.5, threshold=per_channel(1.0, 0.5, 2.0), surrogate=surrogate))


def agree(monkeypatch, layer):
    x = currents(2, 6, 3, 9, 11)  # more neurons than fit one program, the last one partly empty
    double = x.double().requires_grad_()
    expected = layer(double)
    with monkeypatch.context() as patch:
        patch.setattr(dynamics_module, "backend_for", lambda series: "triton")
        placed = x.to(DEVICE).requires_grad_()
        fused = layer(placed)
        by_input = gradient(fused.cpu(), placed)
    assert torch.equal(fused.detach().cpu().double(), expected.detach())
    assert torch.allclose(by_input.cpu().double(), gradient(expected, double), atol=2e-5)
