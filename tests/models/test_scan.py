"""The compiled loops, their eager twins and a naive differentiable reference must agree.

Inputs are multiples of 1/64 and decays are 1/2 or 1/4: then all arithmetic on the membrane is
exact, in float32 (compiled) as in float64 (eager), with fused multiply-add or without, and spikes
must agree in every single cell, those exactly at the threshold included.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.models import ArcTan, FastSigmoid, PiecewiseQuadratic, PotentialDependent
from spikeproof.models.scan import scan

SURROGATES = [ArcTan(3.0), FastSigmoid(2.0), PiecewiseQuadratic(0.75), PotentialDependent(0.2)]
RESETS = ["hard", "soft"]


def currents(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-40, 100, shape, generator=rng) / 64


def naive(current, decay, threshold, reset, surrogate):
    """One step after the other, differentiated by autograd through a straight-through spike."""

    def run(bump):
        membrane = torch.zeros_like(current[:, 0])
        potentials, spikes = [], []
        for t in range(current.shape[1]):
            u = current[:, t] + decay * membrane
            fired = (u >= threshold).to(u).detach()
            potentials.append(u.detach())
            spikes.append(fired + bump[:, t] * (u - u.detach()))
            membrane = u * (1 - fired) if reset == "hard" else u - threshold * fired
        return torch.stack(potentials, 1), torch.stack(spikes, 1)

    potentials, _ = run(torch.zeros_like(current))
    return run(surrogate.derivative(potentials - threshold))[1]


def gradients(run, current, decay):
    """Spikes and the gradients of a fixed weighted sum of them."""
    current = current.clone().requires_grad_()
    decay = torch.tensor(decay, dtype=current.dtype, requires_grad=True)
    spikes = run(current, decay)
    weights = torch.linspace(-1, 2, spikes.numel(), dtype=current.dtype).view(spikes.shape)
    (spikes * weights).sum().backward()
    return spikes.detach(), current.grad, decay.grad


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("decay", [0.5, 0.25])
@pytest.mark.parametrize("shape", [(2, 6, 5), (3, 5, 4, 3, 2), (2, 4, 3, 5, 5)], ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_compiled_eager_and_naive_agree(surrogate, reset, decay, shape, channels_last):
    current = currents(*shape)
    if channels_last and len(shape) == 5:
        current = current.movedim(2, -1).contiguous().movedim(-1, 2)
    settings = {"threshold": 1.0, "reset": reset, "surrogate": surrogate}
    results = [
        gradients(lambda c, d: scan(c, d, **settings), current, decay),  # compiled
        gradients(lambda c, d: scan(c, d, **settings), current.double(), decay),  # eager
        gradients(lambda c, d: naive(c, d, 1.0, reset, surrogate), current.double(), decay),
    ]
    for spikes, by_current, by_decay in results:
        assert torch.equal(spikes, results[0][0].to(spikes))
        assert torch.allclose(by_current.double(), results[2][1], atol=1e-5)
        assert torch.allclose(by_decay.double(), results[2][2], rtol=1e-5, atol=1e-4)
    assert 0.1 < results[0][0].mean() < 0.9
    assert results[0][0].stride() == current.stride()  # the memory layout is kept


@pytest.mark.parametrize("reset", RESETS)
def test_layers_larger_than_a_block(reset):
    current = currents(2, 3, 5000)
    settings = {"threshold": 0.75, "reset": reset, "surrogate": ArcTan()}
    compiled = gradients(lambda c, d: scan(c, d, **settings), current, 0.5)
    eager = gradients(lambda c, d: scan(c, d, **settings), current.double(), 0.5)
    assert torch.equal(compiled[0], eager[0].float())
    assert torch.allclose(compiled[1], eager[1].float(), atol=1e-5)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0.1, 3),
    st.sampled_from(RESETS),
    st.integers(1, 9),
)
def test_any_settings_agree_away_from_the_threshold(seed, decay, threshold, reset, bins):
    rng = torch.Generator().manual_seed(seed)
    current = torch.randn(2, bins, 7, generator=rng)
    settings = {"threshold": threshold, "reset": reset, "surrogate": ArcTan()}
    compiled = gradients(lambda c, d: scan(c, d, **settings), current, decay)
    eager = gradients(lambda c, d: scan(c, d, **settings), current.double(), decay)
    if torch.equal(compiled[0], eager[0].float()):
        assert torch.allclose(compiled[1], eager[1].float(), atol=1e-4)
    else:  # only where a potential is within rounding of the threshold
        near = (compiled[0] != eager[0]).nonzero()[:, 1].min()
        inputs = current[:, : near + 1].double()
        margin = _potentials(inputs, decay, threshold, reset)[:, near] - threshold
        assert margin.abs().min() < 1e-5


def _potentials(current, decay, threshold, reset):
    membrane, out = torch.zeros_like(current[:, 0]), []
    for t in range(current.shape[1]):
        out.append(current[:, t] + decay * membrane)
        fired = (out[-1] >= threshold).double()
        membrane = out[-1] * (1 - fired) if reset == "hard" else out[-1] - threshold * fired
    return torch.stack(out, 1)


def test_gradients_of_other_layouts_are_understood():
    current = currents(2, 4, 3, 5, 5).requires_grad_()
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=ArcTan())
    weights = currents(2, 3, 4, 5, 5, seed=1).transpose(1, 2)  # the gradient is not contiguous
    (spikes * weights).sum().backward()
    expected = current.grad.clone()
    current.grad = None
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=ArcTan())
    (spikes * weights.contiguous()).sum().backward()
    assert torch.equal(current.grad, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 3, 4), (0, 3, 4, 2, 2), (2, 1, 1), (2, 3, 1, 1, 1)], ids=str)
def test_small_and_empty_inputs(shape, dtype):
    current = torch.ones(shape, dtype=dtype, requires_grad=True)
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=PotentialDependent())
    spikes.sum().backward()
    assert spikes.shape == current.grad.shape == shape
    assert torch.isfinite(current.grad).all()


def test_second_derivatives_are_refused_rather_than_wrong():
    current = currents(1, 3, 4).requires_grad_()
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=ArcTan())
    (gradient,) = torch.autograd.grad(spikes.square().sum(), current, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


FRESH = """
import torch
from spikeproof.models import ArcTan
from spikeproof.models.scan import scan
torch.set_num_threads({threads})
current = torch.ones(2, 3, 4, requires_grad=True)
scan(current, 0.5, threshold=1.0, reset="hard", surrogate=ArcTan()).sum().backward()
assert torch.get_num_threads() == {threads}, torch.get_num_threads()
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_pytorch_keeps_its_number_of_threads(threads):
    """In a fresh process: what counts is the first call, which starts numba's threads."""
    subprocess.run([sys.executable, "-c", FRESH.format(threads=threads)], check=True)
