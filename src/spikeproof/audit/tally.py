"""From the finished parts of an entry to its figures: counting, and nothing but counting.

Parts are read one at a time. Of each row some numbers are kept until the entry is counted; the rows
themselves go into a file of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.audit.columns import Columns, columns, taken
from spikeproof.audit.entry import Entry
from spikeproof.audit.store import Store
from spikeproof.evaluate import proportion, summary
from spikeproof.inputs.subject import Subject
from spikeproof.results import AttackRecord, Proportion, write_rows
from spikeproof.results import records as rec
from spikeproof.results.stage_stats import StageStats, merged

_ROW_FIELDS = {f.name for f in fields(rec.Row)}
_NUMBERS = (
    *("place", "label", "prediction", "success", "valid", "flips", "size", "relative", "added"),
    *("removed", "spikes", "synops", "share", "draw", "target"),
)
_SPENT = ("seconds", "gradients", "forwards")

Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tally:
    """The figures of an entry, and some rows to take examples from."""

    attack: AttackRecord
    shown: tuple[rec.Row, ...] = ()


def tally(
    entry: Entry,
    subject: Subject,
    store: Store,
    parts: Sequence[Tensor],
    clean: Columns,
    most: int,
) -> Tally:
    """The figures of ``entry`` from those of its ``parts`` that are done.

    ``clean`` are the columns of the unchanged recordings; the first ``most`` successes that there
    is a file of are kept as rows to show. An entry that is not finished is marked
    pending.
    """
    done = [len(part) for k, part in enumerate(parts) if f"{entry.id}.{k}" in store]
    prepared = store.get(f"{entry.id}.prepare")
    seen, spent, stages = sum(done), Counter(_spent(prepared)), list[StageStats]()
    stages += _stages(prepared)

    def rows() -> Iterator[list[dict[str, Any]]]:
        for kept in store.parts(entry.id, len(parts)):
            spent.update(_spent(kept))
            stages.extend(_stages(kept))
            yield kept["rows"]

    everything = columns(rows(), _NUMBERS)
    shares = everything.get("share", np.zeros(0))
    widest = float(shares.max()) if len(shares) else None
    counted = everything if widest is None else taken(everything, shares == widest)
    hit = _flags(counted, "success")
    by_itself = entry.family == "input-specific" and not entry.is_control
    costs = taken(counted, hit) if by_itself else counted
    edits = "moved" if entry.id.startswith("retime") else "size" if entry.norm else "flips"
    n, draws = len(hit), len(np.unique(counted.get("draw", np.zeros(1))))
    targets = _per_target(counted, subject.classes)
    shown: list[rec.Row] = []

    def written() -> Iterator[rec.Row]:
        for row in _rows(entry, store, len(parts), widest):
            if row.success and row.recording and len(shown) < most:
                shown.append(row)
            yield row

    attack = AttackRecord(
        id=entry.id,
        title=entry.title,
        family=entry.family,
        is_control=entry.is_control,
        control=entry.control,
        threat=entry.threat,
        what=entry.what,
        status="done" if seen == len(subject) else "pending",
        n=seen,
        success=proportion(int(hit.sum()), n),
        robust_accuracy=_right_per_target(counted, len(subject.classes), seen)
        if "target" in counted
        else proportion(n - int(hit.sum()), draws * seen),
        invalid=int((~_flags(everything, "valid")).sum()),
        norm=entry.norm,
        flips=_summary(costs, "flips") if edits == "flips" else None,
        size=_summary(costs, "size") if edits == "size" else None,
        relative=None if entry.norm in ("linf", "l2") else _summary(costs, "relative"),
        added=_summary(costs, "added") if edits == "flips" else None,
        removed=_summary(costs, "removed") if edits == "flips" else None,
        moved=_summary(costs, "flips") if edits == "moved" else None,
        curve=_curve(everything, seen, entry.norm),
        per_target=targets,
        energy=_energy(counted, clean),
        pattern=_pattern(entry, store, targets, subject.classes),
        seconds=spent["seconds"],
        gradients=spent["gradients"],
        forwards=spent["forwards"],
        stages=merged(stages),
        rows=write_rows(store.folder, f"rows/{entry.id}.jsonl", written()) if n else (),
    )
    return Tally(attack, tuple(shown))


def _spent(kept: dict[str, Any] | None) -> dict[str, Any]:
    return {} if kept is None else {what: kept[what] for what in _SPENT}


def _stages(kept: dict[str, Any] | None) -> list[StageStats]:
    """What the stages of an ensemble did in one finished part."""
    return [StageStats(**stats) for stats in (kept or {}).get("stages", ())]


def _rows(entry: Entry, store: Store, parts: int, share: float | None) -> Iterator[rec.Row]:
    """The rows that are counted; a curve is headed by its last point."""
    for kept in store.parts(entry.id, parts):
        for row in kept["rows"]:
            if row.get("share") == share:
                yield rec.Row(**{k: v for k, v in row.items() if k in _ROW_FIELDS})


def _flags(rows: Columns, name: str) -> Flags:
    return rows.get(name, np.zeros(0)) > 0


def _summary(rows: Columns, name: str) -> rec.Summary:
    return summary(rows.get(name, np.zeros(0)))


def _per_target(rows: Columns, classes: tuple[str, ...]) -> tuple[rec.TargetRecord, ...]:
    """Success by the class that a row aims at."""
    if "target" not in rows:
        return ()
    aimed = [(name, taken(rows, rows["target"] == k)) for k, name in enumerate(classes)]
    return tuple(
        rec.TargetRecord(name, proportion(int(_flags(here, "success").sum()), len(here["target"])))
        for name, here in aimed
        if len(here["target"])
    )


def _right_per_target(rows: Columns, n_classes: int, seen: int) -> Proportion:
    """Accuracy left under a patch, over recordings and target classes."""
    kept = (rows["prediction"] == rows["label"]) | ~_flags(rows, "valid")
    right = len(np.unique(rows["place"]))
    tried = max(n_classes - 1, 1)
    return proportion(int(kept.sum()), len(kept) + (seen - right) * tried)


def _curve(rows: Columns, seen: int, norm: str | None) -> tuple[rec.Point, ...]:
    """Robust accuracy by budget, for entries that set budgets."""
    share, hit = rows.get("share", np.zeros(0)), _flags(rows, "success")
    left = {
        float(one): proportion(int((~hit[share == one]).sum()), seen) for one in np.unique(share)
    }
    if norm is None:
        return tuple(rec.Point(right, relative=at) for at, right in left.items())
    return tuple(rec.Point(right, eps=at) for at, right in left.items())


def _energy(rows: Columns, clean: Columns) -> rec.Energy | None:
    """Work on the clean recordings of the rows against that on the attacked ones."""
    if "synops" not in rows:
        return None
    place = rows["place"].astype(np.int64)

    def pair(what: str) -> rec.Pair | None:
        if what not in rows:
            return None
        return rec.Pair(summary(clean[what][place]), summary(rows[what]))

    return rec.Energy(pair("spikes"), pair("synops"))


def _pattern(
    entry: Entry, store: Store, targets: tuple[rec.TargetRecord, ...], classes: tuple[str, ...]
) -> str | None:
    """The learned pattern to show: of patches, the one that succeeds most often."""
    name = f"recordings/{entry.id}/pattern.npz"
    if targets:
        strongest = max(targets, key=lambda t: t.success.value or 0.0)
        name = f"recordings/{entry.id}/patch-{classes.index(strongest.target)}.npz"
    return name if (store.folder / name).is_file() else None
