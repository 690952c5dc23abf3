"""The spike-timing rule: targets by hand, learning, revival, resuming."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from spikeproof.errors import InvalidModel, InvalidRecording
from spikeproof.images import load_images
from spikeproof.models.once import spike_once_network
from spikeproof.training import Augment
from spikeproof.training.sstdp import SSTDP, leads, learn, targets


def test_the_label_should_be_first_and_others_a_gap_behind():
    times = torch.tensor([[30.0, 10.0, 13.0], [10.0, 30.0, 14.0], [255.0, 255.0, 255.0]])
    wanted = targets(times, torch.tensor([0, 0, 1]), steps=255, gap=5, pull=0)
    assert wanted[0].tolist() == [10, 15, 15]
    assert wanted[1].tolist() == [10, 30, 15]
    assert wanted[2].tolist() == [255, 250, 255]  # nobody spiked: the label should, just in time


def test_a_label_that_leads_by_too_little_is_pulled():
    times = torch.tensor([[10.0, 30.0, 14.0], [10.0, 30.0, 15.0], [10.0, 30.0, 10.0], [1.0, 1, 9]])
    wanted = targets(times, torch.tensor([0, 0, 0, 0]), steps=255, gap=5, pull=3)
    assert wanted[0].tolist() == [7, 30, 15]
    assert wanted[1].tolist() == [10, 30, 15]  # it leads by enough
    assert wanted[2].tolist() == [7, 30, 15]  # a tie: both have an error
    assert wanted[3].tolist() == [-2, 6, 9]  # earlier than can be: the error stays as large


def test_a_tie_is_an_error():
    times = torch.tensor([[3.0, 4.0], [4.0, 4.0], [5.0, 4.0]])
    assert leads(times, torch.tensor([0, 0, 0])).tolist() == [True, False, False]


@pytest.fixture(scope="module")
def digits():
    learn_part = load_images().learn
    return learn_part.x[:600], learn_part.labels[:600]


def fresh():
    torch.manual_seed(0)
    return spike_once_network("fc60-fc10", (1, 8, 8), active=0.5)


RULE = SSTDP(epochs=20, batch=16)


def test_it_learns(digits):
    history = learn(fresh(), *digits, RULE)
    assert [epoch.epoch for epoch in history] == list(range(1, 21))
    assert history[-1].accuracy > 0.7
    assert history[-1].wrong < history[0].wrong


def test_a_convolution_learns(digits):
    torch.manual_seed(0)
    network = spike_once_network("8c3-mp2-fc10", (1, 8, 8), active=0.5)
    history = learn(network, *digits, RULE)
    assert history[-1].accuracy > 0.7


def one_by_one(network, x, labels, rule):
    """The weights after one step, from the definition, one sample and one pair at a time."""
    first, second = (layer.weight.detach().double() for layer in network.spiking)
    steps, moves = network.steps, [torch.zeros_like(first), torch.zeros_like(second)]
    pixels, hidden, out = (times.flatten(1).double() for times in network.trace(x))
    wanted = targets(out, labels, steps, rule.gap, rule.pull)
    for pixel, unit, output, due in zip(pixels, hidden, out, wanted, strict=True):
        g = output - due
        if not g.any():
            continue
        g = g / g.norm()
        h = torch.zeros(len(unit), dtype=torch.double)
        for f in range(len(unit)):
            for k in range(len(output)):
                if unit[f] <= output[k] and unit[f] < steps:  # the silent are not told anything
                    h[f] += second[f, k] * g[k]
                    moves[1][f, k] += g[k] / len(x)
        h = h / h.norm()
        for k in range(len(unit)):
            causal = (pixel <= unit[k]) & (pixel < steps)
            moves[0][:, k] += causal * h[k] / len(x)
    tops = (max(map(abs, layer.spread)) for layer in network.spiking)
    moves = [rate * top * move for rate, top, move in zip(rule.rates, tops, moves, strict=True)]
    return first + moves[0], second + moves[1]


def test_a_step_is_that_of_the_definition(digits):
    x, labels = digits[0][:24], digits[1][:24]
    torch.manual_seed(0)
    network = spike_once_network(
        "fc12-fc10", (1, 8, 8), active=0.5, spreads=[(-20.0, 30.0), (-40.0, 60.0)]
    )
    _, hidden, out = network.trace(x)
    assert bool((hidden == 255).any())
    assert bool((out == 255).any())
    rule = SSTDP(epochs=1, batch=24, dropout=0.0, decay=0.0, revive=0.0)
    expected = one_by_one(network, x, labels, rule)
    learn(network, x, labels, rule)
    for layer, weight in zip(network.spiking, expected, strict=True):
        assert torch.allclose(layer.weight.double(), weight, atol=1e-3)


def test_views_of_the_images_are_drawn_anew_each_epoch(digits, monkeypatch):
    seen = []

    def view(self, x, rng):
        seen.append(float(torch.rand(1, generator=rng)))
        return torch.zeros_like(x)  # which no neuron hears

    monkeypatch.setattr(Augment, "__call__", view)
    network = fresh()
    before = [layer.weight.detach().clone() for layer in network.spiking]
    rule = SSTDP(epochs=2, batch=50, decay=0.0, revive=0.0, augment=Augment())
    history = learn(network, digits[0][:100], digits[1][:100], rule)
    assert len(set(seen)) == 4
    assert all(epoch.accuracy == 0 for epoch in history)
    for layer, was in zip(network.spiking, before, strict=True):
        assert torch.equal(layer.weight, was)


def test_of_the_dropped_nothing_is_learnt(digits):
    network = fresh()
    before = [layer.weight.detach().clone() for layer in network.spiking]
    rule = SSTDP(epochs=1, batch=1, dropout=0.5, decay=0.0, revive=0.0)
    learn(network, digits[0][:1], digits[1][:1], rule)
    for layer, was in zip(network.spiking, before, strict=True):
        assert not torch.equal(layer.weight, was)
    still = (network.spiking[0].weight == before[0]).all(0)
    assert 15 <= int(still.sum()) < 60  # of sixty neurons, about half
    assert torch.equal(network.spiking[1].weight[still], before[1][still])
    with pytest.raises(InvalidModel, match="leaves no neurons"):
        SSTDP(dropout=1.0)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path, digits):
    whole = fresh()
    learn(whole, *digits, RULE)
    part, state = fresh(), tmp_path / "state.safetensors"

    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 3:
            raise Stop

    with pytest.raises(Stop):
        learn(part, *digits, RULE, state=state, report=stop)
    again = fresh()
    learn(again, *digits, RULE, state=state)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(InvalidModel, match="another network, recipe or data"):
        learn(fresh(), *digits, dataclasses.replace(RULE, gap=7.0), state=state)


def test_dead_neurons_are_drawn_again(digits):
    network = fresh()
    with torch.no_grad():
        network.spiking[0].weight[:, 5] = -1.0
    (epoch,) = learn(network, *digits, SSTDP(epochs=1))
    assert epoch.revived >= 1
    assert bool((network.spiking[0].weight[:, 5] > 1).any())


def test_labels_must_fit(digits):
    x, labels = digits
    with pytest.raises(InvalidRecording, match="label 11 is outside"):
        learn(fresh(), x[:3], torch.tensor([0, 1, 11]), RULE)
    with pytest.raises(InvalidRecording, match="need one label each"):
        learn(fresh(), x[:3], labels[:2], RULE)
