"""The IDX files of MNIST and Fashion-MNIST, plain or gzipped.

Layout (LeCun & Cortes, "The MNIST database of handwritten digits"): two zero bytes, the type of
the numbers (8: unsigned bytes, the only one images and labels come in), the number of dimensions,
each dimension as a big-endian 32-bit number, then the numbers, the last dimension running fastest.
A gzipped file is recognised by its content. No more is unpacked than the dimensions promise, so a
small file cannot fill the memory unless its dimensions say so, and these are limited.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.images.set import ImageData, Images, images_of

MOST = 2**30  # bytes of one file; MNIST has 47 million
_BYTES = 8
_GZIP = b"\x1f\x8b"
_DAMAGED = "is damaged or cut short; fetch it again"


def load_idx(folder: str | Path) -> ImageData:
    """The four files of MNIST or its like in ``folder``, with their own split.

    Raises :class:`InvalidRecording` for missing or damaged files, and for parts that do not fit.
    """
    folder = Path(folder)
    learn, test = (_part(folder, part) for part in ("train", "t10k"))
    if learn.x.shape[2:] != test.x.shape[2:]:
        raise InvalidRecording(
            f"{folder}: images to learn from and to test on differ in size,"
            f" {list(learn.x.shape[3:])} and {list(test.x.shape[3:])}"
        )
    if len(test.classes) > len(learn.classes):
        raise InvalidRecording(f"{folder}: the test part has classes that the other has not")
    test = Images(test.x, test.labels, learn.classes)
    return ImageData(folder.name, learn, test, "The split of the data set.")


def holds_idx(folder: Path) -> bool:
    """Whether ``folder`` looks like MNIST's."""
    return any(folder.glob("*-images*idx3-ubyte*"))


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file, in the shape that it gives.

    Raises :class:`InvalidRecording` if the file is no such file, is damaged or cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    return _read(cast(BinaryIO, unpacked), path)
            return _read(file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InvalidRecording(f"{path}: the gzip file {_DAMAGED}") from None
    except OSError as error:
        raise InvalidRecording(f"{path}: {error.strerror or error}") from None


def _read(file: BinaryIO, path: Path) -> NDArray[np.uint8]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise InvalidRecording(
            f"{path}: does not begin with the two zero bytes of an IDX file; is it another format?"
        )
    if head[2] != _BYTES:
        raise InvalidRecording(
            f"{path}: holds numbers of type 0x{head[2]:02x}; images and labels are bytes (0x08)"
        )
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3] or head[3] == 0:
        raise InvalidRecording(f"{path}: {_DAMAGED}, before its {head[3]} dimensions end")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    count = math.prod(shape)
    if count > MOST:
        raise InvalidRecording(
            f"{path}: promises {' x '.join(map(str, shape))} bytes, more than the {MOST} that are"
            " read; is it damaged?"
        )
    data = file.read(count + 1)
    if len(data) < count:
        raise InvalidRecording(f"{path}: {len(data)} of {count} bytes are there; it {_DAMAGED}")
    if len(data) > count:
        raise InvalidRecording(
            f"{path}: goes on after the {count} bytes that it promises; it is damaged"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _part(folder: Path, part: str) -> Images:
    pixels = read_idx(_find(folder, f"{part}-images", "idx3-ubyte"))
    labels = read_idx(_find(folder, f"{part}-labels", "idx1-ubyte"))
    return images_of(pixels, labels, f"{folder} ({part})")


def _find(folder: Path, name: str, ending: str) -> Path:
    """The file, whichever way its name was spelt when it was unpacked."""
    spellings = [f"{name}{dot}{ending}{gz}" for dot in "-." for gz in ("", ".gz")]
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise InvalidRecording(f"{folder}: has no {spellings[0]} or {spellings[1]}; fetch it as well")
