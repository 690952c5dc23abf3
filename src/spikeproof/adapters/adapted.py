"""A model as its owner wrote it, seen as a pure function of binned recordings.

Frameworks differ in the order of axes, in whether the caller or the module loops over time, in
where neurons keep their state and in what comes out (spikes, membranes, logits, tuples of them).
A ``Framework`` says how one of them does it, a ``Layout`` is one way of calling, and ``Adapted``
is the result: state is reset before every call, recordings go in as ``[N, T, P, H, W]``, logits
come out as ``[N, K]``, and nothing of the owner's module is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, nn

from spikeproof.models.surrogate import Bump, Surrogate


@dataclass(frozen=True)
class Layout:
    """One way of calling a module.

    ``call`` takes the module and recordings ``[N, T, P, H, W]`` and gives whatever the module
    answered; with ``by_step`` the module was called once per time bin and the answers are put
    together as ``[T, N, ...]``; ``timeless`` ones hand over all bins as one input. ``says`` is
    half a sentence for the report, such as "time first [T, N, P, H, W], all steps in one call".
    """

    name: str
    says: str
    call: Callable[[Callable[..., object], Tensor], object]
    by_step: bool = False
    timeless: bool = False


@dataclass(frozen=True)
class Framework:
    """What an adapter must know of a framework; it is imported only if the user imported it.

    ``recognises`` says whether a module is, or contains, layers of the framework. ``neurons``
    lists its spiking layers. ``prepare`` forgets all state and makes ready for a batch of that
    many samples; it may set attributes of modules, but must not change tensors in place, as its
    effects are undone after the call. ``layouts`` are tried in their order. ``swap`` puts a
    surrogate into all spiking layers for a while and puts theirs back, exceptions included.
    """

    name: str
    title: str
    recognises: Callable[[nn.Module], bool]
    neurons: Callable[[nn.Module], Sequence[nn.Module]]
    prepare: Callable[[nn.Module, int], None]
    layouts: Callable[[nn.Module], tuple[Layout, ...]]
    swap: Callable[[nn.Module, Bump], AbstractContextManager[None]]


class Adapted(nn.Module):
    """A user's model behind our protocol; made by ``adapt``.

    ``framework`` is the name of its framework ("torch" for none), ``assumptions`` are sentences
    that say what was taken for granted about layout, reset and read-out; a ``timeless`` model gets
    all time bins as one input.
    """

    def __init__(
        self,
        module: nn.Module | Callable[..., object],
        forward: Callable[[Tensor], Tensor],
        *,
        framework: str,
        assumptions: tuple[str, ...] = (),
        swap: Callable[[Surrogate], AbstractContextManager[None]] | None = None,
        neurons: Sequence[nn.Module] = (),
        timeless: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.framework = framework
        self.assumptions = assumptions
        self.timeless = timeless
        self._forward, self._swap = forward, swap
        self._neurons = tuple(neurons)  # a tuple, so that they are not registered twice

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of recordings ``[N, T, P, H, W]``."""
        return self._forward(x)

    @property
    def neurons(self) -> tuple[nn.Module, ...]:
        """The spiking layers of the framework."""
        return self._neurons

    def using_surrogate(self, surrogate: Surrogate | None) -> AbstractContextManager[None]:
        """Attack with this surrogate gradient inside the context; None keeps the model's own.

        Raises :class:`InvalidModel` for a gradient rule, if the neurons are a framework's.
        """
        if surrogate is None or self._swap is None:
            return nullcontext()
        return self._swap(surrogate)
