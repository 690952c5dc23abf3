"""The run-time check of tensor shapes that the tests switch on (see pyproject.toml).

Only functions whose annotations speak of shapes are checked. Of the others nothing is demanded:
what users get wrong is answered by errors of our own, which the tests want to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_SHAPES = re.compile(r"\b(Cells|Gain|Mask|Logits|Labels|PerSample|Counts|Flags)\b|\[Tensor")
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int will do for a float


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, checked if it has shapes to check."""
    hints = getattr(function, "__annotations__", {}).values()
    return _checked(function) if any(_SHAPES.search(str(hint)) for hint in hints) else function
