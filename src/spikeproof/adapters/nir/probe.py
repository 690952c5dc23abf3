"""Reads every array of an HDF5 file once and throws it away: ``python probe.py FILE``.

Run in a process of its own before the file is opened in ours, because damage to HDF5's text heap
can crash or hang the HDF5 library itself, which no exception handler survives. It imports h5py
only, so that it starts quickly.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

LIMIT = 2**31  # bytes of an array; larger ones are refused without being read


def main(path: str) -> None:
    """Look at everything; exceptions are for the reader proper to explain."""
    h5py = import_module("h5py")

    def look(_: str, item: Any) -> None:
        for name in item.attrs:
            item.attrs.get(name)
        if isinstance(item, h5py.Dataset) and item.nbytes <= LIMIT:
            item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(look)
    except Exception:
        sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
