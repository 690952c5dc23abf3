from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikeproof.events import Events
from spikeproof.report import build

from .sample import HOSTILE, blob, write_audit

Recordings = list[tuple[int, Events]]


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    rng = np.random.default_rng(3)
    return [(k, blob(rng)) for k in range(8)]


@pytest.fixture(scope="session")
def audits(
    tmp_path_factory: pytest.TempPathFactory, recordings: Recordings
) -> Callable[[str], Path]:
    """Folders with a report: complete, unfinished, unstarted, or with hostile names."""
    made: dict[str, Path] = {}
    settings = {
        "complete": {},
        "unfinished": {"done": 2},
        "unstarted": {"done": 0},
        "hostile": {"classes": HOSTILE},
    }

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = write_audit(tmp_path_factory.mktemp(name), recordings, **settings[name])
            build(made[name])
        return made[name]

    return folder
