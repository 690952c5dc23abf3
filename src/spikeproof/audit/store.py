"""The audit's memory on disk: what is finished stays finished.

Every measured part is one small JSON file below ``work/``, written whole or not at all. An audit
that was interrupted, by Ctrl-C or by a power cut, reads them back and goes on with the first part
that is missing. ``work/audit.json`` says which model, recordings and settings the parts belong to.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeproof.errors import SpikeproofError

_HEAD = "audit.json"


@dataclass(frozen=True)
class Store:
    """The audit's folder. Parts are named, such as ``flip-minimum.0``."""

    folder: Path

    @property
    def work(self) -> Path:
        """Where unfinished business is kept."""
        return self.folder / "work"

    @property
    def _made(self) -> tuple[Path, Path]:
        """Folders of what an audit hands out."""
        return (self.folder / "recordings", self.folder / "rows")

    def open(self, identity: dict[str, Any], *, fresh: bool = False) -> dict[str, Any]:
        """Begin or continue the audit with this ``identity``; gives what was noted at its start.

        ``identity["created"]`` may differ (the first one is kept), everything else must agree.
        Raises :class:`SpikeproofError` if the folder cannot be written or holds another audit.
        """
        head = self.work / _HEAD
        self._refuse_others(head)
        if fresh and head.exists():
            self._empty(head)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            write_json(self.work / ".probe", {})
            (self.work / ".probe").unlink()
        except OSError as error:
            raise SpikeproofError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another --out"
            ) from error
        if not head.exists():
            write_json(head, identity)
            return identity
        before = _read_json(head)
        if (other := _difference(before, identity)) is not None:
            raise SpikeproofError(
                f"{self.folder}: holds an audit {other}; choose another --out, or pass --fresh to"
                " replace it"
            )
        return before

    def _refuse_others(self, head: Path) -> None:
        """Raise if a folder that an audit would fill, or empty, holds what no audit wrote."""
        if head.exists():
            return
        for folder in (self.work, *self._made):
            if folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
                raise SpikeproofError(
                    f"{folder}: is there already and not from an audit; choose another --out"
                )

    def _empty(self, head: Path) -> None:
        """Delete the audit; its head goes last, so that a crash leaves one to delete."""
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)
        for path in self.work.iterdir():
            if path != head:
                path.unlink()
        head.unlink()

    def forget(self) -> None:
        """Delete the audit and the folders that it made."""
        self._empty(self.work / _HEAD)
        self.work.rmdir()

    def get(self, part: str) -> dict[str, Any] | None:
        """The finished part of this name, or None."""
        path = self.work / f"{part}.json"
        return _read_json(path) if path.exists() else None

    def parts(self, name: str, count: int) -> Iterator[dict[str, Any]]:
        """Read those of ``count`` parts of this name that are finished, one at a time."""
        for k in range(count):
            if (part := self.get(f"{name}.{k}")) is not None:
                yield part

    def __contains__(self, part: str) -> bool:
        """Whether a part of this name is finished."""
        return (self.work / f"{part}.json").exists()

    def put(self, part: str, value: dict[str, Any]) -> None:
        """Keep a finished part."""
        write_json(self.work / f"{part}.json", value)


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """How the audit that is there differs from the one that is asked for, in words."""
    if before.get("version") != now["version"]:
        return f"by spikeproof {before.get('version')}"
    old, new = before.get("settings") or {}, now["settings"]
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            return f"with {name} {_said(old.get(name))}, not {_said(new.get(name))}"
    return None if before.get("subject") == now["subject"] else "of another model or other data"


def _said(value: Any) -> str:
    if not isinstance(value, list):
        return f"{value}"
    return "/".join(v if isinstance(v, str) else f"{v:g}" for v in value)


def write_json(path: Path, value: Any) -> None:
    """Write so that a reader (or a crash) sees the old file or the new one, never half."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, allow_nan=False))  # in C, unlike json.dump
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpikeproofError(f"{path}: is damaged ({error}); delete it and run again") from error
    if not isinstance(value, dict):
        raise SpikeproofError(f"{path}: is damaged; delete it and run again")
    return value
