"""spikeproof: how robust is your spiking neural network?

The names below are loaded when they are first used, so that ``import spikeproof`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikeproof.api import run_audit
    from spikeproof.audit.settings import Settings
    from spikeproof.errors import SpikeproofError
    from spikeproof.events import Data, Events, Grid, load_data
    from spikeproof.inputs.choice import DataChoice, ModelChoice
    from spikeproof.models import load_checkpoint
    from spikeproof.results import Audit

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Data",
    "DataChoice",
    "Events",
    "Grid",
    "ModelChoice",
    "Settings",
    "SpikeproofError",
    "__version__",
    "load_checkpoint",
    "load_data",
    "run_audit",
]

_HOME = {
    "Audit": "spikeproof.results",
    "Data": "spikeproof.events",
    "DataChoice": "spikeproof.inputs.choice",
    "Events": "spikeproof.events",
    "Grid": "spikeproof.events",
    "ModelChoice": "spikeproof.inputs.choice",
    "Settings": "spikeproof.audit.settings",
    "SpikeproofError": "spikeproof.errors",
    "load_checkpoint": "spikeproof.models",
    "load_data": "spikeproof.events",
    "run_audit": "spikeproof.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
