"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is imported: threads that wait must not spin, or on a machine with other work to do
# the many tiny parallel loops of these tests take twenty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile(
    "spikeproof",
    deadline=None,  # shared machines are slow at times
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("spikeproof")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings, which are not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SPIKEPROOF_SHARED_DATA") or beside)
    if not folder.is_dir():
        pytest.skip("shared data not available")
    return folder
