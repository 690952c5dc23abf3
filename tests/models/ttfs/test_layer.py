from __future__ import annotations

import torch

from spikeproof.models.ttfs import SpikingLayer


def first_crossing(arrivals, weights, threshold, t_min, t_max):
    """When a membrane reaches ``threshold``, integrated from one spike to the next.

    Nothing but the differential equation: current ``W H(t - t_j)`` until ``t_min``, 1 afterwards.
    """
    v, slope, now = 0.0, 0.0, min(arrivals)
    for arrival, weight in sorted(zip(arrivals, weights, strict=True)):
        v += slope * (arrival - now)
        slope, now = slope + weight, arrival
    v += slope * (t_min - now)
    if v >= threshold:
        return t_min
    return min(t_min + (threshold - v) / 1.0, t_max)


def test_spike_times_solve_the_differential_equation():
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(40, 12, generator=rng, dtype=torch.float64)
    bias = 0.3 * torch.randn(40, generator=rng, dtype=torch.float64)
    layer = SpikingLayer(weight, bias)
    layer.length = torch.tensor(2.0, dtype=torch.float64)
    t_min = torch.tensor(5.0, dtype=torch.float64)
    arrivals = 4.0 + torch.rand(3, 12, generator=rng, dtype=torch.float64)
    arrivals[:, :4] = 5.0  # inputs that do not spike
    times = layer(arrivals, t_min)
    for n in range(3):
        for i in range(40):
            wanted = first_crossing(
                arrivals[n].tolist(), weight[i].tolist(), 2.0 - float(bias[i]), 5.0, 7.0
            )
            torch.testing.assert_close(float(times[n, i].detach()), wanted, rtol=0, atol=1e-12)
    assert (times == 7.0).any()
    assert (times == 5.0).any()
    assert ((times > 5.0) & (times < 7.0)).any()
