"""Load recordings that a table lists: a manifest, CSV or Parquet.

Columns, in any order, of which others are passed over:

=================  ===========================================================================
``path``           of the recording, relative to the manifest's folder
``label``          its class, text or a whole number
``split``          optional: ``train`` or ``learn``, ``test``, ``val`` (in any case)
``width, height``  optional: pixels, override what the file says
``start, stop``    optional: µs in the file's time; the recording is ``start <= t < stop``
=================  ===========================================================================

A recording with a ``start`` counts its time from there, so that the gestures of DVS-Gesture (Amir
et al., CVPR 2017), which its ``*_labels.csv`` cut out of minutes of film, all begin at 0. Rows to
validate are the test set if no row is to test, and are left out otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.recordings import (
    Data,
    Latest,
    Paths,
    Recordings,
    Source,
    Told,
    hold_out,
    in_order,
)
from spikeproof.events.stream import Events
from spikeproof.events.table import number, read_table, text

COLUMNS = ("path", "label", "split", "width", "height", "start", "stop")
SPLITS = {
    "train": "learn", "learn": "learn", "test": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """One recording; ``where`` is the line it stands in, ``file`` what tells files apart."""

    where: str
    name: str
    label: str
    split: str
    path: Path
    file: tuple[int, int]
    width: int | None
    height: int | None
    start: int | None
    stop: int | None

    def meets(self, other: _Row) -> bool:
        """Say whether both hold a moment of the same file."""
        if self.file != other.file:
            return False
        a_begins, a_ends = _span(self)
        b_begins, b_ends = _span(other)
        return max(a_begins, b_begins) < min(a_ends, b_ends)


def load_manifest(
    path: str | Path,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    repair: bool = False,
    told: Told = warnings.warn,
) -> Data:
    """Load the recordings that the table ``path`` lists (columns: see the module).

    Without a column ``split``, ``holdout`` rows are held out by ``seed`` as ``load_folder`` does.
    ``width`` and ``height`` (pixels) hold where a row gives none; ``repair`` and ``told`` are
    those of ``read``. Raises ``InvalidRecording`` naming the line for a row that cannot be used,
    and if learning and test set share a moment of a file.
    """
    path = Path(path)
    rows = sorted(_rows(path), key=lambda row: (row.path.as_posix(), *_span(row)))
    if not rows:
        raise InvalidRecording(f"{path}: lists no recordings; add a line for each")
    splits = {row.split for row in rows}
    name = path.resolve().name

    def load(part: list[_Row], classes: tuple[str, ...]) -> Recordings:
        return _recordings(path, part, classes, width, height, repair, told)

    if len(splits - {""}) < 2:
        classes = in_order(row.label for row in rows)
        everything = load(rows, classes)
        data = hold_out(name, everything, holdout=holdout, seed=seed, place=str(path))
        assert data.learn.index is not None
        assert data.test.index is not None
        _refuse_shared(
            path, [rows[i] for i in data.learn.index], [rows[i] for i in data.test.index]
        )
        return data
    if "learn" not in splits:
        raise InvalidRecording(f"{path}: no row has split train; mark those to learn from")
    tested = "test" if "test" in splits else "val"
    learn = [row for row in rows if row.split == "learn"]
    test = [row for row in rows if row.split == tested]
    classes = in_order(row.label for row in learn)
    for row in test:
        if row.label not in classes:
            raise InvalidRecording(
                f"{path}: {row.where}: label {row.label!r} is in no row of split train; remove "
                "the row, or add recordings to learn it from"
            )
    _refuse_shared(path, learn, test)
    left = len(rows) - len(learn) - len(test)
    sentence = f"The manifest's own split: train and {tested}" + (
        f"; {left} recordings of split val are not used." if left else "."
    )
    return Data(name, load(learn, classes), load(test, classes), sentence)


@dataclass(frozen=True, eq=False)
class _Cuts:
    """Number ``i`` is what ``rows[i]`` says of file ``numbers[i]`` of ``files``."""

    files: Source
    numbers: tuple[int, ...]
    rows: tuple[_Row, ...]
    manifest: Path

    def __call__(self, i: int) -> Events:
        row = self.rows[i]
        try:
            events = self.files(self.numbers[i])
        except InvalidRecording as error:
            raise InvalidRecording(f"{self.manifest}: {row.where}: {error}") from None
        if row.start is None and row.stop is None:
            return events
        begins, ends = np.searchsorted(events.t, _span(row)).tolist()
        if begins == ends:
            raise InvalidRecording(
                f"{self.manifest}: {row.where}: {row.path} has no events from {row.start} to "
                f"{row.stop} µs (it has {events.t[0]} to {events.t[-1]}); correct start and stop"
            )
        x, y, t, p = (getattr(events, name)[begins:ends] for name in "xytp")
        return Events(x, y, t - (row.start or 0), p, events.width, events.height)


def _recordings(
    manifest: Path,
    rows: list[_Row],
    classes: tuple[str, ...],
    width: int | None,
    height: int | None,
    repair: bool,
    told: Told,
) -> Recordings:
    """Make a set whose sensor is that of its first recording, if it is not given."""
    keys = [(row.path, row.width or width, row.height or height) for row in rows]
    files = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    parts = [Paths((path,), w, h, repair, told) for path, w, h in files]
    numbers = tuple(files[key] for key in keys)
    source = _Cuts(Latest(lambda k: parts[k](0)), numbers, tuple(rows), manifest)
    if width is None or height is None:
        first = source(0)
        width, height = first.width, first.height
    labels = np.array([classes.index(row.label) for row in rows], np.int64)
    names = tuple(row.name for row in rows)
    return Recordings(labels, classes, names, width, height, source)


def _refuse_shared(manifest: Path, learn: list[_Row], test: list[_Row]) -> None:
    """Refuse rows of both sets that share a moment of a file, by link or by name."""
    marked = sorted(
        [(row, "learn") for row in learn] + [(row, "test") for row in test],
        key=lambda pair: (pair[0].file, *_span(pair[0])),
    )
    latest: dict[str, _Row] = {}  # per part, the row of this file that ends last
    for row, part in marked:
        other = latest.get("test" if part == "learn" else "learn")
        if other is not None and row.meets(other):
            raise InvalidRecording(
                f"{manifest}: {row.where}: {row.path} is also in {other.where}, which is in the "
                "other split; keep one of them, or give both the same split"
            )
        mine = latest.get(part)
        if mine is None or mine.file != row.file or _span(mine)[1] < _span(row)[1]:
            latest[part] = row


def _span(row: _Row) -> tuple[int, int]:
    """First time and end of a row, in µs; the ends of 64 bits where it gives none."""
    limits = np.iinfo(np.int64)
    return (
        int(limits.min) if row.start is None else row.start,
        int(limits.max) if row.stop is None else row.stop,
    )


def _rows(path: Path) -> Iterator[_Row]:
    """Read and check the table row by row."""
    for where, values in read_table(path, needed=("path", "label"), known=COLUMNS):
        try:
            yield _row(path.parent, where, values)
        except InvalidRecording as error:
            raise InvalidRecording(f"{path}: {where}: {error}") from None


def _row(folder: Path, where: str, values: dict[str, Any]) -> _Row:
    """Check the values of one row."""
    given = text(values, "path")
    path = folder / given
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise InvalidRecording(
            f"{path} does not exist; correct the path (it counts from the manifest's folder)"
        ) from None
    if not path.is_file():
        raise InvalidRecording(f"{path} is no file; give one recording a row")
    split = ""
    if "split" in values:
        meant = text(values, "split")
        split = SPLITS.get(meant.lower(), "")
        if not split:
            raise InvalidRecording(f"split {meant!r} is unknown; give train, test or val")
    width, height = number(values, "width"), number(values, "height")
    if any(side is not None and side < 1 for side in (width, height)):
        raise InvalidRecording(f"sensor {width}x{height} is impossible; give 1 pixel or more")
    start, stop = number(values, "start"), number(values, "stop")
    if start is not None and stop is not None and start >= stop:
        raise InvalidRecording(f"start {start} is not before stop {stop}; correct them (µs)")
    name = Path(given).as_posix()
    if start is not None or stop is not None:
        name += f"[{'' if start is None else start}:{'' if stop is None else stop}]"
    label, file = text(values, "label"), (status.st_dev, status.st_ino)
    return _Row(where, name, label, split, path, file, width, height, start, stop)
