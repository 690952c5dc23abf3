"""From text to syntax tree, with the parser library lark (LALR(1)).

A text without blanks is shorthand, ``16c5-bn-p2-fc10``, and read by
:mod:`~spikeproof.models.topology.shorthand`. Comments run from ``#`` to the end of the line.
"""

from __future__ import annotations

import re
from functools import cache

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken
from lark.tree import Meta
from lark.visitors import v_args

from spikeproof.errors import InvalidModel
from spikeproof.models.topology.place import Place, misfit
from spikeproof.models.topology.shorthand import translated
from spikeproof.models.topology.terms import (
    Branches,
    Chain,
    Conv,
    Dense,
    Dropout,
    Inputs,
    Let,
    Name,
    Number,
    Open,
    PoolTerm,
    Size,
    Term,
)

_GRAMMAR = r"""
?start: expression
?expression: chain
           | "let" NAME "=" expression "in" expression          -> let
?chain: branches ("|>" branches)*
?branches: atom ("(-)" atom)*
?atom: "(" expression ")"
     | "dense" inputs size [NORM]                               -> dense
     | "conv" inputs size size ["stride" size] [NORM]           -> conv
     | "pool" size                                              -> pool
     | "maxpool" size                                           -> maxpool
     | "dropout" size                                           -> dropout
     | size
?inputs: size
       | "_"                                                    -> open
?size: NUMBER                                                   -> number
     | NAME                                                     -> name
NORM: "norm"
NUMBER: /[0-9]+/
NAME: /[A-Za-z][A-Za-z0-9_]*/
%ignore /[ \t\r\n]+/
%ignore /#[^\n]*/
"""
_CALLED = {"NUMBER": "a number", "NAME": "a name", "$END": "the end"}
_DEEPEST = 100
_LONGEST = 100_000  # characters
_DIGITS = 6


def parse(text: str) -> Term:
    """The term that ``text`` describes, in the language or in shorthand.

    Raises :class:`InvalidModel`, with a note that shows the place, if it cannot be read.
    """
    if not re.search(r"\s", text):
        return translated(text)
    _bounded(text)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _refused(text, error) from None
    term: Term = _Reader(text).transform(tree)
    return term


@cache
def _parser() -> Lark:
    return Lark(
        _GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=True
    )


def _bounded(text: str) -> None:
    """Refuses what would be too deep for functions that call themselves."""
    if len(text) > _LONGEST:
        raise InvalidModel(f"architecture: more than {_LONGEST} characters; write a shorter one")
    depth = 0
    for word in re.finditer(r"\(|\)|\blet\b|[0-9]+", text):
        depth += {"(": 1, "let": 1, ")": -1}.get(word[0], 0)
        place = Place(text, *word.span())
        if depth > _DEEPEST:
            raise misfit(f"nested more than {_DEEPEST} deep; write a flatter one", place)
        if len(word[0]) > _DIGITS:
            raise misfit(f"numbers have at most {_DIGITS} digits", place)


def _refused(text: str, error: UnexpectedInput) -> InvalidModel:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start, end = error.token.start_pos or 0, error.token.end_pos or 0
        found = repr(str(error.token))
        wanted = error.accepts or error.expected
    elif isinstance(error, UnexpectedToken):
        start = end = len(text.rstrip())
        found, wanted = "the end", error.accepts or error.expected
    else:
        start = error.pos_in_stream or 0
        message = f"{text[start]!r} is no word of the language"
        return misfit(message, Place(text, start, start + 1))
    known = {t.name: t.pattern.value for t in _parser().terminals}
    words = sorted(_CALLED.get(name, known.get(name, name)) for name in wanted)
    return misfit(f"found {found} where {_either(words)} is expected", Place(text, start, end))


def _either(words: list[str]) -> str:
    words = [word.replace("\\", "") for word in words]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@v_args(inline=True, meta=True)
class _Reader(Transformer[Token, Term]):
    """One method for each rule of the grammar; every term learns its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def _at(self, meta: Meta) -> Place:
        return Place(self._text, meta.start_pos, meta.end_pos)

    def number(self, meta: Meta, digits: Token) -> Number:
        return Number(int(digits), place=self._at(meta))

    def name(self, meta: Meta, name: Token) -> Name:
        return Name(str(name), place=self._at(meta))

    def open(self, meta: Meta) -> Open:
        return Open(place=self._at(meta))

    def dense(self, meta: Meta, inputs: Inputs, units: Size, norm: Token | None) -> Dense:
        return Dense(inputs, units, norm is not None, place=self._at(meta))

    def conv(
        self,
        meta: Meta,
        inputs: Inputs,
        channels: Size,
        kernel: Size,
        stride: Size | None,
        norm: Token | None,
    ) -> Conv:
        stride = stride or Number(1)
        return Conv(inputs, channels, kernel, stride, norm is not None, place=self._at(meta))

    def pool(self, meta: Meta, size: Size) -> PoolTerm:
        return PoolTerm(size, place=self._at(meta))

    def maxpool(self, meta: Meta, size: Size) -> PoolTerm:
        return PoolTerm(size, maximum=True, place=self._at(meta))

    def dropout(self, meta: Meta, percent: Size) -> Dropout:
        return Dropout(percent, place=self._at(meta))

    def chain(self, meta: Meta, *parts: Term) -> Chain:
        return Chain(parts, place=self._at(meta))

    def branches(self, meta: Meta, *parts: Term) -> Branches:
        return Branches(parts, place=self._at(meta))

    def let(self, meta: Meta, name: Token, value: Term, body: Term) -> Let:
        return Let(str(name), value, body, place=self._at(meta))
