"""Read ``results.json`` into the records of :mod:`spikeproof.results.records`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from spikeproof.errors import SpikeproofError
from spikeproof.results.parse import Misfit, parse
from spikeproof.results.records import SCHEMA, Attack, Audit
from spikeproof.results.rows import RowFile

FILE: Final = "results.json"


def load(folder: Path) -> Audit:
    """The results in an audit folder; SpikeproofError says which file or field is at fault."""
    file = folder / FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except FileNotFoundError:
        raise SpikeproofError(
            f"{file}: no such file; give the folder that `spikeproof audit` wrote"
        ) from None
    except OSError as error:
        raise SpikeproofError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # covers JSONDecodeError and UnicodeDecodeError
        raise SpikeproofError(
            f"{file}: not valid JSON ({error}); run the audit again to rewrite it"
        ) from None
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        raise SpikeproofError(
            f"{file}: schema is {schema!r}, this version reads {SCHEMA!r}; "
            "make the report with the spikeproof that made the audit"
        )
    try:
        audit: Audit = parse(Audit, raw)
    except Misfit as error:
        raise SpikeproofError(f"{file}: {error}; run the audit again to rewrite it") from None
    return replace(audit, attacks=tuple(_with_rows(folder, attack) for attack in audit.attacks))


def _with_rows(folder: Path, attack: Attack) -> Attack:
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
