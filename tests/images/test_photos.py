"""Patches of photographs: what a network of digits has never seen."""

from __future__ import annotations

import torch

from spikeproof.images import load_images


def test_they_are_as_large_as_the_digits_and_the_same_each_time():
    photos, digits = load_images("photos"), load_images()
    assert photos.test.x.shape == (400, 1, 1, 8, 8) == digits.test.x.shape
    assert len(photos.learn) == 1200
    assert photos.test.classes == ("pagoda", "flower")
    assert torch.equal(photos.test.x, load_images("photos").test.x)


def test_they_are_patches_with_something_on_them():
    x = load_images("photos").learn.x
    assert x.min() >= 0
    assert x.max() <= 1
    assert (x.flatten(1).std(1) > 0.02).float().mean() > 0.5
