"""What every adapted model promises, for small nets of each framework that is installed.

Norse and Sinabs have environments of their own: see scripts/test_frameworks.py.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.models import (
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
    using_surrogate,
)

from . import nets
from .adapted import gradient, made
from .nets import CLASSES, PAIRS, SPIKING, recordings

each = pytest.mark.parametrize(("framework", "name"), PAIRS, ids=["-".join(p) for p in PAIRS])
each_spiking = pytest.mark.parametrize(
    ("framework", "name"), SPIKING, ids=["-".join(p) for p in SPIKING]
)


def belongings(net):
    """What a module holds, down to the identity of every value."""
    return [
        (
            {k: id(v) for k, v in vars(m).items()},
            {k: id(v) for k, v in m._buffers.items()},
            [id(p) for p in m._parameters.values()],
            list(vars(m).get("_memories", {}).items()),
        )
        for m in net.modules()
    ]


@each
def test_logits_have_their_shape_and_differ_between_recordings(framework, name):
    _, model = made(framework, name)
    logits = model(recordings(6))
    assert logits.shape == (6, CLASSES)
    assert logits.dtype == torch.float32
    assert model.framework == framework
    assert logits.std(0).max() > 0.01


@each
def test_the_same_recordings_get_the_same_logits(framework, name):
    _, model = made(framework, name)
    x = recordings(4)
    first = model(x)
    model(recordings(2, seed=1))
    assert torch.equal(model(x), first)


@each
def test_a_recording_does_not_see_its_batch_mates(framework, name):
    _, model = made(framework, name)
    x = recordings(5)
    logits = model(x)
    turned = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(model(x[turned]), logits[turned])
    torch.testing.assert_close(torch.cat([model(one) for one in x.split(1)]), logits)


@each
@pytest.mark.parametrize(("n", "t"), [(1, 1), (5, 5), (2, 9), (7, 2)])
def test_any_number_of_samples_and_steps(framework, name, n, t):
    if name in ("stacked", "3-D"):
        t = max(t, 5) if name == "3-D" else 5  # made for these
    _, model = made(framework, name)
    x = recordings(n, t)
    logits = model(x)
    assert logits.shape == (n, CLASSES)
    torch.testing.assert_close(model(x[-1:]), logits[-1:])


@each
def test_the_gradient_is_finite_and_not_zero_in_evaluation_mode(framework, name):
    net, model = made(framework, name)
    assert not net.training
    surrogate = ArcTan(2.0) if name == "heaviside" else None  # has no gradient of its own
    with using_surrogate(model, surrogate):
        g = gradient(model, recordings())
    assert torch.isfinite(g).all()
    assert (g.flatten(2) != 0).any(-1)[:, :-1].all()  # each sample, and each bin but the last


@each
def test_gradients_can_be_taken_again_and_again(framework, name):
    _, model = made(framework, name)
    x, goal = recordings(4), Untargeted(torch.tensor([0, 1, 2, 3]))
    victim = Victim(model, chunk=2)
    margin, g = victim.gradient(x, goal)
    again, g2 = victim.gradient(x, goal)
    assert torch.equal(margin, again)
    assert torch.equal(g, g2)
    assert all(p.grad is None for p in model.parameters())


@each
def test_nothing_of_the_module_is_changed(framework, name):
    net, model = made(framework, name)
    weights = copy.deepcopy(net.state_dict())
    flags = [p.requires_grad for p in net.parameters()]
    before = belongings(net)
    with using_surrogate(model, FastSigmoid(3.0)):
        model(recordings(4).requires_grad_()).sum().backward()
    net.zero_grad()
    model(recordings(2))
    assert belongings(net) == before
    assert [p.requires_grad for p in net.parameters()] == flags
    for key, value in net.state_dict().items():
        assert torch.equal(value, weights[key]), key


@each
def test_training_mode_is_left_as_it_was_and_does_not_matter(framework, name):
    net = nets.build(framework, name)
    x = recordings()
    expected = adapt(net, x)(x)
    net.train()
    list(net.modules())[-1].eval()  # owners freeze parts
    flags = [m.training for m in net.modules()]
    model = adapt(net, x)
    assert torch.equal(model(x), expected)
    assert [m.training for m in net.modules()] == flags
    assert "in evaluation mode" in model.assumptions[0]
    model.train()
    assert torch.equal(model(x), expected)


def test_no_state_of_the_owner_is_lost():
    calls = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = torch.ones(1)
            self.register_buffer("total", torch.ones(1))

        def forward(self, x):
            calls.append(self.seen)
            self.seen = self.seen + 1
            self.total = self.total + 1
            self.new = x
            return x.flatten(1)[:, :3] * self.seen * self.total

    net = Counting()
    adapt(net, recordings(), layout="NTPHW")(recordings())
    assert all(seen == 1 for seen in calls)
    assert net.seen == net.total == 1
    assert not hasattr(net, "new")


@each_spiking
@pytest.mark.parametrize("surrogate", [FastSigmoid(9.0), PiecewiseQuadratic(3.0)], ids=str)
def test_a_surrogate_changes_gradients_and_not_one_spike(framework, name, surrogate):
    _, model = made(framework, name)
    x = recordings()
    own, logits = (None if name == "heaviside" else gradient(model, x)), model(x)
    with using_surrogate(model, surrogate):
        assert torch.equal(model(x), logits)
        lent = gradient(model, x)
    assert (lent != 0).any()
    if own is not None:
        assert not torch.allclose(lent, own)
        assert torch.equal(gradient(model, x), own)


@each_spiking
def test_surrogates_nest_and_are_undone_after_an_exception(framework, name):
    net, model = made(framework, name)
    x, before = recordings(), belongings(net)
    with using_surrogate(model, ArcTan(4.0)):
        outer = gradient(model, x)
        inner = []

        def interrupted():
            with using_surrogate(model, FastSigmoid(0.5)):
                inner.append(gradient(model, x))
                raise KeyError

        with pytest.raises(KeyError):
            interrupted()
        assert not torch.allclose(inner[0], outer)
        assert torch.equal(gradient(model, x), outer)
    assert belongings(net) == before
    with using_surrogate(model, None):
        assert belongings(net) == before


@each_spiking
def test_a_surrogate_of_one_model_is_not_seen_by_another(framework, name):
    _, model = made(framework, name)
    _, other = made(framework, name)
    if name == "heaviside":
        return
    x = recordings()
    own = gradient(other, x)
    with using_surrogate(model, FastSigmoid(0.5)):
        assert torch.equal(gradient(other, x), own)


@each_spiking
def test_the_potential_dependent_surrogate_keeps_samples_apart(framework, name):
    _, model = made(framework, name)
    x = recordings(4)
    with using_surrogate(model, PotentialDependent()):
        alone = torch.cat([gradient(model, one) for one in x.split(1)])
        together = gradient(model, x)
    assert (together != 0).any()
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5 * float(together.abs().max()))


@each_spiking
def test_neurons_are_found(framework, name):
    net, model = made(framework, name)
    assert model.neurons
    assert set(model.neurons) <= set(net.modules())
    assert len(list(model.parameters())) == len(list(net.parameters()))


@each
def test_in_double_precision(framework, name):
    if framework in ("snntorch", "sinabs"):
        return  # their spikes are float32 whatever the weights are; such models cannot run
    net = nets.build(framework, name).double()
    x = recordings()
    model = adapt(net, x)
    logits = model(x)
    assert logits.dtype == torch.float32
    assert torch.equal(logits.amax(1), torch.zeros(3))
    with using_surrogate(model, ArcTan()):
        assert torch.isfinite(gradient(model, x)).all()


def test_rounding_does_not_change_the_answer_of_double_precision():
    class Close(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.tensor([5.0, 5.0 + 1e-12, 1.0], dtype=torch.float64))

        def forward(self, x):
            return x.flatten(1)[:, :3] * 0 + self.bias

    assert adapt(Close(), recordings())(recordings()).argmax(1).tolist() == [1, 1, 1]


def test_half_precision_logits_keep_their_order():
    net = nets.build("torch", "frames").half()
    x = recordings()
    model = adapt(net, x)
    assert model(x).dtype == torch.float32
    frames = torch.stack([net(frame.half()) for frame in x.unbind(1)], 1)
    assert torch.equal(model(x), frames.mean(1).float())
