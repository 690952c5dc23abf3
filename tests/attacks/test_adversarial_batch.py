"""The recordings that adversarial training learns from, and that learning from them helps."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from spikeproof.attacks import AdversarialBatch, SparseFlip, Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Untargeted
from spikeproof.models import NeuronSpec, build
from spikeproof.threats import Flip
from spikeproof.training import fit

from .toy import RECIPE, SIZE, data, right


def network(seed):
    torch.manual_seed(seed)
    return build("4c3-bn-p2-fc3", height=SIZE, width=SIZE, neuron=NeuronSpec(threshold=0.5))


def test_the_first_half_is_attacked_within_the_budget(victims):
    net, x, labels, wrong, wrong_labels = victims["spiking"]
    before = x.clone()
    adv = AdversarialBatch(Flip(12), steps=6)(net, x, labels)
    assert torch.equal(x, before)
    assert torch.equal(adv[4:], x[4:])
    assert Flip(12).check(x, adv).ok.all()
    assert (adv[:4] != x[:4]).flatten(1).any(1).all()
    goal = Untargeted(labels[:4])
    with torch.no_grad():
        assert (goal.margin(net(adv[:4])) > goal.margin(net(x[:4]))).all()
    untouched = AdversarialBatch(Flip(12), share=1.0)(net, wrong, wrong_labels)
    assert torch.equal(untouched, wrong)
    assert torch.equal(AdversarialBatch(Flip(12), share=0.0)(net, x, labels), x)


def test_a_threat_without_a_budget_is_refused():
    with pytest.raises(InvalidThreat, match="needs a budget; give a share of the active cells"):
        AdversarialBatch(Flip())


def test_the_text_names_all_that_a_training_depends_on():
    texts = {
        str(AdversarialBatch(Flip(12))),
        str(AdversarialBatch(Flip(0.02))),
        str(AdversarialBatch(Flip(0.02), steps=5)),
        str(AdversarialBatch(Flip(0.02), share=1.0)),
    }
    assert len(texts) == 4
    assert "add and remove events, at most 2 % of the active cells; 3 steps on 50 %" in " ".join(
        texts
    )


def test_learning_from_them_makes_robust():
    """Success of 16 flips, over two draws of the weights; all clean recordings are got right."""
    fooled = {"plain": 0.0, "hardened": 0.0}
    perturbs = {"plain": None, "hardened": AdversarialBatch(Flip(16), steps=5, share=1.0)}
    for (name, perturb), seed in itertools.product(perturbs.items(), (0, 1)):
        net = network(seed)
        fit(net, *data(), replace(RECIPE, epochs=15, seed=seed), perturb=perturb)
        x, y = right(net, *data(90, seed=3))
        assert len(x) == 90
        attack, rng = SparseFlip("budget"), torch.Generator()
        adv = attack(Victim(net), x, Untargeted(y), Flip(16), rng=rng)
        with torch.no_grad():
            fooled[name] += (net(adv).argmax(1) != y).float().mean().item() / 2
    assert fooled["hardened"] < fooled["plain"] - 0.1
