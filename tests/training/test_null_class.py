from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.evaluate import verdicts
from spikeproof.images import STRANGE, load_images
from spikeproof.models import build, converted
from spikeproof.training import TrainingConfig, fit, with_null


def test_strange_samples_get_the_class_after_the_last():
    cells, labels = torch.rand(4, 1, 1, 2, 2), torch.tensor([0, 2, 1, 2])
    strange = torch.rand(3, 1, 1, 2, 2)
    x, y = with_null(cells, labels, strange, classes=3)
    assert torch.equal(x, torch.cat([cells, strange]))
    assert y.tolist() == [0, 2, 1, 2, 3, 3, 3]


def test_what_does_not_fit_is_refused():
    cells, labels = torch.rand(4, 1, 1, 2, 2), torch.tensor([0, 2, 1, 2])
    with pytest.raises(InvalidRecording, match=r"are \[1, 1, 3, 3\] and the others \[1, 1, 2, 2\]"):
        with_null(cells, labels, torch.rand(3, 1, 1, 3, 3), classes=3)
    with pytest.raises(InvalidRecording, match="label 2 is outside the 2 classes before"):
        with_null(cells, labels, cells, classes=2)


def test_noise_that_was_not_learned_is_refused_too_by_both_networks():
    data, rng = load_images(), torch.Generator().manual_seed(0)
    strange = torch.cat([STRANGE[kind](data.learn, rng) for kind in ("uniform", "shuffled")])
    x, labels = with_null(data.learn.x, data.learn.labels, strange, classes=10)
    torch.manual_seed(0)
    net = build("fc60-fc11", height=8, width=8, polarities=1, spiking=False)
    fit(net, x, labels, TrainingConfig(epochs=6, batch=64, rate=1e-2, augment=None))
    for model in (net, converted(net, data.learn.x[:300], steps=32)):
        with torch.no_grad():
            clean = verdicts(model(data.test.x), null=10)
            assert clean.right(data.test.labels).float().mean() > 0.93
            for kind in ("gaussian", "inverted"):
                said = verdicts(model(STRANGE[kind](data.test, rng)), null=10)
                assert said.accepted().float().mean() < 0.1
