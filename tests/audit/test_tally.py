"""An entry's figures are those of its rows, read part by part."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spikeproof.audit.entry import Entry
from spikeproof.audit.store import Store
from spikeproof.audit.tally import tally

PARTS = torch.split(torch.arange(6), 4)
CLEAN = {"synops": np.arange(6.0)}
SPENT = {"seconds": 0.5, "gradients": 3, "forwards": 4}


class Subject(SimpleNamespace):
    def __len__(self):
        return 6


SUBJECT = Subject(classes=("a", "b", "c"))


def row(place, success=True, flips=2, **more):
    return {
        "index": 10 + place, "place": place, "label": 0, "clean": 0, "prediction": int(success),
        "success": success, "valid": True, "why": "", "flips": flips, "relative": flips / 10,
        "added": flips, "removed": 0, "recording": None, **more,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.work.mkdir()
    return store


def entry(**more):
    return Entry("a", "A", "what", "threat", "input-specific", lambda *_: [], **more)


def keep(store, *parts):
    for k, rows in enumerate(parts):
        store.put(f"a.{k}", {**SPENT, "rows": rows})


def test_an_unfinished_entry_counts_what_it_has(store):
    keep(store, [row(0), row(1, False), row(3, flips=4)])
    store.put("a.prepare", SPENT)
    attack = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert (attack.status, attack.n) == ("pending", 4)
    assert (attack.success.k, attack.success.n) == (2, 3)
    assert (attack.robust_accuracy.k, attack.robust_accuracy.n) == (1, 4)
    assert attack.flips.mean == 3.0  # of the successes
    assert (attack.seconds, attack.gradients, attack.forwards) == (1.0, 6, 8)
    assert [r.index for r in attack.rows] == [10, 11, 13]


def test_nothing_at_all(store):
    attack = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert (attack.status, attack.success.n, attack.flips.n, attack.rows) == ("pending", 0, 0, ())


def test_a_part_without_rows_is_done_all_the_same(store):
    keep(store, [], [row(4, synops=10), row(5, synops=20)])
    attack = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert (attack.status, attack.n, attack.success.n) == ("done", 6, 2)
    assert (attack.energy.synops.clean.mean, attack.energy.synops.attacked.mean) == (4.5, 15.0)
    assert attack.energy.spikes is None


def test_a_curve_is_headed_by_its_widest_budget(store):
    keep(
        store,
        [row(i, i < 1, share=0.1) for i in range(4)] + [row(i, i < 3, share=0.3) for i in range(4)],
        [row(4, False, share=0.1), row(4, False, valid=False, share=0.3)],
    )
    attack = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert [(p.relative, p.robust_accuracy.k) for p in attack.curve] == [(0.1, 4), (0.3, 2)]
    assert (attack.success.k, attack.success.n, attack.invalid) == (3, 5, 1)
    assert [r.index for r in attack.rows] == [10, 11, 12, 13, 14]


def test_draws_and_targets(store):
    keep(store, [row(0, draw=0), row(0, False, draw=1)], [])
    attack = tally(entry(is_control=True), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert (attack.robust_accuracy.k, attack.robust_accuracy.n) == (1, 12)
    keep(store, [row(0, target=1), row(0, False, target=2), row(1, False, target=1)], [])
    attack = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2).attack
    assert [(t.target, t.success.k, t.success.n) for t in attack.per_target] == [
        ("b", 1, 2),
        ("c", 0, 1),
    ]
    assert (attack.robust_accuracy.k, attack.robust_accuracy.n) == (2, 3 + 4 * 2)


def test_some_rows_are_kept_to_be_shown(store):
    keep(store, [row(i, i != 1, recording=f"{i}.npz" if i != 2 else None) for i in range(6)], [])
    kept = tally(entry(), SUBJECT, store, PARTS, CLEAN, 2)
    assert [r.index for r in kept.shown] == [10, 13]
    assert len(list(kept.attack.rows)) == 6
