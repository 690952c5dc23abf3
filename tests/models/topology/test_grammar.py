from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spikeproof.errors import InvalidModel
from spikeproof.models.topology import (
    Branches,
    Chain,
    Conv,
    Dense,
    Dropout,
    Let,
    Name,
    Number,
    Open,
    PoolTerm,
    parse,
)

from .programs import any_terms


@given(any_terms)
def test_what_is_written_is_read(term):
    assert parse(f"{term} ") == term  # a blank, since a lone name could be shorthand


@given(any_terms)
def test_blanks_lines_and_comments_mean_nothing(term):
    text = str(term).replace(" ", "\n\t  # a comment |> (\n")
    assert parse(f"{text}\n") == term


def test_every_word():
    four, two = Number(4), Number(2)
    assert parse(
        "let n = 4 in conv 2 n 3 stride 2 norm |> (pool 2 (-) maxpool 2) |> dropout 20 |> dense _ 2"
    ) == Let(
        "n",
        four,
        Chain(
            (
                Conv(two, Name("n"), Number(3), two, norm=True),
                Branches((PoolTerm(two), PoolTerm(two, maximum=True))),
                Dropout(Number(20)),
                Dense(Open(), two),
            )
        ),
    )


def test_branches_bind_tighter_than_sequence_and_let_reaches_to_the_end():
    a, b, c = (Name(name) for name in "abc")
    assert parse("a |> b (-) c |> a") == Chain((a, Branches((b, c)), a))
    assert parse("let a = b |> c in a (-) b") == Let("a", Chain((b, c)), Branches((a, b)))
    assert parse("(let a = b in c) |> a") == Chain((Let("a", b, c), a))


def test_words_may_begin_like_keywords():
    assert parse("dense denser normal ") == Dense(Name("denser"), Name("normal"))


def test_terms_know_their_place():
    term = parse("dense 2 4\n  |> (dense 4 1 (-) dense 4 2)")
    joined = term.parts[1]
    assert (joined.place.line, joined.place.column) == (2, 7)
    assert joined.parts[1].units.place.shown.endswith("\n" + " " * 30 + "^")


@pytest.mark.parametrize(
    ("text", "message", "shown"),
    [
        (
            "dense 2 4 |> ",
            "line 1, column 13: found the end where (, a name, a number, conv, dense, dropout,"
            " maxpool or pool is expected",
            "  dense 2 4 |> \n" + " " * 14 + "^",
        ),
        (
            "dense 2 4\ndense 4 2",
            "line 2, column 1: found 'dense' where (-), norm, the end or |> is expected",
            "  dense 4 2\n  ^^^^^",
        ),
        ("dense 2 4 (-) let a = 2 in a", "column 15: found 'let' where (", None),
        ("let norm = 2 in dense 2 2", "found 'norm' where a name is expected", None),
        ("dense 2 4 € dense 4 2", "column 11: '€' is no word of the language", None),
        ("\tdense 2 %", "column 10: '%' is no word", "  \tdense 2 %\n  \t        ^"),
        ("dense _ _", "found '_' where a name or a number is expected", None),
        ("(dense 2 4", "found the end where", None),
        ("dense 2 4)", "found ')' where", None),
        (" ", "found the end where", None),
        ("dense 2 1234567", "numbers have at most 6 digits", None),
        ("(" * 101 + " ", "column 101: nested more than 100 deep", None),
        ("let a = 1 in " * 101 + "a", "nested more than 100 deep", None),
        ("dense 2 4 |> " * 10_000, "more than 100000 characters", None),
    ],
)
def test_errors_point_at_the_place(text, message, shown):
    with pytest.raises(InvalidModel, match=re.escape(message)) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    if shown is not None:
        assert caught.value.__notes__ == [shown]


def test_long_lines_are_shown_around_the_place():
    text = "dense 2 2 |> " * 100 + "dense 2 % |> dense 2 2" + " |> dense 2 2" * 100
    with pytest.raises(InvalidModel, match="column 1309") as caught:
        parse(text)
    line, carets = caught.value.__notes__[0].splitlines()
    assert len(line) < 150
    assert line[carets.index("^")] == "%"


@given(st.text("dense 24|>()-_letin=a#\n", max_size=40))
@example("() ")
def test_any_text_is_read_or_refused(text):
    try:
        term = parse(text)
    except InvalidModel:
        return
    assert parse(f"{term} ") == term
