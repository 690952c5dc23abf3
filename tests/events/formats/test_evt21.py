from __future__ import annotations

import numpy as np
import pytest

from spikeproof.events import Events
from spikeproof.events.formats import evt21

from .codec import columns, read, written

HEADER = b"% evt 2.1\n% format EVT21;endianness=little;height=4;width=64\n% geometry 64x4\n% end\n"
EVENTS = Events([32, 35, 63, 63, 0], [2] * 5, [67, 67, 67, 67, 128], [1, 1, 1, 0, 0], 64, 4)
WORDS = np.array(
    [
        1 << 32 | 8 << 60,
        1 << 60 | 3 << 54 | 32 << 43 | 2 << 32 | 0x8000_0009,
        0 << 60 | 3 << 54 | 32 << 43 | 2 << 32 | 0x8000_0000,
        2 << 32 | 8 << 60,
        0 << 60 | 0 << 54 | 0 << 43 | 2 << 32 | 1,
    ],
    "<u8",
)


def test_the_layout_is_that_of_the_specification():
    assert read(evt21.FORMAT, HEADER + WORDS.tobytes()) == EVENTS
    assert written(evt21.FORMAT, EVENTS) == HEADER + WORDS.tobytes()


def test_triggers_and_vendors_words_are_passed_over():
    others = np.array([10 << 60, 14 << 60 | 5, 2**64 - 1], "<u8").tobytes()
    assert read(evt21.FORMAT, HEADER + WORDS.tobytes() + others) == EVENTS


@pytest.mark.parametrize(
    ("header", "legacy"),
    [
        (b"% format EVT21;endianness=legacy;height=4;width=64\n", True),
        (b"% format EVT21;height=4;width=64\n% endianness legacy\n", True),
        (b"% evt 2.1\n% geometry 64x4\n% system_ID 49\n", True),
        (b"% evt 2.1\n% geometry 64x4\n% system_ID 64\n", False),
        (b"% evt 2.1\n% geometry 64x4\n", False),
        (b"% evt 2.1\n% endianness little\n% geometry 64x4\n% system_ID 49\n", False),
    ],
)
def test_old_cameras_swap_the_halves_of_a_word(header, legacy):
    halves = WORDS.view("<u4").reshape(-1, 2)
    data = (halves[:, ::-1] if legacy else halves).tobytes()
    assert read(evt21.FORMAT, header + data) == EVENTS


def test_events_of_one_word_come_in_the_order_of_x():
    """As Prophesee's decoder gives them; the file says no more."""
    data = HEADER + WORDS[:2].tobytes()
    assert columns(evt21.FORMAT, data)[0] == [32, 35, 63]
