"""Other implementations read our files, and we read theirs and real ones, event for event.

What is known to be wrong there is left out: expelliarmus' times of EVT3 and faery's after a
TIME_LOW that steps back (it holds the clock), each where the other two agree with us.
"""

from __future__ import annotations

import io

import numpy as np
import pytest

from spikeproof.events import Events
from spikeproof.events.formats import dat, evt2, evt3, evt21

from .codec import columns, strict, written

MODULES = {"evt2": evt2, "evt21": evt21, "evt3": evt3, "dat": dat}
pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's packages


def faery(path, _):
    package = pytest.importorskip("faery")
    events = package.events_stream_from_file(path).to_array()
    return [events[name].astype(np.int64) for name in "xytp"]


def evlib(path, _):
    package = pytest.importorskip("evlib")
    events = package.load_events(str(path), sort=False).collect()
    t = events["t"].dt.total_microseconds()
    return [
        column.to_numpy().astype(np.int64)
        for column in (events["x"], events["y"], t, events["polarity"] > 0)
    ]


def expelliarmus(path, kind):
    package = pytest.importorskip("expelliarmus")
    events = package.Wizard(encoding=kind).read(path)
    return [events[name].astype(np.int64) for name in "xytp"]


def crowd(n, last, first=0):
    """Single events and rows of neighbours, which make vectors."""
    rng = np.random.default_rng(n)
    rows = n // 10
    many = rng.integers(1, 20, rows)
    t, y, p = (
        np.repeat(column, many)
        for column in (
            np.sort(rng.integers(first, last, rows)),
            rng.integers(0, 720, rows),
            rng.integers(0, 2, rows),
        )
    )
    start = np.repeat(rng.integers(0, 1200, rows), many)
    within = np.arange(len(t)) - np.repeat(np.cumsum(many) - many, many)
    return Events(start + 3 * within, y, t, p, 1280, 720)


STREAMS = {
    "dense": crowd(100_000, 1_000_000),
    "a minute": crowd(100_000, 60_000_000),
    "sparse": crowd(3_000, 60_000_000),
    "gaps": crowd(600, 600_000_000),
    "late": crowd(3_000, 201_000_000, 200_000_000),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    ("kind", "peer"),
    [
        *(("evt2", peer) for peer in (faery, evlib, expelliarmus)),
        *(("evt3", peer) for peer in (faery, evlib, expelliarmus)),
        ("evt21", evlib),
        *(("dat", peer) for peer in (faery, expelliarmus)),
    ],
)
def test_they_read_what_we_write(kind, peer, stream, tmp_path):
    path = tmp_path / f"ours.{'dat' if kind == 'dat' else 'raw'}"
    events = STREAMS[stream]
    path.write_bytes(written(MODULES[kind].FORMAT, events))
    theirs = dict(zip("xytp", peer(path, kind), strict=True))
    if (peer, kind) == (expelliarmus, "evt3"):
        del theirs["t"]
    for name, column in theirs.items():
        np.testing.assert_array_equal(getattr(events, name), column, err_msg=name)


@pytest.mark.parametrize("stream", ["dense", "a minute"])
@pytest.mark.parametrize("kind", ["evt2", "evt3", "dat"])
def test_we_read_what_faery_writes(kind, stream, tmp_path):
    package = pytest.importorskip("faery")
    events = STREAMS[stream]
    array = np.empty(len(events), package.EVENTS_DTYPE)
    for name in "xytp":
        array[name] = getattr(events, name)
    path = tmp_path / f"theirs.{'dat' if kind == 'dat' else 'raw'}"
    version = "dat2" if kind == "dat" else kind
    package.events_stream_from_array(array, (1280, 720)).to_file(path, version=version)
    data = path.read_bytes()
    opened = MODULES[kind].FORMAT.open(io.BytesIO(data), strict)
    assert (opened.width, opened.height) == (1280, 720)
    for name, column in zip("xytp", columns(MODULES[kind].FORMAT, data), strict=True):
        np.testing.assert_array_equal(getattr(events, name), column, err_msg=name)


@pytest.mark.parametrize("kind", ["evt2", "dat"])
def test_we_read_what_expelliarmus_writes(kind, tmp_path):
    package = pytest.importorskip("expelliarmus")
    events = STREAMS["a minute"]
    array = np.empty(len(events), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")])
    for name in "xytp":
        array[name] = getattr(events, name)
    path = tmp_path / f"theirs.{'dat' if kind == 'dat' else 'raw'}"
    package.Wizard(encoding=kind).save(fpath=path, arr=array)
    found = columns(MODULES[kind].FORMAT, path.read_bytes())
    for name, column in zip("xytp", found, strict=True):
        np.testing.assert_array_equal(getattr(events, name), column, err_msg=name)


@pytest.mark.parametrize(
    ("name", "kind", "peer", "but"),
    [
        ("expelliarmus/evt2_sample.raw", "evt2", faery, ""),
        ("expelliarmus/evt2_sample.raw", "evt2", evlib, ""),
        ("expelliarmus/evt2_sample.raw", "evt2", expelliarmus, ""),
        ("expelliarmus/evt3_sample.raw", "evt3", faery, "t"),
        ("expelliarmus/evt3_sample.raw", "evt3", evlib, ""),
        ("expelliarmus/evt3_sample.raw", "evt3", expelliarmus, "t"),
        ("tonic/sample_ncars.dat", "dat", expelliarmus, ""),
    ],
)
def test_real_recordings(shared_data, name, kind, peer, but):
    path = shared_data / "formats" / name
    theirs = dict(zip("xytp", peer(path, kind), strict=True))
    ours = dict(zip("xytp", columns(MODULES[kind].FORMAT, path.read_bytes()), strict=True))
    for column in set("xytp") - set(but):
        np.testing.assert_array_equal(ours[column], theirs[column], err_msg=column)
