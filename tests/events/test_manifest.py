from __future__ import annotations

import os

import pyarrow
import pytest
from pyarrow import parquet

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, load_data, load_manifest, read, write


@pytest.fixture
def folder(tmp_path):
    for k in range(4):
        write(tmp_path / f"{k}.bin", Events([0, 1], [0, 1], [k, 100 * k + 50], [1, 0], 34, 34))
    return tmp_path


def load(folder, lines, name="set.csv", **settings):
    path = folder / name
    path.write_text(lines)
    return load_manifest(path, **settings)


def error(folder, lines, **settings):
    with pytest.raises(InvalidRecording) as caught:
        load(folder, lines, **settings)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'set.csv'}: ")
    return message.removeprefix(f"{folder / 'set.csv'}: ")


def test_a_given_split_is_kept(folder):
    lines = "label,split,path\n10,Train,0.bin\n2,learn,1.bin\n10,TEST,2.bin\n2,val,3.bin\n"
    data = load(folder, lines)
    assert data.name == "set.csv"
    assert data.learn.classes == data.test.classes == ("2", "10")
    assert (data.learn.names, data.learn.labels.tolist()) == (("0.bin", "1.bin"), [1, 0])
    assert (data.test.names, data.test.labels.tolist()) == (("2.bin",), [1])
    assert data.test.events(0) == read(folder / "2.bin")
    assert data.split == (
        "The manifest's own split: train and test; 1 recordings of split val are not used."
    )
    data = load(folder, "path,label,split\n0.bin,a,train\n3.bin,a,valid\n")
    assert data.test.names == ("3.bin",)
    assert data.split == "The manifest's own split: train and val."


@pytest.mark.parametrize("column", ["", ",train"])
def test_without_a_split_recordings_are_held_out(folder, column):
    head, *rows = ["path,label" + (",split" if column else "")] + [
        f"{k}.bin,{'ab'[k % 2]}{column}" for k in range(4)
    ]
    parts = set()
    for order in (rows, rows[::-1]):
        data = load(folder, "\n".join([head, *order]), holdout=1, seed=5)
        assert (len(data.learn), len(data.test)) == (3, 1)
        parts.add((data.learn.names, data.test.names))
    assert len(parts) == 1
    assert "1 of 4 recordings held out" in data.split
    assert "cannot hold out 4 of 4" in error(folder, "\n".join([head, *rows]), holdout=4)


def test_cuts_count_their_own_time(folder):
    write(folder / "long.npz", Events([0] * 6, [0] * 6, range(100, 700, 100), [1] * 6, 20, 10))
    lines = (
        "path,label,start,stop,split\nlong.npz,a,200,400,train\nlong.npz,b,400,,train\n"
        "long.npz,a,,200,test\n"
    )
    data = load(folder, lines)
    assert data.learn.names == ("long.npz[200:400]", "long.npz[400:]")
    assert [data.learn.events(i).t.tolist() for i in (0, 1)] == [[0, 100], [0, 100, 200]]
    assert data.test.names == ("long.npz[:200]",)
    assert data.test.events(0).t.tolist() == [100]
    assert (data.test.width, data.test.height) == (20, 10)
    data = load(folder, "path,label,start,stop\nlong.npz,a,0,200\nlong.npz,a,601,900\n", holdout=1)
    part = next(p for p in (data.learn, data.test) if "601" in p.names[0])
    with pytest.raises(InvalidRecording) as caught:
        part.events(0)
    assert str(caught.value) == (
        f"{folder / 'set.csv'}: line 3: {folder / 'long.npz'} has no events from 601 to 900 µs "
        "(it has 100 to 600); correct start and stop"
    )


def test_sizes_of_rows_come_before_those_of_the_call(folder):
    lines = "path,label,width,height\n0.bin,a,50,\n1.bin,a,50,60\n"
    data = load(folder, lines, holdout=1, height=60)
    for part in (data.learn, data.test):
        assert (part.width, part.height, part.events(0).width) == (50, 60, 50)
    data = load(folder, "path,label,width\n0.bin,a,50\n1.bin,a,\n", holdout=1)
    part = next(p for p in (data.learn, data.test) if p.names == ("1.bin",))
    with pytest.raises(InvalidRecording, match=r"1\.bin: is 34x34 pixels and the set is 50x34"):
        part.events(0)


def test_wrong_rows_are_named(folder):
    (folder / "deeper").mkdir()
    head = "path,label,split,width,start,stop\n0.bin,a,train,,,\n"
    for row, message in {
        "9.bin,a,train,,,": f"{folder / '9.bin'} does not exist; correct the path",
        "a\0.bin,a,train,,,": "does not exist",
        "deeper,a,train,,,": f"{folder / 'deeper'} is no file; give one recording a row",
        "1.bin,,train,,,": "label is empty; fill it in, or remove the row",
        ",a,train,,,": "path is empty",
        "1.bin,a,,,,": "split is empty",
        "1.bin,a,dev,,,": "split 'dev' is unknown; give train, test or val",
        "1.bin,a,test,0,,": "sensor 0xNone is impossible",
        "1.bin,a,test,wide,,": "width 'wide' is no whole number",
        "1.bin,a,test,,7,7": "start 7 is not before stop 7; correct them (µs)",
        "1.bin,b,test,,,": "label 'b' is in no row of split train; remove the row, or",
    }.items():
        assert error(folder, head + row + "\n").startswith("line 3: " + message) or (
            "\0" in row and message in error(folder, head + row + "\n")
        )
    assert error(folder, "path,label\n") == "lists no recordings; add a line for each"
    (folder / "!damaged.npz").write_bytes(b"12345")
    message = error(folder, "path,label\n0.bin,a\n!damaged.npz,a\n", holdout=1)
    assert message.startswith(f"line 3: {folder / '!damaged.npz'}: ")
    message = error(folder, "path,label,split\n0.bin,a,val\n1.bin,a,test\n")
    assert message == "no row has split train; mark those to learn from"


def test_what_is_in_both_splits_is_refused(folder):
    os.symlink(folder / "0.bin", folder / "link.bin")
    head = "path,label,split,start,stop\n"
    for learn, test, shared in (
        ("0.bin,a,train,,", "0.bin,a,test,,", True),
        ("0.bin,a,train,,", "link.bin,a,test,,", True),
        ("0.bin,a,train,,", "./0.bin,a,test,3,9", True),
        ("0.bin,a,train,0,10", "0.bin,a,test,9,20", True),
        ("0.bin,a,train,10,20\n1.bin,a,train,,", "0.bin,a,test,0,99", True),
        ("0.bin,a,train,0,90\n0.bin,a,train,20,30", "0.bin,a,test,40,50", True),
        ("0.bin,a,train,0,10", "0.bin,a,test,10,20", False),
        ("0.bin,a,train,0,10", "1.bin,a,test,0,10", False),
    ):
        lines = f"{head}{learn}\n{test}\n"
        if shared:
            assert "in the other split; keep one of them" in error(folder, lines)
        else:
            load(folder, lines, width=34, height=34)
    message = error(folder, "path,label\n0.bin,a\n0.bin,a\n", holdout=1)
    here, there = (2, 3) if message.startswith("line 2") else (3, 2)
    assert message == (
        f"line {here}: {folder / '0.bin'} is also in line {there}, which is in the other split; "
        "keep one of them, or give both the same split"
    )


def test_parquet_and_csv_give_the_same(folder):
    rows = {"path": ["0.bin", "1.bin", "2.bin"], "label": [1, 2, 1],
            "split": ["train", "train", "test"], "start": [None, 50.0, None]}  # fmt: skip
    parquet.write_table(pyarrow.table(rows), folder / "set.parquet")
    lines = "path,label,split,start\n0.bin,1,train,\n1.bin,2,train,50\n2.bin,1,test,\n"
    a, b = load_data(folder / "set.parquet"), load(folder, lines)
    for one, other in ((a.learn, b.learn), (a.test, b.test)):
        assert one.names == other.names
        assert one.classes == other.classes == ("1", "2")
        assert [one.events(i) for i in range(len(one))] == [
            other.events(i) for i in range(len(other))
        ]
    rows["label"] = [1.0, 2.0, 1.0]
    parquet.write_table(pyarrow.table(rows), folder / "set.parquet")
    with pytest.raises(InvalidRecording, match=r"set\.parquet: row 1: label 1\.0 is a fraction"):
        load_manifest(folder / "set.parquet")


def test_real_recordings_from_elsewhere(shared_data, tmp_path):
    files = sorted((shared_data / "nmnist" / "Train").glob("*/*.bin"))[::50]
    lines = [f'"{os.path.relpath(f, tmp_path)}",{f.parent.name},0,100000' for f in files]
    lines += [f'"{f}",{f.parent.name},100000,' for f in files]
    data = load(tmp_path, "\n".join(["path,label,start,stop", *lines]), holdout=0.25)
    assert len(data.learn) + len(data.test) == 40
    for part in (data.learn, data.test):
        for i in range(len(part)):
            events = part.events(i)
            assert 0 <= events.t[0] < 10_000
            assert events.t[-1] < (100_000 if part.names[i].endswith("[0:100000]") else 220_000)
