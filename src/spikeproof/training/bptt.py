"""Training by back-propagation through time with surrogate gradients.

A plain visible loop: AdamW, warm-up then cosine learning rate, cross-entropy on the logits (or
another objective). After
each epoch the complete state (weights, optimiser, random generators, history) goes to one
safetensors file, so that a run that was stopped continues bit for bit where it was.

With a ``perturb`` the network learns from what that makes of each batch. Where it is an attack,
this is adversarial training (Madry et al., ICLR 2018); which attack is the caller's choice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.training.augment import Augment
from spikeproof.training.state import check_labels, resume, run_id, save
from spikeproof.types import Cells, Labels

Perturb: TypeAlias = Callable[[SerializableNetwork, Cells, Labels], Cells]
"""Other recordings for a batch of them, of the same shape, given the network in evaluation mode."""

Objective: TypeAlias = Callable[[SerializableNetwork, Cells, Labels], tuple[Tensor, Tensor]]
"""The loss of a batch and the logits ``[N, K]`` that it came with."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run. ``rate`` is the peak learning rate; ``smoothing`` of labels."""

    epochs: int = 30
    batch: int = 32
    rate: float = 4e-3
    decay: float = 1e-2
    smoothing: float = 0.05
    seed: int = 0
    augment: Augment | None = field(default_factory=Augment)


@dataclass(frozen=True)
class EpochProgress:
    """What one epoch came to. ``accuracy`` is that on the (augmented) training recordings."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    seconds: float


def fit(
    network: SerializableNetwork,
    cells: Tensor,
    labels: Tensor,
    recipe: TrainingConfig,
    *,
    perturb: Perturb | None = None,
    objective: Objective | None = None,
    state: Path | None = None,
    report: Callable[[EpochProgress], None] = lambda _: None,
) -> list[EpochProgress]:
    """Train ``network`` in place on ``cells`` ``[N, T, P, H, W]`` (any dtype) and their ``labels``.

    With ``state`` the run is saved there after each epoch and continued from there if the file
    exists. ``perturb`` is called on augmented recordings, and ``objective`` gives the loss to
    minimise in place of cross-entropy; their texts tell their runs apart from others. Returns the
    history, one entry per epoch, and leaves the network in evaluation mode. Raises
    :class:`InvalidRecording` for labels outside the classes and :class:`InvalidModel` if ``state``
    belongs to another run or the loss stops being a number.
    """
    check_labels(network, cells, labels, "recordings")
    rng = torch.Generator().manual_seed(recipe.seed)
    dtype = next(network.parameters()).dtype
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps_per_epoch = -(-len(labels) // recipe.batch)
    history: list[EpochProgress] = []
    told = {"perturb": perturb, "objective": objective}
    run = "" if state is None else run_id(network, cells, labels, recipe, told)
    if state is not None and state.exists():
        history = resume(state, run, network, optimiser, rng, EpochProgress)
    for epoch in range(len(history), recipe.epochs):
        began = time.perf_counter()
        network.train()
        loss_sum = right = 0.0
        batches = torch.split(torch.randperm(len(labels), generator=rng), recipe.batch)
        for step, chosen in enumerate(batches, start=epoch * steps_per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * _warm_then_cosine(
                    step / (recipe.epochs * steps_per_epoch)
                )
            x = cells[chosen].to(dtype)
            if recipe.augment is not None:
                x = recipe.augment(x, rng)
            y = labels[chosen]
            if perturb is not None:  # statistics of batch norm are not those of an attack's tries
                network.eval()
                x = perturb(network, x, y)
                network.train()
            if objective is None:
                logits = network(x)
                loss = F.cross_entropy(logits, y, label_smoothing=recipe.smoothing)
            else:
                loss, logits = objective(network, x, y)
            if not torch.isfinite(loss):
                raise InvalidModel(
                    f"the loss became {loss.item()} in epoch {epoch + 1}; lower the learning rate"
                )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            loss_sum += loss.item() * len(chosen)
            right += (logits.argmax(1) == y).sum().item()
        n = len(labels)
        seconds = time.perf_counter() - began
        history.append(EpochProgress(epoch + 1, recipe.epochs, loss_sum / n, right / n, seconds))
        if state is not None:
            save(state, run, network, optimiser, rng, history)
        report(history[-1])
    network.eval()
    return history


def _warm_then_cosine(done: float, warm: float = 0.15) -> float:
    """Share of the peak learning rate after a share ``done`` of all steps."""
    if done < warm:
        return (done + 0.01) / (warm + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
