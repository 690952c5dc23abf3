"""What a gradient step of an attack costs, and where the time goes.

    python benchmarks/gradient_step.py
    python benchmarks/gradient_step.py --line 16c5-bn-p2-32c3-bn-p2-fc10 --batch 16
    python benchmarks/gradient_step.py net.safetensors --data folder

Times, side by side and in turn, logits and input gradient of one batch, with the same weights and
the same number of threads, by

* SpikingJelly in multi-step mode with its default backend (PyTorch) and back-propagation,
* autograd over the compiled neuron loops (``Victim``), and over the same loops in plain PyTorch,
* the engine, in float32 and in bfloat16,
* the convolutions and matrix products that back-propagation through the network needs, alone.

Weight gradients are off everywhere. The network is drawn at random and its batch norms see the
data first, so that its neurons are as busy as those of trained networks; or it comes from a
checkpoint, with recordings. Prints minima and medians of wall-clock time and the least CPU time,
ratios to SpikingJelly, how alike the gradients are, and the first step in a fresh process, with an
empty cache of compiled code and with a filled one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from same_network import parts, wrapped
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn

from spikeproof.attacks import Victim
from spikeproof.engine import Precision, engine_for
from spikeproof.engine.precision import bfloat16_is_faster
from spikeproof.goals import Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import ready
from spikeproof.models import ArcTan, Network, build, scan
from spikeproof.models.modules import Weighted
from spikeproof.models.neuron import LIF

SLOPE = 2.0  # SpikingJelly's own, so that gradients can be compared
SIZE, BINS, SHARE = 34, 16, 0.05
Step = Callable[[], Tensor]


def drawn(line: str, batch: int) -> tuple[Network, Tensor]:
    """A random network whose batch norms have seen data, and random recordings."""
    torch.manual_seed(0)
    network = build(line, height=SIZE, width=SIZE)
    x = (torch.rand(batch, BINS, 2, SIZE, SIZE) < SHARE).float()
    with torch.no_grad():
        for _ in range(30):
            network(x[:8])
    return network.eval(), x


def trained(checkpoint: Path, data: str | None, batch: int) -> tuple[Network, Tensor]:
    given = ready(ModelChoice(checkpoint), DataChoice(data))
    assert isinstance(given.model, Network)
    return given.model, given.data.test.grid_batch(given.grid, range(batch)).float()


def in_spikingjelly(network: Network) -> nn.Module:
    def spiking(lif: LIF) -> nn.Module:
        assert lif.spec.reset == "hard"
        return neuron.LIFNode(
            1 / (1 - lif.decay),
            decay_input=False,
            v_threshold=lif.spec.threshold,
            v_reset=0.0,
            detach_reset=True,
            surrogate_function=surrogate.ATan(SLOPE),
        )

    net = nn.Sequential(*(wrapped(part) for part in parts(network, spiking)))
    functional.set_step_mode(net, "m")
    return net.eval().requires_grad_(False)


def by_spikingjelly(net: nn.Module, x: Tensor, goal: Untargeted) -> Tensor:
    functional.reset_net(net)
    leaf = x.transpose(0, 1).contiguous().requires_grad_()
    margin = goal.margin(net(leaf).mean(0))
    (gradient,) = torch.autograd.grad(margin.sum(), leaf)
    return gradient.transpose(0, 1)


def by_autograd(network: Network, x: Tensor, goal: Untargeted) -> Tensor:
    return Victim(network, ArcTan(SLOPE), chunk=len(x)).gradient(x, goal)[1]


def by_plain_loops(network: Network, x: Tensor, goal: Untargeted) -> Tensor:
    compiled, scan.backend_for = scan.backend_for, lambda series: "eager"
    try:
        return by_autograd(network, x, goal)
    finally:
        scan.backend_for = compiled


def by_engine(network: Network, x: Tensor, goal: Untargeted) -> Callable[[Precision], Step]:
    def prepared(precision: Precision) -> Step:
        engine = engine_for(network, precision)
        assert engine is not None
        places = torch.arange(len(x))
        return lambda: engine.gradient(
            x, lambda logits, some: goal[places[some]].margin(logits), ArcTan(SLOPE)
        )[1]

    return prepared


def convolutions(network: Network, x: Tensor) -> Callable[[torch.dtype, bool], Step]:
    """The weighted layers on what they see, and their adjoints (or these alone)."""
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks = [
        layer.weight.register_forward_hook(lambda m, given, out: seen.append((m, given[0], out)))
        for layer in network.layers
        if isinstance(layer, Weighted)
    ]
    norms = [layer.norm for layer in network.layers if isinstance(layer, Weighted)]
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, Weighted):
                layer.norm = None
        network(x)
        for layer, norm in zip(
            (layer for layer in network.layers if isinstance(layer, Weighted)), norms, strict=True
        ):
            layer.norm = norm
    for hook in hooks:
        hook.remove()

    def prepared(dtype: torch.dtype, backwards_only: bool) -> Step:
        calls: list[Step] = []
        for module, given, out in seen:
            weight = module.weight.detach().to(dtype)
            got, grad = given.to(dtype), out.to(dtype)
            if isinstance(module, nn.Linear):
                calls.append(partial(torch.matmul, got, weight.T))
                calls.append(partial(torch.matmul, grad, weight))
                continue
            back = torch.ops.aten.convolution_backward
            how = (list(module.stride), list(module.padding), [1, 1])
            forth = torch.nn.functional.conv2d
            calls.append(partial(forth, got, weight, None, module.stride, module.padding))
            calls.append(
                partial(back, grad, got, weight, None, *how, False, [0, 0], 1, [True, False, False])
            )
        chosen = calls[1::2] if backwards_only else calls

        def run() -> Tensor:
            with torch.no_grad():
                for call in chosen:
                    call()
            return x

        return run

    return prepared


def first_step(line: str, batch: int, cache: str) -> str:
    """Seconds of the first gradient in a fresh process whose compiled code lies in ``cache``."""
    code = (
        "import time, torch\n"
        "import spikeproof.engine.forwards\n"
        "from gradient_step import by_engine, drawn\n"
        "from spikeproof.goals import Mislead\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        f"network, x = drawn({line!r}, {batch})\n"
        "goal = Mislead(torch.zeros(len(x), dtype=torch.long))\n"
        f"step = by_engine(network, x, goal)({precision()!r})\n"
        "began = time.perf_counter()\n"
        "step()\n"
        "print(time.perf_counter() - began)\n"
    )
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": here}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return f"{float(done.stdout.split()[-1]):.2f} s"


def precision() -> Precision:
    return "bfloat16" if bfloat16_is_faster() else "float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--data", default=None)
    parser.add_argument("--line", default="32c3-bn-p2-64c3-bn-p2-fc10")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if options.checkpoint:
        network, x = trained(options.checkpoint, options.data, options.batch)
    else:
        network, x = drawn(options.line, options.batch)
    goal = Untargeted(torch.zeros(len(x), dtype=torch.long))
    other, engine = in_spikingjelly(network), by_engine(network, x, goal)
    alone = convolutions(network, x)
    steps: dict[str, Step] = {
        "SpikingJelly": lambda: by_spikingjelly(other, x, goal),
        "autograd, plain PyTorch loops": lambda: by_plain_loops(network, x, goal),
        "autograd, compiled loops": lambda: by_autograd(network, x, goal),
        "engine, float32": engine("float32"),
        "engine, bfloat16": engine("bfloat16"),
        "its convolutions, float32": alone(torch.float32, False),
        "its convolutions, bfloat16": alone(torch.bfloat16, False),
        "those backwards, bfloat16": alone(torch.bfloat16, True),
    }
    print(f"{network.description['architecture']}, batch {list(x.shape)}")
    print(f"{torch.get_num_threads()} threads, PyTorch {torch.__version__};", end=" ")
    print(f"an attack here takes {precision()}")
    busy(network, x)
    wall: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    found = {name: step() for name, step in steps.items()}  # and warm up
    for _ in range(options.repeats):
        for name, step in steps.items():
            began = time.perf_counter(), time.process_time()
            step()
            wall[name].append(time.perf_counter() - began[0])
            cpu[name].append(time.process_time() - began[1])
    exact = found["autograd, compiled loops"].flatten(1)
    head = ("ms: least", "median", "CPU", "times faster", "(CPU)", "least cosine")
    print("\n{:32}{:>10}{:>9}{:>9}{:>14}{:>8}{:>15}".format("", *head))
    base = "SpikingJelly"
    for name in steps:
        least, middle, work = min(wall[name]), statistics.median(wall[name]), min(cpu[name])
        ratio, share = statistics.median(wall[base]) / middle, min(cpu[base]) / work
        alike = torch.cosine_similarity(found[name].flatten(1), exact).min()
        cosine = "" if "convolutions" in name or "those" in name else f"{float(alike):.5f}"
        print(
            f"{name:32}{1e3 * least:10.0f}{1e3 * middle:9.0f}{1e3 * work:9.0f}"
            f"{ratio:14.1f}{share:8.1f}{cosine:>15}"
        )
    if not options.checkpoint:
        with tempfile.TemporaryDirectory() as cache:
            for what in ("empty", "filled"):
                took = first_step(options.line, options.batch, cache)
                print(f"first step of the engine, {what} cache: {took}")


def busy(network: Network, x: Tensor) -> None:
    """How many of the inputs of each weighted layer are not zero."""
    shares: list[str] = []

    def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        shares.append(f"{100 * float((given[0] != 0).float().mean()):.1f} %")

    layers = [layer for layer in network.layers if isinstance(layer, Weighted)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    print(f"active inputs of the weighted layers: {', '.join(shares)}")


if __name__ == "__main__":
    main()
