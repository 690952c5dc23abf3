"""Damaged and hostile files of every format give valid events or ``InvalidRecording``.

The formats are taken from ``FORMATS``, so a new one is tested as soon as it is listed. pytest turns
every warning into an error, which is why these tests find them too.
"""

from __future__ import annotations

import contextlib
import functools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, read, slices
from spikeproof.events.formats import FORMATS

from .samples import sample

every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
MOST_SECONDS = 60.0  # for a file of a few kilobytes: it must not hang, however busy the machine
MOST_BYTES = 2**28  # of memory, for the same


@functools.cache
def good(name):
    return sample(next(format for format in FORMATS if format.name == name))


@st.composite
def damage(draw, data):
    """Cut, flip, overwrite, repeat, insert or append; one to four times."""
    raw = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        size = len(raw)
        # the beginning of a file holds its claims about the rest
        at = draw(st.integers(0, max(0, size - 1)) | st.integers(0, min(63, max(0, size - 1))))
        match draw(st.sampled_from(["cut", "flip", "run", "append", "remove", "insert", "swap"])):
            case "cut":
                del raw[at:]
            case "flip" if size:
                raw[at] ^= 1 << draw(st.integers(0, 7))
            case "run":
                run = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"9", b" "]))
                length = draw(st.sampled_from([1, 2, 4, 8, 40]))
                raw[at : at + length] = run * min(length, size - at)
            case "append":
                raw += draw(st.binary(max_size=40))
            case "remove":
                del raw[at : at + draw(st.integers(1, 40))]
            case "insert":
                raw[at:at] = draw(st.binary(max_size=12))
            case "swap":
                number = draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
                raw[at : at + 4] = number[:4]
    return bytes(raw)


def stands(path, **settings):
    """Read in all ways; give the events of the strict one, if any."""
    events = None
    for repair in (False, True):
        with contextlib.suppress(InvalidRecording):
            result = read(path, repair=repair, told=lambda _: None, **settings)
            assert isinstance(result, Events)
            assert len(result)
            events = events if repair else result
        with contextlib.suppress(InvalidRecording):
            parts = slices(path, count=25, repair=repair, told=lambda _: None, **settings)
            total = sum(len(part) for part in parts)
            assert repair or events is None or total == len(events)
    return events


@every_format
@given(data=st.data())
@settings(max_examples=40)
def test_damage_gives_an_error_or_events_but_no_crash(format, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"hostile-{format.name}{format.endings[0]}"
    path.write_bytes(data.draw(damage(good(format.name))))
    began = time.perf_counter()
    stands(path, **data.draw(st.sampled_from([{}, {"width": 30, "height": 20}])))
    assert time.perf_counter() - began < MOST_SECONDS


@every_format
def test_every_cut_gives_an_error_or_the_events_before_it(format, tmp_path):
    data = good(format.name)
    path = tmp_path / f"a{format.endings[0]}"
    path.write_bytes(data)
    whole = read(path, width=30, height=20)
    lengths = sorted({*range(1, 30), *np.linspace(30, len(data) - 1, 40).astype(int).tolist()})
    for length in lengths:
        path.write_bytes(data[:length])
        events = stands(path, width=30, height=20)
        if events is not None:
            n = len(events)
            assert n <= len(whole)
            np.testing.assert_array_equal(events.t, whole.t[:n])


@every_format
def test_numbers_at_the_front_are_not_believed(format, tmp_path):
    """Four and eight bytes of the first 160 claim a huge number, in either byte order."""
    data = good(format.name)
    path = tmp_path / f"a{format.endings[0]}"
    path.write_bytes(data)
    read(path, width=30, height=20)  # compiled loops take their memory before
    tracemalloc.start()
    began = time.perf_counter()
    for at in range(0, min(160, len(data)), 4):
        for claim in (b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff" + b"\xff" * 4):
            path.write_bytes(data[:at] + claim + data[at + len(claim) :])
            with contextlib.suppress(InvalidRecording):
                read(path, repair=True, told=lambda _: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES
    assert time.perf_counter() - began < 4 * MOST_SECONDS


@every_format
def test_noise_behind_the_mark(format, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / f"a{format.endings[0]}"
    for length in (0, 8, 100, 2_000):
        path.write_bytes(good(format.name)[:length] + rng.bytes(20_000))
        stands(path)


@every_format
def test_a_folder_and_an_empty_file(format, tmp_path):
    folder = tmp_path / f"a{format.endings[0]}"
    folder.mkdir()
    empty = tmp_path / f"b{format.endings[0]}"
    empty.touch()
    for path in (folder, empty):
        with pytest.raises(InvalidRecording, match=r"is a folder|is empty: the file"):
            read(path)


@every_format
def test_the_mark_of_one_format_on_the_bytes_of_another(format, tmp_path):
    path = tmp_path / f"a{format.endings[0]}"
    for other in FORMATS:
        path.write_bytes(good(format.name)[:16] + good(other.name))
        stands(path)
