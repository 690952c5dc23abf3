"""The figures of many samples as they stand in ``results.json``."""

from __future__ import annotations

from torch import Tensor

from spikeproof.evaluate.operations.costs import COSTS, Costs
from spikeproof.evaluate.statistics import summary
from spikeproof.models.activity import Activity
from spikeproof.results.figures import Estimate, Operations, Summary


def recorded(activity: Activity) -> Operations:
    """Summaries over the samples, with the energy under each of :data:`COSTS`."""
    return Operations(
        neurons=activity.neurons,
        updates=activity.updates,
        steps=activity.steps,
        unit=activity.unit,
        spikes_per_neuron=_summary(activity.spikes_per_neuron),
        acs=_summary(activity.acs),
        macs=_summary(activity.macs),
        dense_macs=_mean(activity.dense_macs),
        decided=_summary(activity.decided),
        estimates=tuple(_estimate(costs, activity) for costs in COSTS),
        uncounted=activity.uncounted,
    )


def _estimate(costs: Costs, activity: Activity) -> Estimate:
    energy = costs.energy(activity)
    return Estimate(
        costs.name,
        costs.source,
        costs.ac,
        costs.mac,
        None if energy.isnan().any() else _summary(energy),
        None if costs.mac is None else _mean(costs.dense_energy(activity)),
    )


def _summary(values: Tensor | None) -> Summary | None:
    return None if values is None else summary(values.double().numpy())


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if len(values) else None
