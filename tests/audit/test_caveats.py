"""Broken victims and broken evaluations are found and named."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from spikeproof.adapters import Check
from spikeproof.audit import caveats
from spikeproof.evaluate import proportion
from spikeproof.results import AttackRecord
from spikeproof.results.records import Point, Row, Trial
from spikeproof.results.stage_stats import StageStats


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
        of_images=False,
        __len__=lambda: n,
    )


class Subject(SimpleNamespace):
    def __len__(self):
        return len(self.labels)


def titles(model, attacks=(), about=None, accuracy=1.0, n=60):
    s = Subject(**vars(subject(model, about, n)))
    found = caveats.find(s, {a.id: a for a in attacks}, proportion(round(accuracy * n), n))
    return [d.title for d in found]


def test_a_sound_model_raises_no_doubt():
    assert titles(Sound().eval()) == []


def test_a_quick_audit_says_so():
    s = Subject(**vars(subject(Sound().eval())))
    (found,) = caveats.find(s, {}, proportion(60, 60), quick=True)
    assert found.title == "A quick audit"
    assert "without --quick" in found.detail


def test_what_the_examination_found_is_a_doubt():
    checks = (
        Check("memory", False, "error", "it remembers", "reset it"),
        Check("order", True, "warning", "in order"),
    )
    s = Subject(**vars(subject(Sound().eval())) | {"checks": checks})
    found = caveats.find(s, {}, proportion(60, 60))
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
    return AttackRecord(name, name, proportion(k, n), proportion(n - k, n), n=n, **more)


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
    return StageStats(name, kind, tried, first if fooled is None else fooled, first)


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
    found = caveats.find(s, {"flip-minimum": ours}, proportion(60, 60))
    blind, late = found
    assert blind.title == "flip-minimum, greedy queries: gradient-free beats white-box"
    assert blind.level == "warning"
    assert "it fools 2 recordings that withstood all attacks" in blind.detail
    assert late.title == "flip-minimum: success depends on the search"
    assert "fooled in 40 of 50 attempts; what it left fell to wide surrogate 3 of 10" in late.detail


def test_an_ensemble_whose_first_part_does_it_all_is_not_doubted():
    stages = (stage("gradients", 50, 50), stage("restart", 0, 0))
    ours = attack("flip-minimum", 50, family="input-specific", stages=stages)
    assert titles(Sound().eval(), [ours]) == []


def did(name, kind, tried=10, fooled=10, first=0, cheaper=0, edits=40.0):
    return StageStats(name, kind, tried, fooled, first, cheaper, edits, 1.0, 100, 0)


WHITE = did("arctan:4", "white-box", first=10)


def test_attacks_without_gradients_should_not_do_better():
    about = caveats.about_stages
    assert about([]) == []
    assert about([WHITE, did("walk", "refinement", cheaper=9)]) == []
    assert about([WHITE, did("greedy", "gradient-free", tried=8, fooled=8, cheaper=4)]) == []
    assert about([did("greedy", "gradient-free", first=10)]) == []  # no gradients to be doubted
    (found,) = about([WHITE, did("greedy", "gradient-free", tried=8, fooled=8, cheaper=5)])
    assert found.title == "greedy: gradient-free beats white-box"
    assert found.level == "warning"
    assert "on 5 of 8 recordings it needs fewer edits" in found.detail
    (found,) = about([WHITE, did("transfer", "transfer", tried=3, fooled=1, first=1)])
    assert "it fools 1 recordings that withstood all attacks" in found.detail
    assert "fewer edits" not in found.detail


def test_the_parts_of_an_audit_are_counted_together():
    parts = [WHITE, *(did("decision", "gradient-free", 4, 4, first=k, cheaper=k) for k in (1, 2))]
    (found,) = caveats.about_stages(parts)
    assert "it fools 3 recordings" in found.detail


def trial(name, fooled, edits):
    return Trial(name, proportion(fooled, 12), edits)


def test_a_surrogate_that_matters_is_doubted():
    about = caveats.about_trials
    assert about([]) == []
    assert about([trial("own", 0, None)]) == []
    assert about([trial("arctan:4", 12, 40.0), trial("own", 12, 70.0)]) == []
    (dear,) = about([trial("arctan:4", 12, 40.0), trial("own", 12, 81.0)])
    assert "Of 2 surrogate gradients" in dear.detail
    assert "arctan:4 fools 12 of 12 with 40.0 edits and own fools 12 of 12 with 81.0" in dear.detail
    (few,) = about([trial("own", 0, None), trial("arctan:4", 12, 40.0)])
    assert few.detail.count("of 12") == 2
    assert "own fools 0 of 12." in few.detail
    s = Subject(**vars(subject(Sound().eval())))
    trials = (trial("own", 0, None), trial("arctan:4", 12, 40.0))
    found = caveats.find(s, {}, proportion(60, 60), trials)
    assert [d.title for d in found] == ["Success depends on the surrogate"]


def test_a_random_model_that_is_not_averaged():
    checks = (Check("randomness", False, "warning", "it is random: by 1e-2", "average over draws"),)
    s = Subject(**vars(subject(Sound().eval())) | {"checks": checks})
    (found,) = caveats.find(s, {}, proportion(60, 60))
    assert (found.title, found.level) == ("Randomness is not averaged", "warning")
    assert "by 1e-2" in found.detail
