"""Networks by name, for those who do not want to write their own."""

from __future__ import annotations

from spikeproof.errors import InvalidModel

ZOO = {
    "small": "conv _ 16 5 norm |> pool 2 |> conv _ 32 3 norm |> pool 2 |> dense _ 10",
    "vgg": "conv _ 32 3 norm |> conv _ 32 3 norm |> pool 2"
    " |> conv _ 64 3 norm |> conv _ 64 3 norm |> pool 2"
    " |> conv _ 128 3 norm |> pool 2 |> dense _ 128 |> dense _ 10",
}
"""Programs for ten classes; :func:`zoo_line` adapts the read-out to other numbers."""


def zoo_line(name: str, classes: int) -> str:
    """The program of ``name`` with a read-out for ``classes`` classes.

    Raises :class:`InvalidModel` for a name that is not in the zoo or fewer than two classes.
    """
    if name not in ZOO:
        raise InvalidModel(f"no network {name!r} in the zoo; choose one of {', '.join(ZOO)}")
    if classes < 2:
        raise InvalidModel(f"a classifier needs at least 2 classes, not {classes}")
    body, _ = ZOO[name].rsplit(" ", 1)
    return f"{body} {classes}"
