"""Threats: which recordings an attacker can reach, and at what price."""

from spikeproof.threats.ball import Ball
from spikeproof.threats.base import Budget, Threat
from spikeproof.threats.flip import Flip
from spikeproof.threats.l0 import L0
from spikeproof.threats.l2 import L2
from spikeproof.threats.linf import Linf
from spikeproof.threats.patch import Patch
from spikeproof.threats.retime import Retime
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.universal import Universal
from spikeproof.threats.unlimited import unlimited
from spikeproof.threats.validity import Validity

__all__ = [
    "L0",
    "L2",
    "Ball",
    "Budget",
    "Flip",
    "Linf",
    "Patch",
    "Retime",
    "Sensor",
    "Threat",
    "Universal",
    "Validity",
    "unlimited",
]
