from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, files, read, reading, slices, write
from spikeproof.events.formats.base import Format, Opened, Piece

from .streams import streams

together = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def joined(parts):
    return Events(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in "xytp"),
        parts[0].width,
        parts[0].height,
    )


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Give a path that holds the given events, handed over in pieces of a given size."""

    def make(events, size, width=None, height=None):
        width, height = width or events.width, height or events.height
        columns = [getattr(events, name) for name in "xytp"]

        def pieces():
            for start in range(0, len(events.t), size):
                yield Piece(*(column[start : start + size] for column in columns))

        format = Format("made", "made", (".x",), lambda *_: Opened(width, height, pieces()))
        monkeypatch.setattr(files, "FORMATS", (format,))
        (tmp_path / "a.x").write_bytes(b"x")
        return tmp_path / "a.x"

    return make


@together
@given(streams(), st.integers(1, 50), st.integers(1, 50))
def test_slices_of_a_number_of_events(made, events, size, count):
    if not len(events):
        return
    parts = list(slices(made(events, size), count=count))
    assert joined(parts) == events
    assert {len(part) for part in parts[:-1]} <= {count}
    assert 1 <= len(parts[-1]) <= count


@together
@given(streams(), st.integers(1, 50), st.integers(1, 300))
def test_slices_of_a_stretch_of_time(made, events, size, duration):
    if not len(events):
        return
    parts = list(slices(made(events, size), duration=duration))
    assert joined(parts) == events
    assert len(parts) == events.duration // duration + 1
    for k, part in enumerate(parts):
        start = int(events.t[0]) + k * duration
        assert all(start <= t < start + duration for t in part.t.tolist())


def test_slices_of_a_file(tmp_path):
    write(tmp_path / "a.npz", Events([1, 2, 3], [0, 1, 2], [10, 19, 45], [0, 1, 1], 5, 4))
    first, *empty, last = slices(tmp_path / "a.npz", duration=10)
    assert first == Events([1, 2], [0, 1], [10, 19], [0, 1], 5, 4)
    assert empty == [Events.empty(5, 4)] * 2
    assert last == Events([3], [2], [45], [1], 5, 4)


@pytest.mark.parametrize(
    "lengths", [{}, {"count": 0}, {"duration": 0}, {"duration": -5}, {"count": 1, "duration": 1}]
)
def test_one_length_is_needed(tmp_path, lengths):
    with pytest.raises(
        InvalidRecording, match=r"a\.bin: cannot be cut .* give one of the two, 1 or"
    ):
        slices(tmp_path / "a.bin", **lengths)  # at once, not with the first slice


def test_errors_begin_with_the_path(tmp_path, made):
    with pytest.raises(InvalidRecording, match=r"none\.bin: does not exist"):
        next(slices(tmp_path / "none.bin", count=1))
    path = tmp_path / "a.csv"
    path.write_text("# width=2, height=2\n1 1 1 1\n2 1 1 1\n1 1 1 1\n")
    with pytest.raises(
        InvalidRecording, match=r"a\.csv: event 2: time goes backwards, from 2 to 1"
    ):
        list(slices(path, count=1))
    path.write_text("# width=2, height=2\n")
    with pytest.raises(InvalidRecording, match=r"a\.csv: is empty: it has no events"):
        list(slices(path, count=1))
    path.write_text("5 7 8 1\n6 3 9 1\n")
    with pytest.raises(InvalidRecording, match=r"\(its events reach x=7, y=9\); give --width and"):
        list(slices(path, count=1))


def test_order_is_checked_across_pieces(made):
    disorder = made(Piece(*np.array([[0] * 4, [0] * 4, [1, 2, 1, 3], [1] * 4])), 2, 5, 5)
    with pytest.raises(InvalidRecording, match="event 2: time goes backwards, from 2 to 1 µs"):
        list(slices(disorder, count=2))


def test_a_first_pass_finds_the_size(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("5 7 8 1\n6 3 9 1\nword\n")
    told = []
    parts = list(slices(path, count=1, repair=True, told=told.append))
    assert [(part.width, part.height) for part in parts] == [(8, 10)] * 2
    assert [sentence.partition(";")[0].removeprefix(f"{path}: ") for sentence in told] == [
        "the file does not say the sensor's size",
        "line 3 is no event ('word')",
    ]


@together
@given(st.lists(st.integers(-100, 100), min_size=1, max_size=60), st.integers(1, 20))
def test_repair_in_pieces_sorts_all_that_fits_its_memory(made, times, size):
    n = len(times)
    whole = Piece(np.arange(n), np.zeros(n, int), np.array(times), np.ones(n, int))
    path = made(whole, size, 60, 1)
    told, again = [], []
    assert joined(list(slices(path, count=7, repair=True, told=told.append))) == read(
        path, repair=True, told=again.append
    )
    assert bool(told) == bool(again) == (times != sorted(times))


@together
@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 9))
def test_repair_in_pieces_drops_what_comes_too_late(made, times, size, hold):
    n = len(times)
    whole = Piece(np.arange(n), np.zeros(n, int), np.array(times), np.ones(n, int))
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "HOLD", hold)
        parts = list(slices(made(whole, size, 60, 1), count=7, repair=True, told=told.append))
    kept = joined(parts)  # in order, or it could not be a stream
    late = [int(s.rpartition(": ")[2]) for s in told if "came too late" in s]
    assert len(kept) + sum(late) == n
    assert len(set(kept.x.tolist())) == len(kept)


def test_one_wild_time_does_not_cost_the_events_after_it(made):
    t = np.arange(1_000)
    t[3] = 2**60
    path = made(Piece(t % 5, t % 5, t, t % 2), 10, 5, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "HOLD", 20)
        kept = joined(list(slices(path, count=100, repair=True, told=lambda _: None)))
    assert kept.t.tolist() == [k for k in range(1_000) if k != 3] + [2**60]


def test_absurd_gaps_are_an_error(made):
    path = made(Events([0, 0], [0, 0], [-(2**62), 2**62], [1, 1], 1, 1), 1)
    parts = slices(path, duration=1_000)
    assert len(next(parts)) == 1
    with pytest.raises(InvalidRecording, match=r"more than 100000 slices; take a longer duration"):
        next(parts)
    assert [len(part) for part in slices(path, duration=2**62)] == [1, 0, 1]
    assert [len(part) for part in slices(path, duration=2**80)] == [2]


def test_slices_too_large_for_memory_are_an_error(made, monkeypatch):
    monkeypatch.setattr(reading, "MAX_EVENTS", 50)
    path = made(Events(*np.zeros((4, 100), int), 1, 1), 10)
    for length in ({"count": 60}, {"duration": 1}):
        with pytest.raises(InvalidRecording, match=r"slice of more than 50 events; take a smaller"):
            list(slices(path, **length))


def test_repairs_are_told_even_if_the_reader_stops_early(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("# width=9 height=9\n1 1 1 1\nword\n2 1 1 1\n")
    told = []
    parts = slices(path, count=1, repair=True, told=told.append)
    next(parts)
    parts.close()
    assert len(told) == 1


def test_memory_does_not_grow_with_the_file(tmp_path):
    n = 2**20
    block = np.zeros((n, 5), np.uint8)
    for blocks in (1, 8):
        with (tmp_path / f"{blocks}.bin").open("wb") as file:
            for _ in range(blocks):
                file.write(block.tobytes())
    peaks = {}
    for blocks in (1, 8):
        tracemalloc.start()
        parts = slices(tmp_path / f"{blocks}.bin", count=100_000)
        assert sum(len(part) for part in parts) == blocks * n
        peaks[blocks] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[8] < peaks[1] + 40e6  # a piece more, whatever the length
    assert peaks[8] < 100e6
