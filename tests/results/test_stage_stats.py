from __future__ import annotations

from spikeproof.results.stage_stats import StageStats, merged


def stats(name, succeeded, mean_cost, **more):
    return StageStats(name, "white-box", succeeded=succeeded, mean_cost=mean_cost, **more)


def test_parts_add_up_and_means_are_weighted():
    first = [stats("a", 3, 10.0, attempted=4, seconds=1.0), stats("b", 0, None)]
    second = [stats("a", 1, 30.0, attempted=1, seconds=0.5), stats("b", 0, None, attempted=2)]
    assert merged([*first, *second]) == (
        stats("a", 4, 15.0, attempted=5, seconds=1.5),
        stats("b", 0, None, attempted=2),
    )


def test_no_parts_give_no_stages():
    assert merged([]) == ()
