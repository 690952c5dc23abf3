"""Broken victims and broken evaluations are found and named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from spikeproof.audit import doubts
from spikeproof.evaluate import proportion
from spikeproof.results import Attack
from spikeproof.results.records import Point, Row


class Sound(nn.Module):
    """A pure function with a gradient."""

    def forward(self, x):
        n = x.flatten(1).sum(1)
        return torch.stack([n, 4 - n], 1)


class Noisy(Sound):
    def forward(self, x):
        return super().forward(x) + torch.rand(len(x), 2)


class Remembers(Sound):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) + self.calls


class Batched(Sound):
    """Looks at the place in the batch."""

    def forward(self, x):
        return super().forward(x) + torch.arange(len(x)).unsqueeze(1)


class Flat(Sound):
    """All gradients are zero."""

    def forward(self, x):
        return super().forward(x) * 0 + torch.tensor([1.0, 0.0])


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
        __len__=lambda: n,
    )


class Subject(SimpleNamespace):
    def __len__(self):
        return len(self.labels)


def titles(model, attacks=(), about=None, accuracy=1.0, n=60):
    s = Subject(**vars(subject(model, about, n)))
    found = doubts.find(s, doubts.probe(s), {a.id: a for a in attacks}, accuracy)
    return [d.title for d in found]


def test_a_sound_model_raises_no_doubt():
    assert titles(Sound().eval()) == []


@pytest.mark.parametrize(
    ("model", "title"),
    [
        (Noisy(), "The model is random, or remembers"),
        (Remembers(), "The model is random, or remembers"),
        (Batched(), "Batch-mates matter"),
        (Flat(), "Vanishing gradients"),
    ],
)
def test_broken_models_are_named(model, title):
    torch.manual_seed(0)
    assert title in titles(model.eval())


def test_a_model_in_training_mode():
    assert titles(Sound().train()) == ["The model is in training mode"]


def test_what_the_checkpoint_says_is_compared():
    about = {"data": "d", "split": "s", "accuracy": 0.95}
    assert titles(Sound().eval(), about=about, accuracy=0.6) == ["Less accurate than recorded"]
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
