"""The recordings or images that a report shows: examples with what changed, learned patterns.

A file that is missing or damaged costs its picture, not the page; ``notes`` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spikeproof.errors import SpikeproofError
from spikeproof.events import Difference, Events, compare, read
from spikeproof.report import embed, intensities, pictures
from spikeproof.report.words import amount, number, plain
from spikeproof.results.read import inside
from spikeproof.results.records import AttackRecord, Audit, Example


@dataclass(frozen=True)
class Shot:
    """One example, ready for the page: names, pictures (``data:`` addresses), viewer data.

    Of an image there are none for the viewer, as nothing happens in it.
    """

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
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PatternPicture:
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
        attack = audit.attack(example.attack)
        try:
            if audit.data.images is None:
                made.append(_of_events(folder, example, attack, limit))
            else:
                made.append(_of_images(folder, example, attack))
        except SpikeproofError as error:
            notes.append(f"Example left out: {plain(str(error), 200)}")
    return made, notes


def patterns(
    folder: Path, attacks: Sequence[AttackRecord]
) -> tuple[list[PatternPicture], list[str]]:
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
            PatternPicture(
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


def _of_events(folder: Path, example: Example, attack: AttackRecord | None, limit: int) -> Shot:
    clean, changed = _read(folder, example.clean), _read(folder, example.attacked)
    changes = compare(clean, changed, moved=example.moved)
    packed = embed.pack(clean, changed, changes, limit=limit)
    title = plain(attack.title if attack else example.attack)
    caption = f"{title}, recording {example.index} ({plain(example.label)}): {said(changes)}"
    if packed.shown < packed.kept:
        caption += (
            f". Shown: {number(packed.shown)} of {number(packed.kept)} unchanged events "
            "and every changed one"
        )
    on, off = pictures.polarities(clean)
    scale = pictures.ink_scale(on + off)
    used = {"added": changes.added, "removed": changes.removed, "moved": changes.moved_to}
    shot = _shot(
        example,
        attack,
        said(changes),
        tuple(name for name, which in used.items() if len(which)),
        (
            pictures.data_uri(pictures.accumulated(clean, scale=scale)),
            pictures.data_uri(pictures.difference(clean, changed, changes, scale=scale)),
            pictures.data_uri(pictures.accumulated(changed, scale=scale)),
        ),
    )
    return replace(shot, data={**packed.data, "caption": caption})


def _of_images(folder: Path, example: Example, attack: AttackRecord | None) -> Shot:
    clean, changed = (
        intensities.read_image(_path(folder, name)) for name in (example.clean, example.attacked)
    )
    if clean.shape != changed.shape:
        raise SpikeproofError(f"{example.attacked} has another size than {example.clean}")
    norm = None if attack is None else attack.norm
    moved = changed - clean
    used = {"brighter": (moved > 0).any(), "darker": (moved < 0).any()}
    drawn = (
        intensities.plain_image(clean),
        intensities.change(clean, changed),
        intensities.plain_image(changed),
    )
    return _shot(
        example,
        attack,
        amount(intensities.size(clean, changed, norm), norm),
        tuple(name for name, there in used.items() if there),
        (
            pictures.data_uri(drawn[0], colours=None),
            pictures.data_uri(drawn[1], colours=None),
            pictures.data_uri(drawn[2], colours=None),
        ),
    )


def _shot(
    example: Example,
    attack: AttackRecord | None,
    changes: str,
    colours: tuple[str, ...],
    drawn: tuple[str, str, str],
) -> Shot:
    return Shot(
        attack=example.attack,
        title=plain(attack.title if attack else example.attack),
        index=example.index,
        label=plain(example.label),
        clean_prediction=plain(example.clean_prediction, 24),
        attacked_prediction=plain(example.attacked_prediction, 24),
        caption=plain(example.caption, 200).rstrip("."),
        changes=changes,
        colours=colours,
        clean=drawn[0],
        difference=drawn[1],
        attacked=drawn[2],
    )


def _path(folder: Path, name: str) -> Path:
    path = inside(folder, name)
    if path is None:
        raise SpikeproofError(f"{name} is not in the audit folder")
    return path


def _read(folder: Path, name: str) -> Events:
    path = _path(folder, name)
    try:
        return read(path)
    except SpikeproofError as error:
        raise SpikeproofError(str(error).replace(f"{folder.resolve()}/", "")) from None
