"""Architecture lines by name, for those who do not want to write their own."""

from __future__ import annotations

from spikeproof.errors import InvalidModel

ZOO = {
    "small": "16c5-bn-p2-32c3-bn-p2-fc10",
    "vgg": "32c3-bn-32c3-bn-p2-64c3-bn-64c3-bn-p2-128c3-bn-p2-fc128-fc10",
}
"""Networks for ten classes; :func:`zoo_line` adapts the read-out to other numbers."""


def zoo_line(name: str, classes: int) -> str:
    """The architecture line of ``name`` with a read-out for ``classes`` classes.

    Raises :class:`InvalidModel` for a name that is not in the zoo or fewer than two classes.
    """
    if name not in ZOO:
        raise InvalidModel(f"no network {name!r} in the zoo; choose one of {', '.join(ZOO)}")
    if classes < 2:
        raise InvalidModel(f"a classifier needs at least 2 classes, not {classes}")
    body, _ = ZOO[name].rsplit("-", 1)
    return f"{body}-fc{classes}"
