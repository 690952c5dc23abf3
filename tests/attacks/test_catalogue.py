from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spikeproof.attacks import Attack
from spikeproof.attacks.catalogue import CATALOGUE, attack_named
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Retime

DOCS = Path(__file__).parents[2] / "docs" / "attacks.md"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_attack_runs_and_is_explained(name, victims):
    attack = attack_named(name)
    assert isinstance(attack, Attack)
    net, x, labels, _, _ = victims["spiking"]
    threat = Retime(2) if name == "spike-retiming" else Flip(12)
    rng = torch.Generator().manual_seed(0)
    adv = attack(Victim(net), x[:3], Untargeted(labels[:3]), threat, rng=rng)
    assert threat.check(x[:3], adv).ok.all()
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8")


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(InvalidThreat, match="no attack 'pgd'; choose one of sparse-flip, sparse-d"):
        attack_named("pgd")
