"""NIR graphs as models: spiking networks of other frameworks, from one file.

NIR, the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 15,
8122, 2024), is what snnTorch, SpikingJelly, Norse, Sinabs and several chips exchange networks in.
A graph says less than a network computes; :mod:`spikeproof.adapters.nir.nodes` has the table of
conventions, and every choice made is among the ``assumptions`` of the model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.adapters.nir.file import Node, document_of, read_document
from spikeproof.adapters.nir.nodes import CONVENTIONS, Convention, NodeReading
from spikeproof.errors import InvalidModel
from spikeproof.models.circuit import Circuit, Edge
from spikeproof.models.dynamics import AnyReset, Dynamics
from spikeproof.models.surrogate import ArcTan, Surrogate
from spikeproof.models.swap import using_surrogate

_CELLS = 2**26  # values per bin; far above any sensor


def load_nir(
    source: str | Path | Any,
    *,
    convention: str | None = None,
    dt: float | None = None,
    reset: AnyReset | None = None,
    surrogate: Surrogate | None = None,
) -> Adapted:
    """The network of a ``.nir`` file or a ``nir.NIRGraph``, as logits ``[N, K]``.

    ``convention`` is one of ``CONVENTIONS``, by default ``nir`` (``spikeproof`` for our own
    exports); ``dt`` and ``reset`` replace what it says. Logits are the mean over time of what the
    output node gets. Raises :class:`InvalidModel` naming the file and the node.
    """
    where = ""
    if isinstance(source, str | Path):
        document, where = read_document(Path(source)), f"{source}: "
    else:
        document = document_of(source)
    try:
        ours = str(_metadata(document).get("exporter", "")) == "spikeproof"
        chosen = _convention(convention or ("spikeproof" if ours else "nir"), dt, reset)
        circuit, says = _circuit(document, chosen, surrogate or ArcTan())
    except InvalidModel as error:
        raise InvalidModel(f"{where}{error}") from error
    neurons = [m for m in circuit.layers if isinstance(m, Dynamics)]
    return Adapted(
        circuit,
        lambda x: circuit(x),  # the module itself would be registered twice
        framework="nir",
        assumptions=says,
        swap=lambda s: using_surrogate(circuit, s),
        neurons=neurons,
    ).eval()


def _convention(name: str, dt: float | None, reset: AnyReset | None) -> Convention:
    if name not in CONVENTIONS:
        raise InvalidModel(f"unknown convention {name!r}; choose one of {', '.join(CONVENTIONS)}")
    if dt is not None and not 0 < dt < np.inf:
        raise InvalidModel(f"dt must be a positive number of seconds, not {dt}")
    chosen = CONVENTIONS[name]
    return replace(chosen, dt=dt or chosen.dt, reset=reset or chosen.reset)


def _circuit(
    document: Node, convention: Convention, surrogate: Surrogate
) -> tuple[Circuit, tuple[str, ...]]:
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    way_in, _ = _unnest(document, "", nodes, edges)
    shape = _input_shape(way_in, nodes[way_in])
    reading = NodeReading(convention, convention.dt or _step(nodes), surrogate)
    layers: dict[str, nn.Module] = {}
    for name, node in nodes.items():
        try:
            layers[name] = reading.layer(node)
        except InvalidModel as error:
            raise InvalidModel(f"node {name!r} {error}") from error
    circuit = Circuit(layers, edges, input_shape=shape)
    return circuit, _assumptions(reading, nodes, circuit)


def _unnest(graph: Node, prefix: str, nodes: dict[str, Node], edges: list[Edge]) -> tuple[str, str]:
    """Collect nodes and edges of ``graph`` and of graphs within it; its way in and its way out."""
    inner, links = graph.get("nodes"), graph.get("edges")
    if graph.get("type") != "NIRGraph" or not isinstance(inner, dict) or links is None:
        raise InvalidModel(f"{prefix or 'the file'} holds no graph; it needs nodes and edges")
    mine: dict[str, Node] = {}
    ways: dict[str, tuple[str, str]] = {}
    for name, node in inner.items():
        if not isinstance(node, dict):
            raise InvalidModel(f"node {prefix + name!r} is no table of arrays")
        if node.get("type") == "NIRGraph":
            ways[prefix + name] = _unnest(node, f"{prefix}{name}.", nodes, edges)
        else:
            mine[prefix + name] = node
    for link in links if isinstance(links, list) else []:
        if not isinstance(link, list) or len(link) != 2:
            raise InvalidModel(f"edge {link!r} does not join two nodes")
        start, end = (prefix + str(name) for name in link)
        edges.append((ways.get(start, ("", start))[1], ways.get(end, (end, ""))[0]))
    if twice := nodes.keys() & mine.keys():
        raise InvalidModel(f"two nodes are called {twice.pop()!r}")
    nodes.update(mine)
    return _the_only("Input", mine), _the_only("Output", mine)


def _the_only(kind: str, nodes: dict[str, Node]) -> str:
    found = [name for name, node in nodes.items() if node.get("type") == kind]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise InvalidModel(f"a graph needs exactly one {kind} node, not {len(found)} ({names})")
    return found[0]


def _input_shape(name: str, node: Node) -> tuple[int, ...]:
    try:
        values = np.asarray(node["shape"], dtype=np.float64).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"node {name!r} has no shape; export with a sample input") from error
    whole = np.isfinite(values).all() and (values == np.floor(values)).all()
    if not whole or (values < 1).any() or not 1 <= values.size <= 5 or values.prod() > _CELLS:
        raise InvalidModel(f"node {name!r} has shape {values.tolist()}, which no recording has")
    shape = tuple(int(v) for v in values)
    if len(shape) in (2, 4, 5):  # exporters leave the batch (and time) of the sample in
        shape = shape[-3:] if len(shape) > 2 else shape[-1:]
    return shape


def _step(nodes: dict[str, Node]) -> float:
    """Seconds per bin; 1 if time constants are evidently counted in bins."""
    taus = [node[k] for node in nodes.values() for k in ("tau", "tau_mem", "tau_syn") if k in node]
    try:
        in_bins = bool(taus) and all(np.min(np.asarray(tau, dtype=float)) >= 1 for tau in taus)
    except (TypeError, ValueError):
        in_bins = False  # the node itself will be refused
    return 1.0 if in_bins else 1e-4


def _metadata(document: Node) -> Node:
    found = document.get("metadata")
    return found if isinstance(found, dict) else {}


def _assumptions(reading: NodeReading, nodes: dict[str, Node], circuit: Circuit) -> tuple[str, ...]:
    convention = reading.convention
    after = {
        "hard": "goes to v_reset",
        "soft": "loses the threshold",
        "delayed": "loses the threshold in the next bin",
        "erase": "and the next input are lost",
        "none": "is not reset",
    }[convention.reset]
    rule = "exp(-dt/tau)" if convention.exponential else "1 - dt/tau"
    says = [
        f"The NIR graph was read by the convention {convention.name!r}: a bin is"
        f" {reading.dt:g} in the units of its time constants, membranes decay by {rule}.",
        f"Neurons spike at v {'>' if convention.strict else '>='} v_threshold"
        f"{', several times per bin,' if convention.multiple else ''} and the membrane {after}.",
        "Logits are the mean over time of what the output node gets.",
    ]
    if any(node.get("type") in ("I", "IF") and np.all(node["r"] == 1) for node in nodes.values()):
        says.append("Integrators with r = 1 take their input in full in every bin.")
    if circuit.recurrent:
        says.append("What neurons feed back arrives one bin later.")
    return tuple(says)
