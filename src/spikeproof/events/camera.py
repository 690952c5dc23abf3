"""A dynamic vision sensor: films of light in, events out.

Every pixel remembers the log intensity ``m`` of its last event and fires when the present one,
``l = log(intensity + floor)``, has left ``(m - off, m + on)``; ``m`` then moves to the threshold
that was crossed (Lichtsteiner, Posch and Delbruck, "A 128x128 120 dB 15 µs latency asynchronous
temporal contrast vision sensor", IEEE JSSC 43:566, 2008, section II). Between two frames ``l`` is
taken to be linear, which gives every crossing a time in µs and lets one frame cause several
(Rebecq, Gehrig and Scaramuzza, "ESIM", CoRL 2018, section 3.1). Thresholds differ from pixel to
pixel, noise events come at random, and after an event a pixel is blind for its refractory time
(Hu, Liu and Delbruck, "v2e", CVPR Workshops 2021, section 4). A crossing while a pixel is blind
is lost for good: the memory follows, but no event is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.recordings import Packed

Movie = Callable[[int], NDArray[np.float32]]
"""Frame number ``k`` of a batch of films: intensities [N, H, W], 0 or more."""

_BUFFER = 2**18  # crossings; the kernel pauses when it is full


@dataclass(frozen=True)
class Camera:
    """A sensor's constants: thresholds in log intensity, times in µs, rates in Hz.

    ``mismatch`` is the standard deviation of a pixel's thresholds about ``on`` and ``off``, drawn
    once for the sensor ``seed``. ``noise`` is the rate of noise events per pixel and polarity.
    ``floor`` is the intensity below which differences drown.
    """

    on: float = 0.3
    off: float = 0.3
    mismatch: float = 0.03
    refractory: int = 1_000
    noise: float = 0.1
    floor: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.on, self.off, self.floor) <= 0:
            raise InvalidRecording("camera thresholds and floor must be positive")
        if min(self.mismatch, self.refractory, self.noise) < 0:
            raise InvalidRecording("camera mismatch, refractory time and noise must be 0 or more")

    def record(self, movie: Movie, times: ArrayLike, rng: np.random.Generator) -> Packed:
        """Film ``movie``, whose frame ``k`` is taken at ``times[k]`` µs, with one sensor each.

        Event times lie in ``[times[0], times[-1])``. ``rng`` draws the noise and each memory's
        start, anywhere between its thresholds. Only one frame is held at a time. Raises
        ``InvalidRecording`` if the times do not increase or a frame is not finite or negative.
        """
        clock = np.asarray(times, np.int64)
        if clock.ndim != 1 or clock.size < 2 or (np.diff(clock) < 1).any():
            raise InvalidRecording("a film needs two or more frames at increasing times in µs")
        shape = self._log(movie, 0).shape
        parts = [*self._crossings(movie, clock, rng), self._noise(shape, clock, rng)]
        recording, pixel, t, p = (np.concatenate(column) for column in zip(*parts, strict=True))
        # one key for recording and time, so that one stable sort puts all in order
        order = np.argsort((recording << 40) + (t - clock[0]), kind="stable")
        n, height, width = shape
        site = recording[order] * (height * width) + pixel[order]
        kept = order[_awake(site, t[order], n * height * width, self.refractory)]
        y, x = np.divmod(pixel[kept], width)
        offsets = np.searchsorted(recording[kept], np.arange(n + 1))
        dtype = np.uint8 if max(height, width) <= 256 else np.uint16
        return Packed(
            x.astype(dtype),
            y.astype(dtype),
            t[kept].astype(np.int32 if clock[-1] < 2**31 else np.int64),
            p[kept].astype(np.uint8),
            offsets.astype(np.int64),
            width,
            height,
        )

    def thresholds(self, height: int, width: int) -> tuple[NDArray[np.float32], ...]:
        """Give each pixel's on and off threshold, [H, W]; at least a tenth of their mean."""
        rng = np.random.default_rng(self.seed)
        return tuple(
            np.maximum(rng.normal(mean, self.mismatch, (height, width)), mean / 10).astype("f4")
            for mean in (self.on, self.off)
        )

    def _log(self, movie: Movie, k: int) -> NDArray[np.float32]:
        """Log intensity of frame ``k``, [N, H, W]."""
        frame = np.asarray(movie(k), np.float32)
        if frame.ndim != 3 or not np.isfinite(frame.sum()) or frame.min() < 0:
            raise InvalidRecording(
                f"frame {k} of a film must be [N, H, W], finite and not negative"
            )
        level: NDArray[np.float32] = np.log(frame + np.float32(self.floor))
        return level

    def _crossings(
        self, movie: Movie, clock: NDArray[np.int64], rng: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], ...]]:
        """Recording, pixel, time and polarity of threshold crossings, a buffer at a time."""
        first = self._log(movie, 0)
        n, height, width = first.shape
        on, off = (np.tile(side.reshape(-1), n) for side in self.thresholds(height, width))
        before = first.reshape(-1)
        memory = before - on + rng.random(before.size, np.float32) * (on + off)
        buffer = np.empty((3, _BUFFER), np.int64)
        used = 0
        for k in range(1, clock.size):
            now = self._log(movie, k).reshape(-1)
            done = 0
            while True:
                span = clock[k - 1], clock[k]
                done, used = _cross(before, now, memory, on, off, span, done, buffer, used)
                if done == now.size:
                    break
                yield _split(buffer[:, :used], height * width)
                used = 0
            before = now
        yield _split(buffer[:, :used], height * width)

    def _noise(
        self, shape: tuple[int, ...], clock: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], ...]:
        """Background activity: a Poisson process for every pixel and polarity."""
        n, height, width = shape
        seconds = (clock[-1] - clock[0]) / 1e6
        count = int(rng.poisson(self.noise * seconds * 2 * n * height * width))
        return (
            rng.integers(n, size=count),
            rng.integers(height * width, size=count),
            rng.integers(clock[0], clock[-1], size=count),
            rng.integers(2, size=count),
        )


def _split(rows: NDArray[np.int64], pixels: int) -> tuple[NDArray[np.int64], ...]:
    """Site, time and polarity to recording, pixel, time and polarity."""
    recording, pixel = np.divmod(rows[0], pixels)
    return recording, pixel, rows[1].copy(), rows[2].copy()


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def _cross(
    before: NDArray[np.float32],
    now: NDArray[np.float32],
    memory: NDArray[np.float32],
    on: NDArray[np.float32],
    off: NDArray[np.float32],
    span: tuple[int, int],
    done: int,
    buffer: NDArray[np.int64],
    used: int,
) -> tuple[int, int]:
    """Write the crossings of sites from ``done`` on; give the first site left, and the fill."""
    start, end = span
    for site in range(done, now.size):
        while True:
            change = now[site] - memory[site]
            if -off[site] < change < on[site]:
                break
            if used == buffer.shape[1]:
                return site, used
            memory[site] += on[site] if change > 0 else -off[site]
            rise = now[site] - before[site]
            share = (memory[site] - before[site]) / rise if rise != 0 else 0.0
            # rounding may put a crossing just outside its step
            time = min(max(start + int(share * (end - start)), start), end - 1)
            buffer[0, used], buffer[1, used], buffer[2, used] = site, time, change > 0
            used += 1
    return now.size, used


@no_type_check
@njit(cache=True)
def _awake(
    site: NDArray[np.int64], t: NDArray[np.int64], sites: int, refractory: int
) -> NDArray[np.bool_]:
    """Mark the events that find their pixel awake; ``t`` increases at every site."""
    ready = np.full(sites, t.min() if t.size else 0)
    kept = np.zeros(t.size, np.bool_)
    for k in range(t.size):
        if t[k] >= ready[site[k]]:
            kept[k] = True
            ready[site[k]] = t[k] + refractory
    return kept
