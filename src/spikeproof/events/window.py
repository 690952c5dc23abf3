"""Fit recordings to a grid's window: where they begin, what is too long, what is too short.

Real cameras count time from anywhere (AEDAT 4 from 1970) and record for minutes; a grid looks at
``window`` µs from its ``start``. Let ``a`` be what alignment adds to a recording's times. Its
``k``-th window holds the events with ``(t + a - start) // window == k``, and as a recording of its
own its times are ``t + a - k * window``, inside the grid's window. Fitting comes after the split
into learning and test set, so all windows of one recording stay on one side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording, SpikeproofError
from spikeproof.events.grid import Grid
from spikeproof.events.recordings import Data, Latest, Recordings, Source
from spikeproof.events.stream import Events

Align = Literal["none", "first"]
Long = Literal["cut", "split", "refuse"]
Short = Literal["pad", "drop", "refuse"]
FAR = 2**61  # µs; times within it can be moved by any grid's start without an overflow


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How recordings are fitted to a window; raises ``SpikeproofError`` for an unknown choice.

    ``align`` "first" moves each so that its first event is at the grid's start, "none" keeps its
    times. ``long`` says what becomes of one with events outside the window: "cut" drops them,
    "split" makes each window that has events a recording of its own, named ``name@k``, "refuse"
    raises. ``short`` is for one that is over before the window's last bin, or has no event in the
    window: "pad" leaves its bins empty, "drop" leaves it out, "refuse" raises.

    The default leaves recordings as they are: a grid passes over what is outside its window.
    """

    align: Align = "none"
    long: Long = "cut"
    short: Short = "pad"

    def __post_init__(self) -> None:
        for name, choices in (("align", Align), ("long", Long), ("short", Short)):
            if getattr(self, name) not in get_args(choices):
                raise SpikeproofError(
                    f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(choices))}"
                )


def fitted(data: Data, grid: Grid, fit: Fit) -> Data:
    """Give ``data`` with all recordings fitted to the window of ``grid``.

    They are still read when asked for; "split" and "drop" first read every recording once, one at
    a time, to learn which windows there are. Raises ``InvalidRecording`` if that leaves none of a
    part; what is refused shows when it is read.
    """
    if fit == Fit():
        return data
    return replace(
        data,
        learn=_fitted(data.learn, grid, fit),
        test=_fitted(data.test, grid, fit),
        split=f"{data.split} {_sentence(grid, fit)}",
    )


@dataclass(frozen=True, eq=False)
class _Windows:
    """Number ``i`` is window ``windows[i]`` of recording ``numbers[i]`` of ``whole``."""

    whole: Source
    numbers: NDArray[np.int64]
    windows: NDArray[np.int64]
    names: tuple[str, ...]  # of the recordings of ``whole``
    grid: Grid
    fit: Fit

    def __call__(self, i: int) -> Events:
        number, k = int(self.numbers[i]), int(self.windows[i])
        events = self.whole(number)
        where = _windows_of(events, self.grid, self.fit)
        inside = slice(*np.searchsorted(where, (k, k + 1)).tolist())
        name, window = self.names[number], self.grid.window
        if self.fit.long == "refuse" and inside != slice(0, len(events)):
            raise InvalidRecording(
                f"{name}: lasts {events.duration} µs and has events outside the window of {window}"
                f" µs from {self.grid.start} µs; cut or split it (--long)"
                f"{'' if self.fit.align == 'first' else ', or align it (--align first)'}"
            )
        if self.fit.short == "refuse" and _is_short(events, where, k, self.grid, self.fit):
            raise InvalidRecording(
                f"{name}: lasts {events.duration} µs and does not fill window {k} of {window} µs; "
                "pad or drop it (--short), or take a smaller window (--window)"
            )
        t = events.t[inside] + (_shift(events, self.grid, self.fit) - k * window)
        x, y, p = events.x[inside], events.y[inside], events.p[inside]
        return Events(x, y, t, p, events.width, events.height)


def _fitted(part: Recordings, grid: Grid, fit: Fit) -> Recordings:
    """Fit one part of a set."""

    def near(i: int) -> Events:
        events = part.events(i)
        if len(events) and max(-int(events.t[0]), int(events.t[-1])) > FAR:
            raise InvalidRecording(
                f"{part.names[i]}: has times from {events.t[0]} to {events.t[-1]} µs, which no "
                "camera counts; leave it out, or correct its times"
            )
        return events

    whole = Latest(near)
    numbers, windows = np.arange(len(part)), np.zeros(len(part), np.int64)
    if fit.long == "split" or fit.short == "drop":
        found = [(i, k) for i in range(len(part)) for k in _kept(whole(i), grid, fit)]
        if not found:
            raise InvalidRecording(
                f"none of the {len(part)} recordings fills a window of {grid.window} µs; pad "
                "them (--short pad), or take a smaller window (--window)"
            )
        numbers, windows = np.array(found, np.int64).T
    names = [part.names[i] for i in numbers]
    if fit.long == "split":
        names = [f"{name}@{k}" for name, k in zip(names, windows.tolist(), strict=True)]
    return Recordings(
        labels=part.labels[numbers],
        classes=part.classes,
        names=tuple(names),
        width=part.width,
        height=part.height,
        source=_Windows(whole, numbers, windows, part.names, grid, fit),
    )


def _kept(events: Events, grid: Grid, fit: Fit) -> list[int]:
    """Windows of a recording that become recordings."""
    where = _windows_of(events, grid, fit)
    windows: list[int] = np.unique(where).tolist() if fit.long == "split" else [0]
    if fit.short == "drop":
        windows = [k for k in windows if not _is_short(events, where, k, grid, fit)]
    return windows


def _is_short(events: Events, where: NDArray[np.int64], k: int, grid: Grid, fit: Fit) -> bool:
    """Say whether window ``k`` is empty, or the recording over before its last bin."""
    if not (where == k).any():
        return True
    if where[-1] > k:
        return False
    last = int(events.t[-1]) + _shift(events, grid, fit) - k * grid.window
    return int(grid.bin_of(last)) < grid.bins - 1


def _windows_of(events: Events, grid: Grid, fit: Fit) -> NDArray[np.int64]:
    """Number of each event's window; never decreases."""
    where: NDArray[np.int64] = (events.t + (_shift(events, grid, fit) - grid.start)) // grid.window
    return where


def _shift(events: Events, grid: Grid, fit: Fit) -> int:
    """What alignment adds to the times, in µs."""
    return grid.start - int(events.t[0]) if fit.align == "first" and len(events) else 0


def _sentence(grid: Grid, fit: Fit) -> str:
    """Say how recordings were fitted."""
    begins = "begin with their first event" if fit.align == "first" else "keep their times"
    outside = {
        "cut": "events outside the first window of {} µs are dropped",
        "split": "each window of {} µs that has events is one recording",
        "refuse": "none has events outside its window of {} µs",
    }[fit.long].format(grid.window)
    ending = {
        "pad": "",
        "drop": "; those that are over before its last bin are left out",
        "refuse": "; each lasts to its last bin",
    }[fit.short]
    return f"Recordings {begins}; {outside}{ending}."
