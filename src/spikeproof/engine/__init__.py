"""The engine: gradient steps of our own networks, written out and compiled."""

from spikeproof.engine.around import Around, changed
from spikeproof.engine.buffers import Buffers
from spikeproof.engine.engine import Climb, Engine, Precision, engine_for

__all__ = ["Around", "Buffers", "Climb", "Engine", "Precision", "changed", "engine_for"]
