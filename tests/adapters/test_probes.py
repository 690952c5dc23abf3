from __future__ import annotations

import pytest
import torch

from spikeproof.adapters.check import Check
from spikeproof.adapters.probes import alone, apart, ask, memory, order, randomness, said

X = torch.rand(6, 2, 2, 3, 3, generator=torch.Generator().manual_seed(0))


def sums(x):
    return x.flatten(2).sum(2)


def test_differences_are_relative_to_the_largest_logit():
    a = torch.tensor([[1.0, -4.0], [2.0, 0.0]])
    assert apart(a, a + torch.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist() == [0.25, 0.0]
    assert apart(torch.zeros(2, 2), torch.zeros(2, 2)).tolist() == [0.0, 0.0]


def test_only_the_first_line_of_an_error_is_quoted():
    assert said(RuntimeError("no.\nmore")) == "RuntimeError: no"
    assert said(KeyError()) == "KeyError:"
    assert len(said(ValueError("x" * 900))) == 200


def test_asking_repeats_random_numbers_and_takes_a_copy():
    def greedy(x):
        return sums(x.mul_(0)) + torch.rand(len(x), 2)

    given = X.clone()
    assert torch.equal(ask(greedy, given), ask(greedy, given))
    assert not torch.equal(ask(greedy, given), ask(greedy, given, seed=1))
    assert torch.equal(given, X)
    ask(greedy, given, own=True)
    assert not given.any()


@pytest.mark.parametrize("probe", [memory, randomness, order, alone])
def test_a_pure_function_passes_all(probe):
    check = probe(sums, X, sums(X))
    assert check == Check(probe.__name__, True, "note", check.detail)


def test_a_check_speaks_to_readers():
    fine, failed = (
        Check("alone", ok, "error", "measured", "" if ok else "do so") for ok in (True, False)
    )
    assert (fine.title, fine.says) == ("Batch-mates do not matter", "measured")
    assert (failed.title, failed.says) == ("Batch-mates matter", "measured; do so")
    assert Check("another", False, "note", "").title == "another"


def test_a_cause_is_not_taken_for_another():
    calls = []

    def counts(x):
        calls.append(1)
        return sums(x) + len(calls)

    def mixes(x):
        return sums(x) - sums(x).cumsum(0)

    def draws(x):
        return sums(x) * torch.rand(2)

    assert not memory(counts, X, counts(X)).ok
    assert memory(mixes, X, mixes(X)).ok
    assert randomness(mixes, X, mixes(X)).ok
    assert not order(mixes, X, mixes(X)).ok
    assert memory(draws, X, ask(draws, X)).ok
    assert not randomness(draws, X, ask(draws, X)).ok
