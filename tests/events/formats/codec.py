"""Write and read in memory, as the tests of the formats do."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats.base import Format


def strict(problem: str) -> None:
    raise InvalidRecording(problem)


def written(format: Format, events: Events) -> bytes:
    file = io.BytesIO()
    format.write(file, events)
    return file.getvalue()


def columns(format: Format, data: bytes, trouble: Callable[[str], None] = strict) -> list[list]:
    """x, y, t and p of a file, whatever they are."""
    pieces = [piece for piece in format.open(io.BytesIO(data), trouble).pieces if len(piece.t)]
    assert all(len({len(column) for column in piece}) == 1 for piece in pieces)
    return [np.concatenate(column).tolist() for column in zip(*pieces, strict=True)] or [[]] * 4


def read(format: Format, data: bytes) -> Events:
    opened = format.open(io.BytesIO(data), strict)
    return Events(*columns(format, data), opened.width, opened.height)
