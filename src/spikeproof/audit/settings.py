"""What an audit does, in one immutable value; two audits with equal settings are comparable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from spikeproof.errors import InvalidThreat

Norm = Literal["linf", "l2", "l0"]
NORMS: tuple[Norm, ...] = ("linf", "l2", "l0")
PART_BYTES = 2**28  # of the float cells of a part; attacks hold a few such tensors


@dataclass(frozen=True)
class Settings:
    """Settings of the standard audit; the defaults are the standard.

    ``recordings`` from the test split are audited, in parts of ``part`` that are saved as they are
    done (fewer on large sensors, see ``at_once``). ``shares`` are the flip budgets of the curve as
    shares of the active cells, ``universal_shares`` those of universal patterns as shares of the
    mean. ``period`` is that of the periodic pattern and ``max_shift`` that of moved events, in time
    bins. The patch is ``patch`` x ``patch`` pixels. ``refractory`` (µs) holds for every event that
    is added to a stream. ``fit_steps`` gradient steps of ``fit_batch`` recordings are spent on each
    universal pattern and patch, drawn from at most ``learn`` learning recordings. ``surrogate`` is
    the gradient of a spike that attacks use: the standard ``ensemble``, or for plain attacks with a
    single one a name with its setting, ``own`` or ``auto``; of the ensemble there is a ``quick``
    version. Event files are written of ``keep`` recordings, spread evenly over the audited ones
    (None: of all).

    Of images the budgets are ``eps``, of the range [0, 1], for the maximum norm; in each of the
    ``norms`` the smallest change is searched for.
    """

    recordings: int = 100
    seed: int = 0
    part: int = 50
    steps: int = 40
    shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.04, 0.08)
    max_shift: int = 2
    universal_shares: tuple[float, ...] = (0.1, 0.2)
    period: int = 4
    patch: int = 10
    refractory: int = 1000
    fit_steps: int = 40
    fit_batch: int = 20
    fit_targets: int = 1
    patch_batch: int = 6
    learn: int = 1000
    examples: int = 8
    surrogate: str = "ensemble"
    quick: bool = False
    keep: int | None = None
    eps: tuple[float, ...] = (2 / 255, 4 / 255, 8 / 255, 0.1)
    norms: tuple[Norm, ...] = NORMS

    def __post_init__(self) -> None:
        for name in (
            *("recordings", "part", "learn", "steps", "period", "patch"),
            *("fit_steps", "fit_batch"),
        ):
            if getattr(self, name) < 1:
                raise InvalidThreat(f"{name} is {getattr(self, name)}; give at least 1")
        if self.quick and self.surrogate != "ensemble":
            raise InvalidThreat(
                f"quick is a version of the ensemble, and surrogate {self.surrogate!r} means plain"
                " attacks; give one of the two"
            )
        if self.keep is not None and self.keep < 0:
            raise InvalidThreat(f"keep is {self.keep}; give 0 or more, or None for all")
        for share in (*self.shares, *self.universal_shares):
            if not 0 < share <= 1:
                raise InvalidThreat(
                    f"budget {share} is not a share between 0 and 1 of the active cells"
                )

        for eps in self.eps:
            if not 0 < eps <= 1:
                raise InvalidThreat(f"eps {eps:g} is not between 0 and 1, the range of intensities")
        if not self.norms or not set(self.norms) <= set(NORMS):
            raise InvalidThreat(f"norms {list(self.norms)}: choose some of {', '.join(NORMS)}")

    def at_once(self, cells: int) -> int:
        """Recordings of so many ``cells`` in a part: ``part``, or as many as memory should hold."""
        return max(1, min(self.part, PART_BYTES // (4 * cells)))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)


def norms_of(text: str) -> tuple[Norm, ...]:
    """``linf,l2`` as norms; raises :class:`InvalidThreat` for a name that is none."""
    words = tuple(word.strip() for word in text.split(","))
    unknown = [word for word in words if word not in NORMS]
    if unknown:
        raise InvalidThreat(f"no norm {unknown[0]!r}; choose some of {', '.join(NORMS)}")
    return tuple(norm for norm in NORMS if norm in words)
