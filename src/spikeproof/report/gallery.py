"""The recordings that a report shows: examples with what changed, and learned patterns.

A recording that is missing or damaged costs its picture, not the page; ``notes`` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeproof.errors import SpikeproofError
from spikeproof.events import Difference, Events, compare, read
from spikeproof.report import embed, pictures
from spikeproof.report.words import number, plain
from spikeproof.results.read import inside
from spikeproof.results.records import Attack, Audit, Example


@dataclass(frozen=True)
class Shot:
    """One example, ready for the page: names, pictures (``data:`` addresses), viewer data."""

    attack: str
    title: str
    index: int
    label: str
    clean_prediction: str
    attacked_prediction: str
    caption: str
    changes: str
    colours: tuple[str, ...]
    clean: str
    difference: str
    attacked: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """A learned pattern: from the front and over time."""

    title: str
    caption: str
    front: str
    above: str


def shots(folder: Path, audit: Audit) -> tuple[list[Shot], list[str]]:
    """The examples whose recordings can be read, and notes about the rest."""
    made, notes = [], []
    limit = embed.MAX_EVENTS // max(len(audit.examples), 1)
    for example in audit.examples:
        try:
            clean, changed = _read(folder, example.clean), _read(folder, example.attacked)
            changes = compare(clean, changed, moved=example.moved)
        except SpikeproofError as error:
            notes.append(f"Example left out: {plain(str(error), 200)}")
            continue
        attack = audit.attack(example.attack)
        made.append(_shot(example, attack, clean, changed, changes, limit))
    return made, notes


def patterns(folder: Path, attacks: Sequence[Attack]) -> tuple[list[Pattern], list[str]]:
    """Pictures of the patterns of universal and patch attacks."""
    made, notes = [], []
    for attack in attacks:
        if attack.pattern is None or not attack.measured:
            continue
        try:
            events = _read(folder, attack.pattern)
        except SpikeproofError as error:
            notes.append(f"Pattern left out: {plain(str(error), 200)}")
            continue
        made.append(
            Pattern(
                plain(attack.title),
                f"{number(len(events))} events on {events.width} × {events.height} pixels.",
                pictures.data_uri(pictures.accumulated(events)),
                pictures.data_uri(pictures.passage(events, max(events.width, events.height))),
            )
        )
    return made, notes


def said(changes: Difference) -> str:
    """``21 added, 20 removed``."""
    numbers = {
        "added": len(changes.added),
        "removed": len(changes.removed),
        "moved": len(changes.moved_to),
    }
    words = ", ".join(f"{number(n)} {name}" for name, n in numbers.items() if n)
    return words or "nothing changed"


def _shot(
    example: Example,
    attack: Attack | None,
    clean: Events,
    changed: Events,
    changes: Difference,
    limit: int,
) -> Shot:
    title = plain(attack.title if attack else example.attack)
    packed = embed.pack(clean, changed, changes, limit=limit)
    caption = f"{title}, recording {example.index} ({plain(example.label)}): {said(changes)}"
    if packed.shown < packed.kept:
        caption += (
            f". Shown: {number(packed.shown)} of {number(packed.kept)} unchanged events "
            "and every changed one"
        )
    on, off = pictures.polarities(clean)
    scale = pictures.ink_scale(on + off)
    used = {"added": changes.added, "removed": changes.removed, "moved": changes.moved_to}
    return Shot(
        attack=example.attack,
        title=title,
        index=example.index,
        label=plain(example.label),
        clean_prediction=plain(example.clean_prediction, 24),
        attacked_prediction=plain(example.attacked_prediction, 24),
        caption=plain(example.caption, 200).rstrip("."),
        changes=said(changes),
        colours=tuple(name for name, which in used.items() if len(which)),
        clean=pictures.data_uri(pictures.accumulated(clean, scale=scale)),
        difference=pictures.data_uri(pictures.difference(clean, changed, changes, scale=scale)),
        attacked=pictures.data_uri(pictures.accumulated(changed, scale=scale)),
        data={**packed.data, "caption": caption},
    )


def _read(folder: Path, name: str) -> Events:
    path = inside(folder, name)
    if path is None:
        raise SpikeproofError(f"{name} is not in the audit folder")
    try:
        return read(path)
    except SpikeproofError as error:
        raise SpikeproofError(str(error).replace(f"{folder.resolve()}/", "")) from None
