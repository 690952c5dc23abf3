"""The options that commands share: which model, and how to run.

Nothing here imports PyTorch, so that ``--help`` is quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikeproof.cli.common import err
from spikeproof.errors import SpikeproofError

if TYPE_CHECKING:
    from spikeproof.inputs.choice import ModelChoice

_MODEL = "Model"


class Device(StrEnum):
    """Where the network computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is called."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="FILE|FILE.py:NAME",
            help="A network from `spikeproof train` (.safetensors), a NIR graph (.nir), or what"
            " the function, class or module NAME in your own Python file gives. That file is run.",
            show_default="the shipped digits network",
            rich_help_panel=_MODEL,
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="For FILE.py:NAME: its state_dict (.pt, .pth, .safetensors). It is not unpickled.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    bins: Annotated[
        int | None,
        typer.Option(
            "--bins",
            metavar="N",
            help="Time bins the model sees.",
            show_default="16, or what the file says",
            rich_help_panel=_MODEL,
        ),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            metavar="µs",
            help="All bins together.",
            show_default="300000, or what the file says",
            rich_help_panel=_MODEL,
        ),
    ] = None
    counts: Annotated[
        bool | None,
        typer.Option(
            "--counts/--binary",
            help="Cells hold numbers of events, or 0/1.",
            show_default="binary",
            rich_help_panel=_MODEL,
        ),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="A,B,…",
            help="Names of the outputs in order, where they are not the labels in order.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    framework: Annotated[
        str | None,
        typer.Option(
            "--framework",
            metavar="NAME",
            help="spikingjelly, snntorch, norse, sinabs or torch, where that cannot be seen; of a"
            " .nir file, who exported it.",
            show_default="found out; of a .nir file: nir, or spikeproof",
            rich_help_panel=_MODEL,
        ),
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help="How the model takes time, such as TNPHW, step-NPHW or stacked.",
            show_default="found out",
            rich_help_panel=_MODEL,
        ),
    ] = None
    readout: Annotated[
        str | None,
        typer.Option(
            "--readout",
            metavar="NAME",
            help="How outputs over time become logits: mean, sum, last or max.",
            show_default="mean",
            rich_help_panel=_MODEL,
        ),
    ] = None
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            min=1,
            metavar="N",
            help="For a model that draws random numbers: average so many draws, when attacking and"
            " when judging.",
            rich_help_panel=_MODEL,
        ),
    ] = 1
    surrogate: Annotated[
        str,
        typer.Option(
            "--surrogate",
            metavar="ensemble|NAME[:X]|own|auto",
            help="The standard ensemble of attacks, or plain attacks with one gradient of a spike:"
            " arctan:4, fast-sigmoid:4, piecewise-quadratic:1, potential-dependent:0.5, rate:0.2,"
            " hybrid:1, the model's own, or the best of these on a few recordings. A spike function"
            " that you wrote keeps its own.",
            rich_help_panel=_MODEL,
        ),
    ] = "ensemble"
    fast: Annotated[
        bool,
        typer.Option(
            "--fast/--no-fast",
            help="Search on a faster copy where one gives the same spikes. Verdicts are always the"
            " model's own.",
            rich_help_panel=_MODEL,
        ),
    ] = True

    def choice(self, device: Device) -> ModelChoice:
        """The same as a value for the library."""
        from spikeproof.inputs.choice import ModelChoice

        if self.model is not None and ".py:" in self.model:
            err.print(f"running {self.model.rpartition(':')[0]} to build the model", style="dim")
        names = None if self.classes is None else tuple(_names(self.classes))
        return ModelChoice(
            self.model,
            weights=self.weights,
            bins=self.bins,
            window=self.window,
            counts=self.counts,
            classes=names,
            framework=self.framework,
            layout=self.layout,
            readout=self.readout,
            draws=self.draws,
            fast=self.fast,
            device=device.value,
        )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise SpikeproofError(f"--classes {text!r}: give each name once, with commas between")
    return names


@dataclass(frozen=True)
class RunOptions:
    """How to run."""

    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="N", help="Everything random follows from it.")
    ] = 0
    device: Annotated[Device, typer.Option("--device", help="Where the network computes.")] = (
        Device.auto
    )
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, metavar="N", help="CPU threads.", show_default="all"),
    ] = None
