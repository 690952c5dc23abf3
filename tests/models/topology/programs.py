"""Programs drawn at random, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

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
)

numbers = st.integers(0, 999_999).map(Number)
words = st.sampled_from(["a", "b2", "hidden", "In", "n_1", "letter", "dense1", "normal"])
sizes = numbers | words.map(Name)
inputs = sizes | st.just(Open())
layers = st.one_of(
    st.builds(Dense, inputs, sizes, st.booleans()),
    st.builds(Conv, inputs, sizes, sizes, sizes, st.booleans()),
    st.builds(PoolTerm, sizes, st.booleans()),
    st.builds(Dropout, sizes),
)


def _larger(terms):
    several = st.lists(terms, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Chain, several), st.builds(Branches, several), st.builds(Let, words, terms, terms)
    )


any_terms = st.recursive(layers | sizes, _larger, max_leaves=12)
"""Whatever can be written, whether it makes sense or not."""


@st.composite
def fitting(draw, takes, depth=2):
    """A term that fits inputs of ``takes`` features, and how many features it gives."""
    kind = draw(
        st.sampled_from(["dense", "dropout", "chain", "branches", "let"][: 5 if depth else 2])
    )
    match kind:
        case "dense":
            gives = draw(st.integers(1, 6))
            stated = draw(st.sampled_from([Open(), Number(takes)]))
            return Dense(stated, Number(gives), draw(st.booleans())), gives
        case "dropout":
            return Dropout(Number(draw(st.integers(1, 99)))), takes
        case "chain":
            parts, here = [], takes
            for _ in range(draw(st.integers(2, 3))):
                part, here = draw(fitting(here, depth - 1))
                parts.append(part)
            return Chain(tuple(parts)), here
        case "branches":
            both = [draw(fitting(takes, depth - 1)) for _ in range(draw(st.integers(2, 3)))]
            return Branches(tuple(t for t, _ in both)), sum(gives for _, gives in both)
        case _:
            value, gives = draw(fitting(takes, depth - 1))
            return Let("part", value, Name("part")), gives


@st.composite
def classifiers(draw, takes):
    """A program that fits inputs of ``takes`` features and ends with its read-out."""
    body, gives = draw(fitting(takes))
    return Chain((body, Dense(Number(gives), Number(draw(st.integers(1, 5))))))
