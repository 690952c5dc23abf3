"""NIR graphs as nested tables, from a file or from a graph of the nir package.

A ``.nir`` file is HDF5: the group ``node`` holds the graph, each group a node with its ``type``
and arrays, ``nodes`` and ``edges`` for a graph (https://neuroir.org/docs). It is read with h5py
alone, so that files of all versions of nir are welcome and nothing in a file is ever executed:
links to other files, virtual and oversized arrays are refused. Since damage can bring down the HDF5
library itself, another process reads the file first (:mod:`spikeproof.adapters.nir.probe`).
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from spikeproof.adapters.nir import probe
from spikeproof.errors import InvalidModel

Node = dict[str, Any]

_LIMIT = 2**31  # bytes; the largest networks on event cameras have a few hundred MB
_DEPTH = 16
_PATIENCE = 30  # seconds


def read_document(path: Path) -> Node:
    """The graph in the file; raises :class:`InvalidModel` naming it."""
    try:
        h5py = import_module("h5py")
    except ImportError:
        raise InvalidModel(
            f'{path}: reading NIR graphs needs h5py; pip install "spikeproof[nir]"'
        ) from None
    if not path.is_file():
        raise InvalidModel(f"{path}: no such file; export a network to it with nir.write")
    _survives(path)
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("node"), h5py.Group):
                raise InvalidModel(f"{path}: holds no NIR graph (no group 'node')")
            return _Reader(h5py).group(file["node"], "node", 0)
    except InvalidModel as error:
        where = "" if str(error).startswith(str(path)) else f"{path}: "
        raise InvalidModel(f"{where}{error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidModel(
            f"{path}: is not a readable NIR file ({why}); export it again with nir.write"
        ) from error


def _survives(path: Path) -> None:
    """Raise :class:`InvalidModel` if reading the file crashes a process, or takes too long."""
    command = [sys.executable, str(Path(probe.__file__)), str(path.resolve())]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        ended = None
    if ended is None or ended.returncode < 0:
        what = "hangs" if ended is None else "crashes"
        raise InvalidModel(
            f"{path}: is damaged: the HDF5 library {what} on it; export it again with nir.write"
        )


class _Reader:
    def __init__(self, h5py: Any) -> None:
        self.h5py, self.left = h5py, _LIMIT

    def group(self, group: Any, where: str, depth: int) -> Node:
        if depth > _DEPTH:
            raise InvalidModel(f"{where}: groups are nested more than {_DEPTH} deep")
        table: Node = {}
        for name in group:
            place = f"{where}/{name}"
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise InvalidModel(f"{place}: is a link; a NIR file holds its data itself")
            item = group[name]
            if isinstance(item, self.h5py.Group):
                table[name] = self.group(item, place, depth + 1)
            elif isinstance(item, self.h5py.Dataset):
                table[name] = self.array(item, place)
            else:
                raise InvalidModel(f"{place}: is a data type; a NIR file holds groups and arrays")
        return table

    def array(self, item: Any, where: str) -> Any:
        if item.is_virtual or item.external:
            raise InvalidModel(f"{where}: its data is in another file; a NIR file holds it itself")
        if item.dtype.kind not in "biuf" and self.h5py.check_string_dtype(item.dtype) is None:
            raise InvalidModel(
                f"{where}: is of type {item.dtype}; a NIR file holds numbers and text"
            )
        self.left -= item.nbytes
        if self.left < 0:
            raise InvalidModel(f"holds more than {_LIMIT >> 30} GiB of data; is it a NIR graph?")
        return _plain(item[()])


def document_of(graph: Any) -> Node:
    """The table of a graph of the nir package; raises :class:`InvalidModel` for other objects."""
    if not hasattr(graph, "nodes") or not hasattr(graph, "edges"):
        raise InvalidModel(
            f"{type(graph).__name__} is no NIR graph; give a nir.NIRGraph or the path of a .nir"
            " file"
        )
    nodes = {name: _node(node) for name, node in graph.nodes.items()}
    return {"type": "NIRGraph", "nodes": nodes, "edges": [list(edge) for edge in graph.edges]} | {
        "metadata": graph.metadata if isinstance(graph.metadata, dict) else {}
    }


def _node(node: Any) -> Node:
    if hasattr(node, "nodes"):
        return document_of(node)
    kind = type(node).__name__
    if kind == "Input":
        return {"type": kind, "shape": _plain(node.input_type["input"])}
    if kind == "Output":
        return {"type": kind, "shape": _plain(node.output_type["output"])}
    fields = {k: v for k, v in vars(node).items() if not k.endswith("_type") and k != "metadata"}
    return {"type": kind} | {k: _plain(v) for k, v in fields.items() if v is not None}


def _plain(value: Any) -> Any:
    """Text as text, tensors and numbers as arrays."""
    if isinstance(value, bytes):
        return value.decode("utf8")
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        return np.vectorize(_plain, otypes=[object])(array).tolist()
    return array
