from __future__ import annotations

import torch

from spikeproof.attacks.ensemble.surrogate_choice import CANDIDATES, choose_surrogate
from spikeproof.goals import Untargeted
from spikeproof.models import ArcTan, FastSigmoid, PiecewiseQuadratic
from spikeproof.threats import Flip


def test_the_best_of_the_table_is_taken(victims):
    net, x, labels, _, _ = victims["spiking"]
    before = [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]
    some = (None, ArcTan(4.0), FastSigmoid(4.0), PiecewiseQuadratic(0.5))
    chosen, table = choose_surrogate(net, x, Untargeted(labels), Flip(), candidates=some, steps=6)
    assert tuple(t.surrogate for t in table) == some
    best = max(t.successes for t in table)
    least = min(t.edits for t in table if t.successes == best)
    assert next(t for t in table if t.surrogate == chosen).edits == least
    assert all(t.recordings == len(x) and t.gradients >= len(x) for t in table)
    assert len({t.edits for t in table}) > 1
    again = choose_surrogate(net, x, Untargeted(labels), Flip(), candidates=some, steps=6)
    assert again == (chosen, table)
    assert [m.surrogate for m in net.modules() if hasattr(m, "surrogate")] == before


def test_a_blind_surrogate_loses(victims):
    net, x, labels, _, _ = victims["spiking"]
    blind, sharp = PiecewiseQuadratic(1e-6), ArcTan(4.0)  # so narrow that it sees no spike
    chosen, (first, second) = choose_surrogate(
        net, x, Untargeted(labels), Flip(4), candidates=(blind, sharp), steps=8
    )
    assert chosen == sharp
    assert first.successes < second.successes


def test_without_neurons_nothing_is_tried(victims):
    net, x, labels, _, _ = victims["twin"]
    assert choose_surrogate(net, x, Untargeted(labels), Flip()) == (None, ())
    assert choose_surrogate(lambda y: net(y), x, Untargeted(labels), Flip()) == (None, ())
    spiking = victims["spiking"][0]
    assert choose_surrogate(spiking, x[:0], Untargeted(labels[:0]), Flip()) == (None, ())


def test_where_nothing_falls_the_first_is_taken(victims):
    net, x, labels, _, _ = victims["spiking"]
    some = (FastSigmoid(4.0), ArcTan(2.0))
    chosen, table = choose_surrogate(net, x, Untargeted(labels), Flip(0), candidates=some, steps=2)
    assert chosen == some[0]
    assert [(t.successes, t.edits) for t in table] == [(0, None)] * 2


def test_the_table_says_what_was_tried(victims):
    net, x, labels, _, _ = victims["spiking"]
    _, table = choose_surrogate(
        net, x[:2], Untargeted(labels[:2]), Flip(), candidates=(None, ArcTan(2.0)), steps=3
    )
    assert table[0].surrogate is None
    assert table[1].surrogate == ArcTan(2.0)
    assert table[1].recordings == 2
    assert (table[1].edits is None) == (table[1].successes == 0)
    assert None in CANDIDATES
    assert torch.tensor([c is None for c in CANDIDATES]).sum() == 1
