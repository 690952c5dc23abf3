"""Ways of calling a model with recordings ``[N, T, P, H, W]``.

Letters are the axes of the tensor that the model sees; F is P, H and W flattened. ``step-`` names
are called once per time bin. ``/P1`` adds the two polarities up first, for models of one channel.

=============  ===================================================================
``NTPHW``      as it is
``TNPHW``      time first
``NPTHW``      time as depth, for three-dimensional convolutions
``NTF``        flattened frames
``TNF``        flattened frames, time first
``step-NPHW``  one frame per call
``step-NF``    one flattened frame per call
``stacked``    ``[N, T*P, H, W]``, frames as channels
``summed``     ``[N, P, H, W]``, frames added up
``summed-NF``  ``[N, F]``, frames added up
``N*T``        ``[N*T, P, H, W]``, time bins of a sample as neighbours in the batch
=============  ===================================================================

Names ending in ``+state`` take ``(answer, state)`` from one call and hand the state to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from spikeproof.adapters.adapted import Layout
from spikeproof.errors import InvalidModel

_Model = Callable[..., object]


def _whole(
    name: str, says: str, arrange: Callable[[Tensor], Tensor], *, timeless: bool = False
) -> Layout:
    return Layout(name, says, lambda model, x: model(arrange(x)), timeless=timeless)


def _steps(name: str, says: str, arrange: Callable[[Tensor], Tensor], *, state: bool) -> Layout:
    def call(model: _Model, x: Tensor) -> object:
        bins = arrange(x).unbind(1)
        if not state:
            return stacked([model(frame) for frame in bins])
        answers: list[object] = []
        kept: tuple[object, ...] = ()
        for frame in bins:
            answer = model(frame, *kept)
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise TypeError("it does not answer (output, state)")
            answers.append(answer[0])
            kept = (answer[1],)
        return stacked(answers)

    return Layout(name, says, call, by_step=True)


def stacked(answers: list[object]) -> object:
    """Answers of T calls as one, time first; tuples and lists are stacked place by place."""
    first = answers[0]
    if isinstance(first, Tensor):
        return torch.stack([a for a in answers if isinstance(a, Tensor)])
    if isinstance(first, tuple | list):
        for place in zip(*answers, strict=True):
            if isinstance(place[0], Tensor):  # the first tensor is the answer, as everywhere
                return (torch.stack(place),)
    raise TypeError(f"it answers with {type(first).__name__}, not with a tensor")


def _flat(x: Tensor) -> Tensor:
    return x.flatten(2)


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        _whole("NTPHW", "samples first [N, T, P, H, W], all steps in one call", lambda x: x),
        _whole(
            "TNPHW",
            "time first [T, N, P, H, W], all steps in one call",
            lambda x: x.transpose(0, 1),
        ),
        _whole("NPTHW", "time as depth [N, P, T, H, W]", lambda x: x.transpose(1, 2)),
        _whole("NTF", "flattened frames [N, T, P*H*W], all steps in one call", _flat),
        _whole(
            "TNF",
            "flattened frames, time first [T, N, P*H*W], all steps in one call",
            lambda x: _flat(x).transpose(0, 1),
        ),
        _steps("step-NPHW", "one call per time bin with [N, P, H, W]", lambda x: x, state=False),
        _steps("step-NF", "one call per time bin with [N, P*H*W]", _flat, state=False),
        _steps(
            "step-NPHW+state",
            "one call per time bin with [N, P, H, W] and the state of the bin before",
            lambda x: x,
            state=True,
        ),
        _steps(
            "step-NF+state",
            "one call per time bin with [N, P*H*W] and the state of the bin before",
            _flat,
            state=True,
        ),
        _whole(
            "stacked",
            "frames as channels [N, T*P, H, W]",
            lambda x: x.flatten(1, 2),
            timeless=True,
        ),
        _whole("summed", "frames added up [N, P, H, W]", lambda x: x.sum(1), timeless=True),
        _whole(
            "summed-NF",
            "frames added up and flattened [N, P*H*W]",
            lambda x: _flat(x).sum(1),
            timeless=True,
        ),
        _whole("N*T", "samples and time as one axis [N*T, P, H, W]", lambda x: x.flatten(0, 1)),
    )
}


def layout_named(name: str) -> Layout:
    """The layout called ``name``; raises :class:`InvalidModel` if there is none."""
    plain, one, rest = name.partition("/P1")
    if plain not in LAYOUTS or rest:
        raise InvalidModel(
            f"unknown layout {name!r}; choose one of {', '.join(LAYOUTS)}, with /P1 if the model"
            " sees one polarity, or wrap the model in an nn.Module that takes [N, T, P, H, W]"
        )
    return one_polarity(LAYOUTS[plain]) if one else LAYOUTS[plain]


def one_polarity(layout: Layout) -> Layout:
    """The same for a model that sees one channel: off and on events are added up."""
    return replace(
        layout,
        name=f"{layout.name}/P1",
        says=f"{layout.says}, where P = 1: off and on events are added up",
        call=lambda model, x: layout.call(model, x.sum(2, keepdim=True)),
    )


def first_of(*names: str) -> tuple[Layout, ...]:
    """All layouts, those with these ``names`` first; samples and time as one only if named."""
    others = (name for name in LAYOUTS if name != "N*T")
    return tuple(LAYOUTS[n] for n in dict.fromkeys((*names, *others)))
