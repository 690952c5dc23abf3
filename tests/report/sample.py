"""A made-up audit folder that looks like a real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeproof.events import Events, write

HOSTILE = (
    "</script><img src=x onerror=\"document.title='owned'\">",
    "<!--<script>alert(1)</script>",
    "$x_{$ \\frac{1}",
    "line\nbreak\u2028and \u202e reversed",
    "'\"&amp;<b>",
    "a" * 300,
    "数字七",
    "{{ 7*7 }}",
    "../../etc/passwd",
    "javascript:alert(1)",
)

ATTACKS: list[dict[str, Any]] = [
    {"id": "flip-minimum", "title": "Sparse flip, fewest flips", "family": "input-specific",
     "control": "flip-random", "threat": "Flip(add, remove), any number", "rate": 1.0, "flips": 41,
     "what": "Searches, for each recording, the fewest cells whose flip changes the answer."},
    {"id": "flip-budget", "title": "Sparse flip, fixed budget", "family": "input-specific",
     "control": "flip-random", "threat": "Flip(add, remove), at most 200", "rate": 0.99,
     "flips": 200, "curve": True,
     "what": "Flips the given number of cells that the gradient says matter most."},
    {"id": "flip-random", "title": "Random flips", "family": "input-specific",
     "threat": "Flip(add, remove), at most 200", "rate": 0.03, "flips": 200,
     "what": "Flips as many cells, drawn evenly."},
    {"id": "retime", "title": "Shift events in time", "family": "input-specific",
     "control": "retime-random", "threat": "Move(at most 1 bin)", "rate": 0.78, "flips": 320,
     "moves": True, "what": "Moves events to a neighbouring time bin; none appear or vanish."},
    {"id": "retime-random", "title": "Random shifts in time", "family": "input-specific",
     "threat": "Move(at most 1 bin)", "rate": 0.02, "flips": 320,
     "what": "Moves as many events, drawn evenly."},
    {"id": "universal", "title": "One pattern for all recordings", "family": "universal",
     "control": "universal-random", "threat": "Add(at most 400)", "rate": 0.64, "flips": 400,
     "pattern": True, "what": "One set of added events, learned once, fools unseen recordings."},
    {"id": "universal-random", "title": "Random pattern", "family": "universal",
     "threat": "Add(at most 400)", "rate": 0.05, "flips": 400,
     "what": "One random set of as many added events."},
    {"id": "periodic", "title": "Flickering lamp", "family": "universal",
     "control": "periodic-random", "threat": "Periodic(period 4 bins)", "rate": 0.41,
     "flips": 512, "what": "Cells that blink with a fixed period, as a lamp in the scene would."},
    {"id": "periodic-random", "title": "Random flicker", "family": "universal",
     "threat": "Periodic(period 4 bins)", "rate": 0.06, "flips": 512,
     "what": "The same lamp with a random phase and place."},
    {"id": "patch-fixed", "title": "Patch at a fixed place", "family": "patch",
     "control": "patch-fixed-random", "threat": "Patch(6×6), one place", "rate": 0.88,
     "flips": 260, "pattern": True, "targets": True,
     "what": "A 6×6 pixel sticker, learned once, always at the same place."},
    {"id": "patch-fixed-random", "title": "Random patch at that place", "family": "patch",
     "threat": "Patch(6×6), one place", "rate": 0.08, "flips": 260,
     "what": "A random sticker of the same size and density."},
    {"id": "patch-anywhere", "title": "Patch anywhere", "family": "patch",
     "control": "patch-anywhere-random", "threat": "Patch(6×6), any place", "rate": 0.57,
     "flips": 255, "pattern": True, "targets": True,
     "what": "A sticker that works wherever it is put."},
    {"id": "patch-anywhere-random", "title": "Random patch anywhere", "family": "patch",
     "threat": "Patch(6×6), any place", "rate": 0.07, "flips": 255,
     "what": "A random sticker at a random place."},
]  # fmt: skip


def proportion(k: int, n: int) -> dict[str, Any]:
    if not n:
        return {"k": 0, "n": 0, "value": None, "low": None, "high": None}
    z, p = 1.959964, k / n
    middle, half = p + z * z / 2 / n, z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return {"k": k, "n": n, "value": p, "low": max(0.0, float(low)), "high": min(1.0, float(high))}


def summary(values: Sequence[float]) -> dict[str, Any]:
    if not len(values):
        return {"n": 0} | dict.fromkeys(("mean", "median", "q25", "q75", "low", "high"))
    q25, median, q75 = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    spread = (q75 - q25) / np.sqrt(len(values))
    return {"n": len(values), "mean": float(np.mean(values)), "median": median, "q25": q25,
            "q75": q75, "low": median - spread, "high": median + spread}  # fmt: skip


def blob(rng: np.random.Generator, n: int = 1500, side: int = 34) -> Events:
    """A ring that wanders over the sensor, seen by an event camera."""
    t = np.sort(rng.integers(0, 300_000, n))
    angle, wobble = rng.uniform(0, 2 * np.pi, n), 2.5 * np.sin(t / 45_000)
    x = side / 2 + 8 * np.cos(angle) + wobble + rng.normal(0, 0.6, n)
    y = side / 2 + 9 * np.sin(angle) + np.abs(wobble) + rng.normal(0, 0.6, n)
    p = (np.cos(angle + t / 45_000) > 0).astype(int)
    clip = [np.clip(np.rint(v), 0, side - 1).astype(int) for v in (x, y)]
    return Events(clip[0], clip[1], t, p, side, side)


def perturbed(clean: Events, rng: np.random.Generator, *, add: int, remove: int) -> Events:
    """Some events gone and some new ones near the others, mostly in one burst."""
    keep = np.ones(len(clean), bool)
    keep[rng.choice(len(clean), remove, replace=False)] = False
    near = rng.choice(len(clean), add)
    moved = [np.clip(v[near].astype(int) + rng.integers(-4, 5, add), 0, side - 1)
             for v, side in ((clean.x, clean.width), (clean.y, clean.height))]  # fmt: skip
    t = np.clip(rng.normal(0.45, 0.2, add), 0, 1) * clean.duration + int(clean.t[0])
    columns = [
        np.concatenate((old[keep].astype(int), new.astype(int)))
        for old, new in (
            (clean.x, moved[0]),
            (clean.y, moved[1]),
            (clean.t, t),
            (clean.p, rng.integers(0, 2, add)),
        )
    ]
    return Events.sorted_by_time(*columns, clean.width, clean.height)


def retimed(clean: Events, rng: np.random.Generator, moved: int) -> Events:
    t = clean.t.copy()
    which = rng.choice(len(t), moved, replace=False)
    t[which] = np.clip(t[which] + rng.choice([-18_000, 18_000], moved), t[0], t[-1])
    return Events.sorted_by_time(clean.x, clean.y, t, clean.p, clean.width, clean.height)


def write_audit(
    folder: Path,
    recordings: Sequence[tuple[int, Events]],
    *,
    classes: Sequence[str] = tuple("0123456789"),
    n: int = 100,
    done: int | None = None,
    seed: int = 5,
) -> Path:
    """Write an audit of which the first ``done`` attacks (by default all) have run."""
    rng = np.random.default_rng(seed)
    done = len(ATTACKS) if done is None else done
    right, cells = n - 3, np.round(rng.normal(1950, 240, n))
    attacks = [_attack(a, k < done, right, n, rng, classes) for k, a in enumerate(ATTACKS)]
    examples = _examples(folder, recordings, classes, done, rng)
    for attack in attacks:
        if attack["pattern"]:
            burst = perturbed(recordings[0][1], rng, add=300, remove=0)
            write_file(folder / attack["pattern"], _only_new(recordings[0][1], burst, attack["id"]))
    results = {
        "schema": "spikeproof/audit/2", "spikeproof": "0.1.0",
        "created": "2026-11-20T09:12:44+00:00", "updated": "2026-11-20T10:02:10+00:00",
        "complete": done == len(ATTACKS), "seed": 20261120,
        "command": "spikeproof audit --model victim.safetensors --data nmnist --recordings 100 "
                   "--seed 20261120 --out audit",
        "environment": {"python": "3.11.9", "torch": "2.6.0", "device": "cpu", "threads": "2",
                        "cpu": "AMD EPYC 7B13"},
        "model": {"name": "conv-lif", "architecture": "2C3-12C5-AP2-64C5-AP2-10, LIF",
                  "kind": "spiking", "parameters": 38_412, "file": "victim.safetensors",
                  "sha256": "9f2b" * 16, "trained_on": "N-MNIST, 800 recordings"},
        "data": {"name": "N-MNIST", "split": "held out, seed 1", "classes": list(classes),
                 "recordings": n, "learn_recordings": 100,
                 "grid": {"bins": 16, "window_us": 300_000, "height": 34, "width": 34},
                 "active_cells": summary(cells), "events": summary(cells * 2.1)},
        "clean": {"accuracy": proportion(right, n), "spikes": summary(rng.normal(15e3, 900, n)),
                  "synops": summary(rng.normal(2.4e6, 1.5e5, n)),
                  "operations": operations(np.random.default_rng(seed), n)},
        "attacks": attacks, "examples": examples,
        "caveats": [
            {"title": "Control wins", "level": "warning",
             "detail": "“Flickering lamp” was beaten by its random control on class 1."},
            {"title": "Few recordings", "level": "note",
             "detail": "With 100 recordings, 95 % intervals are up to 20 points wide."},
        ],
        "timing": [{"stage": a["title"], "seconds": a["seconds"]} for a in attacks[:done]],
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def operations(rng: np.random.Generator, n: int) -> dict[str, Any]:
    """A network of 4 608 neurons in 16 steps; average pooling before the second layer."""
    acs, macs = rng.normal(6e5, 4e4, n), rng.normal(1.8e6, 1.2e5, n)
    dense = 3.3e7
    return {
        "neurons": 4608, "updates": 16 * 4608, "steps": 16, "unit": "steps",
        "spikes_per_neuron": summary(rng.normal(3.2, 0.2, n)),
        "acs": summary(acs), "macs": summary(macs), "dense_macs": dense,
        "decided": summary(rng.integers(2, 9, n).astype(float)), "uncounted": [],
        "estimates": [
            {"costs": "32-bit floating point", "source": "Horowitz, ISSCC 2014, 45 nm, 0.9 V",
             "ac_pj": 0.9, "mac_pj": 4.6, "dense_nj": dense * 4.6e-3,
             "energy_nj": summary(acs * 0.9e-3 + macs * 4.6e-3)},
            {"costs": "Loihi", "source": "Davies et al., IEEE Micro 38(1), 2018", "ac_pj": 23.6},
        ],
    }  # fmt: skip


def write_file(path: Path, events: Events) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, events)


def _only_new(clean: Events, burst: Events, name: str) -> Events:
    new = ~np.isin(burst.t, clean.t)
    x, y = burst.x[new].astype(int), burst.y[new].astype(int)
    if "patch" in name:
        x, y = 4 + x % 6, 22 + y % 6
    return Events(x, y, burst.t[new], burst.p[new], clean.width, clean.height)


def _attack(
    spec: dict[str, Any], done: bool, right: int, n: int, rng: np.random.Generator,
    classes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    k = round(spec["rate"] * right) if done else 0
    minimum = spec["id"] in ("flip-minimum", "retime")
    flips = spec["flips"] * (rng.lognormal(0, 0.75, k) if minimum else np.ones(k))
    flips = np.maximum(1, np.rint(flips)).astype(int)
    rows = [
        {"index": i, "label": i % 10, "clean": i % 10, "prediction": (i + 3) % 10 if i < k else
         i % 10, "success": i < k, "valid": True, "flips": int(flips[i]) if i < k else 0,
         "relative": float(flips[i]) / 1950 if i < k else 0.0, "recording": None}
        for i in range(right if done else 0)
    ]  # fmt: skip
    curve = []
    for budget in (1, 2, 5, 10, 20, 50, 100, 200) if done and spec.get("curve") else ():
        fooled = right / (1 + (38 / budget) ** 2.1)
        curve.append({
            "budget": budget, "relative": budget / 1950,
            "robust_accuracy": proportion(round(right - fooled), n),
            "control": proportion(round(right - 0.014 * budget), n),
        })  # fmt: skip
    targets = [
        {"target": c, "success": proportion(int(rng.binomial(87, spec["rate"])), 87),
         "control": proportion(int(rng.binomial(87, 0.06)), 87)}
        for c in (classes if done and spec.get("targets") else ())
    ]  # fmt: skip
    clean, ops = rng.normal(15e3, 900, right), rng.normal(2.4e6, 1.5e5, right)
    more = 1 + spec["flips"] / 4000
    energy = {
        "spikes": {"clean": summary(clean), "attacked": summary(clean * more)},
        "synops": {"clean": summary(ops), "attacked": summary(ops * more**1.3)},
    }
    moves = spec.get("moves", False)
    return {
        **{key: spec[key] for key in ("id", "title", "family", "threat", "what")},
        "is_control": spec["id"].endswith("random"), "control": spec.get("control"),
        "status": "done" if done else "pending", "n": n if done else 0,
        "success": proportion(k, right if done else 0),
        "robust_accuracy": proportion(right - k, n if done else 0), "invalid": 0,
        "flips": summary(flips), "relative": summary(flips / 1950),
        "added": None if moves else summary(flips // 2),
        "removed": None if moves else summary(flips - flips // 2),
        "moved": summary(flips) if moves else None, "curve": curve, "per_target": targets,
        "energy": energy if done and not spec["id"].endswith("random") else None,
        "pattern": f"recordings/{spec['id']}/pattern.npz" if done and spec.get("pattern") else None,
        "seconds": float(rng.uniform(5, 700)) if done else 0.0, "gradients": 12_000 * done,
        "forwards": 15_000 * done, "rows": rows, "stages": _stages(k) if minimum and done else [],
    }  # fmt: skip


def _stages(fooled: int) -> list[dict[str, Any]]:
    """An ensemble of which the last part had nothing to do."""
    common = {"attempted": fooled, "succeeded": fooled, "seconds": 12.5, "forwards": 900}
    return [
        {"name": "gradients", "kind": "white-box", "first_successes": fooled, "mean_cost": 44.4,
         "gradients": 2084, **common},
        {"name": "walk", "kind": "refinement", "improved": fooled // 2, "mean_cost": 38.0,
         **common},
        {"name": "restart", "kind": "white-box"},
    ]  # fmt: skip


def _examples(
    folder: Path, recordings: Sequence[tuple[int, Events]], classes: Sequence[str], done: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:  # fmt: skip
    examples = []
    shown = [k for k in (0, 0, 0, 3, 3, 5, 9, 11) if k < done]
    for index, (k, (label, clean)) in enumerate(zip(shown, recordings, strict=False)):
        attack = ATTACKS[k]["id"]
        changes = int(rng.integers(20, 60))
        changed = (
            retimed(clean, rng, 4 * changes)
            if attack == "retime"
            else perturbed(clean, rng, add=changes, remove=changes // 2 if k == 0 else 0)
        )
        names = (f"recordings/clean/{index}.npz", f"recordings/{attack}/{index}.npz")
        for name, events in zip(names, (clean, changed), strict=True):
            write_file(folder / name, events)
        examples.append({
            "attack": attack, "index": index, "label": classes[label],
            "clean_prediction": classes[label], "attacked_prediction": classes[(label + 3) % 10],
            "clean": names[0], "attacked": names[1], "moved": attack == "retime",
            "caption": "",
        })  # fmt: skip
    return examples
