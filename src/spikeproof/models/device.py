"""Where a network computes.

Attacks, threats and the judge hold recordings on the CPU, and only the network's own passes, which
are nearly all of the work, run elsewhere: a placed network takes its inputs to its device and
brings its logits (and, backwards, the gradient) home.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spikeproof.errors import SpikeproofError

Placed = TypeVar("Placed", bound=nn.Module)
DEVICES = ("auto", "cpu", "cuda")


def choose(name: str) -> torch.device:
    """The device called ``auto`` (CUDA if there is any), ``cpu`` or ``cuda``.

    Raises :class:`SpikeproofError` for CUDA where PyTorch finds none.
    """
    if name not in DEVICES:
        raise SpikeproofError(f"unknown device {name!r}; choose one of {', '.join(DEVICES)}")
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise SpikeproofError(
            f"PyTorch {torch.__version__} finds no CUDA device; use --device cpu, or install a"
            " PyTorch that is built for CUDA"
        )
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def placed(network: Placed, device: torch.device) -> Placed:
    """``network`` computing on ``device``, for callers that stay on the CPU (in place)."""
    if device.type == "cpu":
        return network

    def take_along(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(x.to(device) for x in inputs)

    def bring_home(_: nn.Module, __: Any, logits: Tensor) -> Tensor:
        return logits.cpu()

    network.to(device)
    network.register_forward_pre_hook(take_along)
    network.register_forward_hook(bring_home)
    return network
