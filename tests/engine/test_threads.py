"""Loops over threads."""

from __future__ import annotations

import threading

import pytest
import torch

from spikeproof.engine.threads import spread


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("items", [1, 2, 7, 8, 9, 100])
def test_every_item_is_done_once(two_threads, items):
    done, lock = [], threading.Lock()

    def loop(first, last):
        with lock:
            done.extend(range(first, last))

    spread(loop, items)
    assert sorted(done) == list(range(items))


def test_what_a_part_raises_is_raised(two_threads):
    def loop(first, last):
        if last == 20:
            raise ZeroDivisionError("in a part")

    with pytest.raises(ZeroDivisionError, match="in a part"):
        spread(loop, 20)
