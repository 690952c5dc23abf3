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


POINTERS = ("current", "grad", "v", "slope_of", "spikes", "out", "constants", "start")
WHOLE = ("n_steps", "n_units")


def machine_code(loop, architecture, **chosen):
    """Of a kernel, for a device that need not be there."""
    triton = pytest.importorskip("triton", reason="Triton is not made for this platform")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = dict.fromkeys(loop.arg_names, "fp32") | dict.fromkeys(WHOLE, "i32")
    types |= dict.fromkeys(POINTERS, "*fp32") | dict.fromkeys(chosen, "constexpr")
    source = ASTSource(loop, {name: types[name] for name in loop.arg_names}, chosen)
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32)).asm


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("hard", [True, False])
def test_the_loops_compile_for_devices_and_touch_memory_once(architecture, hard):
    """12 bytes for each neuron and bin: the forward loop loads one number and stores two, the
    backward loop loads two and stores one. A bump that was computed before (kind 0) is one more,
    or takes the place of the potential."""
    pytest.importorskip("triton", reason="Triton is not made for this platform")
    from spikeproof.models import triton_kernels

    settings = {"hard": hard, "block": 256}
    made = [machine_code(triton_kernels._forward, architecture, **settings)]
    for kind in range(4):
        made.append(machine_code(triton_kernels._backward, architecture, kind=kind, **settings))
    assert all(code["cubin"] for code in made)
    loads, stores = ([code["ptx"].count(word) for code in made] for word in ("ld.gl", "st.gl"))
    per_store = [a / b for a, b in zip(loads, stores, strict=True)]
    assert per_store == [1 / 2, 3.0 if hard else 2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("multiple", [True, False])
@pytest.mark.parametrize("reset", ["forgets", "erases", "neither"])
def test_the_loops_of_other_frameworks_neurons_compile_too(multiple, reset):
    pytest.importorskip("triton", reason="Triton is not made for this platform")
    from spikeproof.models import triton_dynamics

    settings = {"strict": multiple, "multiple": multiple, "block": 256}
    settings |= {"forgets": reset != "neither", "erases": reset == "erases"}
    assert machine_code(triton_dynamics._forward, 90, **settings)["cubin"]
    for kind in range(5):
        assert machine_code(triton_dynamics._backward, 90, kind=kind, **settings)["cubin"]


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
