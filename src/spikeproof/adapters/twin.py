"""A faster copy of a user's model, where its structure is understood and the copy agrees.

Frameworks step through time in Python; our neurons run along time in one compiled loop. The model
is walked, rebuilt as a :class:`~spikeproof.models.circuit.Circuit` and compared with the original
on the sample, and on the sample with cells turned over at random, as attacks do. Only a copy that
passes is given out: the comparison decides, not the walk. Rounding differs in the last digit, so
a potential at the very threshold may spike in one and not in the other, and at times a recording
differs; success of an attack is measured on the original.

Gradients are those of our neurons: the reset is not differentiated, and the surrogate is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.adapters.rebuild import layers_of
from spikeproof.errors import InvalidModel
from spikeproof.models.circuit import Circuit, Readout, chain
from spikeproof.models.dynamics import Dynamics

_TOLERANCE = 1e-4  # of the largest logit
_SHARE = 0.9  # of the recordings must be within tolerance
_TURNED = 0.05  # of the cells, to compare on inputs as attacks make them


@dataclass(frozen=True, eq=False)
class Twin:
    """A rebuilt ``network`` and how well it agreed with the model.

    ``difference`` is the largest difference of logits as a share of the largest logit, ``agree``
    the share of recordings within 0.01 %, ``equal`` the share of logits equal to the last bit.
    """

    network: Circuit
    difference: float
    agree: float
    equal: float

    @property
    def says(self) -> str:
        """A sentence for the report."""
        return (
            "attacks search on a faster copy, whose logits agreed on"
            f" {self.agree:.0%} of the recordings tried"
        )


@dataclass(frozen=True)
class NoTwin:
    """Why there is no twin, in words."""

    reason: str


def fast_twin(adapted: Adapted, sample: Tensor) -> Twin | NoTwin:
    """A copy of ``adapted`` that agrees with it on ``sample`` ``[N, T, P, H, W]``, or why not."""
    if not isinstance(adapted.module, nn.Module):
        return NoTwin("no faster copy: the layers of a function cannot be seen")
    inputs = torch.cat([sample, _turned_over(sample)])
    with torch.no_grad():
        expected = torch.cat([adapted(part) for part in torch.split(inputs, max(1, len(sample)))])
        if len(expected) < 2 or bool((expected == expected[0]).all()):
            return NoTwin("no faster copy: all answers are the same, so nothing can be compared")
        try:
            tried = [_compare(c, inputs, expected) for c in _candidates(adapted.module, sample)]
        except InvalidModel as error:
            return NoTwin(f"no faster copy: {error}")
    fitting = [twin for twin in tried if twin is not None]
    if not fitting:
        return NoTwin("no faster copy: one of its layers gives another number of classes")
    best = max(fitting, key=lambda twin: (twin.agree, -twin.difference))
    if best.agree < _SHARE:
        return NoTwin(
            "no faster copy: one of its layers gives other logits to"
            f" {1 - best.agree:.0%} of the recordings tried"
        )
    return best


def _candidates(module: nn.Module, sample: Tensor) -> Iterator[Circuit]:
    """Copies that differ in what is read at the end."""
    for membrane in (False, True):
        layers = layers_of(module)
        if membrane:
            last = layers[-1] if layers else None
            if not isinstance(last, Dynamics) or not last.spiking:
                return
            last.emits_membrane = True
        for readout in get_args(Readout):
            circuit = chain(layers, input_shape=sample.shape[2:], readout=readout)
            yield circuit.to(sample.device).eval()


def _compare(circuit: Circuit, inputs: Tensor, expected: Tensor) -> Twin | None:
    logits = circuit(inputs)
    if logits.shape != expected.shape:
        return None
    scale = float(expected.abs().max()) or 1.0
    away = (logits - expected).abs().amax(1) / scale
    agree = (away <= _TOLERANCE) & (logits.argmax(1) == expected.argmax(1))
    return Twin(
        circuit,
        float(away.max()),
        float(agree.double().mean()),
        float((logits == expected).double().mean()),
    )


def _turned_over(sample: Tensor) -> Tensor:
    """Binary cells turned over, counts moved by one, in a few random places."""
    rng = torch.Generator().manual_seed(0)
    chosen = (torch.rand(sample.shape, generator=rng) < _TURNED).to(sample.device)
    return torch.where(chosen, (sample - 1).abs(), sample)
