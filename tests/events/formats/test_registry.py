from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, formats, read, slices, write
from spikeproof.events.files import recognise
from spikeproof.events.formats import FORMATS
from spikeproof.events.formats.base import HEAD, PIECE

from .samples import EVENTS, HEIGHT, WIDTH, decode, encode, sample

every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
every_written = pytest.mark.parametrize(
    "format", [f for f in FORMATS if f.write], ids=lambda f: f.name
)


def test_names_are_unique_and_endings_are_in_lower_case():
    assert len({format.name for format in FORMATS}) == len(FORMATS)
    for format in FORMATS:
        assert format.title
        assert format.endings
        assert all(end.startswith(".") and end == end.lower() for end in format.endings)


def test_only_one_format_without_a_mark_has_an_ending():
    plain = [end for format in FORMATS if format.recognises is None for end in format.endings]
    assert len(set(plain)) == len(plain)


@every_format
def test_samples_are_recognised_and_read(format, tmp_path):
    path = tmp_path / f"a{format.endings[0]}"
    path.write_bytes(sample(format))
    assert recognise(path) is format
    if format.recognises is not None:
        takers = [f.name for f in FORMATS if f.recognises and f.recognises(sample(format)[:HEAD])]
        assert takers == [format.name]
        path = path.rename(tmp_path / "a")  # the mark is enough
        assert recognise(path) is format
    events = read(path, width=WIDTH, height=HEIGHT)
    assert len(events)
    if format.sized:
        assert read(path).width >= 1


@every_written
def test_what_is_written_is_read(format):
    data = encode(format, EVENTS)
    assert decode(format, data, WIDTH, HEIGHT) == EVENTS
    if format.sized:
        assert decode(format, data) == EVENTS


@every_written
def test_files_of_many_pieces(format, tmp_path):
    """Pieces that are kept while the next is read must not change."""
    n = PIECE + 1_000
    k = np.arange(n)
    events = Events(k // 64 % WIDTH, k // 7 % HEIGHT, k * 3, k // 5 % 2, WIDTH, HEIGHT)
    path = tmp_path / f"a{format.endings[0]}"
    write(path, events)
    assert read(path, width=WIDTH, height=HEIGHT) == events
    parts = list(slices(path, count=700_000, width=WIDTH, height=HEIGHT))
    assert np.array_equal(np.concatenate([part.t for part in parts]), events.t)


@every_written
def test_writing_needs_no_more_than_a_file_object(format):
    class Plain(io.BytesIO):
        name = None

    file = Plain()
    format.write(file, EVENTS)
    assert not file.closed
    assert decode(format, file.getvalue(), WIDTH, HEIGHT) == EVENTS


@given(
    st.lists(st.tuples(*[st.integers(0, 33)] * 2, st.binary(min_size=3, max_size=3)), min_size=5)
)
def test_n_mnist_files_carry_no_other_mark(records):
    """They begin with any bytes below 34, and some marks are text of such bytes."""
    head = b"".join(bytes([x, y]) + rest for x, y, rest in records)
    assert [f.name for f in FORMATS if f.recognises and f.recognises(head)] == []


def test_real_n_mnist_files_are_recognised(shared_data):
    paths = sorted(shared_data.glob("nmnist/Train/*/*.bin"))
    assert len(paths) == 1_000
    assert {recognise(path).name for path in paths} == {"nmnist"}


def test_optional_packages_are_imported_late():
    always = {"numpy", "numba", "spikeproof", "__future__"} | sys.stdlib_module_names
    for file in Path(formats.__file__).parent.glob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                continue
            assert {name.partition(".")[0] for name in names} <= always, file


@every_format
def test_nothing_but_the_mark_is_an_error(format):
    for size in (1, 4, 8, 16):
        with pytest.raises(InvalidRecording):
            decode(format, sample(format)[:size])
