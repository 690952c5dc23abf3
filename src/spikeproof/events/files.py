"""Read and write one recording; the ending of the path says the format.

Every error begins with the path and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from spikeproof.errors import InvalidRecording
from spikeproof.events.atomic import write_bytes
from spikeproof.events.formats import nmnist, npz
from spikeproof.events.stream import Events

Decoder = Callable[[bytes, int | None, int | None], Events]
"""Bytes, width and height to events; a size that is None comes from the file or the format."""

DECODERS: dict[str, Decoder] = {".bin": nmnist.decode, ".npz": npz.decode}
ENCODERS: dict[str, Callable[[Events], bytes]] = {".bin": nmnist.encode, ".npz": npz.encode}

READABLE, WRITABLE = frozenset(DECODERS), frozenset(ENCODERS)
"""Endings, in lower case with their dot."""

MAX_BYTES = 2**30  # of a file; recordings are read whole


def read(path: str | Path, *, width: int | None = None, height: int | None = None) -> Events:
    """Read a recording; ``width`` and ``height`` (pixels) override what the format says.

    Raises ``InvalidRecording`` if the file is missing, empty, damaged or of no known format, or
    if its events do not fit the sensor.
    """
    path = Path(path)
    decode = DECODERS.get(path.suffix.lower())
    if path.is_dir():
        raise InvalidRecording(f"{path}: is a folder; give one recording, or load_folder for all")
    if not path.exists():
        raise InvalidRecording(f"{path}: does not exist; check the path")
    if not path.is_file():
        raise InvalidRecording(f"{path}: is no regular file; copy the recording to one")
    if decode is None:
        raise InvalidRecording(f"{path}: {_unknown(path, DECODERS)}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidRecording(f"has {size} bytes, more than {MAX_BYTES}; split the recording")
        data = path.read_bytes()
        if not data:
            raise InvalidRecording("is empty: the file has no bytes; fetch or record it again")
        events = decode(data, width, height)
        if not len(events):
            raise InvalidRecording("is empty: it has no events; leave it out or record it again")
    except InvalidRecording as error:
        raise InvalidRecording(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidRecording(f"{path}: cannot be read ({error.strerror})") from None
    return events


def write(path: str | Path, events: Events) -> None:
    """Write a recording, whole or not at all.

    Raises ``InvalidRecording`` if the format is unknown or cannot hold the events, or if the
    place cannot be written to.
    """
    path = Path(path)
    encode = ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise InvalidRecording(f"{path}: {_unknown(path, ENCODERS)}")
    try:
        write_bytes(path, encode(events))
    except InvalidRecording as error:
        raise InvalidRecording(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidRecording(f"{path}: cannot be written ({error.strerror})") from None


def _unknown(path: Path, known: Iterable[str]) -> str:
    """Say that the ending is not among those known."""
    return f"ending {path.suffix!r} is unknown; use one of {', '.join(sorted(known))}"
