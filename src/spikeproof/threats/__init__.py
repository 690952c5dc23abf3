"""Threats: which recordings an attacker can reach, and at what price."""

from spikeproof.threats.base import Budget, Threat
from spikeproof.threats.flip import Flip
from spikeproof.threats.patch import Patch
from spikeproof.threats.retime import Retime
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.universal import Universal
from spikeproof.threats.verdict import Verdict

__all__ = ["Budget", "Flip", "Patch", "Retime", "Sensor", "Threat", "Universal", "Verdict"]
