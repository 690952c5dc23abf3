"""Figures that the records of ``results.json`` are made of, records themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Proportion:
    """``k`` of ``n``, with its 95 % interval (``None`` when n = 0)."""

    k: int
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Summary:
    """Mean, median and quartiles of ``n`` numbers; low–high: 95 % interval of the median."""

    n: int
    mean: float | None = None
    median: float | None = None
    q25: float | None = None
    q75: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Estimate:
    """Energy per recording, in nJ, if an accumulate costs ``ac_pj`` pJ and a MAC ``mac_pj``.

    ``energy_nj`` counts operations with inputs that are not zero, ``dense_nj`` is that of all
    connections multiplying in all steps. Both are None for a chip without MACs that would need
    them. Memory is not in them.
    """

    costs: str
    source: str
    ac_pj: float
    mac_pj: float | None = None
    energy_nj: Summary | None = None
    dense_nj: float | None = None

    @property
    def typical_nj(self) -> float | None:
        """Of the median recording, zeros skipped."""
        return None if self.energy_nj is None else self.energy_nj.median


@dataclass(frozen=True)
class Operations:
    """What one inference takes; ``steps`` and ``decided`` count ``unit``.

    ``neurons`` are those that spike, ``updates`` how often the state of one is computed; ``acs``
    are accumulates and ``macs`` multiply-accumulates, ``dense_macs`` all connections in all steps;
    ``decided`` is the step from which the answer stays, ``uncounted`` names layers that are left
    out.
    """

    neurons: int = 0
    updates: int = 0
    steps: float = 0.0
    unit: str = "steps"
    spikes_per_neuron: Summary | None = None
    acs: Summary | None = None
    macs: Summary | None = None
    dense_macs: float | None = None
    decided: Summary | None = None
    estimates: tuple[Estimate, ...] = ()
    uncounted: tuple[str, ...] = ()
