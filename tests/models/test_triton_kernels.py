"""The fused loops: what they compute, and what is used where they cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from spikeproof.models import ArcTan, backend
from spikeproof.models.scan import scan

CASES = Path(__file__).with_name("triton_cases.py")
DEVICES = ["interpreter", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_the_fused_loops_do_what_the_eager_ones_do(device):
    pytest.importorskip("triton", reason="Triton is not made for this platform")
    env = os.environ | {"TRITON_INTERPRET": "1" if device == "interpreter" else "0"}
    command = [sys.executable, "-m", "pytest", str(CASES), "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


POINTERS = ("current", "grad", "v", "slope_of", "spikes", "out")
CHOSEN = ("kind", "hard", "block")


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("kind", [None, 0, 1, 2, 3])
def test_the_loops_compile_for_devices_and_touch_memory_once(architecture, hard, kind):
    """To machine code of A100 and H100, which needs neither. 12 bytes for each neuron and bin: the
    forward loop loads one number and stores two, the backward loop loads two and stores one, and
    a bump that was computed before (kind 0) is one more, or takes the place of the potential."""
    pytest.importorskip("triton", reason="Triton is not made for this platform")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from spikeproof.models import triton_kernels

    loop = triton_kernels._forward if kind is None else triton_kernels._backward
    chosen = {n: v for n, v in zip(CHOSEN, (kind, hard, 256), strict=True) if n in loop.arg_names}
    types = dict.fromkeys(loop.arg_names, "fp32") | dict.fromkeys(("n_steps", "n_units"), "i32")
    types |= dict.fromkeys(POINTERS, "*fp32") | dict.fromkeys(chosen, "constexpr")
    source = ASTSource(loop, {name: types[name] for name in loop.arg_names}, chosen)
    made = triton.compile(source, target=GPUTarget("cuda", architecture, 32)).asm
    assert made["cubin"]
    loads, stores = (made["ptx"].count(word) for word in ("ld.global", "st.global"))
    assert loads / stores == {None: 1 / 2, 0: 3.0 if hard else 2.0}.get(kind, 2.0)


class Cuda:
    """As much of a tensor on a CUDA device as the choice of loops looks at."""

    def __init__(self, dtype=torch.float32):
        self.dtype, self.device = dtype, torch.device("cuda")


@pytest.fixture
def unknown():
    """The question whether Triton works is open, and is so again afterwards."""
    backend._triton_works.cache_clear()
    yield
    backend._triton_works.cache_clear()


def test_each_type_and_device_has_its_loops(monkeypatch):
    monkeypatch.setattr(backend, "_triton_works", lambda: True)
    assert backend.backend_for(torch.zeros(1)) == "numba"
    assert backend.backend_for(torch.zeros(1, dtype=torch.float64)) == "eager"
    assert backend.backend_for(torch.zeros(1, device="meta")) == "eager"
    assert backend.backend_for(Cuda()) == "triton"
    assert backend.backend_for(Cuda(torch.float16)) == "eager"


def test_triton_is_not_required(monkeypatch, unknown):
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    assert backend.backend_for(Cuda()) == "eager"


def test_a_triton_that_cannot_build_is_named_once_and_not_used(monkeypatch, unknown):
    asked = []

    def forward(*settings):
        asked.append(settings)
        raise RuntimeError("Failed to find C compiler")

    broken = types.ModuleType("triton_kernels")
    broken.forward = forward
    monkeypatch.setattr(backend, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "spikeproof.models.triton_kernels", broken)
    monkeypatch.setattr("spikeproof.models.triton_kernels", broken, raising=False)
    monkeypatch.setattr(backend.torch, "zeros", lambda *shape, device: torch.ones(shape))
    with pytest.warns(UserWarning, match="RuntimeError: Failed to find C compiler.*C compiler on"):
        assert backend.backend_for(Cuda()) == "eager"
    assert backend.backend_for(Cuda()) == "eager"
    assert len(asked) == 1


def test_a_number_as_decay_is_as_good_as_a_tensor():
    current = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    settings = {"threshold": 0.5, "reset": "soft", "surrogate": ArcTan()}
    assert torch.equal(scan(current, 0.3, **settings), scan(current, torch.tensor(0.3), **settings))
