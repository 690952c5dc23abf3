from __future__ import annotations

import base64
import json

import numpy as np

from spikeproof.events import Events, compare
from spikeproof.report import embed

from .sample import HOSTILE, blob, perturbed, retimed


def column(data: dict, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data[name]), dtype)


def unpacked(data: dict) -> np.ndarray:
    names = (("t", "<u4"), ("x", "<u2"), ("y", "<u2"), ("layer", "<u1"))
    return np.stack([column(data, n, d).astype(int) for n, d in names], axis=1)


def test_every_event_of_both_recordings_is_there():
    rng = np.random.default_rng(1)
    clean = blob(rng)
    changed = perturbed(clean, rng, add=30, remove=20)
    changes = compare(clean, changed)
    packed = embed.pack(clean, changed, changes, limit=10**6)
    rows = unpacked(packed.data)
    assert len(rows) == len(changed) + len(changes.removed)
    assert (np.diff(rows[:, 0]) >= 0).all()
    start = min(clean.t[0], changed.t[0])
    assert rows[:, 0].min() == 0
    assert packed.data["duration"] == max(clean.t[-1], changed.t[-1]) - start

    attacked = rows[rows[:, 3] != embed.REMOVED]
    wanted = np.stack([changed.t - start, changed.x, changed.y], axis=1)
    assert sorted(map(tuple, attacked[:, :3])) == sorted(map(tuple, wanted))
    kept = rows[rows[:, 3] <= embed.KEPT_ON]
    assert kept[:, 3].sum() == changed.p[changes.kept].sum()
    counts = packed.data["counts"]
    assert (counts["added"], counts["removed"]) == (len(changes.added), len(changes.removed))
    assert sum(counts.values()) == len(rows)


def test_moved_events_know_where_they_came_from():
    rng = np.random.default_rng(2)
    clean = blob(rng, 300)
    changed = retimed(clean, rng, 40)
    changes = compare(clean, changed, moved=True)
    data = embed.pack(clean, changed, changes, limit=10**6).data
    rows, came = unpacked(data), column(data, "from", "<u4")
    moved = rows[rows[:, 3] == embed.MOVED]
    start = min(clean.t[0], changed.t[0])
    pairs = {
        (int(changed.t[b] - start), int(changed.x[b]), int(changed.y[b]), int(clean.t[a] - start))
        for a, b in zip(changes.moved_from, changes.moved_to, strict=True)
    }
    assert {(*row[:3], int(c)) for row, c in zip(moved.tolist(), came, strict=True)} == pairs


def test_thinning_is_counted_and_spares_every_change():
    rng = np.random.default_rng(3)
    clean = blob(rng, 2000)
    changed = perturbed(clean, rng, add=50, remove=50)
    changes = compare(clean, changed)
    packed = embed.pack(clean, changed, changes, limit=100)
    layers = unpacked(packed.data)[:, 3]
    assert packed.kept == len(changes.kept)
    assert packed.shown == (layers <= embed.KEPT_ON).sum() <= 100
    assert (layers == embed.ADDED).sum() == len(changes.added)
    assert (layers == embed.REMOVED).sum() == len(changes.removed)
    assert packed.data["counts"]["on"] + packed.data["counts"]["off"] == packed.kept


def test_empty_recordings():
    none = Events.empty(5, 5)
    data = embed.pack(none, none, compare(none, none), limit=10).data
    assert data["duration"] == 0
    assert data["t"] == ""


def test_json_cannot_leave_its_script_element():
    text = str(embed.script_json({"names": HOSTILE}))
    assert json.loads(text)["names"] == list(HOSTILE)
    assert not set(text) & set("<>&\u2028\u2029")
