"""Read ``results.json`` and ``reproduction.json`` into their records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from spikeproof.errors import SpikeproofError
from spikeproof.results.parse import Misfit, parse
from spikeproof.results.records import SCHEMA, AttackRecord, Audit
from spikeproof.results.reproduction import REPRODUCTION, REPRODUCTION_FILE, Reproduction
from spikeproof.results.rows import RowFile

FILE: Final = "results.json"
_AGAIN: Final = "run `spikeproof reproduce` again to rewrite it"


def load(folder: Path) -> Audit:
    """The results in an audit folder; SpikeproofError says which file or field is at fault."""
    audit: Audit = _record(
        Audit, SCHEMA, folder / FILE, "audit", "run the audit again to rewrite it"
    )
    return replace(audit, attacks=tuple(_with_rows(folder, attack) for attack in audit.attacks))


def load_reproduction(folder: Path) -> Reproduction:
    """What `spikeproof reproduce` wrote into ``folder``; SpikeproofError names what is at fault."""
    file = folder / REPRODUCTION_FILE
    found: Reproduction = _record(Reproduction, REPRODUCTION, file, "reproduce", _AGAIN)
    for chart in found.charts:
        for line in chart.series:
            if any(len(part) != len(line.x) for part in (line.y, line.low, line.high) if part):
                raise SpikeproofError(
                    f"{file}: {line.name!r} in the chart {chart.title!r} has not as many values as"
                    f" places; {_AGAIN}"
                )
    return found


def _record(kind: Any, schema: str, file: Path, command: str, again: str) -> Any:
    """``file``, which a ``command`` wrote, as a record of ``kind``; ``again`` is the cure."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except FileNotFoundError:
        raise SpikeproofError(
            f"{file}: no such file; give the folder that `spikeproof {command}` wrote"
        ) from None
    except OSError as error:
        raise SpikeproofError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # covers JSONDecodeError and UnicodeDecodeError
        raise SpikeproofError(f"{file}: not valid JSON ({error}); {again}") from None
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found != schema:
        raise SpikeproofError(
            f"{file}: schema is {found!r}, this version reads {schema!r}; read it with the"
            " spikeproof that wrote it"
        )
    try:
        return parse(kind, raw)
    except Misfit as error:
        raise SpikeproofError(f"{file}: {error}; {again}") from None


def _with_rows(folder: Path, attack: AttackRecord) -> AttackRecord:
    """``attack`` with the rows in the file that it names; they are read when asked for."""
    return (
        replace(attack, rows=RowFile(folder, attack.rows))
        if isinstance(attack.rows, str)
        else attack
    )


def inside(folder: Path, name: str) -> Path | None:
    """The file ``name`` of the folder; ``None`` if there is none or it lies outside the folder."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None
