from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.models.crossing import crossing_times

END = 2.0
DTYPES = [torch.float32, torch.float64]  # compiled loops, plain PyTorch


def exact(times, weights, end=END):
    """One neuron, by rational arithmetic and trying every causal set."""
    inputs = sorted((Fraction(t), Fraction(w)) for t, w in zip(times, weights, strict=True))
    end = Fraction(end)
    candidates = []
    for k in range(1, len(inputs) + 1):
        causal = inputs[:k]
        a = sum(w for _, w in causal)
        until = min(inputs[k][0], end) if k < len(inputs) else end
        if a > 0:
            t = (1 + sum(w * t for t, w in causal)) / a
            if causal[-1][0] <= t <= until:
                candidates.append(t)
    if candidates:
        return float(min(candidates))
    return float(end + 1 - sum(w * max(end - t, 0) for t, w in inputs))


def drawn(n=5, inputs=9, units=7, seed=0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    times = torch.rand(n, inputs, generator=rng, dtype=torch.float64)
    weight = torch.randn(units, inputs, generator=rng, dtype=torch.float64) * 0.5 + 0.2
    return times.to(dtype), weight.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("times", "weights", "when"),
    [
        ([0.0], [1.0], 1.0),  # 1 t = 1
        ([0.25], [2.0], 0.75),
        ([0.0, 0.5], [1.0, 1.0], 0.75),  # t + (t - 0.5) = 1
        ([0.5, 0.0], [1.0, 1.0], 0.75),  # whatever the order
        ([0.0, 0.75], [2.0, 9.0], 0.5),  # before the second input
        ([0.0, 0.5, 1.0], [1.0, -1.0, 1.0], 1.5),  # rests at 0.5 from 0.5 to 1
        ([0.5, 0.5], [1.0, 3.0], 0.75),  # two at once
        ([0.0, 1.0], [1.0, -8.0], 1.0),  # reaches 1 just when it is turned back
        ([0.0, 0.5, 0.75], [2.0, -3.0, 50.0], 0.5),  # the first of two crossings
        ([0.0, 2.0], [0.25, 100.0], 2.5),  # silent: v(2) is 0.5, inputs at the end come too late
        ([0.5, 1.0], [-1.0, 0.5], 4.0),  # silent: v(2) is -1
        ([2.0, 7.0], [3.0, 3.0], 3.0),  # silent: heard nothing
        ([1.0], [1.0], 2.0),  # reaches 1 at the end
    ],
)
def test_hand_computed_times(dtype, times, weights, when):
    got = crossing_times(
        torch.tensor([times], dtype=dtype), torch.tensor([weights], dtype=dtype), END
    )
    assert got.item() == pytest.approx(when, abs=1e-12 if dtype == torch.float64 else 1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-24, 24)), min_size=1, max_size=12).map(
        lambda pairs: [(t / 8, w / 8) for t, w in pairs]
    )
)
def test_times_are_those_of_exact_arithmetic(pairs):
    times, weights = ([p[k] for p in pairs] for k in (0, 1))  # many ties, some after the end
    for dtype, off in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        got = crossing_times(
            torch.tensor([times], dtype=dtype), torch.tensor([weights], dtype=dtype), END
        )
        assert got.item() == pytest.approx(exact(times, weights), abs=off)


def test_compiled_loops_and_plain_pytorch_agree():
    times, weight = drawn(40, 60, 30, seed=1)
    times, weight = (times * 16).round() / 12, weight - 0.2  # ties, and inputs after the end
    pull = torch.randn(40, 30, generator=torch.Generator().manual_seed(2), dtype=times.dtype)
    results = []
    for dtype in DTYPES:
        t, w = (x.to(dtype).requires_grad_() for x in (times, weight))
        due = crossing_times(t, w, 1.25)
        results.append((due.detach(), *torch.autograd.grad((due * pull.to(dtype)).sum(), (t, w))))
    assert 0.05 < (results[1][0] < 1.25).double().mean() < 0.95
    for compiled, plain in zip(*results, strict=True):
        torch.testing.assert_close(compiled.double(), plain, rtol=1e-3, atol=1e-4)


def test_plain_pytorch_takes_many_samples_in_parts(monkeypatch):
    times, weight = (x.requires_grad_() for x in drawn())
    whole = crossing_times(times, weight, END)
    gradients = torch.autograd.grad(whole.sum(), (times, weight))
    monkeypatch.setattr("spikeproof.models.crossing.times._AT_ONCE", 2 * weight.numel())
    parts = crossing_times(times, weight, END)
    assert torch.equal(whole, parts)
    for a, b in zip(gradients, torch.autograd.grad(parts.sum(), (times, weight)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("end", [0.6, 2.0])
def test_gradients_are_those_of_finite_differences(end):
    times, weight = (x.requires_grad_() for x in drawn(seed=3))
    due = crossing_times(times, weight, end)
    spiked = due < end
    assert spiked.any()
    assert not spiked.all()  # both formulas are tried
    assert torch.autograd.gradcheck(lambda t, w: crossing_times(t, w, end), (times, weight))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_only_the_causal_set_has_a_gradient(dtype):
    times = torch.tensor([[0.0, 0.5, 1.0]], dtype=dtype, requires_grad=True)
    weight = torch.tensor([[1.0, 1.0, 5.0]], dtype=dtype, requires_grad=True)
    due = crossing_times(times, weight, END)
    by_times, by_weight = torch.autograd.grad(due.sum(), (times, weight))
    torch.testing.assert_close(by_times, torch.tensor([[0.5, 0.5, 0.0]], dtype=dtype))
    torch.testing.assert_close(by_weight, torch.tensor([[-0.375, -0.125, 0.0]], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_with_a_reach_later_inputs_have_a_gradient(dtype):
    times = torch.tensor([[0.0, 0.5, 1.0, 1.25]], dtype=dtype, requires_grad=True)
    weight = torch.tensor([[1.0, 1.0, 5.0, 7.0]], dtype=dtype, requires_grad=True)
    due = crossing_times(times, weight, END, reach=0.375)  # 0.75 and on to 1.125
    by_times, by_weight = torch.autograd.grad(due.sum(), (times, weight))
    assert due.item() == 0.75
    torch.testing.assert_close(by_times, torch.tensor([[0.5, 0.5, 2.5, 0.0]], dtype=dtype))
    torch.testing.assert_close(by_weight, torch.tensor([[-0.375, -0.125, 0.0, 0.0]], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_silent_neuron_is_told_how_to_wake(dtype):
    times = torch.tensor([[0.0, 1.5, 3.0]], dtype=dtype, requires_grad=True)
    weight = torch.tensor([[0.25, 0.5, 5.0]], dtype=dtype, requires_grad=True)
    due = crossing_times(times, weight, END)
    by_times, by_weight = torch.autograd.grad(due.sum(), (times, weight))
    assert due.item() == pytest.approx(2.25)  # v(2) is 0.75
    torch.testing.assert_close(by_times, torch.tensor([[0.25, 0.5, 0.0]], dtype=dtype))
    torch.testing.assert_close(by_weight, torch.tensor([[-2.0, -0.5, 0.0]], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_sample_does_not_depend_on_its_batch(dtype):
    times, weight = drawn(64, 50, 20, seed=4, dtype=dtype)
    together = crossing_times(times, weight, END)
    for n in (0, 17, 63):
        assert torch.equal(crossing_times(times[n : n + 1], weight, END), together[n : n + 1])
    assert torch.equal(crossing_times(times.flip(0), weight, END), together.flip(0))


def test_no_samples_are_taken_too():
    for dtype in DTYPES:
        times, weight = drawn(dtype=dtype)
        assert crossing_times(times[:0], weight, END).shape == (0, 7)
