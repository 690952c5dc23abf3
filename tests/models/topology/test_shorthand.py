from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidModel
from spikeproof.models.topology import parse, typed
from spikeproof.models.topology.terms import Chain, Conv, Dense, Dropout, Number, Open, PoolTerm

sizes = st.integers(1, 999).map(Number)
odd = st.integers(0, 9).map(lambda k: Number(2 * k + 1))


def word(layer):
    match layer:
        case Conv(_, c, k, s, norm):
            return f"{c}c{k}" + (f"s{s}" if s.value > 1 else "") + ("-bn" if norm else "")
        case PoolTerm(size, maximum):
            return f"{'m' if maximum else ''}p{size}"
        case Dense(_, units, norm):
            return f"fc{units}" + ("-bn" if norm else "")
        case Dropout(percent):
            return f"drop{percent}"


layers = st.one_of(
    st.builds(Conv, st.just(Open()), sizes, odd, sizes, st.booleans()),
    st.builds(PoolTerm, sizes, st.booleans()),
    st.builds(Dropout, sizes),
    st.builds(Dense, st.just(Open()), sizes, st.booleans()),
)


@given(st.lists(layers, min_size=2))
def test_what_is_written_is_read(layers):
    assert parse("-".join(map(word, layers))) == Chain(tuple(layers))


def test_a_line_with_every_word_is_short_for_a_program():
    assert parse("16c5-bn-p2-32c3s2-mp2-drop20-fc64-bn-fc10") == parse(
        "conv _ 16 5 norm |> pool 2 |> conv _ 32 3 stride 2 |> maxpool 2 |> dropout 20"
        " |> dense _ 64 norm |> dense _ 10"
    )


def test_one_word_is_a_program():
    assert parse("fc10") == parse("dense _ 10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "word 1 ('') is not understood"),
        ("16c5-fc10-", "word 3 ('') is not understood"),
        ("16c5--fc10", "word 2 ('') is not understood"),
        ("16C5-fc10", "word 1 ('16C5') is not understood; words are like 16c5"),
        ("16c5-relu-fc10", "line 1, column 6: word 2 ('relu') is not understood"),
        ("-1c3-fc10", "word 1 ('') is not understood"),
        ("１６c5-fc10", "is not understood"),
        ("9" * 5000 + "c3-fc10", "is not understood"),
        ("bn-fc10", "word 1 ('bn') bn must follow a convolution or fc layer"),
        ("4c3-bn-bn-fc10", "word 3 ('bn') bn must follow"),
        ("4c3-p2-bn-fc10", "word 3 ('bn') bn must follow"),
    ],
)
def test_bad_words_are_named_with_their_place(text, message):
    with pytest.raises(InvalidModel, match=re.escape(message)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("16c4-fc10", "column 1: the kernel must be odd"),
        ("0c3-fc10", "column 1: sizes must be at least 1"),
        ("4c3s0-fc10", "column 1: sizes must be at least 1"),
        ("p0-fc10", "column 1: sizes must be at least 1"),
        ("drop100-fc10", "dropout is from 1 to 99 %, not 100"),
        ("fc4-4c3-fc10", "column 5: conv _ 4 3 takes maps, but 4 features come in"),
        ("fc4-p2-fc10", "column 5: pool 2 takes maps, but 4 features come in"),
        ("4c3", "must end with its read-out"),
        ("4c3-fc10-bn", "column 5: the network must end with its read-out"),
        ("4c3-fc10-drop5", "must end with its read-out"),
        ("4c3-p2-p2-p2-p2-fc10", "column 14: pool 2 leaves nothing of maps of 1x1"),
    ],
)
def test_sizes_are_checked_as_in_programs(text, message):
    with pytest.raises(InvalidModel, match=re.escape(message)):
        typed(parse(text), (2, 9, 8))


@given(st.text("0123456789cspfmdrobn-", max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        program = typed(parse(text), (2, 9, 8))
    except InvalidModel:
        return
    assert isinstance(program.parts[-1], Dense)
