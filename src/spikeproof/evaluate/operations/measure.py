"""The activity of any model: told by itself, or counted by hooks on its layers.

Our own networks are measured in batches. In a model of unknown axis order (time first, samples
and time merged, one call per step) nothing says which spike belongs to which sample, so each
recording is run alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.adapters import Adapted, ExpectationOverTransformation
from spikeproof.adapters.eot import repeatable
from spikeproof.evaluate.operations.hooks import counted
from spikeproof.models import Encoded, Network, OfImages
from spikeproof.models.activity import Activity, TellsActivity
from spikeproof.models.circuit import Circuit
from spikeproof.models.conversion import in_unit_spikes
from spikeproof.types import Cells


@torch.no_grad()
def activity(model: Any, x: Cells, chunk: int = 32) -> Activity | None:
    """What ``model`` does with ``x`` ``[N, T, P, H, W]``; None if it is not a torch module.

    A network that :class:`~spikeproof.models.activity.TellsActivity` is asked. Of an averaged
    model it is the mean draw, of an encoded one what the network does with the code, and spikes
    that weigh a threshold of their own count as spikes. ``chunk`` samples are run together.
    """
    if isinstance(model, ExpectationOverTransformation):
        return _mean_draw(model, x)
    inside = model.module if isinstance(model, Adapted) else model
    if not isinstance(inside, nn.Module):
        return None
    in_order = isinstance(inside, Network | Circuit | Encoded | OfImages | TellsActivity)
    parts = [_part(model, inside, part) for part in torch.split(x, chunk if in_order else 1)]
    known = [part for part in parts if part is not None]
    return _joined(known) if known else None


def _part(model: nn.Module, inside: nn.Module, x: Cells) -> Activity | None:
    """A few samples; ``inside`` is the network in ``model``, without its adapter."""
    if isinstance(inside, TellsActivity):
        return inside.activity(_near(model, x))
    if isinstance(inside, Encoded):
        return activity(inside.network, inside.encoder(_near(model, x)))
    if isinstance(inside, OfImages):
        return activity(inside.network, inside.shown(_near(model, x)))
    if isinstance(model, Network):
        model = inside = in_unit_spikes(model)
    return counted(model, inside, x)


def _mean_draw(model: ExpectationOverTransformation, x: Cells) -> Activity | None:
    """The mean over as many draws as the model averages; each sample meets the same noise."""
    samples = []
    for one in torch.split(x, 1):
        draws = []
        for d in range(model.draws):
            with repeatable(d, model, one):
                draws.append(activity(model.model, one))
        known = [draw for draw in draws if draw is not None]
        if not known:
            return None
        samples.append(_mean(_joined(known)))
    return _joined(samples)


def _joined(parts: Sequence[Activity]) -> Activity:
    """Samples one after the other."""
    first = parts[0]

    def column(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if any(value is None for value in found) else torch.cat(found)

    return Activity(
        first.neurons,
        first.updates,
        column("spikes"),
        column("acs"),
        column("macs"),
        column("dense_macs"),
        first.steps,
        column("decided"),
        first.unit,
        first.uncounted,
    )


def _mean(draws: Activity) -> Activity:
    """One sample, whose counts are the mean of many, rounded."""

    def mean(values: Tensor) -> Tensor:
        return values.double().mean(0, keepdim=True).round().long()

    return Activity(
        draws.neurons,
        draws.updates,
        None if draws.spikes is None else mean(draws.spikes),
        mean(draws.acs),
        mean(draws.macs),
        mean(draws.dense_macs),
        draws.steps,
        None if draws.decided is None else draws.decided.mean(0, keepdim=True),
        draws.unit,
        draws.uncounted,
    )


def _near(model: nn.Module, x: Tensor) -> Tensor:
    """``x`` where the weights of ``model`` are."""
    weight = next(model.parameters(), None)
    return x if weight is None else x.to(weight.device)
