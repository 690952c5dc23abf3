"""The two HDF5 layouts that are written: DSEC's and Prophesee's.

DSEC (https://dsec.ifi.uzh.ch/data-format): ``events/x y t p``, ``t_offset`` (µs, to be added to
``t``) and ``ms_to_idx``, whose entry ``k`` is the first event at or after ``k`` ms. The sensor's
size is not part of it and is kept as RVT does, in ``events/width`` and ``events/height``.

Prophesee (https://docs.prophesee.ai/stable/data/file_formats/hdf5.html): records in ``CD/events``,
an index by time, triggers (here none), text attributes such as ``geometry``. Its software takes
the chunks of ``CD/events`` to be ECF whatever the file says, so ECF it is; most other readers need
Prophesee's HDF5 plugin for it, and are better served with DSEC's layout.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import ecf
from spikeproof.events.formats.chunks import h5py
from spikeproof.events.stream import Events

MAX_SPAN = 2**32  # µs, 71 minutes; the tables of contents by time grow with it
_CHUNK, _ECF_CHUNK = 2**16, 2**14  # rows; Prophesee's readers count on theirs
_PERIOD = 2_000  # µs between entries of Prophesee's index
_RECORD = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")], align=True)
_TRIGGER = np.dtype([("p", "<i2"), ("t", "<i8"), ("id", "<i2")], align=True)
_INDEX = np.dtype([("id", "<u8"), ("ts", "<i8")])


def write_dsec(file: BinaryIO, events: Events) -> None:
    """Write DSEC's layout, deflated; raises ``InvalidRecording`` above 71 minutes."""
    _check_span(events)
    # as little as possible rests on t_offset, which some readers leave out
    plain = not len(events) or (events.t[0] >= 0 and events.t[-1] < MAX_SPAN)
    offset = 0 if plain else int(events.t[0])
    t = events.t - offset
    starts = np.arange(0, t[-1] + 1 if len(t) else 0, 1_000)  # of the milliseconds
    with _written(file) as root:
        for name, column in (
            ("events/x", events.x),
            ("events/y", events.y),
            ("events/t", t.astype(np.uint32)),
            ("events/p", events.p),
            ("ms_to_idx", np.searchsorted(t, starts).astype(np.uint64)),
        ):
            root.create_dataset(
                name,
                data=column,
                chunks=(_CHUNK,),
                maxshape=(None,),
                compression="gzip",
                compression_opts=1,  # half the time of 4 and 7 % more bytes
                shuffle=True,
            )
        root["t_offset"] = np.int64(offset)
        root["events/width"], root["events/height"] = events.width, events.height


def write_prophesee(file: BinaryIO, events: Events) -> None:
    """Write Prophesee's layout; raises ``InvalidRecording`` above 71 minutes or 2,048 pixels."""
    _check_span(events)
    if max(events.width, events.height) > ecf.MAX_SIDE:
        raise InvalidRecording(
            f"a sensor of {events.width}x{events.height} does not fit Prophesee's layout, which "
            f"holds {ecf.MAX_SIDE} pixels a side; write .h5"
        )
    h5 = h5py()
    text = h5.string_dtype("ascii")  # Prophesee's readers take no other strings
    with _written(file) as root:
        plist = h5.h5p.create(h5.h5p.DATASET_CREATE)
        plist.set_chunk((_ECF_CHUNK,))
        plist.set_obj_track_times(False)  # the same events give the same bytes
        plist.set_filter(ecf.FILTER, h5.h5z.FLAG_OPTIONAL)
        space = h5.h5s.create_simple((len(events),), (h5.h5s.UNLIMITED,))
        group = root.create_group("CD")
        kind = h5.h5t.py_create(_RECORD)
        dataset = h5.h5d.create(group.id, b"events", kind, space, plist)
        for k in range(0, len(events), _ECF_CHUNK):
            part = slice(k, k + _ECF_CHUNK)
            chunk = ecf.encode(events.x[part], events.y[part], events.t[part], events.p[part])
            dataset.write_direct_chunk((k,), chunk)
        chunks: dict[str, Any] = {"chunks": (_ECF_CHUNK,), "maxshape": (None,)}
        index = group.create_dataset("indexes", data=_index(events), **chunks)
        if len(events):
            index.attrs.create("offset", str(-int(events.t[0])), dtype=text)
        for name, record in (("events", _TRIGGER), ("indexes", _INDEX)):
            root.create_dataset(f"EXT_TRIGGER/{name}", (0,), record, **chunks)
        for name, value in (
            ("version", "1.0"),
            ("format", "ECF"),
            ("geometry", f"{events.width}x{events.height}"),
        ):
            root.attrs.create(name, value, dtype=text)


def _index(events: Events) -> NDArray[Any]:
    """Give Prophesee's index: for every 2 ms from the first event, where to start reading.

    Entry ``k`` is the first event of the last period with events before period ``k``, with its
    time from the first event; (0, -1) before all, and one entry more at the end.
    """
    if not len(events):
        return np.empty(0, _INDEX)
    period = (events.t - events.t[0]) // _PERIOD
    before = np.searchsorted(period, np.arange(int(period[-1]) + 2)) - 1
    first = np.searchsorted(period, period[before])
    index = np.empty(len(before), _INDEX)
    index["id"], index["ts"] = first, events.t[first] - events.t[0]
    index[0] = (0, -1)
    return index


def _check_span(events: Events) -> None:
    if len(events) and int(events.t[-1]) - int(events.t[0]) >= MAX_SPAN:
        raise InvalidRecording(
            f"a recording of {int(events.t[-1]) - int(events.t[0])} µs is longer than the "
            f"{MAX_SPAN} that are written as HDF5; write .npz"
        )


@contextmanager
def _written(file: BinaryIO) -> Iterator[Any]:
    """Make an HDF5 file in memory, since HDF5 also reads what it writes, and then write it."""
    buffer = io.BytesIO()
    with h5py().File(buffer, "w") as root:
        yield root
    file.write(buffer.getbuffer())
