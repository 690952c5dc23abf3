"""The spike-timing rule: targets by hand, learning, revival, resuming."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from spikeproof.errors import InvalidModel, InvalidRecording
from spikeproof.images import load_images
from spikeproof.models.once import spike_once_network
from spikeproof.training.sstdp import SSTDP, leads, learn, targets


def test_the_label_should_be_first_and_others_a_gap_behind():
    times = torch.tensor([[30.0, 10.0, 13.0], [10.0, 30.0, 14.0], [255.0, 255.0, 255.0]])
    wanted = targets(times, torch.tensor([0, 0, 1]), steps=255, gap=5)
    assert wanted[0].tolist() == [10, 15, 15]
    assert wanted[1].tolist() == [10, 30, 15]
    assert wanted[2].tolist() == [255, 250, 255]  # nobody spiked: the label should, just in time


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


RULE = SSTDP(epochs=20)


def test_it_learns(digits):
    history = learn(fresh(), *digits, RULE)
    assert [epoch.epoch for epoch in history] == list(range(1, 21))
    assert history[-1].accuracy > 0.6
    assert history[-1].wrong < history[0].wrong


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
    assert bool((network.spiking[0].weight[:, 5] >= 0).all())


def test_labels_must_fit(digits):
    x, labels = digits
    with pytest.raises(InvalidRecording, match="label 11 is outside"):
        learn(fresh(), x[:3], torch.tensor([0, 1, 11]), RULE)
    with pytest.raises(InvalidRecording, match="need one label each"):
        learn(fresh(), x[:3], labels[:2], RULE)
