from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events

from .streams import streams


def test_dtypes_are_coerced_from_any_whole_numbers():
    events = Events([1, 2], np.array([0.0, 1.0]), np.array([5, 6], np.uint8), [True, False], 4, 3)
    assert [getattr(events, name).dtype.name for name in "xytp"] == [
        "uint16",
        "uint16",
        "int64",
        "uint8",
    ]
    assert len(events) == 2
    assert events.duration == 1


def test_a_stream_cannot_be_mutated():
    t = np.array([1, 2, 3])
    events = Events(np.zeros(3, np.uint16), np.zeros(3, np.uint16), t, np.zeros(3, np.uint8), 4, 3)
    t[0] = 99  # the caller's array is not shared
    assert events.t.tolist() == [1, 2, 3]
    for name in "xytp":
        column = getattr(events, name)
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        events.width = 5


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([4], [0], [0], [0]), r"event 0: x=4 is outside the 4x3 sensor; .*--width"),
        (([0, 0], [0, 3], [0, 0], [0, 0]), r"event 1: y=3 is outside the 4x3 sensor; .*--height"),
        (([-1], [0], [0], [0]), r"event 0: x=-1 is outside"),
        (([0, 0], [0, 0], [7, 6], [0, 0]), r"event 1: time goes backwards, from 7 to 6 .*sort"),
        (([0], [0], [0], [2]), r"event 0: p=2 is no polarity; give 0 for off and 1 for on"),
        (([0], [0], [0], [-1]), r"event 0: p=-1 is no polarity"),
        (([0], [0], [0, 1], [0]), r"differ in length \(x 1, y 1, t 2, p 1\)"),
        (([[0]], [0], [0], [0]), r"x has 2 dimensions"),
        (([0], [0], [1.5], [0]), r"event 0: t=1.5 is no whole number"),
        (([0], [0], [np.nan], [0]), r"event 0: t=nan is no whole number"),
        (([0], [0], [1e30], [0]), r"event 0: t=1e\+30 does not fit 64 bits"),
        (([0], [0], np.array([2**63], np.uint64), [0]), r"does not fit 64 bits"),
        (([70_000], [0], [0], [0]), r"event 0: x=70000 is outside"),
        ((["a"], [0], [0], [0]), r"x has dtype <U1"),
    ],
)
def test_invalid_columns_are_named(columns, message):
    with pytest.raises(InvalidRecording, match=message) as caught:
        Events(*columns, 4, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(0, 3), (4, -1), (2**15 + 1, 3)])
def test_impossible_sensors_are_refused(size):
    with pytest.raises(InvalidRecording, match="impossible"):
        Events.empty(*size)


@given(streams())
def test_structured_round_trip(events):
    array = events.structured()
    assert array.dtype == np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    assert Events.from_structured(array, events.width, events.height) == events


@given(streams(), st.permutations("xytp"), st.sampled_from(["bool", "01", "signed"]))
def test_from_structured_takes_any_order_and_polarity(events, order, polarity):
    array = np.zeros(len(events), [(name, "<i4" if name != "t" else "<i8") for name in order])
    for name in "xyt":
        array[name] = getattr(events, name)
    array["p"] = events.p if polarity != "signed" else events.p.astype(int) * 2 - 1
    if polarity == "bool":
        array = array.astype([(name, "?" if name == "p" else "<i8") for name in order])
    assert Events.from_structured(array, events.width, events.height) == events


def test_from_structured_names_what_is_wrong():
    with pytest.raises(InvalidRecording, match=r"field 'p' is missing \(found: x, y, t\)"):
        Events.from_structured(np.zeros(1, [("x", "i2"), ("y", "i2"), ("t", "i8")]), 4, 3)
    mixed = np.zeros(2, [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i2")])
    mixed["p"] = [-1, 0]
    with pytest.raises(InvalidRecording, match="event 0: p=-1 is no polarity"):
        Events.from_structured(mixed, 4, 3)


def test_sorting_is_stable():
    events = Events.sorted_by_time([0, 1, 2, 3], [0] * 4, [5, 3, 5, 3], [0] * 4, 4, 3)
    assert events.x.tolist() == [1, 3, 0, 2]
    assert events.t.tolist() == [3, 3, 5, 5]
    with pytest.raises(InvalidRecording, match="differ in length"):
        Events.sorted_by_time([0], [0], [0, 1], [0], 4, 3)


def test_equality_is_by_content():
    one = Events([1], [1], [1], [1], 4, 3)
    assert one == Events([1], [1], [1], [1], 4, 3)
    assert one != Events([1], [1], [1], [1], 5, 3)
    assert one != Events([1], [1], [2], [1], 4, 3)
    assert one != "events"
    assert Events.empty(4, 3) == Events.empty(4, 3)
    assert Events.empty(4, 3).duration == 0


def test_repr_is_short():
    assert (
        repr(Events([1, 1], [1, 1], [1, 4], [1, 0], 4, 3)) == "Events(2 events, 4x3 pixels, 3 µs)"
    )
