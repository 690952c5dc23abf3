"""Following the changes of a few cells gives what computing the whole sample gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikeproof.attacks import Victim
from spikeproof.engine import changed, engine_for
from spikeproof.models import NeuronSpec

from .nets import KNOWN, cells, circuit, conv, foreign, network, neurons

FOLLOWED = [
    "4c3-p2-fc3",
    "4c3-bn-p2-6c3-bn-p2-fc3",
    "5c5-bn-drop20-7c3s2-fc9-fc4",
    "3c3s3-fc2",
    "17c1-bn-p2-33c3-fc12-bn-drop10-fc3",
    "fc8-fc3",
]


def neighbours(x, per=8, most=5, seed=0, top=1):
    """Which samples, which of their cells, and the values that these get."""
    rng = torch.Generator().manual_seed(seed)
    who = torch.arange(len(x)).repeat_interleave(per)
    size = x[0].numel()
    chosen = torch.stack([torch.randperm(size, generator=rng)[:most] for _ in who])
    values = torch.randint(0, top + 1, chosen.shape, generator=rng).float()
    return who, chosen, values


def assert_followed(model, x, *, whole=False, **kind):
    engine = engine_for(model)
    near = engine.around(x)
    who, chosen, values = neighbours(x, **kind)
    samples = changed(x.flatten(1)[who], chosen, values).view(-1, *x.shape[1:])
    expected = engine(samples)
    assert not torch.equal(expected, engine(x)[who])
    asked = []
    near._whole = lambda some: asked.append(len(some)) or engine(some)
    torch.testing.assert_close(near(who, chosen, values), expected, rtol=1e-4, atol=1e-5)
    assert bool(asked) == whole
    torch.testing.assert_close(expected, model(samples), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("line", FOLLOWED)
def test_networks(line):
    assert_followed(network(line), cells())


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_neurons_of_ours(kind, reset):
    net = network("4c3-bn-p2-5c3-fc3", neuron=NeuronSpec(kind, 3.0, 0.5, reset))
    assert_followed(net, cells())


@pytest.mark.parametrize("settings", KNOWN, ids=lambda s: "-".join(s))
def test_neurons_of_other_frameworks(settings):
    net = foreign(**settings)
    assert_followed(net, cells())


@pytest.mark.parametrize("readout", ["mean", "sum", "last"])
@pytest.mark.parametrize("fires", [False, True])
def test_readouts(readout, fires):
    torch.manual_seed(1)
    last = [nn.Linear(4 * 7 * 6, 3), *([neurons(threshold=0.02)] if fires else [])]
    net = circuit(conv(2, 4), neurons(), nn.Flatten(), *last, readout=readout)
    assert_followed(net, cells(share=0.4), most=30, per=20)


def test_cells_that_hold_counts():
    assert_followed(network("4c3-bn-p2-5c3-fc3"), cells(most=3), top=4)


def test_many_changes_are_computed_as_a_whole():
    assert_followed(network("8c3-p2-fc3"), cells(n=2), most=700, whole=True)


def test_only_some_are_computed_as_a_whole():
    net, x = network("8c3-p2-fc3"), cells(n=2)
    engine = engine_for(net)
    who, chosen, _ = neighbours(x, per=16, most=700)
    values = x.flatten(1)[who].gather(1, chosen)
    values[::9] = 1 - values[::9]
    samples = changed(x.flatten(1)[who], chosen, values).view(-1, *x.shape[1:])
    torch.testing.assert_close(
        engine.around(x)(who, chosen, values), engine(samples), rtol=1e-4, atol=1e-5
    )


def test_nothing_changed_gives_the_known_logits():
    net, x = network("4c3-bn-p2-5c3-fc3"), cells()
    near = engine_for(net).around(x)
    who, chosen, _ = neighbours(x)
    found = near(who, chosen, x.flatten(1)[who].gather(1, chosen))
    assert torch.equal(found, near.logits[who])
    assert torch.equal(near.logits, engine_for(net, "float32")(x))


def test_a_cell_may_be_named_again_with_the_value_that_it_has():
    net, x = network("4c3-p2-fc3"), cells()
    near = engine_for(net).around(x)
    who, chosen, _ = neighbours(x, most=1)
    had = x.flatten(1)[who].gather(1, chosen)
    twice = near(who, chosen.repeat(1, 2), torch.cat([1 - had, had], 1))
    assert torch.equal(twice, near(who, chosen, 1 - had))
    assert torch.equal(
        changed(x.flatten(1)[who], chosen.repeat(1, 2), torch.cat([1 - had, had], 1)),
        changed(x.flatten(1)[who], chosen, 1 - had),
    )


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000), st.integers(1, 12), st.sampled_from(["hard", "soft"]), st.integers(1, 9)
)
def test_any_change_at_any_time(seed, most, reset, bins):
    net = network("3c3-p2-4c3s2-fc3", neuron=NeuronSpec("lif", 2.0, 0.4, reset))
    x = cells(n=3, bins=bins, seed=seed)
    engine = engine_for(net)
    who, chosen, values = neighbours(x, per=3, most=most, seed=seed)
    samples = changed(x.flatten(1)[who], chosen, values).view(-1, *x.shape[1:])
    torch.testing.assert_close(
        engine.around(x)(who, chosen, values), engine(samples), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("line", ["4c3-bn-mp2-4c3-fc3", "p2-4c3-fc3"])
def test_of_layers_that_the_loops_do_not_know_nothing_is_followed(line):
    assert engine_for(network(line)).around(cells()) is None


@pytest.mark.parametrize("line", ["4c3-bn-p2-5c3-fc3", "4c3-bn-mp2-4c3-fc3"])
@pytest.mark.parametrize("fast", [False, True])
def test_a_victim_answers_alike_and_counts(line, fast):
    net, x = network(line), cells()
    victim = Victim(net, fast=fast)
    who, chosen, values = neighbours(x)
    samples = changed(x.flatten(1)[who], chosen, values).view(-1, *x.shape[1:])
    found = victim.around(x)(who, chosen, values)
    assert victim.queries.forwards == len(who)
    torch.testing.assert_close(found, net(samples), rtol=1e-4, atol=1e-5)


def test_on_several_threads_as_on_one():
    net, x = network("4c3-bn-p2-5c3-fc3"), cells()
    who, chosen, values = neighbours(x, per=20)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = engine_for(net).around(x)(who, chosen, values)
        torch.set_num_threads(2)
        together = engine_for(net).around(x)(who, chosen, values)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone, together)
