from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.images import STRANGE, Images, load_digit_images, resized


def images(n=60, size=(9, 10), channels=1, classes=3):
    """Every image has its class in its pixels, and no two pixels are the same."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    x = (labels.view(-1, 1, 1, 1, 1) + torch.rand(n, 1, channels, *size, generator=rng)) / classes
    return Images(x, labels, tuple("abc"[:classes]))


def made(kind, of, seed=1):
    return STRANGE[kind](of, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("channels", [1, 3])
def test_as_many_images_of_the_same_size_with_intensities(kind, channels):
    of = images(channels=channels)
    before = of.x.clone()
    out = made(kind, of)
    assert out.shape == of.x.shape
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(of.x, before)
    assert torch.equal(made(kind, of), out)
    assert (out - of.x).flatten(1).abs().mean(1).min() > 0.01
    if kind != "inverted":
        assert not torch.equal(made(kind, of, seed=2), out)


def test_shuffled_pixels_keep_the_histogram_and_colours():
    of = images(channels=3)
    out = made("shuffled", of)
    assert torch.equal(out.flatten(3).sort().values, of.x.flatten(3).sort().values)
    together = {tuple(p) for p in of.x[0, 0].flatten(1).T.tolist()}
    assert {tuple(p) for p in out[0, 0].flatten(1).T.tolist()} == together


def _squares(x):
    return x.unfold(0, 2, 2).unfold(1, 2, 2).flatten(0, 1)


def test_blocks_stay_whole_and_what_does_not_fit_stays():
    of = images(size=(9, 10))
    out = made("blocks", of)
    parts = [
        {tuple(b.flatten().tolist()) for b in _squares(x[0, 0, 0, :8, :8])} for x in (of.x, out)
    ]
    assert parts[0] == parts[1]
    assert len(parts[0]) == 16
    assert torch.equal(out[..., 8:, :], of.x[..., 8:, :])
    assert torch.equal(out[..., 8:], of.x[..., 8:])


def test_mixed_are_two_classes_never_one():
    of = images(n=90)
    out = made("mixed", of)
    partners = (2 * out - of.x).flatten(1).mean(1) * 3  # the mean pixel of class k is k + 0.5
    classes = partners.floor().long()
    assert set(classes.tolist()) == {0, 1, 2}
    assert (classes != of.labels).all()


def test_what_cannot_be_made_is_refused():
    one = Images(images().x, torch.zeros(60, dtype=torch.long), ("a",))
    with pytest.raises(InvalidRecording, match="more than half of the images are of one class"):
        made("mixed", one)
    with pytest.raises(InvalidRecording, match="images of 3x9 are too small for 4 blocks"):
        made("blocks", images(size=(3, 9)))


def test_other_images_are_brought_to_size():
    colours = torch.rand(5, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    small = resized(colours, torch.zeros(2, 1, 1, 8, 8))
    assert small.shape == (5, 1, 1, 8, 8)
    assert torch.allclose(small.mean((1, 2, 3, 4)), colours.mean((1, 2, 3, 4)), atol=0.02)
    digits = load_digit_images().test.x[:3]
    assert torch.equal(resized(digits, digits), digits)
    large = resized(digits, torch.zeros(1, 1, 3, 20, 20))
    assert large.shape == (3, 1, 3, 20, 20)
    assert torch.equal(large[:, :, 0], large[:, :, 2])
