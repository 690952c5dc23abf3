from __future__ import annotations

import re

import pytest
from hypothesis import given

from spikeproof.errors import InvalidModel
from spikeproof.models.topology import Dense, Let, Name, Number, parse, typed

from .programs import classifiers

MAPS = (2, 9, 8)


def normal(text, takes=MAPS):
    return str(typed(parse(text), takes))


@pytest.mark.parametrize(
    ("text", "takes", "form"),
    [
        ("dense 2 4 |> dense 4 2", (2,), "dense 2 4 |> dense 4 2"),
        ("dense _ 3", MAPS, "dense 144 3"),
        ("conv _ 4 3 |> dense _ 3", MAPS, "conv 2 4 3 |> dense 288 3"),
        ("conv 2 4 5 stride 3 |> dense _ 3", MAPS, "conv 2 4 5 stride 3 |> dense 36 3"),
        ("maxpool 3 |> dropout 9 |> dense _ 3", MAPS, "maxpool 3 |> dropout 9 |> dense 12 3"),
        (
            "dense 100 20 |> (dense 20 10 (-) dense 20 10) |> dense 20 10",
            (100,),
            "dense 100 20 |> dense 20 10 (-) dense 20 10 |> dense 20 10",
        ),
        (
            "conv _ 4 3 (-) conv _ 6 5 |> pool 2 |> dense _ 3",
            MAPS,
            "conv 2 4 3 (-) conv 2 6 5 |> pool 2 |> dense 160 3",
        ),
        ("dense _ 1 (-) dense _ 2", (3,), "dense 3 1 (-) dense 3 2"),
        (
            "let n = 4 in let h = dense _ n in h |> (h |> (h |> h)) |> dense n 2",
            (3,),
            "dense 3 4 |> dense 4 4 |> dense 4 4 |> dense 4 4 |> dense 4 2",
        ),
        ("let n = 4 in let h = dense 3 n in let n = 5 in h |> dense _ n", (3,),
         "dense 3 4 |> dense 4 5"),
    ],
)  # fmt: skip
def test_the_normal_form_has_no_names_and_every_size(text, takes, form):
    assert normal(text, takes) == form
    assert normal(form + " ", takes) == form


@given(classifiers(7))
def test_what_fits_is_accepted_and_its_normal_form_says_the_same(term):
    program = typed(term, (7,))
    again = typed(parse(str(program)), (7,))
    assert again == program
    assert program.gives == (term.parts[-1].units.value,)


@pytest.mark.parametrize(
    ("text", "message", "carets"),
    [
        ("dense 144 4 |> dense 5 2",
         "column 22: dense 5 2 takes 5, but 4 come in (4 features); write dense 4 2", (21, 1)),
        ("dense 144 4 |> (dense 4 3 (-) dense 3 2) |> dense 5 2",
         "column 37: dense 3 2 takes 3, but 4 come in", (36, 1)),
        ("dense 144 4 |> (dense 4 3 (-) dense 4 3) |> dense 4 2",
         "dense 4 2 takes 4, but 6 come in", (50, 1)),
        ("conv 3 4 3 |> dense _ 2",
         "conv 3 4 3 takes 3, but 2 come in (2x9x8 maps); write conv 2 4 3", (5, 1)),
        ("let n = 5 in dense _ 4 |> dense n 2", "dense 5 2 takes 5, but 4 come in", (32, 1)),
        ("conv _ 4 2 |> dense _ 2", "the kernel must be odd", (9, 1)),
        ("conv _ 4 3 stride 0 |> dense _ 2", "sizes must be at least 1, not 0", (18, 1)),
        ("dense _ 0 |> dense _ 2", "sizes must be at least 1, not 0", (8, 1)),
        ("dropout 0 |> dense _ 2", "dropout is from 1 to 99 %, not 0", (8, 1)),
        ("dense _ 3 |> pool 2 |> dense _ 2", "pool 2 takes maps, but 3 features come in", (13, 6)),
        ("pool 9 |> dense _ 2", "pool 9 leaves nothing of maps of 9x8", (0, 6)),
        ("pool 2 (-) conv _ 4 3 |> dense _ 2",
         "this branch gives 4x9x8 maps and the first one 2x4x4 maps", (11, 10)),
        ("pool 2 (-) dense _ 3 |> dense _ 2",
         "this branch gives 3 features and the first one 2x4x4 maps", (11, 9)),
        ("pool 2 |> dropout 5", "must end with its read-out, such as dense _ 10 (fc10)", (10, 9)),
        ("dense _ 3 norm |> dense _ 2 norm", "must end with its read-out", (18, 14)),
        ("dense _ 3 (-) (dense _ 3 |> dropout 5)", "must end with its read-out", (28, 9)),
        ("dense _ 3 |> h", "h is not defined (nothing is named here)", (13, 1)),
        ("let g = 1 in dense _ h", "h is not defined (known here: g)", (21, 1)),
        ("let h = h |> h in dense _ 3", "h is not defined", (8, 1)),
        ("let n = 3 in dense _ 3 |> n", "n is the number 3, but a network", (26, 1)),
        ("let n = 3 in n", "3 is a number, but a network", (13, 1)),
        ("dense _ 3 |> 3", "3 is a number, but a network such as", (13, 1)),
        ("let h = dense _ 3 in dense _ h", "h is a network, but a number is expected", (29, 1)),
        ("let unused = dense _ h in dense _ 3", "h is not defined", (21, 1)),
    ],
)  # fmt: skip
def test_errors_point_at_the_place(text, message, carets):
    with pytest.raises(InvalidModel, match=re.escape(message)) as caught:
        normal(text)
    start, length = carets
    assert caught.value.__notes__ == [f"  {text}\n  {' ' * start}{'^' * length}"]


def test_terms_without_a_place_are_refused_in_words():
    with pytest.raises(InvalidModel, match=r"^architecture: dense 5 2 takes 5, but 2 come in"):
        typed(Dense(Number(5), Number(2)), (2,))
    with pytest.raises(InvalidModel, match=r"^architecture: h is not defined"):
        typed(Let("g", Number(1), Name("h")), (2,))


def test_inputs_without_cells_are_refused():
    with pytest.raises(InvalidModel, match="inputs of 2x-6x5 maps have no cells"):
        typed(parse("fc3"), (2, -6, 5))


def test_a_short_program_for_an_endless_network_is_refused():
    doubling = "".join(f"let h{i + 1} = h{i} |> h{i} in " for i in range(60))
    with pytest.raises(InvalidModel, match="more than 1000 layers"):
        normal(f"let h0 = dense _ 2 in {doubling} h60")
    joining = "".join(f"let h{i + 1} = h{i} (-) h{i} in " for i in range(60))
    with pytest.raises(InvalidModel, match="more than 1000 layers"):
        normal(f"let h0 = dense _ 2 in {joining} h60")
