"""Models that are not ours: fetched, adapted, placed, averaged, and copied for speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.adapters import (
    Adapted,
    ExpectationOverTransformation,
    NoTwin,
    adapt,
    fast_twin,
    load_nir,
)
from spikeproof.adapters.adapt import FRAMEWORKS
from spikeproof.adapters.source import is_source, load_source
from spikeproof.errors import InvalidModel
from spikeproof.inputs.choice import ModelChoice
from spikeproof.models.checkpoint import file_digest
from spikeproof.models.device import choose, placed
from spikeproof.types import Model


@dataclass(frozen=True, eq=False)
class ModelPair:
    """The model that judges, the one that attacks search on, and what is known of them."""

    model: Model
    search: Model
    about: dict[str, Any]
    n_classes: int = 0


def fetch(choice: ModelChoice) -> Callable[..., object]:
    """The model as its owner wrote it; raises :class:`InvalidModel` if there is none."""
    source = choice.source
    if callable(source):
        if choice.weights is not None:
            raise InvalidModel("weights are for FILE.py:NAME; load them into the module before")
        return source
    spec = str(source)
    if Path(spec).suffix.lower() == ".nir":
        if choice.weights is not None:
            raise InvalidModel(f"{spec}: has its own weights; leave out --weights")
        if choice.layout is not None or choice.readout is not None:
            raise InvalidModel(
                f"{spec}: a NIR graph says itself how it is called, and is read out by its mean"
                " over time; leave out --layout and --readout"
            )
        return load_nir(Path(spec), convention=choice.framework)
    if is_source(spec):
        return load_source(spec, choice.weights)
    if Path(spec).suffix.lower() in (".pt", ".pth", ".ckpt", ".bin"):
        raise InvalidModel(
            f"{spec}: holds weights and no network; give both, as --model my_net.py:build"
            f" --weights {spec}"
        )
    if Path(spec).suffix.lower() == ".py":
        raise InvalidModel(f"{spec}: say which function or class gives the model: {spec}:NAME")
    raise InvalidModel(
        f"{spec}: is no model; give a .safetensors file from `spikeproof train`, a .nir file, or"
        " my_net.py:build with --weights"
    )


def adapted(source: Callable[..., object], choice: ModelChoice, sample: Tensor) -> ModelPair:
    """``source`` behind our protocol, tried on ``sample`` ``[N, T, P, H, W]``."""
    if isinstance(source, nn.Module) and source is not choice.source:  # else it is its owner's
        where = choose(choice.device)
        placed(source, where) if isinstance(source, Adapted) else source.to(where)
    model = adapt(
        source,
        sample,
        framework=choice.framework,
        layout=choice.layout,
        readout=choice.readout,
    )
    about = _about(source, choice) | {
        "framework": model.framework,
        "kind": "NIR" if model.framework == "nir" else FRAMEWORKS[model.framework].title,
        "assumptions": list(model.assumptions),
    }
    with torch.no_grad():
        n_classes = model(sample[:1]).shape[1]
    if choice.draws > 1:
        about["assumptions"].append(f"logits are averaged over {choice.draws} random draws")
        averaged = ExpectationOverTransformation(
            model, draws=choice.draws
        )  # attacks draw noise of their own
        return ModelPair(averaged, averaged, about, n_classes)
    if not choice.fast or model.framework == "nir":  # which is on our own neurons already
        return ModelPair(model, model, about, n_classes)
    twin = fast_twin(model, sample)
    if isinstance(twin, NoTwin):
        about["assumptions"].append(f"attacks search on the model itself ({twin.reason})")
        return ModelPair(model, model, about, n_classes)
    about["assumptions"].append(twin.says)
    weights = model.parameters()
    copy = placed(twin.network, next((p.device for p in weights), torch.device("cpu")))
    return ModelPair(model, copy, about, n_classes)


def _about(source: Callable[..., object], choice: ModelChoice) -> dict[str, Any]:
    """What the report says of the model."""
    about: dict[str, Any] = {"name": choice.name or type(source).__name__}
    if isinstance(source, nn.Module):
        about["parameters"] = sum(p.numel() for p in source.parameters())
        about["architecture"] = type(source).__name__
    if isinstance(choice.source, str | Path):
        spec = str(choice.source)
        about["file"] = Path(spec).name
        about["name"] = choice.name or Path(spec.rpartition(":")[0] or spec).stem
        weights = choice.weights or Path(spec)
        if choice.weights is not None:
            about["file"] += f" with {weights.name}"
        if weights.is_file():
            about["sha256"] = file_digest(weights)
    return about


def named(
    victims: ModelPair, choice: ModelChoice, labels: tuple[str, ...], *, numbered: bool = False
) -> tuple[str, ...]:
    """The classes in logit order: as the user says, or the ``labels`` if they are as many.

    Labels that are numbers, or ``numbered`` by the user's own program, count the outputs from 0.
    Raises :class:`InvalidModel` if it cannot be known which output is which label.
    """
    k = victims.n_classes
    classes = choice.classes or labels
    if len(classes) == k:
        return classes
    if choice.classes is not None:
        raise InvalidModel(f"--classes names {len(classes)} classes and the model has {k} outputs")
    if k < len(labels):
        raise InvalidModel(
            f"the model has {k} outputs and the data {len(labels)} labels; give data with the"
            " classes that the model was trained on"
        )
    if numbered:
        return (*labels, *(f"class {i}" for i in range(len(labels), k)))
    if all(label.isdecimal() and int(label) < k for label in labels):
        return tuple(str(i) for i in range(k))  # labels that are numbers say which output
    raise InvalidModel(
        f"the model has {k} outputs and the data only {len(labels)} labels; name the outputs in"
        " order with --classes"
    )
