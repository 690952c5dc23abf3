from __future__ import annotations

import io
import sys
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import chunks

FILTERS = [
    {},
    {"chunks": (7,)},
    {"chunks": (7,), "compression": "gzip"},
    {"chunks": (7,), "compression": "gzip", "shuffle": True},
    {"chunks": (7,), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (7,), "compression": "lzf"},
    {"chunks": (7,), "shuffle": True, "fletcher32": True},
]


def strict(problem):
    raise InvalidRecording(problem)


def opened(fill, trouble=strict):
    """The rows of dataset ``d`` of a file that ``fill`` makes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        fill(root)
    root = h5py.File(buffer, "r")
    return chunks.Rows(chunks.member(root, "d"), len(buffer.getvalue()), trouble)


@pytest.mark.parametrize("settings", FILTERS)
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">u4", "<f8", "?", [("x", "<u2"), ("t", "<i8")]])
def test_all_packings_give_the_same_rows(settings, dtype):
    values = np.random.default_rng(0).integers(0, 2, 40)
    table = np.empty(40, dtype)
    for name in table.dtype.names or [...]:
        table[name] = values
    rows = opened(lambda root: root.create_dataset("d", data=table, **settings))
    assert np.array_equal(rows.read(0, 40), table)
    assert np.array_equal(rows.read(5, 23), table[5:23])
    assert rows.length == 40


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 4), st.data())
def test_tables_are_cut_into_any_chunks(length, high, wide, data):
    table = np.arange(4.0 * length).reshape(length, 4)
    rows = opened(
        lambda root: root.create_dataset(
            "d", data=table, chunks=(high, wide), maxshape=(None, 4), compression="gzip"
        )
    )
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    assert np.array_equal(rows.read(start, stop), table[start:stop])


def bomb(root):
    """A chunk of 1,000 bytes that unpacks to 64 megabytes."""
    d = root.create_dataset("d", (1_000,), "u1", chunks=(1_000,), compression="gzip")
    d.id.write_direct_chunk((0,), zlib.compress(bytes(2**26)))


def test_bombs_do_not_unpack():
    with pytest.raises(ValueError, match="unpacks to more than it should"):
        opened(bomb).read(0, 1_000)


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda r: r.create_dataset("d", (10**15,), "i8", chunks=(100,)), "10{15} rows and stores"),
        (lambda r: r.create_dataset("d", (10**15,), "i8", fillvalue=3), "10{15} rows and stores 0"),
    ],
)
def test_declared_rows_are_not_believed(fill, message):
    with pytest.raises(InvalidRecording, match=message):
        opened(fill)
    told = []
    assert opened(fill, told.append).length == 0
    assert len(told) == 1


def half(root):
    d = root.create_dataset("d", (20,), "i8", chunks=(5,))
    d[:10] = 1


def test_chunks_that_are_missing_are_not_invented():
    told = []
    assert opened(half, told.append).length == 10
    assert told == ["dataset 'd' declares 20 rows and stores 10; fetch the file again"]


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda r: r.__setitem__("d", h5py.SoftLink("/e")), "'d' is a link to data elsewhere"),
        (
            lambda r: r.__setitem__("d", h5py.ExternalLink("/etc/passwd", "/e")),
            "'d' is a link to data elsewhere",
        ),
        (
            lambda r: r.create_dataset("d", (9,), "u1", external=[("/etc/passwd", 0, 9)]),
            "'d' keeps its data in other files",
        ),
        (
            lambda r: r.create_virtual_dataset("d", h5py.VirtualLayout((9,), "u1")),
            "'d' keeps its data in other files",
        ),
        (
            lambda r: r.create_dataset("d", data=["a"], dtype=h5py.string_dtype()),
            "'d' has dtype object; store plain numbers",
        ),
        (
            lambda r: r.create_dataset("d", (2,), h5py.vlen_dtype(np.int32)),
            "'d' has dtype object; store plain numbers",
        ),
        (lambda r: r.create_dataset("d", data=b"ab"), "'d' has dtype"),
        (lambda r: r.create_dataset("d", data=1), r"'d' has shape \(\); store one row an event"),
        (lambda r: r.create_dataset("d", data=np.zeros((2, 2, 2))), r"'d' has shape \(2, 2, 2\)"),
        (lambda r: r.create_dataset("d", data=h5py.Empty("i4")), "'d' has shape None"),
        (
            lambda r: r.create_dataset("d", (2**28,), "u1", chunks=(2**28,)),
            "'d' has chunks of 268435456 values, more than 134217728 bytes",
        ),
    ],
)
def test_what_is_refused(fill, message):
    with pytest.raises(InvalidRecording, match=message):
        opened(fill)


def test_links_are_not_followed_on_the_way():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        root["a/d"] = [1, 2]
        root["b"] = h5py.SoftLink("/a")
        assert chunks.member(root, "a/d")[0] == 1
        assert chunks.member(root, "a/d/e") is None
        assert chunks.member(root, "c/d") is None
        with pytest.raises(InvalidRecording, match="'b/d' is a link"):
            chunks.member(root, "b/d")


def unknown_filter(root, code=32001):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((4,))
    dataset = h5py.h5d.create(root.id, b"d", h5py.h5t.STD_I32LE, space, plist)
    dataset.write_direct_chunk((0,), bytes(16))


def test_a_filter_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(
        InvalidRecording, match="packed with HDF5 filter 499, which is not installed; pip install"
    ):
        opened(lambda root: unknown_filter(root, 499))


def test_ecf_of_anything_but_events_is_refused():
    with pytest.raises(InvalidRecording, match="'d' is packed with ECF and more"):
        opened(lambda root: unknown_filter(root, 0x8ECF))


def test_filters_of_hdf5plugin_are_found():
    hdf5plugin = pytest.importorskip("hdf5plugin")
    for packing in (hdf5plugin.Blosc(cname="zstd"), hdf5plugin.Zstd()):
        rows = opened(
            lambda root, how=packing: root.create_dataset("d", data=np.arange(100), **how)
        )
        assert rows.read(0, 100).tolist() == list(range(100))


def test_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InvalidRecording) as caught:
        chunks.h5py()
    assert str(caught.value) == (
        'needs h5py, which is not installed; pip install "spikeproof[recordings]"'
    )
