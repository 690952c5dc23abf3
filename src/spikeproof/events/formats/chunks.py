"""Datasets of HDF5 files that nobody vouches for, in rows and bounded memory.

A dataset is refused if its data lie elsewhere (links, external storage, virtual datasets), if its
numbers are of variable length or if one chunk is larger than ``MAX_CHUNK``. Its declared length is
held against what is stored, since the shape of an HDF5 dataset costs nothing. Chunks that deflate
packed are unpacked here: HDF5's own filter unpacks whatever the bytes give, a gigabyte from a
megabyte, before it looks at the size of the chunk. ECF is unpacked here too (see ``ecf``); what
other filters pack goes through HDF5, whose plugins are trusted.

Layout of chunks and filters: HDF5 File Format Specification, version 3.0, section IV.A.2.
"""

from __future__ import annotations

import importlib
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import ecf
from spikeproof.events.formats.base import PIECE, Trouble

MAX_CHUNK = 2**27  # bytes unpacked: 8 million ECF events
MAX_CHUNKS = 2**22  # of a dataset; the smallest that writers make hold some thousand events
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


def h5py() -> Any:
    """Give the module; raises ``InvalidRecording`` if it is not installed."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise InvalidRecording(
            'needs h5py, which is not installed; pip install "spikeproof[recordings]"'
        ) from None


def member(group: Any, path: str) -> Any:
    """Give the group or dataset at ``path``, None if there is none.

    Raises ``InvalidRecording`` at a link that is not to an object of this file, and for data that
    the file leaves to others.
    """
    here = group
    for name in filter(None, path.split("/")):
        links = getattr(here.id, "links", None)  # a dataset has none
        if links is None or not links.exists(name.encode()):
            return None
        if links.get_info(name.encode()).type != h5py().h5l.TYPE_HARD:
            raise InvalidRecording(
                f"{path!r} is a link to data elsewhere; copy the data themselves into the file"
            )
        here = here[name]
        if isinstance(here, h5py().Dataset):
            plist = here.id.get_create_plist()
            if plist.get_layout() == h5py().h5d.VIRTUAL or plist.get_external_count():
                raise InvalidRecording(
                    f"dataset {path!r} keeps its data in other files; "
                    "copy the data themselves into the file"
                )
    return here


class Rows:
    """A dataset of one row an event, [N] or [N, C], of plain numbers or records of them.

    ``length`` is the number of rows that are stored, ``step`` how many of them are unpacked at
    once. ``dataset`` comes from ``member``. Raises ``InvalidRecording`` for datasets that are not
    read; tells ``trouble`` of one that declares more rows than it stores.
    """

    def __init__(self, dataset: Any, size: int, trouble: Trouble) -> None:
        """Look at ``dataset``, which lies in a file of ``size`` bytes."""
        self.name = dataset.name.lstrip("/")
        self.dataset = dataset
        self._plist = dataset.id.get_create_plist()
        self._refuse_strangers()
        self.dtype: np.dtype[Any] = dataset.dtype
        self.length = int(dataset.shape[0])
        self._width = int(math.prod(dataset.shape[1:]))
        self._chunks: tuple[int, ...] | None = dataset.chunks
        self.step = self._chunks[0] if self._chunks else PIECE
        self._filters = [self._plist.get_filter(k)[0] for k in range(self._plist.get_nfilters())]
        self._check_filters()
        stored = self._stored(size)
        if stored < self.length:
            trouble(
                f"dataset {self.name!r} declares {self.length} rows and stores {stored}; "
                "fetch the file again"
            )
            self.length = stored
        self._at, self._block = -1, np.empty(0, self.dtype)  # the block unpacked last

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Give rows ``start`` to ``stop``, at least one; raises as h5py does or ``ValueError``."""
        parts = []
        while start < stop:
            at, skip = divmod(start, self.step)
            if at != self._at:
                self._block, self._at = self._unpacked(at * self.step), at
            parts.append(self._block[skip : skip + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _refuse_strangers(self) -> None:
        """Refuse other ranks and other types than numbers."""
        shape, dtype = self.dataset.shape, self.dataset.dtype
        kinds = {dtype[name].kind for name in dtype.names} if dtype.names else {dtype.kind}
        # a type that NumPy has no equal of would be misread from the bytes of a chunk
        alike = self.dataset.id.get_type() == h5py().h5t.py_create(dtype, logical=True)
        if not kinds <= set("biuf") or not alike:
            raise InvalidRecording(
                f"dataset {self.name!r} has dtype {dtype}; store plain numbers of fixed size"
            )
        if shape is None or not 1 <= len(shape) <= 2 or math.prod(shape[1:]) not in range(1, 9):
            raise InvalidRecording(
                f"dataset {self.name!r} has shape {shape}; store one row an event"
            )

    def _check_filters(self) -> None:
        """Refuse oversized chunks and filters that are not there."""
        if self._chunks and math.prod(self._chunks) * self.dtype.itemsize > MAX_CHUNK:
            raise InvalidRecording(
                f"dataset {self.name!r} has chunks of {math.prod(self._chunks)} values, more than "
                f"{MAX_CHUNK} bytes; rewrite it with h5repack -l CHUNK=65536"
            )
        if ecf.FILTER in self._filters:
            if len(self._filters) > 1 or self.dtype.names is None:
                raise InvalidRecording(
                    f"dataset {self.name!r} is packed with ECF and more, which is not read; "
                    "convert it with metavision_file_to_hdf5"
                )
            return
        for code in self._filters:
            if not h5py().h5z.filter_avail(code) and not _plugged(code):
                raise InvalidRecording(
                    f"dataset {self.name!r} is packed with HDF5 filter {code}, which is not "
                    "installed; pip install hdf5plugin, or rewrite it with h5repack -f GZIP=4"
                )

    def _stored(self, size: int) -> int:
        """Count the rows that the file has bytes for."""
        dataset = self.dataset.id
        if self._chunks is None:
            row = self._width * self.dtype.itemsize
            return int(min(dataset.get_storage_size(), size) // row)
        across = -(-self._width // math.prod(self._chunks[1:]))  # chunks side by side
        count = 0

        def look(chunk: Any) -> bool | None:
            nonlocal count
            inside = chunk.byte_offset + chunk.size <= size and chunk.chunk_offset[0] < self.length
            count += inside
            return True if count > MAX_CHUNKS else None

        dataset.chunk_iter(look)
        if count > MAX_CHUNKS:
            raise InvalidRecording(
                f"dataset {self.name!r} has more than {MAX_CHUNKS} chunks; "
                "rewrite it with h5repack -l CHUNK=65536"
            )
        return min(self.length, count // across * self._chunks[0])

    def _unpacked(self, start: int) -> NDArray[Any]:
        """Unpack the rows from ``start`` to the end of their chunk."""
        stop = min(start + self.step, self.length)
        codes = set(self._filters)
        own = codes == {ecf.FILTER} or (
            _DEFLATE in codes and codes <= {_DEFLATE, _SHUFFLE, _FLETCHER32}
        )
        if not own or self._chunks is None:
            rows: NDArray[Any] = self.dataset[start:stop]
            return rows
        across = self._chunks[1] if len(self._chunks) > 1 else 1
        parts = []
        for left in range(0, self._width, across):
            corner = (start, left)[: len(self._chunks)]
            mask, packed = self.dataset.id.read_direct_chunk(corner)
            parts.append(self._chunk(packed, mask)[: stop - start])
        rows = np.hstack(parts)[:, : self._width] if len(self._chunks) > 1 else parts[0]
        if len(rows) != stop - start:
            raise ValueError(f"{len(rows)} of {stop - start} rows are there")
        return rows

    def _chunk(self, packed: bytes, mask: int) -> NDArray[Any]:
        """Undo the filters of one chunk, last to first; bit k of ``mask`` says k was left out."""
        assert self._chunks is not None
        size = math.prod(self._chunks) * self.dtype.itemsize
        for k in reversed(range(len(self._filters))):
            code = 0 if mask >> k & 1 else self._filters[k]
            if code == ecf.FILTER:
                columns = ecf.decode(packed, min(self._chunks[0], ecf.MAX_EVENTS))
                records = np.empty(len(columns[0]), self.dtype)
                for name, column in zip("xytp", columns, strict=True):
                    records[name] = column
                return records
            if code == _FLETCHER32:
                packed = packed[:-4]  # deflate has a checksum of its own
            elif code == _DEFLATE:
                inflate = zlib.decompressobj()
                try:
                    packed = inflate.decompress(packed, size + 5)
                except zlib.error as error:
                    raise ValueError(str(error)) from None
                if not inflate.eof:
                    raise ValueError("a chunk is cut short or unpacks to more than it should")
            elif code == _SHUFFLE:
                table = np.frombuffer(packed, np.uint8).reshape(self.dtype.itemsize, -1)
                packed = table.T.tobytes()
        if len(packed) != size:
            raise ValueError(f"a chunk unpacks to {len(packed)} of {size} bytes")
        return np.frombuffer(packed, self.dtype).reshape(self._chunks)


def _plugged(code: int) -> bool:
    """Say whether the plugins of the package hdf5plugin bring the filter."""
    try:
        importlib.import_module("hdf5plugin")  # importing it registers them
    except ImportError:
        return False
    return bool(h5py().h5z.filter_avail(code))
