"""Small files of every format, and reading and writing bytes instead of files.

A format that is written makes its own sample. For one that is only read, ``SAMPLES`` says how to
build the bytes of a small valid file.
"""

from __future__ import annotations

import io
import struct

import numpy as np

from spikeproof.events import Events, reading

WIDTH, HEIGHT = 30, 20


def _events(n=60):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WIDTH, n), rng.integers(0, HEIGHT, n)
    return Events(x, y, np.sort(rng.integers(0, 9_000, n)), rng.integers(0, 2, n), WIDTH, HEIGHT)


EVENTS = _events()


def txt():
    rows = zip(EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.p, strict=True)
    return "".join(f"{t / 1e6:.9f} {x} {y} {p}\n" for t, x, y, p in rows).encode()


def aedat2():
    x, y, p = (column.astype(np.int64) for column in (EVENTS.x, EVENTS.y, EVENTS.p))
    pairs = np.column_stack([127 - x << 1 | 127 - y << 8 | 1 - p, EVENTS.t])
    return b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + pairs.astype(">u4").tobytes()


def aedat3():
    x, y, p = (column.astype(np.int64) for column in (EVENTS.x, EVENTS.y, EVENTS.p))
    head = b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
    head += struct.pack("<hh6i", 1, 1, 8, 4, 0, *[len(EVENTS)] * 3)
    return head + np.column_stack([x << 17 | y << 2 | p << 1 | 1, EVENTS.t]).astype("<u4").tobytes()


SAMPLES = {"txt": txt, "aedat2": aedat2, "aedat3": aedat3}
"""Bytes of a small valid file of ``EVENTS``, or of others, by the format's name."""


def sample(format):
    if format.write is not None:
        return encode(format, EVENTS)
    assert format.name in SAMPLES, f"add a builder of {format.name} files to SAMPLES"
    return SAMPLES[format.name]()


def encode(format, events):
    file = io.BytesIO()
    format.write(file, events)
    return file.getvalue()


def decode(format, data, width=None, height=None, notes=None):
    notes = reading.Notes(repair=False) if notes is None else notes
    return reading.whole(format.open(io.BytesIO(data), notes), width, height, notes)


def repaired(format, data, width=None, height=None):
    """Events and what was told of the repairs."""
    notes, told = reading.Notes(repair=True), []
    events = decode(format, data, width, height, notes)
    notes.tell(told.append, "a")
    return events, told
