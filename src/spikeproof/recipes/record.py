"""What a recipe found, as files: its figures, and its networks with what is known of them.

Everything is written into a folder of its own first and moved at the end, ``reproduction.json``
last: whoever reads the folder sees a whole reproduction or none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spikeproof.errors import SpikeproofError
from spikeproof.evaluate import answer
from spikeproof.images import ImageData
from spikeproof.models import SerializableNetwork, save_checkpoint
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.results import REPRODUCTION_FILE, Reproduction, load_reproduction
from spikeproof.results.reproduction import REPRODUCTION, write_reproduction

MEASURED = 1000  # test images that a network's recorded accuracy is of, at most


def recorded(
    recipe: Recipe,
    bench: RecipeContext,
    found: Found,
    *,
    command: str = "",
    threads: int = 0,
    version: str = "",
) -> Reproduction:
    """What ``recipe`` found on ``bench``, as the record that is written."""
    data = bench.data
    images = f"{data.name}: {len(data.learn)} to learn from, {len(data.test)} to test on"
    if bench.strange is not None:
        images += f"; of other things: {bench.strange.name}"
    return Reproduction(
        schema=REPRODUCTION,
        name=recipe.name,
        title=recipe.title,
        source=recipe.source,
        images=images,
        quick=bench.quick,
        seed=bench.seed,
        claims=found.claims,
        tables=found.tables,
        charts=found.charts,
        models=tuple(f"{name}.safetensors" for name in found.models),
        seconds=dict(bench.seconds),
        command=command,
        threads=threads,
        version=version,
    )


def keep(
    folder: Path,
    record: Reproduction,
    found: Found,
    data: ImageData,
    draw: Callable[[Path], object] = lambda _: None,
) -> None:
    """Write ``record`` and the networks into ``folder``, and what ``draw`` makes of them there.

    An earlier reproduction in ``folder`` is replaced; other files there stay.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        drafts = Path(name)
        for model, network in found.models.items():
            about = _about(model, network, record, data)
            save_checkpoint(drafts / f"{model}.safetensors", network, about)
        write_reproduction(drafts, record)
        draw(drafts)
        folder.mkdir(exist_ok=True)
        _forget(folder)
        last = drafts / REPRODUCTION_FILE
        for path in (*sorted(set(drafts.iterdir()) - {last}), last):
            os.replace(path, folder / path.name)


def _forget(folder: Path) -> None:
    """Remove an earlier reproduction and the networks that it names."""
    try:
        before = load_reproduction(folder)
    except SpikeproofError:
        return
    (folder / REPRODUCTION_FILE).unlink()
    for name in before.models:
        if name == Path(name).name:
            (folder / name).unlink(missing_ok=True)


def _about(
    name: str, network: SerializableNetwork, record: Reproduction, data: ImageData
) -> dict[str, Any]:
    """What is known of a network, for its checkpoint."""
    channels, height, width = network.input_shape
    classes = data.test.classes[: network.n_classes]
    if len(classes) + 1 == network.n_classes:
        classes = (*classes, "none of these")
    elif len(classes) != network.n_classes:
        classes = tuple(str(k) for k in range(network.n_classes))
    about = {
        "name": name,
        "recipe": record.name,
        "images": {"channels": channels, "height": height, "width": width},
        "classes": [*classes],
        "seed": record.seed,
        "parameters": network.n_parameters,
    }
    if tuple(data.test.x.shape[2:]) != network.input_shape or len(data.test.classes) > len(classes):
        return about  # it was made for other images than these
    some = data.test.x[:MEASURED], data.test.labels[:MEASURED]
    right = int((answer(network.eval(), some[0], chunk=200).argmax(1) == some[1]).sum())
    measured = {"accuracy": right / len(some[1]), "right": right, "of": len(some[1])}
    return about | {"data": data.name, "split": data.split} | measured
