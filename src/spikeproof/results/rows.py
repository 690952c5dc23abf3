"""The rows of an attack, one a line in a file of JSON lines.

An audit of 10,000 recordings has hundreds of thousands of rows. They are written as they are
counted and read one at a time; ``pandas.read_json(path, lines=True)`` reads them too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from spikeproof.errors import SpikeproofError
from spikeproof.results.parse import Misfit, parse
from spikeproof.results.records import Audit, Row


@dataclass(frozen=True)
class RowFile:
    """Rows in the file ``name`` of an audit's ``folder``, read each time they are asked for."""

    folder: Path
    name: str

    def __iter__(self) -> Iterator[Row]:
        """Read row by row; raises SpikeproofError, naming the line, for a file that is damaged."""
        path, line = self.folder / self.name, 0
        try:
            if not path.resolve().is_relative_to(self.folder.resolve()):
                raise FileNotFoundError(2, "not in the audit's folder")
            with path.open(encoding="utf-8") as file:
                for text in file:
                    line += 1
                    yield parse(Row, json.loads(text))
        except OSError as error:
            raise SpikeproofError(
                f"{path}: cannot be read ({error.strerror}); run the audit again to rewrite it"
            ) from None
        except (Misfit, ValueError) as error:
            raise SpikeproofError(
                f"{path}: line {line}: {error}; run the audit again to rewrite it"
            ) from None


def write_rows(folder: Path, name: str, rows: Iterable[Row]) -> RowFile:
    """Write the file ``name`` of the folder, whole or not at all."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(vars(row), allow_nan=False) + "\n")
    os.replace(part, path)
    return RowFile(folder, name)


def as_json(audit: Audit) -> dict[str, Any]:
    """What ``results.json`` holds: rows that are in a file are named, not repeated."""
    attacks = []
    for attack in audit.attacks:
        rows = attack.rows
        written = rows.name if isinstance(rows, RowFile) else [asdict(row) for row in rows]
        attacks.append(asdict(replace(attack, rows=())) | {"rows": written})
    return asdict(replace(audit, attacks=())) | {"attacks": attacks}
