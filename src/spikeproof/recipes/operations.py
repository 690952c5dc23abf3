"""What an answer costs, as cells of a recipe's table that stand beside the accuracy.

    Table(title, ("network", "right", *OPERATIONS), rows)
    row = ("SNN", "98.1 %", *operations_row(network, images))

:data:`OPERATIONS_NOTE` belongs below the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from spikeproof.evaluate import FLOAT32, activity
from spikeproof.recipes.shares import told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Table

OPERATIONS: tuple[str, ...] = (
    "spikes per neuron",
    "additions",
    "multiplications",
    "steps (decided)",
    "energy [µJ]",
    "dense [µJ]",
)

OPERATIONS_NOTE = (
    "Operations are means over samples. A spike that meets a connection is an addition, any other"
    " value that is not zero a multiplication with addition; dense computes all connections in all"
    f" steps, zeros too. Energy: {FLOAT32.ac:g} pJ an addition, {FLOAT32.mac:g} pJ a multiplication"
    f" ({FLOAT32.name}; {FLOAT32.source}), without memory, which usually takes more."
)

_UNKNOWN = "–"
_COLUMNS = ("network", "right", *OPERATIONS)


SAMPLES = 200
"""Samples that operations are counted on, at most."""


def answers(
    models: Mapping[str, Any], right: Mapping[str, Proportion], x: Tensor, *, chunk: int = 32
) -> Table:
    """A table of how many answers of each network are ``right``, and what one of them costs.

    Costs are counted on the first :data:`SAMPLES` of ``x``; see :func:`operations_row`.
    """
    return answers_of(
        (name, right[name], *operations_row(model, x, chunk=chunk))
        for name, model in models.items()
    )


def answers_of(rows: Iterable[tuple[str | Proportion, ...]]) -> Table:
    """The same of ``rows`` that each hold a name, what is right, and an :func:`operations_row`."""
    cells = tuple(
        tuple(told(cell, 2) if isinstance(cell, Proportion) else cell for cell in row)
        for row in rows
    )
    return Table("Right, and what an answer costs", _COLUMNS, cells, OPERATIONS_NOTE)


def operations_row(model: Any, x: Tensor, *, chunk: int = 32) -> tuple[str, ...]:
    """A cell for each of :data:`OPERATIONS`, of ``model`` on the samples ``x`` ``[N, T, ...]``.

    The first :data:`SAMPLES` are enough, ``chunk`` of which are run together; as many as the
    accuracy has are not needed. Dashes stand for what cannot be known, for all figures if ``model``
    is no torch module.
    """
    with torch.random.fork_rng(devices=[]):  # codes draw the same spikes whoever asks
        torch.manual_seed(0)
        found = activity(model, x[:SAMPLES], chunk)
    if found is None or not len(found):
        return (_UNKNOWN,) * len(OPERATIONS)
    unit = "" if found.unit == "steps" else f" {found.unit}"
    steps = f"{found.steps:.3g}{unit}"
    if found.decided is not None:
        steps += f" ({_mean(found.decided)})"
    return (
        _mean(found.spikes_per_neuron),
        _mean(found.acs),
        _mean(found.macs),
        steps,
        _mean(FLOAT32.energy(found) / 1000),
        _mean(FLOAT32.dense_energy(found) / 1000),
    )


def _mean(values: Tensor | None) -> str:
    """Three digits; whole numbers from a thousand on, with commas."""
    if values is None:
        return _UNKNOWN
    mean = float(values.double().mean())
    return f"{mean:,.0f}" if abs(mean) >= 1000 else f"{mean:.3g}"
