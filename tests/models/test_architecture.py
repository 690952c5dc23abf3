from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidModel
from spikeproof.models.architecture import Conv, Dense, Dropout, Pool, parse

sizes = st.integers(1, 999)


def convs():
    return st.builds(Conv, sizes, st.integers(0, 9).map(lambda k: 2 * k + 1), sizes, st.booleans())


def word(layer):
    match layer:
        case Conv(c, k, s, norm):
            return f"{c}c{k}" + (f"s{s}" if s > 1 else "") + ("-bn" if norm else "")
        case Pool(size, maximum):
            return f"{'m' if maximum else ''}p{size}"
        case Dense(units, norm):
            return f"fc{units}" + ("-bn" if norm else "")
        case Dropout(percent):
            return f"drop{percent}"


drops = st.builds(Dropout, st.integers(1, 99))
nets = st.tuples(
    st.lists(st.one_of(convs(), drops, st.builds(Pool, sizes, st.booleans()))),
    st.lists(st.one_of(drops, st.builds(Dense, sizes, st.booleans()))),
    st.builds(Dense, sizes),
).map(lambda parts: (*parts[0], *parts[1], parts[2]))


@given(nets)
def test_what_is_written_is_read(layers):
    assert parse("-".join(map(word, layers))) == layers


def test_a_line_with_every_word():
    assert parse("16c5-bn-p2-32c3s2-mp2-drop20-fc64-bn-fc10") == (
        Conv(16, 5, norm=True),
        Pool(2),
        Conv(32, 3, 2),
        Pool(2, maximum=True),
        Dropout(20),
        Dense(64, norm=True),
        Dense(10),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "word 1 ('') is not understood"),
        ("16c5-fc10-", "word 3 ('') is not understood"),
        ("16c5--fc10", "word 2 ('') is not understood"),
        ("16C5-fc10", "word 1 ('16C5') is not understood; words are like 16c5"),
        ("16c5-relu-fc10", "word 2 ('relu') is not understood"),
        ("-1c3-fc10", "word 1 ('') is not understood"),
        ("１６c5-fc10", "is not understood"),
        ("16c5 -fc10", "is not understood"),
        ("9" * 5000 + "c3-fc10", "is not understood"),
        ("16c4-fc10", "word 1 ('16c4'): the kernel must be odd"),
        ("0c3-fc10", "word 1 ('0c3'): sizes must be at least 1"),
        ("4c3s0-fc10", "word 1 ('4c3s0'): sizes must be at least 1"),
        ("p0-fc10", "word 1 ('p0'): 0 is not a possible size"),
        ("drop100-fc10", "word 1 ('drop100'): 100 is not a possible size"),
        ("bn-fc10", "word 1 ('bn'): bn must follow a convolution or fc layer"),
        ("4c3-bn-bn-fc10", "word 3 ('bn'): bn must follow"),
        ("4c3-p2-bn-fc10", "word 3 ('bn'): bn must follow"),
        ("fc4-4c3-fc10", "word 2 ('4c3'): convolution and pooling must come before the first fc"),
        ("fc4-p2-fc10", "word 2 ('p2'): convolution and pooling must come before"),
        ("4c3", "must end with its read-out"),
        ("4c3-fc10-bn", "must end with its read-out"),
        ("4c3-fc10-drop5", "must end with its read-out"),
    ],
)
def test_bad_lines_name_the_word_and_its_place(text, message):
    with pytest.raises(InvalidModel, match=re.escape(message)):
        parse(text)


@given(st.text("0123456789cspfmdrobn-", max_size=20))
def test_any_text_is_parsed_or_refused(text):
    try:
        layers = parse(text)
    except InvalidModel:
        return
    assert isinstance(layers[-1], Dense)
