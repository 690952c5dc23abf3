"""Rows of many recordings as columns of numbers: eight bytes a figure in place of a dictionary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = dict[str, NDArray[np.float64]]


def columns(parts: Iterable[list[dict[str, Any]]], names: Iterable[str]) -> Columns:
    """Those of ``names`` that the rows have; the rows of all ``parts`` have the same."""
    wanted, found = tuple(names), dict[str, list[NDArray[np.float64]]]()
    for rows in parts:
        for name in wanted if rows else ():
            if name in rows[0]:
                found.setdefault(name, []).append(np.array([r[name] for r in rows], np.float64))
    return {name: np.concatenate(pieces) for name, pieces in found.items()}


def taken(table: Columns, which: NDArray[Any]) -> Columns:
    """Some of the rows, by a mask or by places."""
    return {name: column[which] for name, column in table.items()}
