"""Read and write one recording; its first bytes say the format, or else its ending.

Reading is strict: the first sign of damage is an error. With ``repair`` it goes on, and reports
every kind of repair once:

=================================  ==========================================================
damage                             repair
=================================  ==========================================================
a file cut short, bad records      dropped, as the format's module says
x or y outside the sensor          the event is dropped
polarity neither 0 nor 1           the event is dropped
times that go backwards            stable sort by time; in ``slices`` the latest
                                   ``reading.HOLD`` events are held back and sorted, and an
                                   event earlier than those handed over is dropped
no sensor size, none given         the smallest that holds the events
=================================  ==========================================================

A wrong header or a damaged table of contents cannot be repaired. Every error begins with the path
and says what to do.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from spikeproof.errors import InvalidRecording
from spikeproof.events import reading
from spikeproof.events.atomic import replacing
from spikeproof.events.formats import FORMATS
from spikeproof.events.formats.base import HEAD, Format
from spikeproof.events.stream import Events

READABLE = frozenset(end for format in FORMATS for end in format.endings) - {".txt"}
"""Endings of recordings, in lower case with their dot; ``.txt``, which any text may have, is read
where a path is given but does not make a file a recording."""

WRITABLE = frozenset(end for format in FORMATS if format.write for end in format.endings)


def read(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    repair: bool = False,
    told: Callable[[str], None] = warnings.warn,
) -> Events:
    """Read a recording; ``width`` and ``height`` (pixels) override what the file says.

    ``told`` hears of repairs. Raises ``InvalidRecording`` if the file is missing, empty, damaged,
    of no known format or longer than ``reading.MAX_EVENTS``, if its events do not fit the sensor,
    or if nobody says the sensor's size.
    """
    path = Path(path)
    notes = reading.Notes(repair)
    try:
        with opened(path) as (file, format):
            return reading.whole(format.open(file, notes), width, height, notes)
    finally:
        notes.tell(told, path)


def recognise(path: str | Path) -> Format:
    """Say the format of a file; raises ``InvalidRecording`` if it is none that can be read."""
    with opened(Path(path)) as (_, format):
        return format


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Format]]:
    """Open a recording and recognise its format; errors inside get the path before them."""
    try:
        if path.is_dir():
            raise InvalidRecording("is a folder; give one recording, or load_folder for all")
        if not path.exists():
            raise InvalidRecording("does not exist; check the path")
        if not path.is_file():
            raise InvalidRecording("is no regular file; copy the recording to one")
        with path.open("rb") as file:
            head = file.read(HEAD)
            if not head:
                raise InvalidRecording("is empty: the file has no bytes; fetch or record it again")
            file.seek(0)
            yield file, _format(path, head)
    except InvalidRecording as error:
        raise InvalidRecording(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidRecording(f"{path}: cannot be read ({error.strerror})") from None


def _format(path: Path, head: bytes) -> Format:
    """Recognise a format by its first bytes, or else by the ending, its own mark missing."""
    for format in FORMATS:
        if format.recognises is not None and format.recognises(head):
            return format
    by_ending = _with_ending(path, FORMATS)
    without_mark = [format for format in by_ending if format.recognises is None]
    if without_mark or len(by_ending) == 1:
        return (without_mark or by_ending)[0]
    if by_ending:
        titles = ", ".join(format.title for format in by_ending)
        raise InvalidRecording(f"does not begin as any of {titles} does; fetch it again")
    raise InvalidRecording(
        f"ending {path.suffix!r} is unknown, and so are its first bytes; "
        f"convert it to one of {', '.join(sorted(READABLE))}"
    )


def _with_ending(path: Path, formats: tuple[Format, ...]) -> list[Format]:
    """List the formats whose ending the path has, those of the longest ending first."""
    name = path.name.lower()
    found = [(len(end), f) for f in formats for end in f.endings if name.endswith(end)]
    longest = max((length for length, _ in found), default=0)
    return [format for length, format in found if length == longest]


def write(path: str | Path, events: Events) -> None:
    """Write a recording in the format of the path's ending, whole or not at all.

    Raises ``InvalidRecording`` if the format is unknown or cannot hold the events, or if the
    place cannot be written to.
    """
    path = Path(path)
    format = written_as(path)
    assert format.write is not None  # written_as gives no other
    try:
        with replacing(path) as file:
            format.write(file, events)
    except InvalidRecording as error:
        raise InvalidRecording(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidRecording(
            f"{path}: cannot be written ({error.strerror}); choose another folder, or make it first"
        ) from None


def written_as(path: Path) -> Format:
    """Say the format that a name is written in; raises ``InvalidRecording`` if there is none."""
    formats = _with_ending(path, tuple(format for format in FORMATS if format.write))
    if not formats:
        problem = "only read" if _with_ending(path, FORMATS) else "unknown"
        known = ", ".join(sorted(WRITABLE))
        raise InvalidRecording(f"{path}: ending {path.suffix!r} is {problem}; use one of {known}")
    return formats[0]
