"""Networks on disk: weights in safetensors, their description in its metadata.

The file holds no code and loading it runs none. Its metadata says how to build the network (its
``kind`` with the settings of that kind, see :mod:`~spikeproof.models.kinds`) and what it was made
for (grid or images, classes, data, accuracy).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.kinds import rebuilt
from spikeproof.models.serializable import SerializableNetwork

FORMAT = "spikeproof/network/1"


@dataclass(frozen=True)
class Checkpoint:
    """A network with what is known of it.

    ``about`` is JSON-ready: ``grid`` (bins, window, height, width, counts, start, align) of a
    network that sees recordings, ``images`` (channels, height, width) of one that sees images;
    ``classes`` (names), ``data``, ``split``, ``accuracy`` (right, of) and so on; free to grow.
    """

    network: SerializableNetwork
    about: dict[str, Any]
    digest: str = ""


def save_checkpoint(path: Path, network: SerializableNetwork, about: Mapping[str, Any]) -> None:
    """Write ``network`` and ``about`` to one ``.safetensors`` file, atomically."""
    metadata = {
        "format": FORMAT,
        "network": json.dumps(network.description),
        "about": json.dumps(dict(about)),
    }
    write_tensors(path, dict(network.state_dict()), metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """The network in ``path``, in evaluation mode, on the CPU.

    Raises :class:`InvalidModel` naming the file if it is missing, not one of ours, was made for
    another architecture than it says, or holds values that are not finite.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InvalidModel(
            f"{path}: is a safetensors file but not a spikeproof network (format"
            f" {metadata.get('format')!r}); make one with `spikeproof train`, or give your network"
            f" with its weights: --model my_net.py:build --weights {path}"
        )
    try:
        described = json.loads(metadata["network"])
        about = json.loads(metadata["about"])
        network = rebuilt(described)
    except InvalidModel as error:
        raise InvalidModel(f"{path}: {error}") from error
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidModel(f"{path}: its description is damaged ({error}); train again") from error
    if not isinstance(about, dict):
        raise InvalidModel(f"{path}: its description is damaged (about is no table); train again")
    load_weights(network, tensors, str(path))
    return Checkpoint(network.eval(), about, file_digest(path))


def load_weights(network: SerializableNetwork, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy ``tensors`` into ``network``; raises :class:`InvalidModel` where they do not fit."""
    wanted = network.state_dict()
    described = network.description
    architecture = described.get("architecture") or described["kind"]
    for name, value in wanted.items():
        if name not in tensors:
            raise InvalidModel(f"{source}: has no {name!r}, so it is not a {architecture!r}")
        if tensors[name].shape != value.shape:
            raise InvalidModel(
                f"{source}: {name!r} is {list(tensors[name].shape)} but {architecture!r} needs"
                f" {list(value.shape)}; the checkpoint is of another architecture"
            )
        if not torch.isfinite(tensors[name].float()).all():
            raise InvalidModel(
                f"{source}: {name!r} holds NaN or infinite values; training diverged, train again"
                " with a lower --rate"
            )
    if extra := sorted(set(tensors) - set(wanted)):
        raise InvalidModel(f"{source}: has unexpected {extra[0]!r}, so it is not {architecture!r}")
    network.load_state_dict(dict(tensors))


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file so that a reader sees the old file or the new one, never half.

    The same tensors and metadata always give the same bytes.
    """
    data = _in_order(save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata))
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def _in_order(data: bytes) -> bytes:
    """Safetensors ``data`` with its metadata sorted (the library writes it in random order)."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # tensors stay aligned to 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; raises :class:`InvalidModel`."""
    if not path.is_file():
        raise InvalidModel(f"{path}: no such file; make one with `spikeproof train --out {path}`")
    try:
        with safe_open(path, "pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidModel(f"{path}: is not a readable safetensors file ({error})") from error
