from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spikeproof.errors import InvalidModel, InvalidRecording
from spikeproof.models import save_checkpoint
from spikeproof.training import Augment, TrainingConfig, fit

from .toy import data, network

RECIPE = TrainingConfig(epochs=4, batch=10, rate=0.02, augment=Augment(shift=0.5, warp=0.3))


class Stopped(Exception):
    pass


def stop_after(epoch):
    def report(progress):
        if progress.epoch == epoch:
            raise Stopped

    return report


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32])
def test_a_separable_toy_is_learned(dtype):
    net = network()
    seen = []
    history = fit(net, *data(dtype=dtype), replace(RECIPE, epochs=8), report=seen.append)
    assert seen == history
    assert [p.epoch for p in history] == list(range(1, 9))
    assert all(p.epochs == 8 and p.seconds > 0 for p in history)
    assert history[-1].loss < history[0].loss
    assert history[-1].accuracy > 0.9
    assert not net.training
    cells, labels = data(40, seed=1)
    with torch.no_grad():
        assert (net(cells.float()).argmax(1) == labels).float().mean() > 0.9


def test_the_same_seed_gives_the_same_weights():
    results = []
    for seed in (0, 0, 1):
        net = network()
        fit(net, *data(), replace(RECIPE, epochs=1, seed=seed))
        results.append(weights(net))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_stopped_run_continues_bit_for_bit(tmp_path, epoch):
    whole = network()
    history = fit(whole, *data(), RECIPE, state=tmp_path / "whole")
    stopped, state = network(), tmp_path / "state"
    with pytest.raises(Stopped):
        fit(stopped, *data(), RECIPE, state=state, report=stop_after(epoch))
    resumed = network(seed=5)  # other weights and other random numbers: all come from the state
    again = fit(resumed, *data(), RECIPE, state=state)
    assert same(weights(whole), weights(resumed))
    assert [(p.epoch, p.loss, p.accuracy) for p in again] == [
        (p.epoch, p.loss, p.accuracy) for p in history
    ]


def test_saving_does_not_change_a_run(tmp_path):
    with_state, without = network(), network()
    fit(with_state, *data(), RECIPE, state=tmp_path / "state")
    torch.manual_seed(0)
    without = network()
    fit(without, *data(), RECIPE)
    assert same(weights(with_state), weights(without))


def test_a_finished_run_is_not_repeated(tmp_path):
    net, state = network(), tmp_path / "state"
    history = fit(net, *data(), RECIPE, state=state)
    before = state.read_bytes()
    other = network(seed=3)
    assert fit(other, *data(), RECIPE, state=state, report=stop_after(1)) == history
    assert same(weights(net), weights(other))
    assert state.read_bytes() == before
    assert not other.training


def test_states_of_other_runs_are_refused(tmp_path):
    state = tmp_path / "state"
    fit(network(), *data(), replace(RECIPE, epochs=1), state=state)
    others = [
        (network("4c3-bn-p2-fc2"), data(), replace(RECIPE, epochs=1)),
        (network(), data(), RECIPE),
        (network(), data(), replace(RECIPE, epochs=1, seed=7)),
        (network(), data(), replace(RECIPE, epochs=1, augment=None)),
        (network(), data(seed=1), replace(RECIPE, epochs=1)),
        (network(), data(24), replace(RECIPE, epochs=1)),
        (network(), data(dtype=torch.float32), replace(RECIPE, epochs=1)),
    ]
    for net, toy, recipe in others:
        with pytest.raises(InvalidModel, match="belongs to a run with another network, recipe"):
            fit(net, *toy, recipe, state=state)


def test_files_that_are_no_state_are_refused(tmp_path):
    state = tmp_path / "state"
    save_checkpoint(state, network(), {})
    with pytest.raises(InvalidModel, match=f"{state}: belongs to a run with another"):
        fit(network(), *data(), RECIPE, state=state)
    state.write_bytes(b"half")
    with pytest.raises(InvalidModel, match=f"{state}: is not a readable safetensors file"):
        fit(network(), *data(), RECIPE, state=state)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "label 2 is outside the network's classes 0 to 1; end the architecture.*fc3"),
        ([0, -1, 1], "label -1 is outside the network's classes 0 to 1"),
        ([0, 1], "3 recordings and 2 labels"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(InvalidRecording, match=message):
        fit(network(), data(3)[0], torch.tensor(labels), RECIPE)


def test_no_recordings_are_refused():
    with pytest.raises(InvalidRecording, match="0 recordings and 0 labels"):
        fit(network(), *data(0), RECIPE)


def test_a_diverging_run_stops():
    net = network()
    with torch.no_grad():
        net.layers[-1].weight.weight.fill_(torch.nan)
    with pytest.raises(InvalidModel, match="the loss became nan in epoch 1; lower the learning"):
        fit(net, *data(), RECIPE)


def test_the_learning_rate_warms_up_and_falls_to_zero(monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fit(network(), *data(), replace(RECIPE, epochs=8))
    top = max(range(len(rates)), key=rates.__getitem__)
    assert 0 < rates[0] < rates[top] <= RECIPE.rate
    assert 0 < top < len(rates) / 4
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.02 * RECIPE.rate


class Emptied:
    """Takes the events away of the first recording of each batch, and remembers what it saw."""

    def __init__(self, text="emptied"):
        self.text, self.seen = text, []

    def __str__(self):
        return self.text

    def __call__(self, network, x, labels):
        self.seen.append((network.training, x.clone(), labels.clone()))
        x = x.clone()
        x[0] = 0.0
        return x


def test_what_perturb_makes_of_a_batch_is_what_is_learned(monkeypatch):
    net, perturb, learned = network("4c3-bn-p2-fc2"), Emptied(), []
    forward = type(net).forward

    def watched(self, x):
        if self.training:
            learned.append(x.clone())
        return forward(self, x)

    monkeypatch.setattr(type(net), "forward", watched)
    cells, labels = data()
    fit(net, cells, labels, replace(RECIPE, epochs=1, augment=None), perturb=perturb)
    assert len(perturb.seen) == len(learned) == 5
    assert not any(training for training, _, _ in perturb.seen)
    for (_, x, _), shown in zip(perturb.seen, learned, strict=True):
        assert x[0].any()
        assert not shown[0].any()
        assert torch.equal(shown[1:], x[1:])
    seen = torch.cat([labels for _, _, labels in perturb.seen])
    assert torch.equal(seen.sort().values, labels.sort().values)


def test_asking_the_network_while_perturbing_leaves_no_trace():
    def gradient_free_stages(network, x, labels):
        with torch.no_grad():
            network(torch.ones_like(x))
        return x

    results = []
    for perturb in (gradient_free_stages, None):
        net = network()
        fit(net, *data(), RECIPE, perturb=perturb)
        results.append(weights(net))
    assert same(*results)


def test_a_stopped_run_continues_with_its_perturb_and_no_other(tmp_path):
    whole, state = network(), tmp_path / "state"
    fit(whole, *data(), RECIPE, perturb=Emptied())
    with pytest.raises(Stopped):
        fit(network(), *data(), RECIPE, perturb=Emptied(), state=state, report=stop_after(2))
    for other in (None, Emptied("something else")):
        with pytest.raises(InvalidModel, match="belongs to a run with another network, recipe"):
            fit(network(), *data(), RECIPE, perturb=other, state=state)
    resumed = network(seed=5)
    fit(resumed, *data(), RECIPE, perturb=Emptied(), state=state)
    assert same(weights(whole), weights(resumed))
