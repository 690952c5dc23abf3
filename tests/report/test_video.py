from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from spikeproof.errors import SpikeproofError
from spikeproof.events import Events
from spikeproof.report import palette, render

from .sample import blob, perturbed, retimed


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(8)
    clean = blob(rng, 600)
    return clean, perturbed(clean, rng, add=25, remove=15)


def share_of(image: Image.Image, colour: str) -> float:
    pixels = np.asarray(image.convert("RGB")).astype(int)
    return float((np.abs(pixels - palette.rgb(colour)).sum(-1) < 40).mean())


@pytest.mark.parametrize("ending", [".gif", ".png", ".mp4", ".GIF"])
@pytest.mark.parametrize("both", [False, True])
def test_every_format(tmp_path, pair, ending, both):
    if ending == ".mp4":
        pytest.importorskip("imageio_ffmpeg", reason="the video extra is not installed")
    clean, other = pair
    path = render(tmp_path / f"out{ending}", clean, other=other if both else None, slow=3)
    assert path == tmp_path / f"out{ending}"
    assert path.stat().st_size > 3000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_gif_has_a_frame_for_every_step(tmp_path, pair):
    clean, _ = pair
    with Image.open(render(tmp_path / "a.gif", clean, frame_us=50_000)) as film:
        assert film.n_frames == 6  # 0.3 s
        assert film.info["loop"] == 0


def test_films_show_what_was_added_and_removed(tmp_path, pair):
    clean, other = pair
    with Image.open(render(tmp_path / "a.gif", clean, other=other, slow=3)) as film:
        frames = []
        for k in range(film.n_frames):
            film.seek(k)
            frames.append(film.convert("RGB"))
    assert max(share_of(f, palette.ADDED) for f in frames) > 0
    assert max(share_of(f, palette.REMOVED) for f in frames) > 0
    assert max(share_of(f, palette.MOVED) for f in frames) == 0


def test_contact_sheet_uses_the_same_colours(tmp_path, pair):
    clean, other = pair
    moved = retimed(clean, np.random.default_rng(0), 60)
    with Image.open(render(tmp_path / "b.png", clean)) as image:
        assert share_of(image, palette.ADDED) == 0
    with Image.open(render(tmp_path / "b.png", clean, other=other)) as image:
        assert share_of(image, palette.ADDED) > 0 < share_of(image, palette.REMOVED)
    with Image.open(render(tmp_path / "b.png", clean, other=moved, moved=True)) as image:
        assert share_of(image, palette.MOVED) > 0 == share_of(image, palette.ADDED)


def test_same_recording_same_bytes(tmp_path, pair):
    for ending in (".gif", ".png"):
        a = render(tmp_path / f"a{ending}", pair[0]).read_bytes()
        assert a == render(tmp_path / f"b{ending}", pair[0]).read_bytes()


@pytest.mark.parametrize("name", ["film.avi", "film", ".gif"])
def test_unknown_endings_are_told_the_known_ones(tmp_path, pair, name):
    with pytest.raises(SpikeproofError, match=r"unknown; use one of \.gif, \.mp4, \.png"):
        render(tmp_path / name, pair[0])


@pytest.mark.parametrize(
    "settings",
    [{"fps": 0}, {"fps": 99}, {"slow": 0}, {"slow": -2}, {"frame_us": 0}, {"frame_us": 1},
     {"slow": float("nan")}, {"slow": 1e9}],
)  # fmt: skip
def test_impossible_settings(tmp_path, pair, settings):
    with pytest.raises(SpikeproofError, match=r"fps|slow|frames"):
        render(tmp_path / "a.gif", pair[0], **settings)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path, pair):
    with pytest.raises(SpikeproofError, match="the folder does not exist"):
        render(tmp_path / "no" / "a.gif", pair[0])


def test_mp4_without_the_extra_says_how_to_get_it(tmp_path, pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SpikeproofError, match=r'pip install "spikeproof\[video\]"'):
        render(tmp_path / "a.mp4", pair[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_tiny_recordings(tmp_path, ending):
    for k, events in enumerate((Events.empty(3, 2), Events([1], [1], [7], [0], 3, 2))):
        assert render(tmp_path / f"{k}{ending}", events).exists()
