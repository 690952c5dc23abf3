from __future__ import annotations

import sys

import pyarrow
import pytest
from pyarrow import parquet

from spikeproof.errors import InvalidRecording
from spikeproof.events.table import number, read_table, text


def rows(path, content=None):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_table(path, needed=("path", "label"), known=("path", "label", "start")))


def error(path, content=None):
    with pytest.raises(InvalidRecording) as caught:
        rows(path, content)
    return str(caught.value)


def test_what_spreadsheets_write_is_read(tmp_path):
    path = tmp_path / "a.csv"
    content = (
        '\ufeffPath, LABEL ,notes\r\n"a,1.bin", cat,"two\r\nlines"\r\n\r\n,,\r\nb.bin,"d""og",\r\n'
    )
    assert rows(path, content) == [
        ("line 3", {"path": "a,1.bin", "label": "cat", "notes": "two\r\nlines"}),
        ("line 6", {"path": "b.bin", "label": 'd"og', "notes": ""}),
    ]


def test_damaged_csv_is_named(tmp_path):
    path = tmp_path / "a.csv"
    assert f"{path}: cannot be read (No such file" in error(path)
    assert f"{path}: has no column 'path' (found: none); a manifest" in error(path, "")
    assert "has no column 'label' (found: path, t)" in error(path, "path,t\n")
    assert "has two columns 'start'; keep one" in error(path, "path,label,start,START\n")
    assert error(path, "path,label\na,b,c\n") == (
        f"{path}: line 2: has 3 fields and the header 2; put fields with commas in quotes"
    )
    assert "line 2: is no CSV (unexpected end of data)" in error(path, 'path,label\n"a,b\n')
    assert "is not UTF-8 text" in error(path, "path,label\ncafé,a\n".encode("latin-1"))
    assert "is not UTF-8 text" in error(path, "path,label\n".encode("utf-16"))


def test_parquet_gives_the_same(tmp_path):
    path = tmp_path / "a.parquet"
    labels = pyarrow.array(["cat", "dog"]).dictionary_encode()
    table = {"Path": ["a", "b"], "label": labels, "start": [5, None], "picture": [b"x", b"y"]}
    parquet.write_table(pyarrow.table(table), path)
    assert rows(path) == [
        ("row 1", {"path": "a", "label": "cat", "start": 5}),
        ("row 2", {"path": "b", "label": "dog", "start": None}),
    ]
    parquet.write_table(pyarrow.table({"path": ["a"]}), path)
    assert "has no column 'label' (found: path)" in error(path)
    assert f"{path}: is no Parquet table (" in error(path, "no such thing")


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert error(tmp_path / "a.parquet", "") == (
        f'{tmp_path / "a.parquet"}: needs pyarrow; pip install "spikeproof[parquet]", or save it '
        "as CSV"
    )


def test_values():
    assert text({"a": " x "}, "a") == "x"
    assert text({"a": 7}, "a") == "7"
    for value, message in ((None, "a is empty"), (" ", "a is empty"), (1.5, "1.5 is a fraction")):
        with pytest.raises(InvalidRecording, match=message):
            text({"a": value}, "a")
    for value, meant in ((" 12 ", 12), ("-3", -3), (5.0, 5), (7, 7)):
        assert number({"a": value}, "a") == meant
    for value in (None, "", "  ", float("nan")):
        assert number({"a": value}, "a") is None
    assert number({}, "a") is None
    for value in ("1e3", "1.0", 1.5, float("inf"), 2**63, "x", [1]):
        with pytest.raises(InvalidRecording, match="is no whole number; correct it"):
            number({"a": value}, "a")
