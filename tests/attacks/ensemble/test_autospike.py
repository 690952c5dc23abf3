from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.ensemble.event_stages import climbing
from spikeproof.attacks.ensemble.state import EnsembleStage, EnsembleState
from spikeproof.attacks.events.edits import separable
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import NARROW_SURROGATE, Victim
from spikeproof.errors import InvalidModel, InvalidThreat
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip, Linf, Patch, Retime, Universal

from ..toy import Masked, trained

THREATS = [
    Flip(),
    Flip(8),
    Flip(remove=False),
    Flip(0.3, add=False),
    Retime(2),
    Patch(4, 4, (1, 1)),
]


def rng():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_no_attack_of_its_own_is_cheaper(victims, threat):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    found = AutoSpike(steps=12, queries=120).evaluate(Victim(net), x, goal, threat, rng=rng())
    assert threat.check(x, found.adv).ok.all()
    fooled = torch.isfinite(found.cost)
    assert torch.equal(goal.reached(net(found.adv)), fooled)
    assert torch.equal(threat.cost(x, found.adv)[fooled], found.cost[fooled])
    assert torch.equal(found.adv[~fooled], x[~fooled])
    for stage in climbing(threat, goal, "minimum", 12):
        if stage.kind != "white-box" or stage.rank or stage.sample == 0 or stage.name == "restart":
            continue
        adv = stage.attack(Victim(net, stage.surrogate), x, goal, threat, rng=rng())
        cost = torch.where(goal.reached(net(adv)), threat.cost(x, adv), torch.inf)
        assert (found.cost <= cost).all(), stage.name


@pytest.mark.parametrize("threat", [t for t in THREATS if separable(t)], ids=str)
def test_the_quick_version_asks_less_and_fools_as_many(victims, threat):
    net, x, labels, _, _ = victims["spiking"]
    goal, asked, fell = Untargeted(labels), [], []
    for quick in (False, True):
        victim = Victim(net)
        attack = AutoSpike(steps=12, queries=120, quick=quick)
        found = attack.evaluate(victim, x, goal, threat, rng=rng())
        assert threat.check(x, found.adv).ok.all()
        asked.append(victim.queries.forwards + victim.queries.gradients)
        fell.append(torch.isfinite(found.cost))
        tried = {did.name: did.attempted for did in found.did}
        assert tried["cross-entropy"] == (len(x) if not quick else tried["restart"])
    assert asked[1] < asked[0]
    assert torch.equal(fell[1], fell[0])


def test_at_a_budget_only_what_stands_is_tried_again(victims):
    net, x, labels, _, _ = victims["spiking"]
    found = AutoSpike("budget", steps=12, queries=120).evaluate(
        Victim(net), x, Untargeted(labels), Flip(3), rng=rng()
    )
    left = len(x)
    for did in found.did:
        assert did.attempted == left
        assert did.improved == 0
        left -= did.first_successes
    assert left == torch.isinf(found.cost).sum()


def test_what_fell_to_little_more_is_searched_for_from_beyond(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    attack = AutoSpike("budget", steps=12, near=True)
    names = [stage.name for stage in attack.stages(Flip(3), goal)]
    assert names == [
        "from beyond (restart)",
        "from beyond (restart 2)",
        "from beyond (restart 3)",
        "from beyond (restart 4)",
    ]
    for threat in (Flip(3), Retime(2, 3)):
        found = attack.evaluate(Victim(net), x, goal, threat, rng=rng())
        assert [did.name for did in found.did] == names
        assert threat.check(x, found.adv).ok.all()
    # whatever gives no gradient, and other threats, are attacked as ever
    whole = AutoSpike("budget", steps=12)
    for threat, gradients in ((Flip(3), False), (Patch(4, 4, (1, 1)), True)):
        told = [s.stages(threat, goal, gradients=gradients) for s in (attack, whole)]
        assert [s.name for s in told[0]] == [s.name for s in told[1]]


def test_every_stage_is_written_down(victims):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    found = AutoSpike(steps=6, queries=120).evaluate(
        victim, x, Untargeted(labels), Flip(), rng=rng()
    )
    names = [s.name for s in AutoSpike(steps=6).stages(Flip(), Untargeted(labels))]
    assert [d.name for d in found.did] == names
    assert sum(d.first_successes for d in found.did) == torch.isfinite(found.cost).sum()
    assert sum(d.gradients for d in found.did) == victim.queries.gradients > 0
    assert all(d.succeeded >= d.first_successes + d.improved for d in found.did)
    again = AutoSpike(steps=6, queries=120)(victim, x, Untargeted(labels), Flip(), rng=rng())
    assert torch.equal(again, found.adv)


def test_the_next_classes_are_targets_only_where_any_class_will_do(victims):
    labels = victims["spiking"][2]
    for goal, expected in ((Untargeted(labels), [1, 2]), (Targeted(labels), [])):
        ranks = [s.rank for s in climbing(Flip(), goal, "minimum", 5) if s.rank]
        assert ranks == expected


def test_ranks_follow_the_clean_answer():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 4.0]])
    search = EnsembleState(
        Victim(lambda x: logits[: len(x)]),
        lambda x: logits[: len(x)],
        torch.zeros(2, 1, 2, 1, 1),
        Untargeted(torch.tensor([1, 2])),
        Flip(),
        rng(),
    )
    assert search._ranked(torch.arange(2), 1).targets.tolist() == [2, 0]
    assert search._ranked(torch.arange(2), 2).targets.tolist() == [0, 1]
    assert search.cost.tolist() == [torch.inf, 0.0]  # the second is wrong already


def test_only_what_the_judge_falls_for_counts(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)

    def unmoved(x):
        return torch.nn.functional.one_hot(labels[: len(x)], 3).float()

    search = EnsembleState(Victim(net), unmoved, x, goal, Flip(), rng())
    search.run(
        EnsembleStage("flip", SparseFlip(steps=5), surrogate=NARROW_SURROGATE), torch.arange(len(x))
    )
    assert search.standing.all()
    assert torch.equal(search.adv, x)
    assert search.did[0].succeeded == 0


def test_threats_without_a_standard_are_refused(victims):
    net, x, labels, _, _ = victims["spiking"]
    with pytest.raises(InvalidThreat, match="Universal"):
        AutoSpike()(Victim(net), x, Untargeted(labels), Universal(5), rng=rng())


@pytest.mark.parametrize("mode", ["minimum", "budget"])
def test_masked_gradients_are_noticed(victims, mode):
    net, x, labels, _, _ = victims["spiking"]
    goal, threat = Untargeted(labels), Flip(30)
    attack = AutoSpike(mode, steps=6, queries=200)
    found = attack.evaluate(Victim(Masked(net, -1.0)), x, goal, threat, rng=rng())
    white = [d for d in found.did if d.kind == "white-box"]
    gradient_free_stages = [d for d in found.did if d.kind == "gradient-free"]
    assert white
    assert sum(d.first_successes + d.improved for d in gradient_free_stages) > 0.5 * len(x)
    assert torch.isfinite(found.cost).float().mean() > 0.7


@pytest.mark.parametrize("threat", [Flip(), Retime(2)], ids=str)
def test_without_gradients_the_victim_is_asked(victims, threat):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    for closed in (torch.no_grad()(net.forward), Masked(net, 0.0)):
        victim = Victim(closed)
        attack = AutoSpike(steps=8, queries=150, proxy=trained("6c3-bn-p2-fc3", seed=5))
        found = attack.evaluate(victim, x, goal, threat, rng=rng())
        assert {d.kind for d in found.did} <= {"transfer", "gradient-free", "refinement"}
        assert [d.name for d in found.did][:3] == ["transfer", "greedy", "decision"]
        assert victim.queries.gradients == 0
        fooled = torch.isfinite(found.cost)
        assert torch.equal(goal.reached(net(found.adv)), fooled)
        assert fooled.any()


def test_a_model_that_answers_nonsense_is_refused(victims):
    _, x, labels, _, _ = victims["spiking"]
    with pytest.raises(InvalidModel, match="NaN"):
        AutoSpike()(
            Victim(lambda x: x.flatten(1)[:, :3] / 0), x, Untargeted(labels), Flip(), rng=rng()
        )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("threat", [Flip(2), Linf(0.01)], ids=str)
def test_few_classes_have_few_targets(classes, threat):
    class Sums(torch.nn.Module):
        def forward(self, x):
            return x.flatten(2).sum(1)[:, :classes] + 9 * (torch.arange(classes) == 0)

    x = torch.full((3, 2, 1, 2, 2), 0.5) if isinstance(threat, Linf) else torch.ones(3, 2, 1, 2, 2)
    goal = Untargeted(torch.zeros(3, dtype=torch.long))
    found = AutoSpike("budget", steps=2, queries=20).evaluate(
        Victim(Sums()), x, goal, threat, rng=rng()
    )
    tried = {did.name: did.attempted for did in found.did}
    assert [tried[f"target {rank}"] > 0 for rank in (1, 2)] == [True, classes > 2]
