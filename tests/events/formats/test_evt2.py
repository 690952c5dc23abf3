from __future__ import annotations

import numpy as np
import pytest

from spikeproof.events import Events
from spikeproof.events.formats import evt2

from .codec import columns, read, strict, written

HEADER = b"% evt 2.0\n% format EVT2;height=4;width=8\n% geometry 8x4\n% end\n"


def words(*values):
    return HEADER + np.array(values, "<u4").tobytes()


def cd(on, t, x, y):
    return on << 28 | t << 22 | x << 11 | y


def test_the_layout_is_that_of_the_specification():
    data = words(0x8000_0001, cd(0, 3, 7, 2), cd(1, 63, 0, 3), 0x8000_0002, cd(1, 0, 1, 1))
    events = Events([7, 0, 1], [2, 3, 1], [64 + 3, 64 + 63, 128], [0, 1, 1], 8, 4)
    assert read(evt2.FORMAT, data) == events
    assert written(evt2.FORMAT, events) == data


def test_triggers_and_vendors_words_are_passed_over():
    data = words(0x8000_0000, 0xA000_0001, cd(1, 1, 2, 3), 0xE123_4567, 0xFFFF_FFFF)
    assert columns(evt2.FORMAT, data) == [[2], [3], [1], [1]]


def test_a_roll_over_and_a_clock_set_back():
    last = 2**28 - 1
    data = words(0x8000_0000 | last, cd(1, 63, 0, 0), 0x8000_0000, cd(1, 0, 1, 1))
    assert columns(evt2.FORMAT, data)[2] == [2**34 - 1, 2**34]
    data = words(0x8000_0064, cd(1, 0, 0, 0), 0x8000_0002, cd(1, 0, 1, 1))
    assert columns(evt2.FORMAT, data)[2] == [6400, 128], "left to the caller's check of the order"


def test_a_real_recording(shared_data):
    data = (shared_data / "formats/expelliarmus/evt2_sample.raw").read_bytes()
    assert evt2.FORMAT.recognises(data[:1000])
    events = read(evt2.FORMAT, data)
    assert (len(events), events.width, events.height) == (539_481, 640, 480)
    assert (events.t[0], events.t[-1]) == (1_317_888, 1_367_888)
    assert read(evt2.FORMAT, written(evt2.FORMAT, events)) == events


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_header_without_an_end_line(cut):
    data = HEADER.replace(b"% end\n", b"") + words(0x8000_0000, cd(1, 0, 5, 2))[len(HEADER) :]
    assert columns(evt2.FORMAT, data + bytes(cut), strict if cut == 0 else lambda problem: None)[
        0
    ] == [5]
