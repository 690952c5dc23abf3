"""Which loops run the neurons of a layer over time.

Compiled loops do the arithmetic of the eager ones with one pass over memory: numba's on the CPU,
Triton's on a CUDA device. Triton comes with the CUDA builds of PyTorch and is never required;
where it is missing, or cannot build a kernel (it needs a C compiler for its launcher), the neurons
run in plain PyTorch, as they do in any precision but float32.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Backend: TypeAlias = Literal["numba", "triton", "eager"]


def backend_for(series: Tensor) -> Backend:
    """The fastest loops that there are for a ``series`` of this type on this device."""
    if series.dtype != torch.float32:
        return "eager"
    if series.device.type == "cpu":
        return "numba"
    return "triton" if series.device.type == "cuda" and _triton_works() else "eager"


@cache
def _triton_works() -> bool:
    """Whether a kernel can be built and run; tried once, as there are many ways for it to fail."""
    if find_spec("triton") is None:
        return False
    from spikeproof.models import triton_kernels

    try:
        triton_kernels.forward(torch.zeros(1, 1, 1, device="cuda"), 0.5, 1.0, True)
    except Exception as error:  # of Triton, of the C compiler, of the driver
        warnings.warn(
            f"Triton cannot build kernels here ({type(error).__name__}: {error}); neurons run in"
            " plain PyTorch, which is slower. A C compiler on the path (cc or gcc) often helps",
            stacklevel=2,
        )
        return False
    return True
