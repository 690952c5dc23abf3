from __future__ import annotations

import io
from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import csv

from ..streams import streams
from .samples import decode, encode, repaired

CSV = csv.FORMAT
EVENTS = Events([1, 2, 3], [0, 1, 2], [10, 20, 30], [0, 1, 1], 5, 4)


def test_our_own_form():
    text = b"# spikeproof events, width=5, height=4\nt,x,y,p\n10,1,0,0\n20,2,1,1\n30,3,2,1\n"
    assert encode(CSV, EVENTS) == text
    assert decode(CSV, text) == EVENTS


@given(streams(first=-(2**62), last=2**62, width=2**15, height=300))
def test_round_trip(events):
    if len(events):
        assert decode(CSV, encode(CSV, events)) == events


def test_the_extremes_of_time():
    for t in (-(2**63), 2**63 - 1, 0, -1, 10**18, 10**18 - 1):
        events = Events([0], [0], [t], [1], 2, 2)
        assert decode(CSV, encode(CSV, events)) == events


@pytest.mark.parametrize(
    "text",
    [
        "x,y,t,p\n1,0,10,0\n2,1,20,1\n3,2,30,1\n",
        "10,1,0,0\n20,2,1,1\n30,3,2,1",  # no names, no last newline
        "# a comment\n\n10 1 0 0\n# another\n\n20  2 1\t1 \n 30 3 2 1\n",
        "\ufeffTimestamp;X;Y;Polarity\r\n10;1;0;-1\r\n20;2;1;1\r\n30;3;2;1\r\n",
        "'p'\t'y'\t'x'\t't'\n0\t0\t1\t10\n1\t1\t2\t20\n1\t2\t3\t30\n",
        "idx,t,x,y,p,note\n0,10,1,0,False,a\n1,20,2,1,True,b\n2,30,3,2,True,c\n",
        "t, x, y, p\n10, 1, 0, 0\n+20, 2.0, 1, 1.\n3e1, 3, 2, 1\n",
        "0.000010 1 0 0\n0.0000199 2 1 1\n.00003 3 2 1\n",
        "1.0e-05,1,0,0\n2.0e-05,2,1,1\n3.0e-05,3,2,1\n",
    ],
)
def test_other_forms(text):
    assert decode(CSV, text.encode(), 5, 4) == EVENTS


def test_numpy_savetxt(tmp_path):
    table = np.stack([EVENTS.t / 1e6, EVENTS.x, EVENTS.y, EVENTS.p], 1)
    for options in ({}, {"fmt": "%.9f %d %d %d"}, {"delimiter": ",", "header": "t,x,y,p"}):
        buffer = io.BytesIO()
        np.savetxt(buffer, table, **options)
        assert decode(CSV, buffer.getvalue(), 5, 4) == EVENTS


@given(st.lists(st.integers(-(10**16), 10**16), min_size=1), st.integers(1, 4))
def test_seconds_are_rounded_in_decimal(values, extra):
    """``extra`` digits beyond the µs; a half rounds up."""
    times = sorted(Decimal(v).scaleb(-6 - extra) for v in values)
    exact = [int((t * 10**6 + Decimal("0.5")).to_integral_value(ROUND_FLOOR)) for t in times]
    text = "".join(f"{t:f} 0 0 1\n" for t in times)
    assert decode(CSV, text.encode(), 1, 1).t.tolist() == exact


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c,d\n1,2,3,4\n", r"field 'x' is missing \(found: a, b, c, d\)"),
        ("t,x,y,p\n1,2,3\n", "its first event has 3 fields and not 4; save one event a line"),
        ("t,x,y,p\n1,2,3,1\n2,3,4\n", r"line 3 is no event \('2,3,4'\); save one event a line"),
        ("1,2,3,1\n2,3,4.5,1\n", r"line 2 is no event"),
        ("1,2,3,1\n2.5,3,4,1\n", r"line 2 is no event"),  # µs have no fractions
        ("1,2,3,1\n\n#\nnan,3,4,1\n", r"line 4 is no event \('nan,3,4,1'\)"),
        ("1,2,3,1\n2,3,4,True,False\n", "line 2 is no event"),
        ("1,2,3,1\n1e999,3,4,1\n", "line 2 is no event"),
        ("1,2,3,1\n99999999999999999999,3,4,1\n", "line 2 is no event"),
        ("1200.0,1,1,1\n", "its first time, 1200.0, may be in seconds or in µs; write seconds"),
        ("1.2e3 1 1 1\n", "its first time, 1.2e3, may be in seconds or in µs"),
        ("1 2 3 4\n", "event 0: p=4 is no polarity"),
        ("1 2 3 1\n2 -3 3 1\n", "event 1: x=-3 is outside"),
        ("1 2 3 1\n0 3 3 1\n", "event 1: time goes backwards, from 1 to 0"),
        ("# width=0 height=4\n1 2 3 1\n", "sensor width 0 is impossible"),
        ("t,x,y,p\n", "is empty"),
        ("#" * 70_000, "has no event in its first 65536 bytes"),
        ("1 2 3 1\n" + "1" * 5_000, "line 2 has more than 4096 bytes"),
        ("1 2 3 1\n" + "1" * 5_000 + "\n", "line 2 is no event"),
    ],
)
def test_errors_name_the_line(text, message):
    with pytest.raises(InvalidRecording, match=message) as caught:
        decode(CSV, text.encode())
    assert "\n" not in str(caught.value)


def test_repair_drops_lines_that_are_no_events():
    text = b"t,x,y,p\n1,2,3,1\n2,3\nword\n5,1,1,9\n4,1,1,0\n3,1,0,0\n3,1"
    events, told = repaired(CSV, text, 5, 4)
    assert events == Events([2, 1, 1], [3, 0, 1], [1, 3, 4], [1, 0, 0], 5, 4)
    assert [sentence.partition(";")[0] for sentence in told] == [
        "a: line 3 is no event ('2,3')",
        "a: line 4 is no event ('word')",
        "a: line 8 is no event ('3,1')",
        "a: dropped events whose polarity is neither 0 nor 1: 1",
        "a: put the events in order of time, which went backwards: 1",
    ]


def test_notes_of_repair_are_bounded():
    events, told = repaired(CSV, b"1 2 3 1\n" + b"".join(b"%d\n" % k for k in range(500)), 5, 4)
    assert len(events) == 1
    assert len(told) == 21
    assert told[-1] == "a: more problems of this kind (480 times)"


def test_blocks_are_joined_at_their_seams(monkeypatch):
    rng = np.random.default_rng(0)
    n = 300
    columns = [rng.integers(0, 9, n), rng.integers(0, 9, n), np.arange(n) * 77, np.ones(n, int)]
    events = Events(*columns, 9, 9)
    data = encode(CSV, events).replace(b"\n770,", b"\n#\n+770,")  # a slow line among the others
    for block, piece in ((17, 2**20), (100, 7), (2**24, 64), (20, 1)):
        monkeypatch.setattr(csv, "BLOCK", block)
        monkeypatch.setattr(csv, "PIECE", piece)
        assert decode(CSV, data) == events
    monkeypatch.setattr(csv, "BLOCK", 50)
    with pytest.raises(InvalidRecording, match=r"line 304 is no event \('x'\)"):
        decode(CSV, data + b"x\n")
