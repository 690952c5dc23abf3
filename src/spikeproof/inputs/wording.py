"""Sentences about recordings, said of images: checks and doubts are written once for both."""

from __future__ import annotations

import re

_RECORDING = re.compile(r"(?<![-\w])(an?\s+)?recording(s?)\b", re.IGNORECASE)


def worded(text: str, of_images: bool) -> str:
    """``text`` with images in the place of recordings, if there are images; options stay."""
    return _RECORDING.sub(_image, text) if of_images else text


def _image(found: re.Match[str]) -> str:
    article = "" if found[1] is None else "An " if found[1][0].isupper() else "an "
    noun = f"image{found[2]}"
    begins = found[1] is None and found[0][0].isupper()
    return article + (noun.capitalize() if begins else noun)
