"""Events: streams, files, grids, labelled sets and a sensor that records new ones."""

from spikeproof.events.camera import Camera
from spikeproof.events.compare import Difference, compare
from spikeproof.events.digits import load_digits_events
from spikeproof.events.files import read, write
from spikeproof.events.folder import load_folder
from spikeproof.events.grid import Grid
from spikeproof.events.recordings import Data, Recordings
from spikeproof.events.sources import load_data
from spikeproof.events.stream import Events

__all__ = [
    "Camera",
    "Data",
    "Difference",
    "Events",
    "Grid",
    "Recordings",
    "compare",
    "load_data",
    "load_digits_events",
    "load_folder",
    "read",
    "write",
]
