"""What a network does with its input: spikes, and operations at its connections.

A connection is used when its input is not zero, and how it is used depends on the input:

* zeros and ones, or whole numbers (a neuron that fired k times in a step): each spike *adds* the
  weight, an accumulate (AC);
* anything else (currents of a direct code, activities of a ReLU, averages of spikes): the value is
  *multiplied* by the weight and added, a multiply-accumulate (MAC).

A layer is built for one of the two. So one value that is no whole number, in any step of a sample,
makes MACs of all that the layer does with that sample; what other samples do does not matter. Both
together are the synaptic operations. ``dense_macs`` are all connections in all steps, zeros
included, as hardware that does not look for zeros computes them. These are the effective and dense
operations of NeuroBench (Yik et al., Nature Communications 16:1545, 2025), except that a weight of
zero counts as a connection. Padding has no connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from spikeproof.types import Counts, PerSample


@dataclass(frozen=True, eq=False)
class Activity:
    """Figures of N samples; ``[N]`` where they are not the same for all.

    ``neurons`` are those known to spike, ``updates`` how often the state of one was computed, in
    one sample. ``spikes`` is None where no layer is known to spike. ``steps`` is how long the
    network runs, and ``decided`` the step from which its answer stays the same (the first is 1),
    None if that is not known; ``unit`` is what both count. ``uncounted`` names layers with weights
    whose operations are not in the figures.
    """

    neurons: int
    updates: int
    spikes: Counts | None
    acs: Counts
    macs: Counts
    dense_macs: Counts
    steps: float
    decided: PerSample | None = None
    unit: str = "steps"
    uncounted: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.acs)

    @property
    def synops(self) -> Counts:
        """Synaptic operations, ACs and MACs together, ``[N]``."""
        return self.acs + self.macs

    @property
    def spikes_per_neuron(self) -> PerSample | None:
        """Mean number of spikes of a neuron, over all steps, ``[N]``."""
        if self.spikes is None or not self.neurons:
            return None
        return self.spikes.double() / self.neurons

    def of(self, i: int) -> dict[str, int]:
        """Spikes, if known, and synaptic operations of sample ``i``, by name."""
        known = {} if self.spikes is None else {"spikes": int(self.spikes[i])}
        return {**known, "synops": int(self.synops[i])}


@runtime_checkable
class TellsActivity(Protocol):
    """A network that counts its operations itself; of others, hooks on its layers count."""

    def activity(self, x: Tensor, /) -> Activity:
        """What it does with the samples ``x``, as it would be called with them."""
        ...


class Ledger:
    """Counts for N samples, layer by layer, and gives their :class:`Activity`."""

    def __init__(self, samples: int) -> None:
        self._n = samples
        self._spikes, self._dense = _zeros(samples), _zeros(samples)
        self._updates = 0
        self._neurons: dict[object, int] = {}
        self._adds: dict[object, Tensor] = {}
        self._uses: dict[object, Tensor] = {}
        self._whole: dict[object, Tensor] = {}

    def receives(self, values: Tensor, fan_out: Tensor, layer: object = None) -> None:
        """Count what connections do with ``values`` ``[N, ...]``, their inputs.

        ``fan_out`` is how many outputs each input is connected to and broadcasts to ``values``.
        A ``layer`` that is called several times is named, so that its calls are one layer.
        """
        key = object() if layer is None else layer
        values, fan_out = _numbers(values), fan_out.detach()
        for table, amount in (
            (self._adds, self._summed(values.abs() * fan_out)),
            (self._uses, self._summed((values != 0) * fan_out)),
        ):
            table[key] = table.get(key, 0) + amount
        whole = self._rows(values == values.round()).all(1).cpu()
        self._whole[key] = self._whole.get(key, torch.ones_like(whole)) & whole
        self._dense += self._summed(fan_out.expand_as(values))

    def fires(self, spikes: Tensor, steps: int = 1, layer: object = None) -> None:
        """Count the ``spikes`` ``[N, ...]`` that neurons gave in ``steps`` steps.

        A whole number above 1 is that many spikes, any other number that is not 0 is one. Neurons
        of a ``layer`` that is called several times count once.
        """
        fired = _numbers(spikes)
        whole = bool((fired == fired.round()).all())
        self._spikes += self._summed(fired.abs() if whole else fired != 0)
        computed = fired.numel() // max(self._n, 1)
        self._updates += computed
        self._neurons[object() if layer is None else layer] = computed // max(steps, 1)

    def activity(
        self,
        steps: float,
        *,
        decided: PerSample | None = None,
        unit: str = "steps",
        uncounted: Sequence[str] = (),
    ) -> Activity:
        """The figures so far, of a network that ran for ``steps``."""
        acs, macs = _zeros(self._n), _zeros(self._n)
        for key, whole in self._whole.items():
            acs += torch.where(whole, self._adds[key], 0)
            macs += torch.where(whole, 0, self._uses[key])
        return Activity(
            sum(self._neurons.values()),
            self._updates,
            self._spikes.long() if self._neurons else None,
            acs.long(),
            macs.long(),
            self._dense.long(),
            steps,
            None if decided is None else decided.detach().double().cpu(),
            unit,
            tuple(uncounted),
        )

    def _summed(self, amounts: Tensor) -> Tensor:
        """Per sample; in double precision, as single counts to 16 million only."""
        return self._rows(amounts).sum(1, dtype=torch.float64).cpu()

    def _rows(self, values: Tensor) -> Tensor:
        return values.reshape(self._n, values.numel() // max(self._n, 1))


def fan_out(outputs: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Outgoing connections of each input of a layer, ``[1, ...]`` as ``values`` ``[N, ...]``.

    ``outputs`` is what the layer would compute with weights of one and no bias, so that borders,
    strides, dilation and groups are counted as they are.
    """
    with torch.enable_grad():
        probe = torch.zeros_like(values[:1], requires_grad=True)
        (connections,) = torch.autograd.grad(outputs(probe).sum(), probe)
    return connections


def settled(answers: Tensor) -> PerSample:
    """The step from which ``answers`` ``[N, T]``, classes, stay the last one; the first is 1."""
    held = (answers == answers[:, -1:]).flip(1).cumprod(1).sum(1)
    return (answers.shape[1] + 1 - held).double()


def _numbers(values: Tensor) -> Tensor:
    """Without gradient; flags and whole numbers as floating point."""
    return values.detach() if values.is_floating_point() else values.detach().float()


def _zeros(samples: int) -> Tensor:
    return torch.zeros(samples, dtype=torch.float64)
