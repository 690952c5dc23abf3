"""A published system measured again: ``reproduction.json`` as records.

As in :mod:`spikeproof.results.records`, field names are the JSON keys, and a field with a default
may be missing from the file.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from spikeproof.results.records import Proportion

REPRODUCTION: Final = "spikeproof/reproduction/1"
REPRODUCTION_FILE: Final = "reproduction.json"


@dataclass(frozen=True)
class Claim:
    """One figure of the paper beside ours.

    ``ours`` is a share with its interval, or ``figure`` a number in ``unit``. ``published`` is what
    the paper says, as text ("98.1 %", "" for nothing), ``aim`` what must hold for the claim to hold
    (">= 97.5 %"). ``holds`` is None for what is only reported, for instance because the quick
    version is too small to decide; ``why`` says why a claim does not hold, if that is known.
    """

    what: str
    ours: Proportion | None = None
    figure: float | None = None
    unit: str = ""
    published: str = ""
    aim: str = ""
    holds: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text below ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a chart; ``low`` and ``high`` bound a 95 % interval, if there is one."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over one axis; ``percent`` if y is a share."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    percent: bool = True


@dataclass(frozen=True)
class Reproduction:
    """What one recipe found.

    ``images`` says what it learned from and was tested on, ``models`` the files of the networks
    (below the folder), ``seconds`` the time of each part, in the order in which they ran.
    """

    schema: str
    name: str
    title: str
    source: str
    images: str
    quick: bool
    seed: int
    claims: tuple[Claim, ...]
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    models: tuple[str, ...] = ()
    seconds: dict[str, float] | None = None
    command: str = ""
    threads: int = 0
    version: str = ""


def write_reproduction(folder: Path, found: Reproduction) -> Path:
    """Write ``reproduction.json`` into ``folder``, whole or not at all.

    JSON knows no infinite numbers: such a figure is left out, and so is such a point of a line.
    """
    told = asdict(found)
    for claim in told["claims"]:
        if claim["figure"] is not None and not math.isfinite(claim["figure"]):
            claim["figure"] = None
    for chart in told["charts"]:
        chart["series"] = [_finite(line) for line in chart["series"]]
    path = folder / REPRODUCTION_FILE
    part = path.with_name(f".{path.name}.part")
    part.write_text(
        json.dumps(told, indent=1, allow_nan=False, ensure_ascii=False, default=_plain),
        encoding="utf-8",
    )
    os.replace(part, path)
    return path


def _finite(line: dict[str, Any]) -> dict[str, Any]:
    """The points of a line, as a dictionary, that can be drawn."""
    names = [name for name in ("x", "y", "low", "high") if line[name]]
    points = [p for p in zip(*(line[name] for name in names), strict=True) if _all_finite(p)]
    return line | {name: [point[k] for point in points] for k, name in enumerate(names)}


def _all_finite(point: tuple[float, ...]) -> bool:
    return all(math.isfinite(value) for value in point)


def _plain(value: Any) -> Any:
    """Numbers of NumPy and PyTorch as Python's."""
    return value.item()
