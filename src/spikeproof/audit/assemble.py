"""From the finished parts to ``results.json``: counting, and nothing but counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import spikeproof
from spikeproof.audit import doubts
from spikeproof.audit.entry import Entry
from spikeproof.audit.settings import Settings
from spikeproof.audit.store import Store
from spikeproof.audit.subject import Subject
from spikeproof.evaluate import proportion, summary
from spikeproof.results import SCHEMA, Attack, Audit
from spikeproof.results import records as rec

Row = dict[str, Any]
_ROW_FIELDS = {f.name for f in fields(rec.Row)}


def assemble(
    subject: Subject,
    settings: Settings,
    store: Store,
    entries: Sequence[Entry],
    parts: int,
    clean: dict[str, Any],
    head: dict[str, Any],
) -> Audit:
    """The results of all parts in ``store``; unfinished entries are marked pending."""
    right = sum(
        r["prediction"] == label
        for r, label in zip(clean["rows"], subject.labels.tolist(), strict=True)
    )
    attacks: dict[str, Attack] = {}
    timing = [rec.Stage("clean recordings", clean["seconds"])]
    for entry in entries:
        kept = [store.get(f"{entry.id}.{k}") for k in range(parts)]
        done = [part for part in kept if part is not None]
        prepared = store.get(f"{entry.id}.prepare")
        spent = done + ([prepared] if prepared else [])
        rows = [row for part in done for row in part["rows"]]
        seen = len(subject) if len(done) == parts else min(len(subject), len(done) * settings.part)
        attacks[entry.id] = _attack(
            entry,
            rows,
            clean["rows"],
            seen,
            len(subject.classes),
            len(done) == parts,
            spent,
            subject,
            store.folder,
        )
        timing.append(rec.Stage(entry.title, sum(s["seconds"] for s in spent)))
    for name, attack in attacks.items():
        attacks[name] = _with_control(attack, attacks.get(attack.control or ""))
    accuracy = proportion(right, len(subject))
    about = subject.about
    tried = store.get("surrogate") or {"name": "", "trials": []}
    trials = tuple(_trial(t) for t in tried["trials"])
    grid = subject.grid
    return Audit(
        schema=SCHEMA,
        spikeproof=spikeproof.__version__,
        seed=settings.seed,
        model=rec.Victim(
            name=about["name"],
            architecture=about.get("architecture", ""),
            kind=about.get("kind", "spiking"),
            parameters=about.get("parameters", 0),
            file=about.get("file", ""),
            sha256=about.get("sha256", ""),
            trained_on=about.get("data"),
            framework=about.get("framework", ""),
            assumptions=tuple(about.get("assumptions", ())),
            surrogate=tried["name"],
        ),
        data=rec.Data(
            name=subject.data.name,
            grid=rec.Grid(grid.bins, grid.window, grid.height, grid.width),
            split=subject.data.split,
            classes=subject.classes,
            recordings=len(subject),
            learn_recordings=len(subject.learn_labels),
            active_cells=summary([r["active"] for r in clean["rows"]]),
            events=summary([r["events"] for r in clean["rows"]]),
        ),
        clean=rec.Clean(accuracy, *_effort(clean["rows"])),
        attacks=tuple(attacks.values()),
        doubts=doubts.find(subject, attacks, accuracy, trials),
        checks=tuple(rec.Check(c.name, c.ok, c.detail, c.title) for c in subject.checks),
        trials=trials,
        examples=_examples(subject, attacks, clean["rows"], settings.examples),
        timing=tuple(timing),
        **head,
    )


def _trial(tried: dict[str, Any]) -> rec.Trial:
    return rec.Trial(tried["surrogate"], proportion(tried["fooled"], tried["of"]), tried["edits"])


def _effort(rows: list[Row]) -> tuple[rec.Summary | None, rec.Summary | None]:
    spikes, synops = (
        summary([r[what] for r in rows]) if rows and what in rows[0] else None
        for what in ("spikes", "synops")
    )
    return spikes, synops


def _attack(
    entry: Entry,
    rows: list[Row],
    clean: list[Row],
    seen: int,
    n_classes: int,
    complete: bool,
    spent: list[dict[str, Any]],
    subject: Subject,
    folder: Path,
) -> Attack:
    widest = max((r["share"] for r in rows if "share" in r), default=None)
    counted = [r for r in rows if r.get("share") == widest]  # a curve is headed by its last point
    hits = [r for r in counted if r["success"]]
    costs = hits if entry.family == "input-specific" and not entry.is_control else counted
    retime = entry.id.startswith("retime")
    draws = len({r.get("draw") for r in counted}) or 1
    targeted = any("target" in r for r in counted)
    targets = _per_target(counted, subject.classes) if targeted else ()
    left = len(counted) - len(hits)
    return Attack(
        id=entry.id,
        title=entry.title,
        family=entry.family,
        is_control=entry.is_control,
        control=entry.control,
        threat=entry.threat,
        what=entry.what,
        status="done" if complete else "pending",
        n=seen,
        success=proportion(len(hits), len(counted)),
        robust_accuracy=_fooled_per_target(counted, n_classes, seen)
        if targeted
        else proportion(left, draws * seen),
        invalid=sum(not r["valid"] for r in rows),
        flips=None if retime else summary([r["flips"] for r in costs]),
        relative=summary([r["relative"] for r in costs]),
        added=None if retime else summary([r["added"] for r in costs]),
        removed=None if retime else summary([r["removed"] for r in costs]),
        moved=summary([r["flips"] for r in costs]) if retime else None,
        curve=_curve(rows, seen),
        per_target=targets,
        energy=_energy(counted, clean),
        pattern=_pattern(entry, folder, targets, subject.classes),
        seconds=sum(s["seconds"] for s in spent),
        gradients=sum(s["gradients"] for s in spent),
        forwards=sum(s["forwards"] for s in spent),
        rows=tuple(rec.Row(**{k: v for k, v in r.items() if k in _ROW_FIELDS}) for r in counted),
    )


def _pattern(
    entry: Entry, folder: Path, targets: tuple[rec.Target, ...], classes: tuple[str, ...]
) -> str | None:
    """The learned pattern to show: of patches, the one that succeeds most often."""
    name = f"recordings/{entry.id}/pattern.npz"
    if targets:
        strongest = max(targets, key=lambda t: t.success.value or 0.0)
        name = f"recordings/{entry.id}/patch-{classes.index(strongest.target)}.npz"
    return name if (folder / name).is_file() else None


def _fooled_per_target(rows: list[Row], n_classes: int, seen: int) -> rec.Proportion:
    """Accuracy left under a patch, over recordings and target classes."""
    kept = sum(r["prediction"] == r["label"] or not r["valid"] for r in rows)
    right = len({r["place"] for r in rows})
    tried = max(n_classes - 1, 1)
    return proportion(kept, len(rows) + (seen - right) * tried)


def _per_target(rows: list[Row], classes: tuple[str, ...]) -> tuple[rec.Target, ...]:
    return tuple(
        rec.Target(name, _share(r for r in rows if r["target"] == k))
        for k, name in enumerate(classes)
        if any(r["target"] == k for r in rows)
    )


def _share(rows: Any) -> rec.Proportion:
    kept = list(rows)
    return proportion(sum(r["success"] for r in kept), len(kept))


def _curve(rows: list[Row], seen: int) -> tuple[rec.Point, ...]:
    """Robust accuracy by budget, for entries that set budgets."""
    shares = sorted({r["share"] for r in rows if "share" in r})
    points = []
    for share in shares:
        here = [r for r in rows if r["share"] == share]
        standing = sum(not r["success"] for r in here)
        points.append(rec.Point(proportion(standing, seen), None, share))
    return tuple(points)


def _energy(rows: list[Row], clean: list[Row]) -> rec.Energy | None:
    if not rows or "synops" not in rows[0]:
        return None
    before = [clean[r["place"]] for r in rows]

    def pair(what: str) -> rec.Pair | None:
        if what not in rows[0]:
            return None
        return rec.Pair(summary([r[what] for r in before]), summary([r[what] for r in rows]))

    return rec.Energy(pair("spikes"), pair("synops"))


def _with_control(attack: Attack, control: Attack | None) -> Attack:
    """``attack`` with its control's figures at each budget and target."""
    if control is None:
        return attack
    by_share = {p.relative: p.robust_accuracy for p in control.curve}
    by_target = {t.target: t.success for t in control.per_target}
    curve = tuple(replace(p, control=by_share.get(p.relative)) for p in attack.curve)
    targets = tuple(replace(t, control=by_target.get(t.target)) for t in attack.per_target)
    return replace(attack, curve=curve, per_target=targets)


def _examples(
    subject: Subject, attacks: dict[str, Attack], clean: list[Row], most: int
) -> tuple[rec.Example, ...]:
    """Successful recordings to look at: turns between the attacks, another recording each time."""
    order = [
        "flip-minimum",
        "retime",
        *(a for a in attacks if a.startswith("universal")),
        "periodic",
        "patch-fixed",
        "patch-anywhere",
    ]
    pools = [
        [r for r in attacks[name].rows if r.success and r.recording] if name in attacks else []
        for name in order
    ]
    by_index = {int(subject.index[i]): r for i, r in enumerate(clean)}
    shown: list[rec.Example] = []
    used: set[int] = set()
    names = subject.classes
    while len(shown) < most and any(pools):
        for name, pool in zip(order, pools, strict=True):
            row = next((r for r in pool if r.index not in used), pool[0] if pool else None)
            if row is None or len(shown) == most:
                continue
            pool.remove(row)
            used.add(row.index)
            shown.append(
                rec.Example(
                    attack=name,
                    index=row.index,
                    label=_named(names, row.label),
                    clean_prediction=_named(names, by_index[row.index]["prediction"]),
                    attacked_prediction=_named(names, row.prediction),
                    clean=f"recordings/clean/{row.index}.npz",
                    attacked=row.recording or "",
                    moved=name == "retime",
                )
            )
    return tuple(shown)


def _named(names: tuple[str, ...], k: int) -> str:
    """The class ``k``, also of a model with more outputs than the data have labels."""
    return names[k] if k < len(names) else f"class {k}"
