from __future__ import annotations

import pytest
import torch

from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.errors import InvalidModel
from spikeproof.models.ttfs import EXACT, Hardware, from_relu

from .nets import dense, images, made, vgg


def one(value):
    return torch.tensor(value, dtype=torch.float64)


def test_exact_hardware_changes_nothing():
    times = torch.rand(3, 4, dtype=torch.float64)
    assert EXACT.times(times, one(0.0), one(1.0)) is times
    assert EXACT.weights(times) is times


def test_jitter_has_the_width_that_was_asked_for():
    times = torch.full((40_000,), 3.0, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    moved = Hardware(jitter=0.05).times(times, one(2.0), one(4.0), rng) - times
    assert float(moved.std()) == pytest.approx(0.05, rel=0.02)
    assert float(moved.mean()) == pytest.approx(0.0, abs=1e-3)


def test_jitter_stays_in_the_window_and_wakes_nobody():
    times = torch.tensor([2.0, 2.5, 4.0], dtype=torch.float64).repeat(1000, 1)
    moved = Hardware(jitter=5.0).times(times, one(2.0), one(4.0), torch.Generator())
    assert moved.min() == 2.0
    assert moved.max() == 4.0
    assert (moved[:, 2] == 4.0).all()


def test_draws_repeat_with_the_generator_or_the_global_seed():
    x = images()
    net = from_relu(made(vgg), x).on(Hardware(jitter=0.1))
    a, b, c = (net(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    torch.manual_seed(5)
    a = net(x)
    torch.manual_seed(5)
    assert torch.equal(a, net(x))


def test_jitter_can_be_averaged_over_draws():
    x = images()
    exact = from_relu(made(dense), x)
    jittered = exact.on(Hardware(jitter=0.05))
    mean = ExpectationOverTransformation(jittered, draws=64)
    assert torch.equal(mean(x), mean(x))
    error = (mean(x) - exact(x)).abs().mean()
    assert error < 0.5 * (jittered(x, torch.Generator()) - exact(x)).abs().mean()


def test_a_clock_has_as_many_instants_as_bits_allow():
    times = torch.linspace(2.0, 4.0, 1001, dtype=torch.float64)
    for bits in (1, 2, 4):
        ticks = Hardware(time_bits=bits).times(times, one(2.0), one(4.0))
        assert len(ticks.unique()) == 2**bits
        assert (ticks - times).abs().max() <= 1.0 / (2**bits - 1) + 1e-12


def test_weights_are_multiples_of_one_step():
    weight = torch.randn(50, 60, dtype=torch.float64)
    for bits in (2, 3, 8):
        stored = Hardware(weight_bits=bits).weights(weight)
        most = 2 ** (bits - 1) - 1
        multiples = stored / (weight.abs().max() / most)
        torch.testing.assert_close(multiples, multiples.round())
        assert multiples.abs().max() <= most + 1e-9
    assert torch.equal(Hardware(weight_bits=4).weights(weight * 0), weight * 0)


def test_more_bits_come_closer():
    x = images(30)
    relu = made(vgg)
    net = from_relu(relu, x)
    for name in ("time_bits", "weight_bits"):
        errors = [
            float((net.on(Hardware(**{name: bits}))(x) - relu(x)).detach().abs().mean())
            for bits in (3, 6, 12, 24)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 1e-5 < errors[0]


def test_weights_are_shared_and_gradients_pass():
    x = images()
    net = from_relu(made(dense), x)
    rough = net.on(Hardware(jitter=0.01, time_bits=6, weight_bits=6))
    assert {id(p) for p in rough.parameters()} == {id(p) for p in net.parameters()}
    leaf = x.clone().requires_grad_()
    rough(leaf).square().sum().backward()
    assert (leaf.grad != 0).any()
    assert all((p.grad != 0).any() for p in net.parameters())


@pytest.mark.parametrize(
    "settings", [{"jitter": -1.0}, {"jitter": float("nan")}, {"time_bits": 0}, {"weight_bits": 1}]
)
def test_settings_are_checked(settings):
    with pytest.raises(InvalidModel):
        Hardware(**settings)
