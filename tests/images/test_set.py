from __future__ import annotations

import numpy as np
import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.images import load_digit_images, load_images
from spikeproof.images.set import held_out, images_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "becomes"),
    [
        ((5, 4, 6), (5, 1, 1, 4, 6)),
        ((5, 1, 4, 6), (5, 1, 1, 4, 6)),
        ((5, 3, 4, 6), (5, 1, 3, 4, 6)),
        ((5, 4, 6, 3), (5, 1, 3, 4, 6)),
        ((5, 4, 6, 1), (5, 1, 1, 4, 6)),
    ],
)
def test_layouts(shape, becomes):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    images = images_of(pixels, np.arange(5), "here")
    assert images.x.shape == becomes
    first = np.moveaxis(pixels, 3, 1) if len(shape) == 4 and shape[3] in (1, 3) else pixels
    assert torch.equal(images.x.flatten(), torch.from_numpy(first.flatten() / np.float32(255)))
    assert images.labels.tolist() == [0, 1, 2, 3, 4]
    assert images.classes == ("0", "1", "2", "3", "4")


def test_floats_stay_what_they_are():
    pixels = RNG.random((3, 2, 2))
    assert torch.allclose(
        images_of(pixels, np.arange(3), "x").x.flatten(), torch.tensor(pixels).float().flatten()
    )


@pytest.mark.parametrize(
    ("pixels", "labels", "says"),
    [
        (np.zeros((2, 3)), np.arange(2), r"not \[2, 3\]"),
        (np.zeros((2, 5, 3, 4)), np.arange(2), "1 or 3 channels"),
        (np.full((2, 3, 3), 7.0), np.arange(2), "from 7 to 7; scale"),
        (np.full((2, 3, 3), np.nan), np.arange(2), "scale"),
        (np.zeros((2, 3, 3), np.int64), np.arange(2), "not int64"),
        (np.zeros((2, 3, 3)), np.arange(3), r"2 images need as many .* not an array \[3\]"),
        (np.zeros((2, 3, 3)), np.array([0.0, 1.0]), "float64"),
        (np.zeros((2, 3, 3)), np.array([0, -1]), "label -1"),
        (np.zeros((0, 3, 3)), np.arange(0), "holds no images"),
    ],
)
def test_what_is_no_set_of_images(pixels, labels, says):
    with pytest.raises(InvalidRecording, match=f"^here: .*{says}"):
        images_of(pixels, labels, "here")


def test_labels_beyond_the_classes():
    with pytest.raises(InvalidRecording, match="label 2 is not one of the classes 0 to 1"):
        images_of(np.zeros((3, 2, 2)), np.arange(3), "here", ("a", "b"))


def test_holding_out():
    everything = images_of(np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10), "here")
    data = held_out(everything, "here", 3, seed=1)
    assert len(data.test) == 3
    assert sorted([*data.learn.labels.tolist(), *data.test.labels.tolist()]) == list(range(10))
    assert torch.equal(held_out(everything, "here", 0.3, seed=1).test.x, data.test.x)
    assert torch.equal(data.test.x[0], everything.x[data.test.labels[0]])
    for impossible in (0, 10, 0.0, 1.0):
        with pytest.raises(InvalidRecording, match="cannot hold out"):
            held_out(everything, "here", impossible, seed=1)


def test_the_embedded_digits():
    data = load_digit_images()
    assert data.learn.x.shape == (1397, 1, 1, 8, 8)
    assert data.test.x.shape == (400, 1, 1, 8, 8)
    assert data.test.x.min() == 0
    assert data.test.x.max() == 1
    assert (data.test.labels.bincount() > 20).all()
    assert torch.equal(load_images("digits").test.x, data.test.x)
    assert torch.equal(load_images().learn.labels, data.learn.labels)
