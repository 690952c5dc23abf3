"""Every kind of network that recipes save goes through the audit of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.cli.conftest import succeed

from spikeproof import results
from spikeproof.adapters import examine
from spikeproof.images import STRANGE, load_images
from spikeproof.models import OfImages, build, converted, load_checkpoint
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.models.kinds import KINDS
from spikeproof.models.latency import LatencyNetwork
from spikeproof.models.once import Neuron, spike_once_network
from spikeproof.models.ttfs import from_relu
from spikeproof.recipes import Found, Recipe, RecipeContext, keep, recorded
from spikeproof.training import (
    LocalRules,
    TrainingConfig,
    fit,
    learn_locally,
    set_label_layer,
    with_null,
)
from spikeproof.training.sstdp import SSTDP, learn

SHAPE, MANY = (1, 8, 8), 600
EFFORT = ["--steps", 2, "--norm", "linf", "--threads", 1]
NAMES = (
    *("relu", "null", "dense", "thresholds", "poisson", "of-images", "first-spikes"),
    *("crossing", "latency", "belief", "spiking-belief", "spike-once"),
)


def fitted(network, x, labels, rate=0.02):
    fit(network, x, labels, TrainingConfig(4, 32, rate, smoothing=0.0, augment=None))
    return network.eval()


def relu(x, labels, line="fc24-fc{}"):
    line = line.format(int(labels.max()) + 1)
    return fitted(build(line, height=8, width=8, polarities=1, spiking=False), x, labels)


def networks(data):
    """One of each, trained for moments."""
    torch.manual_seed(0)
    x, labels = data.learn.x[:MANY], data.learn.labels[:MANY]
    dense, conv = relu(x, labels), relu(x, labels, "4c3-bn-mp2-fc{}")
    small = build("fc24-fc10", height=6, width=6, polarities=1, spiking=False)
    strange = STRANGE["uniform"](
        data.learn.subset(np.arange(100)), torch.Generator().manual_seed(0)
    )
    latency = LatencyNetwork(SHAPE, 10, hidden=60, winners=15)
    learn_locally(latency, x, labels, LocalRules())
    spiking = SpikingBelief(SHAPE, (60,), 10, steps=8)
    set_label_layer(spiking, x, labels)
    once = spike_once_network("fc40-fc10", SHAPE, neuron=Neuron(steps=64), active=0.5)
    learn(once, x, labels, SSTDP(epochs=20, batch=16, gap=6.0, pull=2.0))
    found = (
        dense,
        relu(*with_null(x, labels, strange, classes=10)),
        converted(dense, x, steps=8),
        converted(conv, x, steps=8, balance="threshold"),
        converted(dense, x, steps=8, code="poisson"),
        fitted(OfImages(small, image=SHAPE, steps=2), x, labels),
        from_relu(conv.double(), x[:100].double()),
        fitted(CrossingNetwork(SHAPE, (24, 10)), x, labels, rate=5e-3),
        latency,
        fitted(BeliefNetwork(SHAPE, (24,), 10), x, labels, rate=0.05),
        spiking,
        once,
    )
    return dict(zip(NAMES, found, strict=True))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Their checkpoints, as `spikeproof reproduce` writes them."""
    folder, data = tmp_path_factory.mktemp("kinds") / "kept", load_images()
    found = Found((), models=networks(data))
    bench = RecipeContext(data, quick=True)
    recipe = Recipe("kinds", "One of each", "Nobody", lambda _: found)
    keep(folder, recorded(recipe, bench, found), found, data)
    return folder


def kinds(description):
    """Of a network and what is in it."""
    yield description.get("kind", "network")
    if "network" in description:
        yield from kinds(description["network"])


def test_every_kind_is_here(kept):
    described = [load_checkpoint(kept / f"{name}.safetensors").network for name in NAMES]
    assert {kind for one in described for kind in kinds(one.description)} == set(KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_examined_and_audited(name, kept, tmp_path):
    checkpoint, test = load_checkpoint(kept / f"{name}.safetensors"), load_images().test
    checks = examine(checkpoint.network, test.x[:16], test.labels[:16])
    assert [check.says for check in checks if not check.ok and check.level == "error"] == []
    assert checkpoint.about["accuracy"] > 0.3
    out = tmp_path / "audit"
    command = ("--model", kept / f"{name}.safetensors", "--images", "digits", "--out", out)
    many = 8 if name == "spike-once" else 2  # it gets about 6 of 10 right, others more
    printed = " ".join(succeed("audit", *command, "--recordings", many, *EFFORT).split())
    audit = results.load(out)
    assert audit.complete
    assert audit.model.sha256 == checkpoint.digest
    assert len(audit.data.classes) == checkpoint.network.n_classes
    assert audit.clean.operations is not None
    assert [a.id for a in audit.attacks if not a.is_control] == ["linf-minimum", "linf-budget"]
    assert all(a.status == "done" and a.invalid == 0 for a in audit.attacks)
    random = name in ("poisson", "spiking-belief")
    assert ("averaged over 16 draws" in printed) == random
