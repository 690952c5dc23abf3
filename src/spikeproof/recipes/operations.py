"""What an answer costs, as cells of a recipe's table that stand beside the accuracy.

    Table(title, ("network", "right", *OPERATIONS), rows)
    row = ("SNN", "98.1 %", *operations_row(network, images))

:data:`OPERATIONS_NOTE` belongs below the table.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from spikeproof.evaluate import FLOAT32, activity

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


def operations_row(model: Any, x: Tensor) -> tuple[str, ...]:
    """A cell for each of :data:`OPERATIONS`, of ``model`` on the samples ``x`` ``[N, T, ...]``.

    A few hundred samples are enough, and as many as the accuracy has are not needed. Dashes stand
    for what cannot be known, for all figures if ``model`` is no torch module.
    """
    found = activity(model, x)
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
