"""Whether this machine's convolutions are faster in bfloat16.

Only gradients are ever rounded to bfloat16 (8 bits of mantissa, the exponents of float32), never
spikes or logits. Processors with instructions for it (AVX512-BF16, AMX) convolve about twice as
fast or better; others emulate it and are slower. No flag says this for all of them, so it is
measured, once per process: a convolution of a few milliseconds, in turn in both, on one thread and
in the time that this thread had the processor, so that other work on the machine does not decide.
"""

from __future__ import annotations

import time
from functools import cache

import torch
import torch.nn.functional as F

_GAIN = 1.3  # far from either, so that chance does not decide
_ROUNDS = 9


@cache
def bfloat16_is_faster() -> bool:
    """Measured at the first call, the same answer ever after."""
    rng = torch.Generator().manual_seed(0)
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    x = torch.rand(16, 64, 16, 16, generator=rng).to(memory_format=torch.channels_last)
    weight = torch.rand(32, 64, 3, 3, generator=rng).to(memory_format=torch.channels_last)
    inputs = {kind: (x.to(kind), weight.to(kind)) for kind in seconds}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for _ in range(_ROUNDS):
                for kind, (given, kernel) in inputs.items():
                    began = time.thread_time()
                    F.conv2d(given, kernel, padding=1)
                    seconds[kind] = min(seconds[kind], time.thread_time() - began)
    finally:
        torch.set_num_threads(threads)
    return seconds[torch.float32] > _GAIN * seconds[torch.bfloat16]
