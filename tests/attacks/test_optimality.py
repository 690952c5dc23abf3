"""Does sparse flip find the true minimum? On grids small enough to know it by trying everything."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Mislead
from spikeproof.threats import Flip

from .toy import BINS, SIZE, data, right, trained

CELLS = BINS * 2 * SIZE * SIZE
SINGLES = torch.arange(CELLS).view(-1, 1)
PAIRS = torch.combinations(torch.arange(CELLS), 2)


def smallest(net, x, label, known):
    """Fewest flips of ``x`` that change the answer, if that is below 3; ``known`` flips do."""
    flat = x.flatten()
    for size, sets in ((1, SINGLES), (2, PAIRS)):
        if size == known:
            break  # it is reached by as many, and not by fewer
        for some in sets.split(4096):
            trial = flat.repeat(len(some), 1).scatter_(1, some, 1 - flat[some])
            with torch.no_grad():
                answers = net(trial.view(-1, BINS, 2, SIZE, SIZE)).argmax(1)
            if (answers != label).any():
                return size
    return known


@pytest.mark.parametrize("line", ["4c3-bn-fc3", "3c3-p2-fc3"])
def test_sparse_flip_finds_true_minima(line, record_property):
    net = trained(line)
    cells, labels = right(net, *data(75, seed=1, quiet=0.18, busy=0.24))  # hardly told apart
    rng = torch.Generator().manual_seed(0)
    adv = SparseFlip()(Victim(net, chunk=64), cells, Mislead(labels), Flip(), rng=rng)
    with torch.no_grad():
        assert (net(adv).argmax(1) != labels).all()
    found = Flip().cost(cells, adv).int().tolist()
    true = [smallest(net, *case) for case in zip(cells, labels, found, strict=True)]
    assert len(true) >= 40
    hits = {n: [f == n for f, t in zip(found, true, strict=True) if t == n] for n in (1, 2)}
    for n, of in hits.items():
        print(f"{line}: minimum {n} found in {sum(of)} of {len(of)}")
        record_property(f"found {n}", f"{sum(of)} of {len(of)}")
        assert len(of) >= 8  # enough cases of both kinds
    both = hits[1] + hits[2]
    assert sum(both) >= 0.9 * len(both)
