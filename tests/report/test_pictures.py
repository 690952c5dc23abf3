from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spikeproof.events import Events, compare
from spikeproof.report import palette, pictures

PAPER = np.array(palette.rgb(palette.PAPER))


def events(*rows: tuple[int, int, int, int], width: int = 6, height: int = 4) -> Events:
    x, y, t, p = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Events(x, y, t, p, width, height)


def near(pixel: np.ndarray, colour: str) -> float:
    return float(np.abs(pixel.astype(int) - palette.rgb(colour)).sum())


def test_an_empty_recording_is_paper():
    image = pictures.accumulated(Events.empty(6, 4))
    assert image.shape == (4, 6, 3)
    assert (image == PAPER).all()


def test_on_and_off_have_their_colours_and_places():
    image = pictures.accumulated(events((1, 0, 5, 1), (4, 3, 6, 0)), scale=0.05)
    assert near(image[0, 1], palette.ON) < 6
    assert near(image[3, 4], palette.OFF) < 6
    assert (image[2, 2] == PAPER).all()


@given(st.integers(1, 50))
def test_more_events_more_ink(n: int):
    def darkness(count: int) -> int:
        return -int(pictures.picture(np.full((1, 1), count), np.zeros((1, 1)), scale=9).sum())

    assert darkness(n + 1) >= darkness(n) > -int(PAPER.sum())


def test_difference_shows_every_change_in_its_colour():
    clean = events((0, 0, 1, 1), (1, 1, 2, 1), (2, 2, 3, 0))
    changed = events((0, 0, 1, 1), (5, 3, 2, 0), (2, 2, 9, 0))
    image = pictures.difference(clean, changed, compare(clean, changed, moved=True), scale=1.0)
    for (y, x), colour in {
        (3, 5): palette.ADDED, (1, 1): palette.REMOVED, (2, 2): palette.MOVED
    }.items():  # fmt: skip
        others = {palette.ADDED, palette.REMOVED, palette.MOVED} - {colour}
        assert all(near(image[y, x], colour) < near(image[y, x], other) for other in others)
        assert np.abs(image[y, x].astype(int) - PAPER).sum() > 100
    assert 0 < np.abs(image[0, 0].astype(int) - PAPER).sum() < 150  # kept: faint


def test_passage_runs_to_the_right():
    image = pictures.passage(events((2, 0, 100, 1), (4, 0, 900, 1)), bins=8)
    assert image.shape == (6, 8, 3)
    inked = np.argwhere((image != PAPER).any(-1)).tolist()
    assert inked == [[2, 0], [4, 7]]


@pytest.mark.parametrize(("shape", "expected"), [((4, 6), (160, 240)), ((500, 300), (500, 300))])
def test_png_is_enlarged_by_a_whole_factor(shape, expected):
    image = np.zeros((*shape, 3), np.uint8)
    with Image.open(io.BytesIO(pictures.png(image))) as read:
        assert read.size == expected[::-1]
    assert pictures.data_uri(image).startswith("data:image/png;base64,")
