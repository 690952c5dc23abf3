"""spikeproof: how robust is your spiking neural network?"""

__version__ = "0.1.0"
