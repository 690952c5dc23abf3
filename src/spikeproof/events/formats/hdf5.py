"""HDF5 recordings; ``.h5`` is written in the layout of DSEC, ``.hdf5`` in that of Prophesee.

What a file holds is found by the names of its datasets, whatever its ending:

======================================  =======  ================================================
datasets                                time     who has them
======================================  =======  ================================================
``CD/events``, records of x, y, p, t    µs       Prophesee's Metavision (packed with ECF)
``events/x y t p`` and ``t_offset``     µs       DSEC, TUM-VIE, RVT
``events/xs ys ts ps``                  s or µs  the rpg and event_cnn tools
``prophesee/left/x y t p``              µs       M3ED (the left camera)
``davis/left/events``, [N, 4]: x y t p  s        MVSEC (the left camera)
``x y t p``, ``events/x y t p``, with   µs       anybody
any of ``columns.NAMES``
``events``, records of x, y, t, p       µs       anybody
======================================  =======  ================================================

Seconds are 64-bit floats, µs are integers; other times are refused, and so is a file with events
at two such places. In repair, rows that cannot be unpacked are dropped, chunk by chunk, and
columns are cut to the shortest. A file cut short cannot be opened, not even in repair.

MVSEC: Zhu et al., "The multivehicle stereo event camera dataset", IEEE RA-L 3:2032 (2018). M3ED:
Chaney et al., CVPR Workshops (2023). DSEC and Prophesee: see ``hdf5_write``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import columns
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.formats.chunks import Rows, h5py, member
from spikeproof.events.formats.hdf5_write import write_dsec, write_prophesee

MAGIC = b"\x89HDF\r\n\x1a\n"

_MAX_TIME = 2**61  # µs; two such add up to 64 bits
_SECONDS = ("events/ts", "davis/left/events")
_GROUPS, _TABLES = ("", "events", "prophesee/left"), ("CD/events", "events", "davis/left/events")
# what h5py and our own unpacking raise for bytes that make no sense
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError)
_AGAIN = "fetch the file again"


def _open(file: BinaryIO, trouble: Trouble) -> Opened:
    """Open a file and find its events."""
    module = h5py()
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        root = module.File(file, "r")
        try:
            place, paths = _find(root)
            rows = {c: Rows(member(root, path), size, trouble) for c, path in paths.items()}
            for column, part in rows.items():
                _check(column, part)
            offset = _offset(root) if place == "events" else 0
            width, height = _sensor(root, place)
        except BaseException:
            root.close()
            raise
    except _DAMAGE as error:
        raise InvalidRecording(
            f"is no HDF5 file or is damaged ({_reason(error)}); {_AGAIN}"
        ) from None
    return Opened(width, height, _pieces(root, rows, offset, trouble))


def _find(root: Any) -> tuple[str, dict[str, str]]:
    """Find the one group or table with events, and the path of each column ("": of the table)."""
    found: list[tuple[str, dict[str, str]]] = []
    for group in _GROUPS:
        here = {
            column: _present(root, (f"{group}/{name}" for name in names))
            for column, names in columns.NAMES.items()
        }
        if all(here.values()):
            for paths in here.values():
                if len(paths) > 1:
                    raise InvalidRecording(
                        f"has {paths[0]!r} and {paths[1]!r}, which may both be meant; remove one"
                    )
            found.append((group, {column: paths[0] for column, paths in here.items()}))
    for table in _present(root, _TABLES):
        if member(root, table).dtype.names or table in _SECONDS:
            found.append((table, {"": table}))
    if len(found) > 1:
        places = " and ".join(repr(place or "/") for place, _ in found)
        raise InvalidRecording(f"has events at {places}; remove those of one")
    if not found:
        raise InvalidRecording(
            f"has no events where they are looked for (datasets: {_inventory(root)}); "
            "store them as events/x, events/y, events/t (µs) and events/p"
        )
    return found[0]


def _present(root: Any, paths: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Keep the paths of datasets."""
    stripped = [path.lstrip("/") for path in paths]
    return [path for path in stripped if isinstance(member(root, path), h5py().Dataset)]


def _inventory(root: Any) -> str:
    """List the first datasets of a file."""
    names: list[str] = []

    def look(name: str, node: Any) -> bool | None:
        if isinstance(node, h5py().Dataset):
            names.append(name)
        return True if len(names) == 8 else None

    root.visititems(look)
    return ", ".join(names) or "none"


def _check(column: str, part: Rows) -> None:
    """Refuse columns that are none, and times of an unknown unit."""
    shape, dtype = part.dataset.shape, part.dtype
    seconds = dtype == np.float64 and part.name in _SECONDS
    if column:
        whole = dtype.kind in "iu" if column == "t" else dtype.kind in "biuf"
        fits = len(shape) == 1 and not dtype.names and (whole or seconds)
        cure = "store one integer an event (times in µs)"
    elif part.name in _SECONDS:
        fits = seconds and shape[1:] == (4,)
        cure = "store [N, 4] 64-bit floats: x, y, t (s), p"
    else:
        names = dtype.names or ()
        fits = len(shape) == 1 and all(n in names and dtype[n].kind in "biu" for n in "xytp")
        cure = "store records of integers x, y, t (µs) and p"
    if not fits:
        raise InvalidRecording(f"dataset {part.name!r} has shape {shape}, dtype {dtype}; {cure}")


def _offset(root: Any) -> int:
    """Give the µs to add to all times."""
    dataset = member(root, "t_offset")
    values = [0] if dataset is None else _whole(_value(dataset))
    if len(values) != 1 or abs(values[0]) > _MAX_TIME:
        raise InvalidRecording("dataset 't_offset' is no time; store one integer (µs)")
    return values[0]


def _sensor(root: Any, place: str) -> tuple[int | None, int | None]:
    """Give width and height if any of the customs to store them was kept."""
    group = member(root, place)
    for width, height in (
        [_value(member(root, f"{place}/{side}")) for side in ("width", "height")],
        [_attribute(group, side) for side in ("width", "height")],
        [_attribute(root, side) for side in ("width", "height")],
    ):
        sides = _whole(width) + _whole(height)
        if len(sides) == 2:
            return sides[0], sides[1]
    text = _attribute(root, "geometry")
    text = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
    if geometry := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text):
        return int(geometry[1]), int(geometry[2])
    sides = _whole(_value(member(root, f"{place}/calib/resolution")))
    sides = sides or _whole(_attribute(root, "sensor_resolution"))[1::-1]  # rows come first
    return (sides[0], sides[1]) if len(sides) == 2 else (None, None)


def _value(dataset: Any) -> Any:
    """Give the integers of a small dataset; one in chunks might unpack to anything."""
    if not isinstance(dataset, h5py().Dataset) or dataset.dtype.kind not in "iu":
        return None
    return dataset[()] if dataset.chunks is None and (dataset.size or 9) <= 8 else None


def _attribute(node: Any, name: str) -> Any:
    """Give what a small attribute holds."""
    if name not in node.attrs or int(np.prod(node.attrs.get_id(name).shape)) > 8:
        return None
    return node.attrs[name]


def _whole(value: Any) -> list[int]:
    """Give the integers of an array or number; none of anything else."""
    array = np.asarray(value)
    return [int(v) for v in array.ravel()] if array.dtype.kind in "iu" else []


def _pieces(root: Any, rows: dict[str, Rows], offset: int, trouble: Trouble) -> Iterator[Piece]:
    """Read the rows that all columns have."""
    with root:
        lengths = {part.name: part.length for part in rows.values()}
        length = min(lengths.values())
        if max(lengths.values()) > length:
            sizes = ", ".join(f"{name} {rows}" for name, rows in lengths.items())
            trouble(f"the columns differ in length ({sizes}); {_AGAIN}")
        chunk = min(PIECE, *(part.step for part in rows.values()))
        for start in range(0, length, PIECE):
            end = min(start + PIECE, length)
            for step in (PIECE, chunk):  # all at once; if that fails, in repair, chunk by chunk
                failed = False
                for low in range(start, end, step):
                    high = min(low + step, end)
                    try:
                        raw = {column: part.read(low, high) for column, part in rows.items()}
                    except _DAMAGE as error:
                        trouble(
                            f"events {low} to {high - 1} cannot all be read ({_reason(error)}); "
                            f"{_AGAIN}"
                        )
                        failed = True
                    else:
                        yield _piece(raw, low, offset, trouble)
                if not failed:
                    break


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _piece(raw: dict[str, NDArray[Any]], first: int, offset: int, trouble: Trouble) -> Piece:
    """Make sense of columns, or of the one table."""
    if "" in raw:
        table = raw[""]
        raw = {c: table[c] if table.dtype.names else table[:, k] for k, c in enumerate("xytp")}
    for column, values in raw.items():
        if values.dtype.kind == "b":
            raw[column] = values.view(np.uint8) != 0  # the file may have any byte
    t = raw["t"]
    if t.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            raw["t"] = np.rint(t * 1e6)
    elif offset:
        fits = (t <= _MAX_TIME) & (t >= -_MAX_TIME)
        if not fits.all():
            k = int(np.argmin(fits))
            trouble(f"event {first + k}: t={t[k]} and its offset do not fit 64 bits; {_AGAIN}")
            raw = {column: values[fits] for column, values in raw.items()}
        raw["t"] = raw["t"].astype(np.int64) + offset
    return columns.piece(raw, first, trouble)


def _is_prophesee(head: bytes) -> bool:
    return head.startswith(MAGIC) and b"EXT_TRIGGER\0" in head


def _is_other(head: bytes) -> bool:
    return head.startswith(MAGIC) and not _is_prophesee(head)


FORMAT = Format(
    name="hdf5",
    title="HDF5 as DSEC has it",
    endings=(".h5",),
    open=_open,
    recognises=_is_other,
    write=write_dsec,
)
PROPHESEE = Format(
    name="hdf5-prophesee",
    title="HDF5 as Prophesee has it",
    endings=(".hdf5",),
    open=_open,
    recognises=_is_prophesee,
    write=write_prophesee,
)
