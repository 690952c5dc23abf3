"""What an operation costs: published energies, and the estimate that is made with them.

    E = MACs * E_MAC + ACs * E_AC

Only operations at connections are in it. Reading a weight from memory costs more than using it (a
32-bit word from DRAM 640 pJ, from a small SRAM 5 to 10 pJ: Horowitz, ISSCC 2014), and so may
neurons that are updated in every step. The estimate compares networks that do the same thing on the
same kind of hardware; it predicts no measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeproof.models.activity import Activity
from spikeproof.types import PerSample


@dataclass(frozen=True)
class Costs:
    """Picojoules of an accumulate and of a multiply-accumulate (None: the chip has none)."""

    name: str
    ac: float
    mac: float | None
    source: str

    def energy(self, activity: Activity) -> PerSample:
        """Nanojoules of each sample, where zeros cost nothing; NaN if the chip cannot do it."""
        if self.mac is None:
            return (self.ac * activity.acs.double() / 1000).masked_fill(
                activity.macs > 0, torch.nan
            )
        return (self.ac * activity.acs.double() + self.mac * activity.macs.double()) / 1000

    def dense_energy(self, activity: Activity) -> PerSample:
        """Nanojoules of each sample if every connection multiplies in every step."""
        return (torch.nan if self.mac is None else self.mac) * activity.dense_macs.double() / 1000


_HOROWITZ = "Horowitz, ISSCC 2014, 45 nm, 0.9 V"

FLOAT32 = Costs("32-bit floating point", 0.9, 4.6, _HOROWITZ)

COSTS: tuple[Costs, ...] = (
    FLOAT32,
    Costs("32-bit integer", 0.1, 3.2, _HOROWITZ),
    Costs("8-bit integer", 0.03, 0.23, _HOROWITZ),
    Costs("Loihi", 23.6, None, "Davies et al., IEEE Micro 38(1), 2018: per synaptic operation"),
    Costs("TrueNorth", 26.0, None, "Merolla et al., Science 345, 2014: per synaptic event"),
)
"""The first is the one that results are headed by; the chips' figures include their memory."""
