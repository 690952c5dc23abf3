from __future__ import annotations

import contextlib

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.events.formats import compression
from spikeproof.events.formats.compression import Compression, packer, unpacker
from spikeproof.events.formats.flatbuffer import Malformed

SILENT = zstandard.ZstdCompressor(write_content_size=False).compress
FRAMES = [
    (Compression.LZ4, lz4.frame.compress),
    (Compression.LZ4, lambda data: lz4.frame.compress(data, store_size=False)),
    (Compression.ZSTD, zstandard.ZstdCompressor().compress),
    (Compression.ZSTD, SILENT),
]


@given(st.binary(max_size=1000), st.sampled_from(Compression), st.integers(1, 100))
def test_round_trip(data, how, times):
    assert unpacker(how)(packer(how)(data * times)) == data * times


@pytest.mark.parametrize(("how", "pack"), FRAMES)
def test_frames_with_and_without_their_size(how, pack, monkeypatch):
    monkeypatch.setattr(compression, "MAX_PACKET", 2**16)
    unpack = unpacker(how)
    assert unpack(pack(bytes(2**15))) == bytes(2**15)
    for bomb in (bytes(2**16 + 1), bytes(2**24)):
        with pytest.raises(Malformed, match=r"unpacks to more than 65536 bytes|is not exactly one"):
            unpack(pack(bomb))


@pytest.mark.parametrize(("how", "pack"), FRAMES)
def test_a_frame_must_be_whole_and_alone(how, pack):
    unpack, frame = unpacker(how), pack(b"events" * 100)
    for size in range(len(frame)):
        with pytest.raises(Malformed, match=r"is no LZ4 frame|is not exactly one"):
            unpack(frame[:size])
    if pack is SILENT:  # zstandard does not look behind a frame that does not tell its size
        return
    for data in (frame + b"x", frame + frame):
        with pytest.raises(Malformed, match="is not exactly one"):
            unpack(data)


@given(st.binary(max_size=100), st.sampled_from(Compression))
def test_noise_is_malformed_or_data(noise, how):
    with contextlib.suppress(Malformed):
        assert isinstance(unpacker(how)(noise), bytes)
