"""File formats of event recordings, one file each; ``FORMATS`` lists them all.

A format that needs an optional package imports it when it opens or writes a file, so that all can
be listed without it.
"""

from spikeproof.events.formats import (
    aedat2,
    aedat3,
    aedat4,
    csv,
    dat,
    evt2,
    evt3,
    evt21,
    hdf5,
    nmnist,
    npy,
    npz,
)
from spikeproof.events.formats.base import Format

__all__ = ["FORMATS", "Format"]

FORMATS: tuple[Format, ...] = (
    nmnist.FORMAT,
    npz.FORMAT,
    npy.FORMAT,
    csv.FORMAT,
    csv.TXT,
    evt3.FORMAT,  # of those that end in .raw the first is written
    evt2.FORMAT,
    evt21.FORMAT,
    dat.FORMAT,
    aedat4.FORMAT,
    aedat3.FORMAT,
    aedat2.FORMAT,
    hdf5.FORMAT,
    hdf5.PROPHESEE,
)
