"""A threat without its budget: a search may pass through places that cost more than is allowed."""

from __future__ import annotations

from spikeproof.threats.base import Threat
from spikeproof.threats.flip import Flip
from spikeproof.threats.retime import Retime


def unlimited(threat: Threat) -> Threat:
    """``threat`` with any number of edits; threats that have no budget as they are."""
    return threat.at(None) if isinstance(threat, Flip | Retime) else threat
