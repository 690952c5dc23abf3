"""What a recipe is: a short program that puts library pieces together and compares the figures.

A recipe gets a :class:`RecipeContext` (the images, the amount of work, the random seed) and
returns what it :class:`Found`. What it prints and writes is the command's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from spikeproof.images import ImageData
from spikeproof.models import SerializableNetwork
from spikeproof.results.reproduction import Chart, Claim, Table


@dataclass(frozen=True)
class RecipeContext:
    """What a recipe works with.

    ``data`` are the images to learn from and to test on, ``strange`` images of other things, if
    the recipe asks for them. ``quick`` wants a version of about a minute on two cores, with the
    same steps and fewer of them. All randomness comes from ``seed``. ``tell`` shows progress: a
    sentence, and how much of it is done (of how much), if that is known.
    """

    data: ImageData
    quick: bool = False
    seed: int = 0
    strange: ImageData | None = None
    tell: Callable[..., None] = lambda *_: None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def small(self) -> bool:
        """Whether the images are the embedded ones, which are too few and small for most claims."""
        return self.data.name == "digits"

    def settled(self, reached: bool) -> bool | None:
        """Whether a claim about the published data set holds, given that its aim was ``reached``.

        The embedded digits cannot decide it, and a quick version can only confirm it.
        """
        if self.small or (self.quick and not reached):
            return None
        return reached

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Show ``part`` as what is being done, and add its wall time to ``seconds``."""
        self.tell(part)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class Found:
    """Figures and networks; ``models`` are saved by their names, open to `spikeproof audit`."""

    claims: tuple[Claim, ...]
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    models: Mapping[str, SerializableNetwork] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A published system: its ``name`` on the command line, ``title`` and ``source``."""

    name: str
    title: str
    source: str
    run: Callable[[RecipeContext], Found]
    strange: bool = False
    """Whether it needs images of other things (Fashion-MNIST beside MNIST)."""
