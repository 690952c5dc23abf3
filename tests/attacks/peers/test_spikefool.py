"""SpikeFool: its solver against the coordinate-by-coordinate one, and its way on a plane."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.attacks.peers import SpikeFool
from spikeproof.attacks.peers.single_cell import turned, worth
from spikeproof.attacks.peers.spikefool import _first
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip


def by_coordinates(x, normal, point):
    """The paper's solver: one coordinate moves until the plane is crossed; then all is rounded."""
    at, left = x.clone(), normal.clone()
    while float((normal * (at - point)).sum()) < 0 and left.any():
        i = int(left.abs().argmax())
        lacking = abs(float((normal * (at - point)).sum())) + 0.001
        needed = lacking / abs(float(left[i]))
        at[i] = (at[i] + max(needed, 1e-4) * float(left[i].sign())).clamp(0, 1)
        left[i] = 0
    return torch.where((at == 0) | (at == 1), at, 1 - x)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_the_solver_is_the_papers(seed, share):
    rng = torch.Generator().manual_seed(seed)
    x = (torch.rand(1, 2, 2, 3, 3, generator=rng) < 0.4).double()
    normal = torch.randn(x.shape, generator=rng, dtype=torch.float64)
    gain = worth(x, x, normal).clamp(min=0)
    far = gain.flatten(1).sum(1) * share
    point = x + normal * far / normal.square().sum()  # so far along the normal
    expected = by_coordinates(x.flatten(), normal.flatten(), point.flatten())
    assert torch.equal(turned(x, x, _first(gain, far)).flatten(), expected)


def test_on_a_plane_the_largest_weights_are_flipped():
    """Of a linear model the boundary is known: weights 4, 3, 2, 1 in empty cells, bias 5."""
    weight = torch.tensor([4.0, 3.0, 2.0, 1.0]).view(1, 1, 2, 2)

    def linear(x):
        pull = (x * weight).flatten(1).sum(1) - 5
        return torch.stack([-pull, pull], 1)

    x = torch.zeros(1, 1, 1, 2, 2)
    goal = Untargeted(torch.tensor([0]))
    adv = SpikeFool(stretch=1.01)(Victim(linear), x, goal, Flip(), rng=torch.Generator())
    assert adv.flatten().tolist() == [1, 1, 0, 0]
    fewer = SpikeFool(stretch=1.01)(Victim(linear), x, goal, Flip(1), rng=torch.Generator())
    assert fewer.flatten().tolist() == [1, 0, 0, 0]


def test_a_larger_lambda_flips_more(victims):
    net, x, labels, _, _ = victims["spiking"]
    costs = []
    for stretch in (1.0, 3.0):
        adv = SpikeFool(stretch)(Victim(net), x, Untargeted(labels), Flip(), rng=torch.Generator())
        costs.append(Flip().cost(x, adv).mean())
    assert costs[0] < costs[1]


def test_a_model_without_a_gradient_is_left_alone():
    x = torch.zeros(2, 2, 2, 4, 4)
    flat = Victim(lambda x: torch.tensor([[1.0, 0.0]]) + 0 * x.flatten(1).sum(1, keepdim=True))
    goal = Untargeted(torch.zeros(2, dtype=torch.long))
    assert torch.equal(SpikeFool()(flat, x, goal, Flip(), rng=torch.Generator()), x)
