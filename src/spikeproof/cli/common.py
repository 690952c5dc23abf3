"""What the commands share: consoles, errors in one line, progress, and reading of option values.

Nothing here imports PyTorch, so that ``--help`` is quick.
"""

from __future__ import annotations

import errno
import functools
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from spikeproof.cli.bundle import unbundled
from spikeproof.errors import InvalidThreat, SpikeproofError

if TYPE_CHECKING:
    from spikeproof.results.records import Operations

_BEGAN = time.monotonic()

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose foreseeable errors are one line each and exit with status 2.

    With ``SPIKEPROOF_DEBUG`` set they keep their traceback. Ctrl-C exits with status 130.
    Parameters that are bundles of options are shown as those options.
    """
    whole = unbundled(command)

    @functools.wraps(whole)
    def run(**given: Any) -> None:
        try:
            whole(**given)
        except SpikeproofError as error:
            if os.environ.get("SPIKEPROOF_DEBUG"):
                raise
            _fail(str(error), getattr(error, "__notes__", []))
        except OSError as error:
            disk = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
            if error.errno not in disk or os.environ.get("SPIKEPROOF_DEBUG"):
                raise
            where = error.filename or "output"
            _fail(f"{where}: {error.strerror}; make room, then give the same command again")
        except KeyboardInterrupt:
            _stop("stopped")

    return run


def _fail(message: str, notes: Sequence[str] = ()) -> NoReturn:
    """One line, and below it what points at a place, as it is."""
    line = " ".join(message.split())
    err.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)
    for note in notes:
        err.print(Text(note), soft_wrap=True)
    raise typer.Exit(2)


def _stop(message: str) -> NoReturn:
    err.print(Text(message, "yellow"), soft_wrap=True)
    raise typer.Exit(130)


@contextmanager
def stoppable(message: str) -> Iterator[None]:
    """Ctrl-C inside ends the program with ``message`` and status 130."""
    try:
        yield
    except KeyboardInterrupt:
        _stop(message)


class ReportProgress(Protocol):
    """Draws the progress: ``done`` of ``total`` and what is being done."""

    def __call__(self, doing: str, done: float = 0, total: float | None = None) -> None:
        """Show it."""
        ...


@contextmanager
def progress() -> Iterator[ReportProgress]:
    """A bar on a terminal; elsewhere a line for each step of what has a known length."""
    if not err.is_terminal:
        yield _lines()
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(width=43, no_wrap=True, overflow="ellipsis"),
        ),
        BarColumn(bar_width=17),
        TextColumn("{task.fields[share]}", table_column=Column(min_width=5, justify="right")),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None, share="")

        def tell(doing: str, done: float = 0, total: float | None = None) -> None:
            share = f"{100 * done / total:.0f} %" if total else ""
            bar.update(task, description=doing, completed=done, total=total, share=share)

        yield tell


def _lines() -> ReportProgress:
    before = ""

    def tell(doing: str, done: float = 0, total: float | None = None) -> None:
        nonlocal before
        if total and doing != before:
            line = f"{time.monotonic() - _BEGAN:7.1f} s  {100 * done / total:3.0f} %  {doing}"
            err.print(Text(line), soft_wrap=True)
            before = doing

    return tell


def plainly(text: str) -> str:
    """The report's words for a terminal: without special spaces and joiners."""
    return text.replace("\u2060", "").replace("\u202f", " ").replace("\u00a0", " ")


def told(operations: Operations, kind: str) -> Text:
    """One line on what an inference of a network of this kind takes."""
    from spikeproof.report.operations import line

    return Text(plainly(f"Each takes {line(operations, kind)}"))


def command_line() -> str:
    """The command as it was typed, for the report."""
    return shlex.join(["spikeproof", *sys.argv[1:]])


def use_threads(count: int | None) -> None:
    """Compute with ``count`` CPU threads (None: as PyTorch likes)."""
    if count is None:
        return
    import numba
    import torch

    numba.set_num_threads(min(count, numba.get_num_threads()))
    torch.set_num_threads(count)  # afterwards: numba's start sets the threads of both


def check_folder(folder: Path) -> None:
    """Raise :class:`SpikeproofError` unless files can be written into ``folder``.

    Nothing is left behind; the folder need not exist yet.
    """
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is a file")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise SpikeproofError(
            f"{folder}: cannot be written ({error.strerror}); choose another --out"
        ) from None


def check_file(path: Path, endings: tuple[str, ...]) -> None:
    """Raise :class:`SpikeproofError` unless ``path`` ends so and can be written."""
    if path.suffix.lower() not in endings:
        raise SpikeproofError(f"{path}: give --out a name that ends in {' or '.join(endings)}")
    if path.is_dir():
        raise SpikeproofError(f"{path}: is a folder; choose another --out")
    check_folder(path.parent)


def number(text: str, what: str) -> int | float:
    """``80`` as a whole number; ``4%`` and ``0.04`` as a share."""
    word = text.strip().replace(" ", "")
    try:
        if word.endswith("%"):
            return float(word[:-1]) / 100
        return int(word) if word.lstrip("+-").isdigit() else float(word)
    except ValueError:
        raise InvalidThreat(
            f"{what} {text!r} is not understood; give a number such as 80, or a share such as 4%"
        ) from None


def holdout_of(text: str | None) -> int | float | None:
    """The value of ``--holdout``."""
    return None if text is None else number(text, "--holdout")


def shares_of(text: str) -> tuple[float, ...]:
    """``0.5%,1%,2%`` as sorted shares."""
    values = {number(word, "--budgets") for word in text.split(",") if word.strip()}
    if not values or any(isinstance(v, int) for v in values):
        raise InvalidThreat(f"--budgets {text!r}: give shares of the active cells, such as 0.5%,1%")
    return tuple(sorted(float(v) for v in values))


def intensities_of(text: str, what: str) -> tuple[float, ...]:
    """``2/255,0.1`` as sorted intensities of the range [0, 1]."""
    values = set()
    for word in text.split(","):
        over, _, under = word.partition("/")
        try:
            values.add(float(over) / float(under or 1))
        except (ValueError, ZeroDivisionError):
            raise InvalidThreat(
                f"{what} {text!r} is not understood; give intensities such as 8/255,0.1"
            ) from None
    return tuple(sorted(values))


def pixels_of(text: str, what: str, separator: str) -> tuple[int, int]:
    """Two whole numbers, such as ``10x6``; one alone counts twice if ``separator`` is ``x``."""
    words = text.lower().split(separator)
    if separator == "x" and len(words) == 1:
        words *= 2
    if len(words) != 2 or not all(w.strip().isdigit() for w in words):
        raise InvalidThreat(
            f"{what} {text!r} is not understood; give two numbers such as 8{separator}12"
        )
    return int(words[0]), int(words[1])
