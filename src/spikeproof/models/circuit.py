"""Networks put together from layers and edges, as read from a graph or rebuilt from a chain.

Nodes are stateless PyTorch layers, which see all time bins folded into the batch, and
:class:`~spikeproof.models.dynamics.Dynamics`, which run along time. A node with several incoming
edges gets their sum. Where edges lead back, the loop is cut behind its neurons: what a neuron
gives in one bin arrives in the next, and bins are then computed one after the other (slower by
far, and the potential-dependent surrogate sees single bins).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from spikeproof.errors import InvalidModel
from spikeproof.models.dynamics import Dynamics, State

Readout = Literal["mean", "sum", "last"]
Edge = tuple[str, str]


class Circuit(nn.Module):
    """Maps binned recordings ``[N, T, P, H, W]`` to logits ``[N, K]``.

    ``input_shape`` is what the first node takes in one bin: ``(P, H, W)`` or ``(F,)``. Logits are
    the mean (or sum, or last value) over time of what the last node gives. ``shapes`` holds the
    shape that each node gives in one bin. Raises :class:`InvalidModel` if there is not one way in
    and one way out, if a loop has no neurons, or if a layer does not fit the one before it.
    """

    def __init__(
        self,
        nodes: Mapping[str, nn.Module],
        edges: Iterable[Edge],
        *,
        input_shape: Sequence[int],
        readout: Readout = "mean",
    ) -> None:
        super().__init__()
        edges = list(dict.fromkeys(edges))
        for edge in edges:
            if strange := set(edge) - nodes.keys():
                raise InvalidModel(f"edge {edge[0]} -> {edge[1]}: no node {strange.pop()!r}")
        self.input_shape = tuple(int(d) for d in input_shape)
        self.readout: Readout = readout
        self._way_in = _only("without input", set(nodes) - {b for _, b in edges})
        self._way_out = _only("without output", set(nodes) - {a for a, _ in edges})
        later = [(a, b) for a, b in edges if isinstance(nodes[a], Dynamics) and _leads(edges, b, a)]
        now = [edge for edge in edges if edge not in later]
        self.recurrent = bool(later)
        self._order = _order(nodes, now)
        self._now = {name: [a for a, b in now if b == name] for name in nodes}
        self._later = {name: [a for a, b in later if b == name] for name in nodes}
        self._place = {name: place for place, name in enumerate(self._order)}
        self.layers = nn.ModuleList(nodes[name] for name in self._order)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.shapes = self._probe()

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of ``x`` ``[N, T, P, H, W]``; any number of time bins."""
        series = self.over_time(x).flatten(2)  # [N, T, K]
        match self.readout:
            case "mean":
                return series.mean(1)
            case "sum":
                return series.sum(1)
            case "last":
                return series[:, -1]

    def over_time(self, x: Tensor) -> Tensor:
        """What the last node gives in every bin, ``[N, T, K]``."""
        fits = math.prod(x.shape[2:]) == math.prod(self.input_shape)
        if x.dim() != 5 or not fits or (len(self.input_shape) == 3 and x[0, 0].shape != self._bin):
            raise InvalidModel(
                f"this network takes {_shape(self.input_shape)} in each bin, not"
                f" {_shape(x.shape[2:])}; bin the recordings for its sensor"
            )
        x = x.reshape(*x.shape[:2], *self.input_shape)
        return self._in_steps(x) if self.recurrent else self._at_once(x)

    @property
    def in_line(self) -> bool:
        """Whether ``layers`` follow one another, each fed by nothing but the one before."""
        return not self.recurrent and all(self._now[b] == [a] for a, b in pairwise(self._order))

    @property
    def _bin(self) -> torch.Size:
        return torch.Size(self.input_shape)

    def _layer(self, name: str) -> nn.Module:
        return self.layers[self._place[name]]

    def _at_once(self, x: Tensor) -> Tensor:
        values: dict[str, Tensor] = {}
        for name in self._order:
            layer = self._layer(name)
            y = x if name == self._way_in else _sum([values[a] for a in self._now[name]])
            if isinstance(layer, Dynamics):
                values[name] = layer(y)
            else:
                values[name] = layer(y.flatten(0, 1)).unflatten(0, x.shape[:2])
        return values[self._way_out]

    def _in_steps(self, x: Tensor) -> Tensor:
        states: dict[str, State | None] = {}
        before = {name: x.new_zeros(len(x), *shape) for name, shape in self.shapes.items()}
        outs = []
        for t in range(x.shape[1]):
            values: dict[str, Tensor] = {}
            for name in self._order:
                layer = self._layer(name)
                came = [values[a] for a in self._now[name]]
                came += [before[a] for a in self._later[name]]
                y = x[:, t] if name == self._way_in else _sum(came)
                if isinstance(layer, Dynamics):
                    values[name], states[name] = layer.step(y, states.get(name))
                else:
                    values[name] = layer(y)
            before = values
            outs.append(values[self._way_out])
        return torch.stack(outs, 1)

    def _probe(self) -> dict[str, torch.Size]:
        """The shape of what every node gives in one bin; nothing is computed."""
        values: dict[str, Tensor] = {}
        for last in (False, True):  # what runs in loops is known in the second round
            for name in self._order:
                sources = [*self._now[name], *self._later[name]]
                came = [values[a] for a in sources if a in values]
                if name == self._way_in:
                    came = [torch.empty(1, *self.input_shape, device="meta")]
                if came:
                    values[name] = _shape_after(name, self._layer(name), came)
                elif last:
                    raise InvalidModel(f"node {name!r} gets no input")
        return {name: value.shape[1:] for name, value in values.items()}


def chain(
    layers: Iterable[nn.Module], *, input_shape: Sequence[int], readout: Readout = "mean"
) -> Circuit:
    """Layers one after the other; batch norms are folded into the weights before them."""
    folded: list[nn.Module] = []
    for layer in layers:
        last = folded[-1] if folded else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(last.eval(), layer.eval())
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(last, nn.Linear):
            folded[-1] = fuse_linear_bn_eval(last.eval(), layer.eval())
        else:
            folded.append(layer)
    if not folded:
        raise InvalidModel("a network needs at least one layer")
    nodes = {str(place): layer for place, layer in enumerate(folded)}
    names = list(nodes)
    edges = list(pairwise(names))
    return Circuit(nodes, edges, input_shape=input_shape, readout=readout)


def _order(nodes: Iterable[str], edges: list[Edge]) -> list[str]:
    graph = TopologicalSorter({name: [a for a, b in edges if b == name] for name in nodes})
    try:
        return list(graph.static_order())
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise InvalidModel(f"the loop {loop} has no neurons; nothing in it takes time") from None


def _leads(edges: list[Edge], start: str, goal: str) -> bool:
    """Whether a path of edges leads from ``start`` to ``goal``."""
    seen, open_ends = {start}, [start]
    while open_ends:
        here = open_ends.pop()
        if here == goal:
            return True
        fresh = {b for a, b in edges if a == here} - seen
        seen |= fresh
        open_ends += fresh
    return False


def _only(what: str, names: set[str]) -> str:
    if len(names) != 1:
        found = ", ".join(sorted(names)) or "none"
        raise InvalidModel(f"a network needs exactly one node {what}, not {len(names)} ({found})")
    return next(iter(names))


def _shape_after(name: str, layer: nn.Module, came: list[Tensor]) -> Tensor:
    shapes = {_shape(y.shape[1:]) for y in came}
    if len(shapes) > 1:
        raise InvalidModel(f"node {name!r} gets {' and '.join(sorted(shapes))}, which do not add")
    y = came[0].unsqueeze(1) if isinstance(layer, Dynamics) else came[0]
    nowhere = {k: v.to("meta") for k, v in layer.state_dict().items()}
    try:
        out: Tensor = functional_call(layer, nowhere, (y,))
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise InvalidModel(f"node {name!r} cannot take {shapes.pop()} ({why})") from error
    return out.squeeze(1) if isinstance(layer, Dynamics) else out


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _shape(shape: Sequence[int]) -> str:
    return "x".join(str(d) for d in shape)
