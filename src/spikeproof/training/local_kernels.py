"""The loops of :mod:`spikeproof.training.local_rules`, compiled for the CPU with numba.

Both rules change weights after every image, and the next image meets the changed weights; that is
why samples are taken one by one, and why the loops are compiled instead of vectorised over a batch.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.models.latency.kernels import race

Floats = NDArray[Any]
I64 = NDArray[np.int64]


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def potentiate(x: Floats, weight: Floats, i: int, when: float, rate: float) -> None:
    """STDP of neuron ``i``, which spiked at ``when`` on image ``x`` ``[F]``.

    ``weight`` is ``[F, H]``. Without inputs before ``when`` nothing changes.
    """
    before = 0
    for j in range(x.shape[0]):
        before += x[j] > 0 and 1 - x[j] <= when
    if before == 0:
        return
    aim = 1 / np.sqrt(before)
    squares = 0.0
    for j in range(x.shape[0]):
        pre = aim if x[j] > 0 and 1 - x[j] <= when else 0.0
        weight[j, i] += rate * (pre - weight[j, i])
        squares += weight[j, i] ** 2
    scale = 1 / np.sqrt(squares)
    for j in range(x.shape[0]):
        weight[j, i] *= scale


@no_type_check
@njit(cache=True)
def compete(
    x: Floats, order: I64, weight: Floats, theta: Floats, spikes: I64, floor: float, step: float
) -> None:
    """One pass over the images ``x`` ``[N, F]`` in ``order``: the first neuron to spike learns.

    ``spikes`` ``[H]`` counts what each neuron has learned from, ``step`` is that of thresholds.
    """
    n_units = weight.shape[1]
    s, q = np.empty(n_units, weight.dtype), np.empty(n_units, weight.dtype)
    arrived = np.empty(x.shape[1], np.int64)
    who, slope = np.zeros(1, np.int64), np.zeros(1, weight.dtype)
    when = np.ones(1, weight.dtype)
    for n in order:
        won = race(x[n], arrived, weight, theta, s, q, who, when, slope)
        theta -= weight.dtype.type(step / n_units)
        if won:
            i = who[0]
            theta[i] += step
            spikes[i] += 1
            potentiate(x[n], weight, i, when[0], max(1 / spikes[i], floor))


@no_type_check
@njit(cache=True)
def delta(
    lead: Floats, who: I64, labels: I64, order: I64, readout: Floats, bias: Floats, rate: float
) -> None:
    """One pass of the delta rule: who led by ``lead`` ``[N, k]``; ``readout`` is ``[H, K]``."""
    membrane = np.empty(bias.shape[0], readout.dtype)
    for n in order:
        membrane[:] = bias
        for p in range(who.shape[1]):
            membrane += lead[n, p] * readout[who[n, p]]
        error = np.exp(membrane - membrane.max())
        error /= -error.sum()
        error[labels[n]] += 1  # wanted minus given
        for p in range(who.shape[1]):
            readout[who[n, p]] += (rate * lead[n, p]) * error
        bias += rate * error
