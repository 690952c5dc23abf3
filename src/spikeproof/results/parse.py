"""From plain JSON to records: the reader walks the records' type hints.

A wrong or missing field is reported by its path (``attacks[2].success.k``). Fields that this
version does not know are ignored, so that results of a newer minor version still make a report.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


class Misfit(Exception):
    """A value does not have the type of its field; the message names the path to it."""


_hints, _fields = cache(get_type_hints), cache(fields)


@cache
def _form(kind: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Origin and arguments of a generic type, and whether it is a record."""
    return get_origin(kind), get_args(kind), is_dataclass(kind)


def parse(kind: Any, value: Any, where: str = "") -> Any:
    """``value`` as a ``kind``; raises :class:`Misfit`."""
    origin, inner, is_record = _form(kind)
    if origin in (Union, types.UnionType):
        rest = next(k for k in inner if k is not type(None))
        return None if value is None else parse(rest, value, where)
    if origin is Iterable and isinstance(value, str):
        return value  # the name of a file that holds them
    if origin in (tuple, Iterable):
        items = _expect(value, list, "a list", where)
        return tuple(parse(inner[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if origin is dict:
        entries = _expect(value, dict, "an object", where)
        return {k: parse(inner[1], v, f"{where}.{k}") for k, v in entries.items()}
    if is_record:
        return _record(kind, _expect(value, dict, "an object", where), where)
    if kind is str and isinstance(value, int | float):
        return str(value)  # class names and versions may be numbers
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Misfit(f"{where} should be {kind.__name__}, not {value!r:.40}")
    return value


def _record(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints, given = _hints(kind), {}
    for f in _fields(kind):
        path = f"{where}.{f.name}" if where else f.name
        if f.name in value:
            given[f.name] = parse(hints[f.name], value[f.name], path)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise Misfit(f"{path} is missing")
    return kind(**given)


def _expect(value: Any, kind: type, name: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise Misfit(f"{where} should be {name}, not {value!r:.40}")
    return value
