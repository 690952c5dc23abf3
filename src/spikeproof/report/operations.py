"""What an inference costs, in words: a card beside the accuracy, a line, and a section.

Of a network without spikes the dense figures stand first, as little hardware skips its zeros.
"""

from __future__ import annotations

from typing import Any, Final

from spikeproof.report.words import DASH, NARROW, interval, number, percent, plain, quartiles
from spikeproof.results.figures import Estimate, Operations
from spikeproof.results.records import Audit

_DENSE: Final = "non-spiking"  # the kind of such a network


def card(audit: Audit) -> tuple[str, str] | None:
    """Energy of a median clean recording, and what it is made of; None if not counted."""
    operations = audit.clean.operations
    if operations is None or not operations.estimates:
        return None
    kind, firing, synops = audit.model.kind, operations.spikes_per_neuron, audit.clean.synops
    used = operations.dense_macs if kind == _DENSE or synops is None else synops.median
    parts = [] if firing is None else [f"{number(firing.median)} spikes per neuron"]
    said = ", ".join([*parts, f"{number(used)} operations"])
    return joules(_energy(operations, kind)), f"{said}; {latency(operations)}"


def line(operations: Operations, kind: str) -> str:
    """``0.2 spikes per neuron, 1.2 million additions; 16 steps; about 1.1 µJ``."""
    return f"{_spent(operations, kind)}; about {joules(_energy(operations, kind))}"


def section(audit: Audit) -> dict[str, Any] | None:
    """A clean recording's figures beside how often it is read right, and the constants used."""
    operations = audit.clean.operations
    if operations is None or not operations.estimates:
        return None
    first, right = operations.estimates[0], audit.clean.accuracy
    accuracy = f"{percent(right.value)} [{interval(right)}]" if right.n else DASH
    same = audit.model.kind == _DENSE
    spared = {
        "title": "Zeros skipped" if same else "This network",
        "accuracy": accuracy,
        "firing": quartiles(operations.spikes_per_neuron),
        "acs": quartiles(operations.acs),
        "macs": quartiles(operations.macs),
        "latency": latency(operations),
        "energy": joules(first.typical_nj),
    }
    dense = {
        "title": "Zeros computed" if same else "The same layers without spikes",
        "accuracy": accuracy if same else DASH,
        "firing": DASH,
        "acs": DASH,
        "macs": number(operations.dense_macs),
        "latency": f"{number(operations.steps)} {plain(operations.unit)}",
        "energy": joules(first.dense_nj),
    }
    return {
        "rows": [dense, spared] if same else [spared, dense],
        "titles": [spared["title"], dense["title"]],
        "assumed": _assumed(first),
        "neurons": _neurons(operations),
        "uncounted": ", ".join(plain(name) for name in operations.uncounted),
        "estimates": [_estimate(estimate) for estimate in operations.estimates],
    }


def joules(nanojoules: float | None) -> str:
    """``340 nJ``, ``12.3 µJ``; a dash for ``None``."""
    if nanojoules is None:
        return DASH
    for limit, unit in ((1e6, "mJ"), (1e3, "µJ"), (1.0, "nJ")):
        if abs(nanojoules) >= limit:
            return f"{number(nanojoules / limit)}{NARROW}{unit}"
    return f"{number(nanojoules * 1000)}{NARROW}pJ"


def latency(operations: Operations) -> str:
    """``16 steps, decided after 7``; medians."""
    text = f"{number(operations.steps)} {plain(operations.unit)}"
    decided = operations.decided.median if operations.decided else None
    if decided is None or decided == operations.steps:
        return text
    return f"{text}, decided after {number(decided)}"


def _spent(operations: Operations, kind: str) -> str:
    """What a median recording takes, energy aside."""
    if kind == _DENSE:
        return f"{number(operations.dense_macs)} multiplications; {latency(operations)}"
    firing = operations.spikes_per_neuron
    parts = [] if firing is None else [f"{number(firing.median)} spikes per neuron"]
    for part, name in ((operations.acs, "additions"), (operations.macs, "multiplications")):
        if part is not None and part.median:
            parts.append(f"{number(part.median)} {name}")
    return "; ".join(filter(None, (", ".join(parts), latency(operations))))


def _energy(operations: Operations, kind: str) -> float | None:
    first = operations.estimates[0]
    return first.dense_nj if kind == _DENSE else first.typical_nj


def _assumed(estimate: Estimate) -> str:
    """The constants of an estimate, with their source, and what it leaves out."""
    mac = "" if estimate.mac_pj is None else f", a multiplication {estimate.mac_pj:g} pJ"
    return (
        f"Estimated from the operations at connections: an addition takes {estimate.ac_pj:g} pJ"
        f"{mac} ({plain(estimate.costs)}; {plain(estimate.source, 120)}). Reading weights and"
        " states from memory is left out, and on most hardware it takes more than all of this."
    )


def _neurons(operations: Operations) -> str:
    if not operations.neurons:
        return ""
    return (
        f"The {number(operations.neurons)} spiking neurons are updated"
        f" {number(operations.updates)} times for a recording; that is left out too."
    )


def _estimate(estimate: Estimate) -> dict[str, str]:
    return {
        "costs": plain(estimate.costs),
        "ac": f"{estimate.ac_pj:g} pJ",
        "mac": DASH if estimate.mac_pj is None else f"{estimate.mac_pj:g} pJ",
        "energy": joules(estimate.typical_nj),
        "dense": joules(estimate.dense_nj),
        "source": plain(estimate.source, 120),
    }
