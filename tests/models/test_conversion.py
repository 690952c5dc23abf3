from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spikeproof.adapters import examine
from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models import (
    ArcTan,
    Coded,
    build,
    converted,
    load_checkpoint,
    logits_by_step,
    save_checkpoint,
)
from spikeproof.training import TrainingConfig, fit

PROGRAMS = {
    "dense": "dense _ 60 |> dense _ 10",
    "conv": "conv _ 8 3 norm |> pool 2 |> conv _ 8 3 norm |> dense _ 10",
    "max": "conv _ 6 3 norm |> maxpool 2 |> (dense _ 30 (-) dense _ 20 norm) |> dense _ 10",
}


@pytest.fixture(scope="module")
def digits():
    return load_images()


@pytest.fixture(scope="module")
def networks(digits):
    made = {}
    for name, program in PROGRAMS.items():
        torch.manual_seed(0)
        net = build(program, height=8, width=8, polarities=1, spiking=False)
        recipe = TrainingConfig(epochs=5, batch=64, rate=1e-2, augment=None)
        fit(net, digits.learn.x, digits.learn.labels, recipe)
        made[name] = net
    return made


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    ("balance", "start"), [("weights", 0.5), ("threshold", 0.5), ("threshold", "spread")]
)
def test_at_most_one_point_is_lost_and_logits_are_reached(networks, digits, name, balance, start):
    net, x, labels = networks[name], digits.test.x, digits.test.labels
    spiking = converted(net, digits.learn.x[:300], steps=256, balance=balance, start=start)
    assert isinstance(spiking, Coded)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.ReLU) for m in spiking.modules())
    with torch.no_grad():
        want = net(x)
    curve = logits_by_step(spiking, x)
    right = (curve.argmax(2) == labels.unsqueeze(1)).float().mean(0)
    ann = (want.argmax(1) == labels).float().mean()
    assert ann > 0.93
    assert right[-1] >= ann - 0.01
    gaps = (curve - want.unsqueeze(1)).abs().mean((0, 2))
    assert gaps[-1] < 0.05 * want.std()
    assert gaps[3] > 4 * gaps[-1]


@pytest.mark.parametrize("code", ["direct", "bernoulli"])
def test_one_run_gives_the_answers_of_every_number_of_steps(networks, digits, code):
    x = digits.test.x[:3]
    curves = []
    for steps in (20, 7):
        spiking = converted(networks["max"], digits.learn.x[:300], steps=steps, code=code)
        torch.manual_seed(0)
        curves.append(logits_by_step(spiking, x))
        torch.manual_seed(0)
        with torch.no_grad():
            assert torch.allclose(curves[-1][:, -1], spiking(x), atol=1e-5)
    assert curves[0].shape == (3, 20, 10)
    if code == "direct":
        assert torch.allclose(curves[0][:, :7], curves[1], atol=1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_balances_spike_alike(networks, digits, name):
    net = networks[name].double()
    x, typical = digits.test.x[:40].double(), digits.learn.x[:300].double()
    by_weight, by_threshold = (
        logits_by_step(converted(net, typical, steps=64, balance=b), x)
        for b in ("weights", "threshold")
    )
    networks[name].float()
    assert by_weight.dtype == torch.float64
    # where rounding decides which of two steps a spike falls into, it moves by one step
    assert (by_weight - by_threshold).abs().quantile(0.99) < 1e-9
    assert torch.equal(by_weight[:, -1].argmax(1), by_threshold[:, -1].argmax(1))


def test_membranes_that_start_halfway_need_fewer_steps(networks, digits):
    net, x = networks["dense"], digits.test.x
    with torch.no_grad():
        want = net(x).unsqueeze(1)
    halfway, empty = (
        (logits_by_step(converted(net, digits.learn.x, steps=16, start=start), x) - want)
        .abs()
        .mean((0, 2))
        for start in (0.5, 0.0)
    )
    assert halfway[7] < 0.8 * empty[7]


def test_the_process_saturates_and_spikes_with_probability_x_do_not(networks, digits):
    net, x = networks["dense"], digits.test.x[:100]
    with torch.no_grad():
        want = net(x)
    torch.manual_seed(0)
    gaps = {
        code: (
            logits_by_step(converted(net, digits.learn.x, steps=300, code=code), x)[:, -1] - want
        )
        .abs()
        .mean()
        for code in ("bernoulli", "poisson")
    }
    assert gaps["poisson"] > 3 * gaps["bernoulli"]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    ("balance", "start"), [("weights", 0.5), ("threshold", 0.5), ("weights", "spread")]
)
def test_it_is_a_victim_and_can_be_saved(networks, digits, name, balance, start, tmp_path):
    few = digits.learn.x[:300]
    spiking = converted(networks[name], few, steps=16, balance=balance, start=start)
    x, labels = digits.test.x[:16], digits.test.labels[:16]
    failed = [c for c in examine(spiking, x, labels) if not c.ok and c.level == "error"]
    assert not failed
    save_checkpoint(tmp_path / "net.safetensors", spiking, {})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert again.description == spiking.description
    with torch.no_grad():
        assert torch.equal(again(x), spiking(x))
        alone = torch.cat([spiking(one) for one in x.split(1)])
        assert torch.allclose(alone, spiking(x), atol=1e-5)


@pytest.mark.parametrize("surrogate", [None, ArcTan()])
def test_its_gradient_points_where_that_of_the_other_network_does(networks, digits, surrogate):
    net, labels = networks["conv"], digits.test.labels[:32]
    spiking = converted(net, digits.learn.x[:300], steps=32, surrogate=surrogate)
    x = digits.test.x[:32].clone().requires_grad_()
    mine, theirs = (
        torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0].flatten(1)
        for model in (spiking, net)
    )
    assert F.cosine_similarity(mine, theirs).mean() > 0.8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": -0.1}, "membranes start at 0 to below 1 threshold"),
        ({"share": 0.0}, "share must be above 0"),
        ({"share": 1.5, "balance": "threshold"}, "share must be above 0"),
        ({"steps": 0}, "needs at least 1 time step"),
    ],
)
def test_impossible_settings_are_refused(networks, digits, settings, message):
    with pytest.raises(InvalidModel, match=message):
        converted(networks["dense"], digits.learn.x[:9], **{"steps": 4, **settings})


def test_a_network_that_spikes_already_is_refused(digits):
    net = build("dense _ 4 |> dense _ 10", height=8, width=8, polarities=1)
    with pytest.raises(InvalidModel, match="only a non-spiking network can be converted; give its"):
        converted(net, digits.learn.x[:9], steps=4)
