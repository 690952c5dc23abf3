from __future__ import annotations

from spikeproof import events


def test_public_names_are_there_and_sorted():
    assert events.__all__ == sorted(events.__all__)
    assert all(getattr(events, name).__module__.startswith("spikeproof") for name in events.__all__)
