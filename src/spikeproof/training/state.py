"""The state of a training run on disk: what is saved after each epoch, and read to go on.

Weights, the optimiser's moments, random generators and the history go to one safetensors file,
with a text that tells the run apart from all others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from spikeproof.errors import InvalidModel, InvalidRecording
from spikeproof.models.checkpoint import read_tensors, write_tensors
from spikeproof.models.serializable import SerializableNetwork

Entry = TypeVar("Entry")


def check_labels(network: SerializableNetwork, x: Tensor, labels: Tensor, what: str) -> None:
    """Raise :class:`InvalidRecording` if ``labels`` do not fit ``x`` or the classes."""
    if len(x) != len(labels) or len(labels) == 0:
        raise InvalidRecording(
            f"{len(x)} {what} and {len(labels)} labels: need one label each, at least one"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= network.n_classes:
        raise InvalidRecording(
            f"label {low if low < 0 else high} is outside the network's classes 0 to"
            f" {network.n_classes - 1}; end the architecture with fc{high + 1}"
        )


def run_id(
    network: SerializableNetwork,
    x: Tensor,
    labels: Tensor,
    settings: Any,
    told: Mapping[str, object],
) -> str:
    """A text that is the same for the same network, data, ``settings`` (a dataclass) and ``told``.

    What ``told`` holds counts by its text; None is left out.
    """
    data = hashlib.sha256()
    for tensor in (x, labels):
        data.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        data.update(tensor.contiguous().numpy().tobytes())
    run = {
        "network": network.description,
        "recipe": asdict(settings),
        "data": data.hexdigest(),
        **{name: str(value) for name, value in told.items() if value is not None},
    }
    return json.dumps(run, sort_keys=True)


def save(
    path: Path,
    run: str,
    network: SerializableNetwork,
    optimiser: torch.optim.Optimizer,
    rng: torch.Generator,
    history: Sequence[Any],
) -> None:
    """Write the state after an epoch; ``history`` holds dataclasses."""
    tensors = {f"model.{k}": v for k, v in network.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
    tensors["rng"] = rng.get_state()
    tensors["global_rng"] = torch.get_rng_state()
    metadata = {"run": run, "history": json.dumps([asdict(entry) for entry in history])}
    write_tensors(path, tensors, metadata)


def resume(
    path: Path,
    run: str,
    network: SerializableNetwork,
    optimiser: torch.optim.Optimizer,
    rng: torch.Generator,
    entry: Callable[..., Entry],
) -> list[Entry]:
    """Put everything back as it was saved, and the history, made of ``entry``.

    Raises :class:`InvalidModel` if the file belongs to another run.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("run") != run:
        raise InvalidModel(
            f"{path}: belongs to a run with another network, recipe or data; delete it or train"
            " into another folder"
        )
    network.load_state_dict(_below(tensors, "model."))
    described = optimiser.state_dict()
    described["state"] = {}
    for name, value in _below(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        described["state"].setdefault(int(index), {})[key] = value
    optimiser.load_state_dict(described)
    rng.set_state(tensors["rng"])
    torch.set_rng_state(tensors["global_rng"])
    return [entry(**told) for told in json.loads(metadata["history"])]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
