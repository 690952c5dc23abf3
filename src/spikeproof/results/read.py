"""Read ``results.json`` into the records of :mod:`spikeproof.results.records`.

The reader walks the records' type hints, so a wrong or missing field is reported by its path
(``attacks[2].success.k``). Fields that this version does not know are ignored, so that the results
of a newer minor version still make a report.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from spikeproof.errors import SpikeproofError
from spikeproof.results.records import SCHEMA, Audit

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
        audit: Audit = _parse(Audit, raw, "")
    except _Misfit as error:
        raise SpikeproofError(f"{file}: {error}; run the audit again to rewrite it") from None
    return audit


def inside(folder: Path, name: str) -> Path | None:
    """The file ``name`` of the folder; ``None`` if there is none or it lies outside the folder."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


class _Misfit(Exception):
    pass


_hints = cache(get_type_hints)


def _parse(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        rest = next(k for k in inner if k is not type(None))
        return None if value is None else _parse(rest, value, where)
    if origin is tuple:
        items = _expect(value, list, "a list", where)
        return tuple(_parse(inner[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if origin is dict:
        entries = _expect(value, dict, "an object", where)
        return {k: _parse(inner[1], v, f"{where}.{k}") for k, v in entries.items()}
    if is_dataclass(kind):
        return _record(kind, _expect(value, dict, "an object", where), where)
    if kind is str and isinstance(value, int | float):
        return str(value)  # class names and versions may be numbers
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Misfit(f"{where} should be {kind.__name__}, not {value!r:.40}")
    return value


def _record(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints, given = _hints(kind), {}
    for f in fields(kind):
        path = f"{where}.{f.name}".lstrip(".")
        if f.name in value:
            given[f.name] = _parse(hints[f.name], value[f.name], path)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise _Misfit(f"{path} is missing")
    return kind(**given)


def _expect(value: Any, kind: type, name: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise _Misfit(f"{where} should be {name}, not {value!r:.40}")
    return value
