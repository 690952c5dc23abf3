"""The sparse dynamic attack against the paper's procedure, one recording and trial at a time."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.peers import SparseDynamic
from spikeproof.attacks.random_edits import RandomEdits
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.models import PotentialDependent
from spikeproof.threats import Flip


def rng():
    return torch.Generator().manual_seed(7)


def loss_of(net, x, label):
    logits = net(x)[0]
    others = torch.cat([logits[:label], logits[label + 1 :]])
    return (logits[label] - others.max()).clamp(min=0)


def literally(net, x, label, first):
    """The adversarial recording and the number of forward passes and gradients."""
    goal = Untargeted(torch.tensor([label]))
    selected, differences = {}, {}
    adv, trials, gradients = x.clone(), 0, 0
    for n in range(500):
        _, up = Victim(net, PotentialDependent()).gradient(adv, goal)
        gradients += 1
        slope = -up.flatten()  # of the loss
        after = adv.flatten() - slope.sign()
        possible = (after >= 0) & (after <= 1) & (slope != 0)
        candidates = [i for i in possible.nonzero().flatten().tolist() if i not in selected]
        candidates.sort(key=lambda i: -abs(float(slope[i])))
        k = first * (n + 1)
        assert len(candidates) >= k, "chance would have to fill up"
        before = float(loss_of(net, adv, label))
        for i in candidates[:k]:
            trial = adv.clone()
            trial.view(-1)[i] = 1 - trial.view(-1)[i]
            differences[i] = float(loss_of(net, trial, label)) - before
            trials += 1
        for i in candidates[:k]:
            if differences[i] <= 0:
                selected[i] = True
                adv.view(-1)[i] = 1 - adv.view(-1)[i]
        if int(net(adv).argmax()) != label:
            break
    weakest = sorted(selected, key=lambda i: (abs(differences[i]), i))
    final, left, right = adv, 0, len(weakest) - 1
    while left <= right:
        middle = (left + right) // 2
        trial = adv.clone()
        for i in weakest[: middle + 1]:
            trial.view(-1)[i] = x.view(-1)[i]
        if int(net(trial).argmax()) != label:
            final, left = trial, middle + 1
        else:
            right = middle - 1
    return final, trials, gradients


@pytest.mark.parametrize("first", [3, 10])
@torch.no_grad()
def test_it_is_the_papers_procedure(victims, first):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    adv = SparseDynamic(first)(victim, x, Untargeted(labels), Flip(), rng=rng())
    trials = gradients = 0
    for i in range(len(x)):
        expected, tried, asked = literally(net, x[i : i + 1], int(labels[i]), first)
        assert torch.equal(adv[i : i + 1], expected)
        trials, gradients = trials + tried, gradients + asked
    assert victim.queries.gradients == gradients
    assert trials < victim.queries.forwards < trials + len(x) * 20


def test_it_finds_fewer_edits_than_chance_by_far(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    adv = SparseDynamic()(Victim(net), x, goal, Flip(), rng=rng())
    assert Victim(net).reached(adv, goal).all()
    needed = []
    for size in range(1, 120, 6):  # of the same random order, so many first
        by_chance = RandomEdits(torch.full((len(x),), size))(
            Victim(net), x, goal, Flip(), rng=rng()
        )
        fooled = Victim(net).reached(by_chance, goal)
        needed.append(torch.where(fooled, size, 10_000))
    fewest = torch.stack(needed).amin(0)
    assert (Flip().cost(x, adv) < fewest).float().mean() > 0.8
    assert Flip().cost(x, adv).median() < 0.3 * fewest.median()


def test_without_any_gradient_cells_are_tried_in_random_order():
    """Only the last cell counts, and no gradient tells."""

    def blind(x):
        told = (x[:, -1, -1, -1, -1] > 0).float()
        return torch.stack([1 - told, told], 1) + 0 * x.flatten(1).sum(1, keepdim=True)

    x = torch.zeros(2, 2, 2, 4, 4)
    goal = Untargeted(torch.zeros(2, dtype=torch.long))
    adv = SparseDynamic()(Victim(blind), x, goal, Flip(), rng=rng())
    assert goal.reached(blind(adv)).all()
    assert (adv != 0).flatten(1).sum(1).tolist() == [1, 1]  # the rest was taken back


def test_what_cannot_be_fooled_ends_when_all_is_tried():
    victim = Victim(lambda x: torch.tensor([[1.0, 0.0]]) + 0 * x.flatten(1).sum(1, keepdim=True))
    x = torch.zeros(2, 2, 2, 4, 4)
    adv = SparseDynamic()(victim, x, Untargeted(torch.zeros(2).long()), Flip(), rng=rng())
    assert torch.equal(adv, x)
    assert victim.queries.gradients < 2 * 10
