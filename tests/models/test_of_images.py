"""Networks behind a look at images."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import examine
from spikeproof.errors import InvalidModel
from spikeproof.models import NeuronSpec, OfImages, build, load_checkpoint, save_checkpoint

SPIKING = NeuronSpec("if", reset="soft")


def network(side=4, spiking=True, channels=1):
    torch.manual_seed(0)
    return build(
        "fc12-fc5", height=side, width=side, polarities=channels, spiking=spiking, neuron=SPIKING
    )


def images(n=4, side=10, channels=1):
    return torch.rand(n, 1, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_the_middle_is_seen_by_averages_and_for_all_bins():
    inner = network()
    model, x = OfImages(inner, image=(1, 10, 10), crop=8, steps=6).eval(), images()
    by_hand = x[:, 0, 0, 1:9, 1:9].unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4))
    torch.testing.assert_close(model.seen(x), by_hand[:, None, None])
    shown = by_hand[:, None, None].expand(-1, 6, -1, -1, -1)
    torch.testing.assert_close(model(x), inner(shown))


def test_small_images_grow():
    seen = OfImages(network(side=6), image=(1, 3, 3)).seen(torch.full((1, 1, 1, 3, 3), 0.25))
    torch.testing.assert_close(seen, torch.full((1, 1, 1, 6, 6), 0.25))


def test_it_is_saved_with_what_it_looks_at(tmp_path):
    model, x = OfImages(network(), image=(1, 10, 10), crop=8, steps=6).eval(), images()
    save_checkpoint(tmp_path / "net.safetensors", model, {})
    back = load_checkpoint(tmp_path / "net.safetensors").network
    assert torch.equal(back(x), model(x))
    assert back.description == model.description
    assert back.input_shape == (1, 10, 10)


def test_it_is_a_victim_like_any_other():
    model, x = OfImages(network(), image=(1, 10, 10), steps=6).eval(), images(12)
    assert [check.name for check in examine(model, x) if not check.ok] == []
    x.requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad != 0).any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image": (1, 10, 10), "crop": 11}, "cannot cut 11x11"),
        ({"image": (3, 10, 10)}, "3 channels do not fit a network of 1"),
        ({"image": (1, 10, 10), "steps": 0}, "at least 1 time bin"),
    ],
)
def test_what_cannot_be(settings, says):
    with pytest.raises(InvalidModel, match=says):
        OfImages(network(), **settings)


def test_other_images_are_refused():
    with pytest.raises(InvalidModel, match=r"takes images \[N, 1, 1, 10, 10\]"):
        OfImages(network(), image=(1, 10, 10))(images(side=9))
