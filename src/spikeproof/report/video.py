"""Films and contact sheets of a recording, alone or beside the one made from it.

``.gif`` and ``.mp4`` play it slowed down; ``.png`` is a contact sheet: all events from the front,
and as a cloud in x, y and time.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from spikeproof.errors import SpikeproofError
from spikeproof.events import Difference, Events, compare
from spikeproof.report import frames, palette, pictures
from spikeproof.report.gallery import said

ENDINGS: Final = (".gif", ".mp4", ".png")
MAX_FRAMES: Final = 3000


def render(
    path_out: str | Path,
    events: Events,
    *,
    other: Events | None = None,
    moved: bool = False,
    fps: int = 25,
    slow: float = 10.0,
    frame_us: float | None = None,
) -> Path:
    """Draw a recording, or clean, attacked and difference side by side if ``other`` is given.

    ``moved`` pairs removed and added events of one pixel as moved. Films show ``fps`` frames a
    second, ``slow`` times slower than life; ``frame_us`` sets the µs per frame in place of
    ``slow``. Raises SpikeproofError for an unknown ending, settings out of range, or an
    ``.mp4`` without the video extra.
    """
    path = Path(path_out)
    if path.suffix.lower() not in ENDINGS:
        raise SpikeproofError(
            f"{path}: ending {path.suffix!r} is unknown; use one of {', '.join(ENDINGS)}"
        )
    if not path.parent.is_dir():
        raise SpikeproofError(f"{path}: the folder does not exist; make it first")
    changes = compare(events, other, moved=moved) if other is not None else None
    if path.suffix.lower() == ".png":
        image = _contact_sheet(events, other, changes)
        return _atomic(path, lambda draft: image.save(draft, "PNG", optimize=True))
    step = _step(events, fps, slow, frame_us)
    panels = [frames.whole("recording" if other is None else "clean", events)]
    if other is not None and changes is not None:
        panels += [frames.whole("attacked", other), frames.changed(events, other, changes)]
    save = _gif if path.suffix.lower() == ".gif" else _mp4
    return _atomic(path, lambda draft: save(draft, frames.film(panels, step), fps))


def _step(events: Events, fps: int, slow: float, frame_us: float | None) -> float:
    if not 1 <= fps <= 50:
        raise SpikeproofError(f"fps is {fps}; give 1 to 50 frames a second")
    step = frame_us if frame_us is not None else 1e6 / fps / slow if slow > 0 else 0.0
    if not (np.isfinite(step) and step > 0):
        raise SpikeproofError(f"slow {slow} and frame_us {frame_us} must be positive numbers")
    n = events.duration / step
    if n > MAX_FRAMES:
        raise SpikeproofError(
            f"the film would have {n:.0f} frames, more than {MAX_FRAMES}; lower slow or fps, "
            "or give a longer frame_us"
        )
    return step


def _gif(path: Path, film: Iterator[Image.Image], fps: int) -> None:
    pages = [page.quantize(96, dither=Image.Dither.NONE) for page in film]
    # GIF counts in hundredths of a second; the last frame rests so that the loop can be seen
    each = max(2, round(100 / fps)) * 10
    times = [each] * (len(pages) - 1) + [each + 800]
    pages[0].save(
        path, "GIF", save_all=True, append_images=pages[1:], duration=times, loop=0, disposal=1
    )


def _mp4(path: Path, film: Iterator[Image.Image], fps: int) -> None:
    try:
        import imageio.v2 as imageio

        importlib.import_module("imageio_ffmpeg")  # imageio would only miss it later
    except ImportError:
        raise SpikeproofError(
            f'{path.name}: films need one more package; pip install "spikeproof[video]", '
            "or write .gif"
        ) from None
    writer: Any = imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=2
    )
    with writer:
        for page in film:
            writer.append_data(np.asarray(page))


def _contact_sheet(events: Events, other: Events | None, changes: Difference | None) -> Image.Image:
    on, off = pictures.polarities(events)
    scale = pictures.ink_scale(on + off)
    images = [pictures.accumulated(events, scale=scale)]
    titles = ["all events" if other is None else "clean"]
    foot = f"{len(events)} events, {events.width} x {events.height} pixels"
    if other is not None and changes is not None:
        images += [
            pictures.accumulated(other, scale=scale),
            pictures.difference(events, other, changes, scale=scale),
        ]
        titles += ["attacked", "difference"]
        foot += f"; {said(changes)}"
    sheet = frames.sheet(titles, images, foot)
    width = max(sheet.width, 640)
    page = Image.new("RGB", (width, sheet.height + round(width * 0.5)), palette.PAPER)
    page.paste(sheet, (0, 0))
    page.paste(_cloud(events, other, changes, width), (0, sheet.height))
    return page


def _cloud(
    events: Events, other: Events | None, changes: Difference | None, width: int
) -> Image.Image:
    """Events as points in x, y and time."""
    height = round(width * 0.5)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=palette.PAPER)
    axes: Any = figure.add_axes((-0.12, -0.16, 1.24, 1.3), projection="3d")
    axes.set_facecolor(palette.PAPER)
    shown, kept = (events, np.arange(len(events)))
    if other is not None and changes is not None:
        shown, kept = other, changes.kept
    on = shown.p[kept] == 1
    size = max(0.3, min(4.0, 12_000 / max(len(kept), 1)))
    layers = [
        (shown, kept[~on], palette.OFF, size),
        (shown, kept[on], palette.ON, size),
    ]
    if other is not None and changes is not None:
        layers += [
            (events, changes.removed, palette.REMOVED, 14),
            (other, changes.moved_to, palette.MOVED, 14),
            (other, changes.added, palette.ADDED, 14),
        ]
    for source, which, colour, area in layers:
        gone = colour == palette.REMOVED  # a ring where an event is gone, as in the viewer
        axes.scatter(
            source.t[which] / 1000,
            source.x[which],
            source.y[which],
            s=area,
            facecolors="none" if gone else colour,
            edgecolors=colour if gone else "none",
            depthshade=False,
            alpha=0.6 if area == size else 1.0,
        )
    axes.set_xlabel("time (ms)", color=palette.MUTED)
    axes.set_ylabel("x", color=palette.MUTED)
    axes.set_zlabel("y", color=palette.MUTED)
    axes.set_ylim(0, events.width)
    axes.set_zlim(events.height, 0)
    axes.set_box_aspect((2.4, events.width / events.height, 1))
    axes.view_init(elev=22, azim=-58)
    axes.tick_params(colors=palette.MUTED, labelsize=7)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
        axis._axinfo["grid"]["color"] = palette.RULE
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _atomic(path: Path, save: Callable[[Path], None]) -> Path:
    """Write beside the target and rename, so that a failure leaves no half of a file."""
    draft = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        save(draft)
        os.replace(draft, path)
    except OSError as error:
        raise SpikeproofError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        draft.unlink(missing_ok=True)
    return path
