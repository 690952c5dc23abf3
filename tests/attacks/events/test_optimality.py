"""Are the fewest edits found the fewest? On grids small enough to know it by trying everything."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Retime

from ..toy import BINS, SIZE, data, right, trained

ATTACKS = {
    "sparse flip": SparseFlip(),
    "AutoSpike": AutoSpike(queries=40),
    "AutoSpike, quick": AutoSpike(queries=40, quick=True),
}
THREATS = {"flips": Flip(), "moves": Retime(2)}
# Enough cases of each minimum, and the share of them that sparse flip finds; AutoSpike nearly all.
CASES, LEAST = {"flips": 8, "moves": 5}, {"flips": 0.9, "moves": 0.8}


def singles(threat, x):
    """Cells ``[M, E]`` of each edit of ``x`` ``[T, P, H, W]``: one, or an event's old and new."""
    if isinstance(threat, Flip):
        return torch.arange(x.numel()).view(-1, 1)
    bin_cells = x[0].numel()
    moves = []
    for cell in x.flatten().nonzero().flatten().tolist():
        for shift in range(-threat.max_shift, threat.max_shift + 1):
            to = cell + shift * bin_cells
            if 0 <= to < x.numel() and x.flatten()[to] == 0:
                moves.append([cell, to])
    return torch.tensor(moves)


def pairs(single):
    """Two of them, of different cells."""
    both = single[torch.combinations(torch.arange(len(single)), 2)].flatten(1)
    ordered = both.sort(1).values
    return both[(ordered[:, 1:] != ordered[:, :-1]).all(1)]


def smallest(net, x, label, threat):
    """Fewest edits of ``x`` that change the answer, if that is below 3, else 3."""
    flat, single = x.flatten(), singles(threat, x)
    for size, sets in ((1, single), (2, pairs(single))):
        for some in sets.split(4096):
            trial = flat.repeat(len(some), 1).scatter_(1, some, 1 - flat[some])
            with torch.no_grad():
                answers = net(trial.view(-1, BINS, 2, SIZE, SIZE)).argmax(1)
            if (answers != label).any():
                return size
    return 3


@pytest.mark.parametrize("what", THREATS)
@pytest.mark.parametrize("line", ["4c3-bn-fc3", "3c3-p2-fc3"])
def test_true_minima_are_found(line, what, record_property):
    net, threat = trained(line), THREATS[what]
    cells, labels = right(net, *data(75, seed=1, quiet=0.18, busy=0.24))  # hardly told apart
    true = torch.tensor([smallest(net, *case, threat) for case in zip(cells, labels, strict=True)])
    assert len(true) >= 40
    for name, attack in ATTACKS.items():
        rng = torch.Generator().manual_seed(0)
        adv = attack(Victim(net, chunk=64), cells, Untargeted(labels), threat, rng=rng)
        assert threat.check(cells, adv).ok.all()
        with torch.no_grad():
            fooled = net(adv).argmax(1) != labels
        assert fooled.all() or what == "moves"  # of which no number is enough for some
        cost = torch.where(fooled, threat.cost(cells, adv), torch.inf)
        assert (cost >= true).all()
        for n in (1, 2):
            found, there = int((cost == true)[true == n].sum()), int((true == n).sum())
            print(f"{line}, {what}, {name}: minimum {n} found in {found} of {there}")
            record_property(f"{name} found {n}", f"{found} of {there}")
            assert there >= CASES[what]
        small = true < 3
        assert (cost == true)[small].float().mean() >= (
            LEAST[what] if name == "sparse flip" else 0.95
        )
