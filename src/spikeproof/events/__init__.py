"""Events: streams, files, grids, labelled sets and a sensor that records new ones."""

from spikeproof.events.camera import Camera
from spikeproof.events.compare import Difference, compare
from spikeproof.events.digits import load_digits_events
from spikeproof.events.files import read, write
from spikeproof.events.folder import load_folder
from spikeproof.events.frames import load_frames, unframe
from spikeproof.events.grid import Grid
from spikeproof.events.manifest import load_manifest
from spikeproof.events.recordings import Data, Recordings
from spikeproof.events.slices import slices
from spikeproof.events.sources import load_data
from spikeproof.events.stream import Events
from spikeproof.events.tonic_sets import from_tonic, load_tonic
from spikeproof.events.window import Fit, fitted

__all__ = [
    "Camera",
    "Data",
    "Difference",
    "Events",
    "Fit",
    "Grid",
    "Recordings",
    "compare",
    "fitted",
    "from_tonic",
    "load_data",
    "load_digits_events",
    "load_folder",
    "load_frames",
    "load_manifest",
    "load_tonic",
    "read",
    "slices",
    "unframe",
    "write",
]
