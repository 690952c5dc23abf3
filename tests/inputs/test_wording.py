from __future__ import annotations

import pytest

from spikeproof.inputs.wording import worded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("all recordings have a gradient", "all images have a gradient"),
        ("Recordings of a recording, A recording", "Images of an image, An image"),
        ("use --recordings", "use --recordings"),
        ("prerecording", "prerecording"),
    ],
)
def test_images_are_named_and_options_left_alone(text, said):
    assert worded(text, True) == said
    assert worded(text, False) == text
