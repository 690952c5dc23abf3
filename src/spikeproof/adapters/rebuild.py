r"""The layers of a user's model in our own terms, read off its modules.

A model is walked in the order in which its modules are registered, which for ``nn.Sequential`` is
the order of computation and for other classes a guess: whoever uses the result must compare it
with the model (:mod:`spikeproof.adapters.twin` does). Weights are copied. Our parameters of the
neurons of each framework, as in :mod:`spikeproof.models.dynamics`:

================================  =====================  ==============  =======================
layer                             decay                  gain            reset, spike
================================  =====================  ==============  =======================
SpikingJelly ``IFNode``           1                      1               hard to ``v_reset``, or
``LIFNode``                       1 - 1/tau              1/tau, or 1 if  soft if it is None;
``ParametricLIFNode``             1 - sigmoid(w)         not             >=, starts and rests at
``CUBALIFNode``                   v_decay, c_decay       decay_input     ``v_reset``
snnTorch ``Leaky``                beta                   1               delayed ("subtract"),
``Synaptic``                      beta, synapse alpha    1               soft without delay, hard
``Lapicque``                      1 - 1/RC               1/C             ("zero"), none; >
Norse ``LIFBox``, ``LIF``         1 - dt/tau             dt/tau          hard to ``v_reset``; >,
``IAF``                           1                      1               starts at ``v_leak``
Sinabs ``LIF``                    exp(-1/tau)            1 - decay, or   soft, several spikes per
``IAF``                           1                      1 if not        bin; >=; ``min_v_mem``
``ExpLeak``                       exp(-1/tau)            norm_input      bounds the membrane
================================  =====================  ==============  =======================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.dynamics import AnyReset, Dynamics


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of ``model`` one after the other, for one time bin at a time.

    Raises :class:`InvalidModel` naming the first layer that is not known.
    """
    found: list[nn.Module] = []
    for name, module in _leaves("", model):
        key = type(module).__name__
        if key in _SKIPPED:
            continue
        try:
            layer = _translated(module)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise InvalidModel(f"layer {name!r} is an unusual {key} ({error})") from error
        if layer is None:
            raise InvalidModel(f"layer {name!r} of type {key} is not known")
        if isinstance(layer, nn.Linear) and not (found and isinstance(found[-1], nn.Flatten)):
            found.append(nn.Flatten())  # models often flatten in their forward
        found.append(layer)
    return found


def _leaves(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    if _known(module) or type(module).__name__ in _SKIPPED:
        return [(name, module)]
    children = [(f"{name}.{k}".strip("."), m) for k, m in module._modules.items() if m is not None]
    container = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    path = type(module).__module__.split(".")
    opened = container or not _FRAMEWORKS.intersection(path[:1]) or _CONTAINERS.intersection(path)
    if not opened:
        return [(name, module)]  # such as neurons with a recurrent layer inside
    if not container and not children:
        return [(name, module)]
    return [leaf for child in children for leaf in _leaves(*child)]


def _known(module: nn.Module) -> bool:
    package, name = type(module).__module__.split(".")[0], type(module).__name__
    return (package, name) in _NEURONS or name in _STATELESS


def _translated(module: nn.Module) -> nn.Module | None:
    package, name = type(module).__module__.split(".")[0], type(module).__name__
    make = _NEURONS.get((package, name)) or _STATELESS.get(name)
    return None if make is None else make(module)


# Layers without state ----------------------------------------------------------------------------


def _conv(m: Any) -> nn.Module:
    copy = nn.Conv2d(
        m.in_channels,
        m.out_channels,
        m.kernel_size,
        m.stride,
        m.padding,
        m.dilation,
        m.groups,
        m.bias is not None,
        m.padding_mode,
    )
    return _with_weights(copy, m)


def _linear(m: Any) -> nn.Module:
    return _with_weights(nn.Linear(m.in_features, m.out_features, m.bias is not None), m)


def _with_weights(copy: nn.Conv2d | nn.Linear, m: Any) -> nn.Module:
    copy.weight = nn.Parameter(m.weight.detach().clone())
    if m.bias is not None:
        copy.bias = nn.Parameter(m.bias.detach().clone())
    return copy


def _norm(m: Any) -> nn.Module:
    made = nn.BatchNorm2d if "2d" in type(m).__name__ else nn.BatchNorm1d
    copy = made(m.num_features, m.eps, None, m.affine, m.track_running_stats)
    copy.load_state_dict(m.state_dict())
    return copy.to(m.running_mean.device).eval()


def _mean_pool(m: Any) -> nn.Module:
    rest = (m.ceil_mode, m.count_include_pad, m.divisor_override)
    return nn.AvgPool2d(m.kernel_size, m.stride, m.padding, *rest)


def _sum_pool(m: Any) -> nn.Module:
    if m.norm_type != 1:
        raise ValueError(f"norm_type={m.norm_type}")
    return nn.AvgPool2d(m.kernel_size, m.stride, 0, m.ceil_mode, divisor_override=1)


_SKIPPED = {"Identity", "Dropout", "Dropout1d", "Dropout2d", "FlattenTime", "UnflattenTime"}

_STATELESS: dict[str, Callable[[Any], nn.Module]] = {
    "AdaptiveAvgPool2d": lambda m: nn.AdaptiveAvgPool2d(m.output_size),
    "AvgPool2d": _mean_pool,
    "BatchNorm1d": _norm,
    "BatchNorm2d": _norm,
    "Conv2d": _conv,
    "Flatten": lambda m: nn.Flatten(),
    "Linear": _linear,
    "LPPool2d": _sum_pool,
    "MaxPool2d": lambda m: nn.MaxPool2d(
        m.kernel_size, m.stride, m.padding, m.dilation, ceil_mode=m.ceil_mode
    ),
    "ReLU": lambda m: nn.ReLU(),
    "SumPool2d": _sum_pool,
    "VotingLayer": lambda m: nn.AvgPool1d(m.voting_size),
}

# Neurons -----------------------------------------------------------------------------------------


def _spikingjelly(
    m: Any, decay: Tensor | float, gain: Tensor | float, synapse: float | None = None
) -> Dynamics:
    rest = 0.0 if m.v_reset is None else m.v_reset
    return Dynamics(
        decay,
        threshold=m.v_threshold,
        gain=gain,
        bias=0.0 if synapse is not None else (1.0 - decay) * rest,
        reset="soft" if m.v_reset is None else "hard",
        v_reset=rest,
        start=rest,
        synapse=synapse,
    )


def _lif(m: Any, share: Tensor | float) -> Dynamics:
    return _spikingjelly(m, 1.0 - share, share if m.decay_input else 1.0)


def _snntorch(
    m: Any, decay: Tensor, gain: Tensor | float = 1.0, synapse: Tensor | None = None
) -> Dynamics:
    if m.inhibition or m.state_quant:
        raise ValueError("inhibition or state_quant")
    if (m.graded_spikes_factor != 1).any():
        raise ValueError("graded spikes")
    delayed = getattr(m, "reset_delay", True)
    erases = delayed and type(m).__name__ != "Leaky"  # the others lose the next input as well
    reset: dict[str, AnyReset] = {
        "subtract": "delayed" if delayed else "soft",
        "zero": "erase" if erases else "hard",
        "none": "none",
    }
    return Dynamics(
        decay,
        threshold=m.threshold,
        gain=gain,
        reset=reset[m.reset_mechanism],
        synapse=synapse,
        strict=True,
    )


def _lapicque(m: Any) -> Dynamics:
    return _snntorch(m, 1 - m.time_step / (m.R * m.C), m.time_step / m.C)


def _norse(m: Any, *, synapse: bool = False, spiking: bool = True) -> Dynamics:
    share = m.dt * m.p.tau_mem_inv
    how = getattr(getattr(m.p, "reset_method", None), "__name__", "reset_value")
    return Dynamics(
        1 - share,
        threshold=m.p.v_th if spiking else None,
        gain=share,
        bias=share * m.p.v_leak,
        reset={"reset_value": "hard", "reset_subtract": "soft"}[how],  # type: ignore[arg-type]
        v_reset=m.p.v_reset if spiking else 0.0,
        start=m.p.v_leak,
        synapse=1 - m.dt * m.p.tau_syn_inv if synapse else None,
        strict=True,
    )


def _norse_iaf(m: Any) -> Dynamics:
    return Dynamics(1.0, threshold=m.p.v_th, v_reset=m.p.v_reset, strict=True)


def _sinabs(m: Any) -> Dynamics:
    decay, synapse = m.alpha_mem_calculated, m.alpha_syn_calculated
    gain = (1 - decay) if m.norm_input else 1.0
    threshold, reset, multiple = None, "none", False
    if m.spike_fn is not None:
        rule = getattr(m.spike_fn, "__name__", type(m.spike_fn).__name__)
        multiple = {"MultiSpike": True, "SingleSpike": False}[rule]
        threshold = m.spike_threshold
        reset = {"MembraneSubtract": "soft", "MembraneReset": "hard"}[type(m.reset_fn).__name__]
        if vars(m.reset_fn) not in ({"subtract_value": None}, {"reset_value": 0.0}):
            raise ValueError(f"it resets by {m.reset_fn}")
    return Dynamics(
        decay,
        threshold=threshold,
        gain=gain if synapse is None else gain * synapse,
        reset=reset,  # type: ignore[arg-type]
        floor=-math.inf if m.min_v_mem is None else m.min_v_mem,
        synapse=synapse,
        multiple=multiple,
    )


_NEURONS: dict[tuple[str, str], Callable[[Any], nn.Module]] = {
    ("spikingjelly", "IFNode"): lambda m: _spikingjelly(m, 1.0, 1.0),
    ("spikingjelly", "LIFNode"): lambda m: _lif(m, 1.0 / m.tau),
    ("spikingjelly", "ParametricLIFNode"): lambda m: _lif(m, m.w.detach().sigmoid()),
    ("spikingjelly", "CUBALIFNode"): lambda m: _spikingjelly(m, m.v_decay, 1.0, m.c_decay),
    ("snntorch", "Leaky"): lambda m: _snntorch(m, m.beta.clamp(0, 1)),
    ("snntorch", "Synaptic"): lambda m: _snntorch(
        m, m.beta.clamp(0, 1), synapse=m.alpha.clamp(0, 1)
    ),
    ("snntorch", "Lapicque"): _lapicque,
    ("norse", "IAFCell"): _norse_iaf,
    ("norse", "LIBoxCell"): lambda m: _norse(m, spiking=False),
    ("norse", "LIBox"): lambda m: _norse(m, spiking=False),
    ("norse", "LICell"): lambda m: _norse(m, synapse=True, spiking=False),
    ("norse", "LI"): lambda m: _norse(m, synapse=True, spiking=False),
    ("norse", "LIFBoxCell"): _norse,
    ("norse", "LIFBox"): _norse,
    ("norse", "LIFCell"): lambda m: _norse(m, synapse=True),
    ("norse", "LIF"): lambda m: _norse(m, synapse=True),
    ("sinabs", "ExpLeak"): _sinabs,
    ("sinabs", "ExpLeakSqueeze"): _sinabs,
    ("sinabs", "IAF"): _sinabs,
    ("sinabs", "IAFSqueeze"): _sinabs,
    ("sinabs", "LIF"): _sinabs,
    ("sinabs", "LIFSqueeze"): _sinabs,
}

_FRAMEWORKS = {package for package, _ in _NEURONS}
# Where Norse has its Lift, Sinabs its Repeat and SpikingJelly its ready-made networks
_CONTAINERS = {"lift", "reshape", "model"}
