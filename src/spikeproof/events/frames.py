"""Frames to events: folders of counts per bin, as SpikingJelly stores its data sets.

SpikingJelly (Fang et al., Science Advances 9:eadi1480, 2023) integrates events to frames and keeps
one ``.npz`` a recording, below ``frames_number_16_split_by_number/[train|test]/<class>/``, with a
member ``frames`` of ``[T, 2, H, W]`` numbers of events (float64; channel 1 is on), as its modules
``datasets.base`` and ``datasets.utils`` do. The times within a frame are lost. Here the ``n``
events of a cell of frame ``t`` are spread evenly over that frame's ``bin_us`` microseconds::

    t * bin_us + (2 j + 1) * bin_us // (2 n)        j = 0 ... n - 1

so that ``Grid(bins=T, window=T * bin_us, counts=True)`` gives the frames back exactly.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.folder import arrange
from spikeproof.events.grid import MAX_COUNT, MAX_TIME, Grid
from spikeproof.events.recordings import Data, Source
from spikeproof.events.stream import Events

MAX_BYTES = 2**30  # of one recording's frames, unpacked
MAX_EVENTS = 2**26  # that one recording's frames may count
BIN_US = 1_000_000  # long, so that a pixel's rest does not keep further events out of a cell
_MEMBER = "frames.npy"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# what zipfile raises for bytes that it cannot make sense of
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def load_frames(
    path: str | Path,
    *,
    bin_us: int = BIN_US,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
) -> Data:
    """Load ``<path>/[train|test/]<label>/*.npz`` that hold ``frames`` ``[T, 2, H, W]``.

    A frame is taken to last ``bin_us`` µs, for files do not say; the data's ``grid`` gives the
    frames of the first recording back, and of all others that have as many. The other arguments
    are those of ``load_folder``. Raises ``InvalidRecording`` as that does; damaged files and
    values that are no counts show when they are read.
    """

    def source(paths: tuple[Path, ...]) -> Source:
        return FrameFiles(paths, bin_us, width, height)

    data = arrange(
        Path(path), (".npz",), source, sensor=(width, height), holdout=holdout, seed=seed
    )
    files = data.test.source
    assert isinstance(files, FrameFiles)
    bins = len(_read(files.paths[0]))
    size = data.test.height, data.test.width
    return replace(data, grid=Grid(bins, bins * bin_us, *size, counts=True))


def holds_frames(path: Path) -> bool:
    """Say whether a folder's recordings are frames, by the first ``.npz`` file found in it."""
    for pattern in ("*/*.npz", "*/*/*.npz"):
        first = next(path.glob(pattern), None)
        if first is not None:
            try:
                with zipfile.ZipFile(first) as archive:
                    return _MEMBER in archive.namelist()
            except (OSError, *_DAMAGE):
                return False  # whoever reads it says what is wrong
    return False


@dataclass(frozen=True)
class FrameFiles:
    """Recordings in files of frames that last ``bin_us`` µs each.

    A given ``width`` or ``height`` (pixels) overrides that of the frames.
    """

    paths: tuple[Path, ...]
    bin_us: int = BIN_US
    width: int | None = None
    height: int | None = None

    def __call__(self, i: int) -> Events:
        """Read file ``i``; raises ``InvalidRecording`` if it is damaged or holds no counts."""
        path = self.paths[i]
        try:
            frames = _read(path)
            return unframe(frames, bin_us=self.bin_us, width=self.width, height=self.height)
        except InvalidRecording as error:
            raise InvalidRecording(f"{path}: {error}") from None
        except OSError as error:
            raise InvalidRecording(f"{path}: cannot be read ({error.strerror})") from None

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)


def unframe(
    frames: ArrayLike, *, bin_us: int = BIN_US, width: int | None = None, height: int | None = None
) -> Events:
    """Make the recording of ``frames`` ``[T, 2, H, W]``, numbers of events in ``bin_us`` µs each.

    ``width`` and ``height`` (pixels) are those of the frames if not given. Raises
    ``InvalidRecording`` for values that are no counts and for frames without any event.
    """
    array = np.asarray(frames)
    if array.ndim != 4 or array.shape[1] != 2 or array.dtype.kind not in "biuf":
        raise InvalidRecording(
            f"frames have shape {array.shape} and dtype {array.dtype}; give numbers of events "
            "[T, 2, H, W]"
        )
    if bin_us < 1 or len(array) * bin_us > MAX_TIME:
        raise InvalidRecording(
            f"{len(array)} frames of {bin_us} µs do not lie within 1 and {MAX_TIME} µs; give "
            "another bin_us"
        )
    filled = array.nonzero()  # in order of t; NaN is not zero
    values = array[filled]
    wrong = ~((values >= 0) & (values <= MAX_COUNT) & (values == np.floor(values)))
    if wrong.any():
        k = int(wrong.argmax())
        place = ", ".join(str(int(axis[k])) for axis in filled)
        raise InvalidRecording(
            f"frames[{place}] is {values[k]}; frames must hold whole numbers of events from 0 to "
            f"{MAX_COUNT}, so store them as they were counted"
        )
    counts = values.astype(np.int64)
    total = int(counts.sum())
    if not total:
        raise InvalidRecording("is empty: its frames count no event; leave it out")
    if total > MAX_EVENTS:
        raise InvalidRecording(f"counts {total} events, more than {MAX_EVENTS}; split it")
    t, p, y, x = (np.repeat(axis, counts) for axis in filled)
    n = np.repeat(counts, counts)
    j = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    times = t * bin_us + (2 * j + 1) * bin_us // (2 * n)
    _, _, rows, columns = array.shape
    return Events.sorted_by_time(x, y, times, p, width or columns, height or rows)


def _read(path: Path) -> NDArray[np.generic]:
    """Read the frames of a file, once its header and its size agree."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _MEMBER not in archive.namelist():
                found = ", ".join(archive.namelist()[:8]) or "nothing"
                raise InvalidRecording(
                    f"has no array 'frames' (found: {found}); keep frames and events in separate "
                    "folders"
                )
            size = archive.getinfo(_MEMBER).file_size
            if size > MAX_BYTES:
                raise InvalidRecording(
                    f"its frames unpack to {size} bytes, more than {MAX_BYTES}; split it"
                )
            raw = archive.read(_MEMBER)
        file = io.BytesIO(raw)
        read_header = _HEADERS.get(np.lib.format.read_magic(file))
        if read_header is None:
            raise ValueError("unknown version of the array format")
        shape, fortran, dtype = read_header(file)
    except _DAMAGE as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRecording(
            f"is no npz archive of frames or is damaged ({reason}); make it again"
        ) from None
    if dtype.kind not in "biuf" or len(raw) - file.tell() != math.prod(shape) * dtype.itemsize:
        raise InvalidRecording(
            f"its frames claim shape {shape} of {dtype} and hold {len(raw) - file.tell()} bytes; "
            "make it again"
        )
    data = np.frombuffer(raw, dtype, offset=file.tell())
    return data.reshape(shape, order="F" if fortran else "C")
