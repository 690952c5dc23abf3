"""Broken victims and broken evaluations are found and named."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from spikeproof.adapters import Check
from spikeproof.audit import doubts
from spikeproof.evaluate import proportion
from spikeproof.results import Attack
from spikeproof.results.records import Contribution, Point, Row


class Sound(nn.Module):
    """A pure function with a gradient."""

    def forward(self, x):
        n = x.flatten(1).sum(1)
        return torch.stack([n, 4 - n], 1)


def subject(model, about=None, n=60):
    x = (torch.rand(n, 2, 2, 3, 3, generator=torch.Generator().manual_seed(0)) < 0.2).to(
        torch.uint8
    )
    return SimpleNamespace(
        model=model,
        about=about or {"data": "d", "split": "s"},
        data=SimpleNamespace(name="d", split="s"),
        labels=torch.zeros(n, dtype=torch.long),
        clean=lambda part: x[part].float(),
        classes=("0", "1"),
        checks=(),
        __len__=lambda: n,
    )


class Subject(SimpleNamespace):
    def __len__(self):
        return len(self.labels)


def titles(model, attacks=(), about=None, accuracy=1.0, n=60):
    s = Subject(**vars(subject(model, about, n)))
    found = doubts.find(s, {a.id: a for a in attacks}, proportion(round(accuracy * n), n))
    return [d.title for d in found]


def test_a_sound_model_raises_no_doubt():
    assert titles(Sound().eval()) == []


def test_what_the_examination_found_is_a_doubt():
    checks = (
        Check("memory", False, "error", "it remembers", "reset it"),
        Check("order", True, "warning", "in order"),
    )
    s = Subject(**vars(subject(Sound().eval())) | {"checks": checks})
    found = doubts.find(s, {}, proportion(60, 60))
    assert [(d.title, d.detail, d.level) for d in found] == [
        ("Earlier calls matter", "It remembers; reset it.", "error")
    ]


def test_a_model_that_guesses_is_no_evidence():
    assert titles(Sound().eval(), accuracy=0.55) == ["No better than guessing"]
    assert titles(Sound().eval(), accuracy=0.8) == []


def test_what_the_checkpoint_says_is_compared():
    about = {"data": "d", "split": "s", "accuracy": 0.95}
    assert titles(Sound().eval(), about=about, accuracy=0.8) == ["Less accurate than recorded"]
    about = {"data": "d", "split": "another"}
    assert titles(Sound().eval(), about=about) == ["Perhaps trained on these recordings"]
    assert titles(Sound().eval(), about={"data": None}) == ["Training recordings unknown"]
    assert titles(Sound().eval(), n=10) == ["Few recordings"]


def attack(name, k, n=50, **more):
    return Attack(name, name, proportion(k, n), proportion(n - k, n), n=n, **more)


def test_marks_of_a_broken_evaluation():
    model = Sound().eval()
    weak = attack("flip-minimum", 40, rows=(Row(0, 0, 0, 0, False),))
    assert titles(model, [weak]) == ["No limit, and still not everything falls"]
    worse = [attack("u", 10, control="r"), attack("r", 20, is_control=True)]
    assert titles(model, worse) == ["u: chance does better"]
    rising = tuple(Point(proportion(k, 50), None, s) for s, k in ((0.01, 20), (0.02, 30)))
    assert titles(model, [attack("c", 30, curve=rising)]) == [
        "c: a larger budget helps the defender"
    ]
    invalid = attack("i", 30, invalid=2, rows=(Row(0, 0, 0, 1, False, False, why="too many"),))
    assert titles(model, [invalid]) == ["i: 2 invalid results"]


def stage(name, first, tried, kind="white-box", fooled=None):
    return Contribution(name, kind, tried, first if fooled is None else fooled, first)


def test_what_only_a_last_resort_fools_is_told_with_its_figures():
    stages = (
        stage("gradients", 40, 50),
        stage("restart", 0, 10),
        stage("wide surrogate", 3, 10),
        stage("greedy queries", 2, 7, "gradient-free"),
        stage("walk", 0, 45, "refinement", fooled=45),
    )
    ours = attack("flip-minimum", 50, family="input-specific", stages=stages)
    s = Subject(**vars(subject(Sound().eval())))
    found = doubts.find(s, {"flip-minimum": ours}, proportion(60, 60))
    blind, late = found
    assert blind.title == "flip-minimum: attacks without gradients do better"
    assert blind.level == "warning"
    assert "fell to greedy queries 2 of 7" in blind.detail
    assert late.title == "flip-minimum: success depends on the gradient"
    assert "fooled in 40 of 50 tries; what it left fell to wide surrogate 3 of 10" in late.detail


def test_an_ensemble_whose_first_part_does_it_all_is_not_doubted():
    stages = (stage("gradients", 50, 50), stage("restart", 0, 0))
    ours = attack("flip-minimum", 50, family="input-specific", stages=stages)
    assert titles(Sound().eval(), [ours]) == []
