"""The compressions of AEDAT 4: none, LZ4 frames, Zstandard frames, the latter two at two levels.

A few bytes can unpack to gigabytes, so nothing is unpacked to more than ``MAX_PACKET`` bytes,
whatever a frame says of itself. The packages come with ``spikeproof[recordings]`` and are imported
when a recording needs them. (LZ4 frame format 1.6; Zstandard, RFC 8878.)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from importlib import import_module
from typing import Any

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.flatbuffer import Malformed

MAX_PACKET = 2**27  # bytes unpacked: 8 million events; cameras write some thousands

Codec = Callable[[bytes], bytes]


class Compression(IntEnum):
    """How packets are compressed; the numbers are those of the header."""

    NONE = 0
    LZ4 = 1
    LZ4_HIGH = 2
    ZSTD = 3
    ZSTD_HIGH = 4


def _library(name: str) -> Any:
    """Import a package that only compressed recordings need."""
    try:
        return import_module(name)
    except ImportError:
        raise InvalidRecording(
            f"AEDAT 4 with this compression needs the package {name.partition('.')[0]}; "
            'pip install "spikeproof[recordings]"'
        ) from None


def packer(compression: Compression) -> Codec:
    """Give the function that compresses a packet."""
    if compression is Compression.NONE:
        return bytes
    if compression in (Compression.LZ4, Compression.LZ4_HIGH):
        frame = _library("lz4.frame")
        level = 9 if compression is Compression.LZ4_HIGH else 0
        return lambda data: frame.compress(data, compression_level=level)
    level = 12 if compression is Compression.ZSTD_HIGH else 3
    zstd: Codec = _library("zstandard").ZstdCompressor(level=level).compress
    return zstd


def unpacker(compression: Compression) -> Codec:
    """Give the function that unpacks a packet, raising ``Malformed`` for damage and bombs."""
    if compression is Compression.NONE:
        return bytes
    if compression in (Compression.LZ4, Compression.LZ4_HIGH):
        return _lz4(_library("lz4.frame"))
    return _zstd(_library("zstandard"))


def _lz4(frame: Any) -> Codec:
    def unpack(data: bytes) -> bytes:
        # LZ4 cannot shrink data to less than 1/255; a tight bound keeps the buffer small
        limit = min(MAX_PACKET, 255 * len(data))
        decompressor = frame.LZ4FrameDecompressor()
        try:
            unpacked: bytes = decompressor.decompress(data, max_length=limit)
        except RuntimeError:
            raise Malformed("is no LZ4 frame") from None
        if not decompressor.eof and len(unpacked) == MAX_PACKET:
            raise Malformed(f"unpacks to more than {MAX_PACKET} bytes")
        if not decompressor.eof or decompressor.unused_data:
            raise Malformed("is not exactly one LZ4 frame")
        return unpacked

    return unpack


def _zstd(zstandard: Any) -> Codec:
    def unpack(data: bytes) -> bytes:
        try:
            if zstandard.frame_content_size(data) > MAX_PACKET:
                raise Malformed(f"unpacks to more than {MAX_PACKET} bytes")
            # the limit holds for frames that do not tell their size, -1 above
            decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_PACKET)
            unpacked: bytes = decompressor.decompress(
                data, max_output_size=MAX_PACKET, allow_extra_data=False
            )
        except zstandard.ZstdError:
            raise Malformed(
                f"is not exactly one Zstandard frame of at most {MAX_PACKET} bytes"
            ) from None
        return unpacked

    return unpack
