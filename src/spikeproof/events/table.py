"""Rows of a table in a file: CSV (UTF-8, with commas) or Parquet, which needs pyarrow.

A row comes with its place for messages ("line 3") and with its values by column, whose names are
in lower case: texts of a CSV file, anything of a Parquet file. ``text`` and ``number`` take a value
out of a row and say what is wrong with it.
"""

from __future__ import annotations

import csv
import importlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spikeproof.errors import InvalidRecording

ENDINGS = (".csv", ".parquet")


def read_table(
    path: Path, *, needed: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the place and the values of every row.

    Raises ``InvalidRecording`` if the file cannot be read, lacks a column that is ``needed`` or
    has one that is ``known`` twice. Columns that are not known may be left out.
    """
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet(path, needed, known)
        else:
            yield from _csv(path, needed, known)
    except UnicodeDecodeError:
        raise InvalidRecording(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise InvalidRecording(f"{path}: cannot be read ({error.strerror or error})") from None


def text(values: dict[str, Any], name: str) -> str:
    """Give a value that must be there; raises ``InvalidRecording`` if it is not."""
    value = values.get(name)
    if isinstance(value, float):
        raise InvalidRecording(f"{name} {value} is a fraction; save text or whole numbers")
    found = "" if value is None else str(value).strip()
    if not found:
        raise InvalidRecording(f"{name} is empty; fill it in, or remove the row")
    return found


def number(values: dict[str, Any], name: str) -> int | None:
    """Give a whole number of 64 bits, or None for an empty field, a null or NaN.

    Raises ``InvalidRecording`` for any other value.
    """
    value = values.get(name)
    if value is None or value != value or not str(value).strip():
        return None
    try:
        whole = int(value)
    except (ValueError, OverflowError, TypeError):
        whole = None
    if whole is None or (isinstance(value, float) and whole != value) or abs(whole) >= 2**63:
        raise InvalidRecording(f"{name} {str(value)!r} is no whole number; correct it")
    return whole


def _csv(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a CSV file; blank lines are passed over."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True, skipinitialspace=True)
        try:
            header = [name.strip().lower() for name in next(reader, [])]
            _check_columns(path, header, needed, known)
            for row in reader:
                if not any(field.strip() for field in row):
                    continue
                if len(row) != len(header):
                    raise InvalidRecording(
                        f"{path}: line {reader.line_num}: has {len(row)} fields and the header "
                        f"{len(header)}; put fields with commas in quotes"
                    )
                yield f"line {reader.line_num}", dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise InvalidRecording(
                f"{path}: line {reader.line_num}: is no CSV ({error}); correct its quotes"
            ) from None


def _parquet(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a Parquet file, of it only the columns that are known."""
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InvalidRecording(
            f'{path}: needs pyarrow; pip install "spikeproof[parquet]", or save it as CSV'
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_columns(path, [name.lower() for name in names], needed, known)
            wanted = [name for name in names if name.lower() in known]
            numbers = itertools.count(1)
            for batch in file.iter_batches(columns=wanted):
                for row in batch.to_pylist():
                    yield f"row {next(numbers)}", {key.lower(): row[key] for key in row}
    except arrow.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRecording(f"{path}: is no Parquet table ({reason}); save it again") from None


def _check_columns(
    path: Path, header: list[str], needed: tuple[str, ...], known: tuple[str, ...]
) -> None:
    """Refuse a header without a needed column, or with a known one twice."""
    for name in needed:
        if name not in header:
            raise InvalidRecording(
                f"{path}: has no column {name!r} (found: {', '.join(header[:8]) or 'none'}); a "
                f"manifest is a table with commas and the columns {' and '.join(needed)} (a "
                "recording itself goes into a folder that is named after its label)"
            )
    for name in known:
        if header.count(name) > 1:
            raise InvalidRecording(f"{path}: has two columns {name!r}; keep one of them")
