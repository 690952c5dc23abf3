"""One network, four ways in: its own checkpoint, SpikingJelly, snnTorch and NIR.

    python benchmarks/same_network.py net.safetensors --data recordings [--audit 50]

The weights of a checkpoint from `spikeproof train` (convolutions, average pooling, LIF neurons
with hard reset) are written into a SpikingJelly module, an snnTorch module and a `.nir` file.
Each is adapted as a user's would be. Printed are, side by side, how many of the recordings get the
same class as from the checkpoint, the largest difference of a logit, and what the standard
fewest-flips attack finds on the first recordings, searched on the route itself (``--fast``: on its
faster copy, if it has one). Predictions should agree on all; attacks may differ where rounding
decides. With ``--audit N`` the standard audit of N
recordings is made of each route, and of the checkpoint with three seeds, to show how much of a
difference is the seed's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from spikeproof import Audit, Settings, run_audit
from spikeproof.adapters import save_nir
from spikeproof.attacks import SparseFlip, Victim, confirmed
from spikeproof.evaluate import answer, judge, summary
from spikeproof.goals import Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import LoadedInputs, ready
from spikeproof.models import load_checkpoint
from spikeproof.models.modules import Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import LIF
from spikeproof.threats import Flip


def folded(weighted: Weighted) -> nn.Conv2d | nn.Linear:
    """The layer with its batch norm in its weights."""
    before = weighted.weight
    if isinstance(before, nn.Linear):
        after: Any = nn.Linear(before.in_features, before.out_features)
    else:
        after = nn.Conv2d(
            before.in_channels,
            before.out_channels,
            before.kernel_size,
            before.stride,
            before.padding,
        )
    scale, shift = torch.ones(len(before.weight)), torch.zeros(len(before.weight))
    if weighted.norm is not None:
        scale, shift = weighted.norm.scale_and_shift()
    bias = torch.zeros_like(shift) if before.bias is None else before.bias
    with torch.no_grad():
        after.weight.copy_(before.weight * scale.view(-1, *[1] * (before.weight.dim() - 1)))
        after.bias.copy_(bias * scale + shift)
    return after


def parts(network: Network, spiking: Callable[[LIF], nn.Module]) -> list[nn.Module]:
    """Plain layers, one time step each, with ``spiking`` in place of the neurons."""
    layers: list[nn.Module] = []
    flat = False
    for module in network.layers:
        if isinstance(module, Weighted):
            if isinstance(module.weight, nn.Linear) and not flat:
                layers.append(nn.Flatten())
                flat = True
            layers.append(folded(module))
            if isinstance(module.activation, LIF):
                layers.append(spiking(module.activation))
        elif hasattr(module, "maximum"):
            assert not module.maximum, "max pooling is not in NIR"
            layers.append(nn.AvgPool2d(module.size))
    return layers


def in_spikingjelly(network: Network) -> nn.Module:
    """Multi-step mode; ``decay_input`` off, because our neurons do not scale their input."""

    def spiking(lif: LIF) -> nn.Module:
        tau = 1 / (1 - lif.decay)
        return neuron.LIFNode(tau, decay_input=False, v_threshold=lif.spec.threshold, v_reset=0.0)

    net = nn.Sequential(*(wrapped(part) for part in parts(network, spiking)))
    functional.set_step_mode(net, "m")
    return net


def wrapped(part: nn.Module) -> nn.Module:
    """A layer as one of SpikingJelly's, which know of step modes."""
    if isinstance(part, nn.Conv2d | nn.Linear | nn.AvgPool2d | nn.Flatten):
        return layer.SeqToANNContainer(part)
    return part


class InSnnTorch(nn.Module):
    """Per-step modules and a loop; the reset comes at once (``reset_delay`` off), to zero."""

    def __init__(self, network: Network) -> None:
        super().__init__()

        def spiking(lif: LIF) -> nn.Module:
            return snntorch.Leaky(
                beta=lif.decay,
                threshold=lif.spec.threshold,
                reset_mechanism="zero",
                reset_delay=False,
            )

        self.parts = nn.ModuleList(parts(network, spiking))

    def forward(self, x: Tensor) -> Tensor:
        """Currents of the last layer, ``[T, N, K]``, from ``[T, N, P, H, W]``."""
        membranes = {k: m.reset_mem() for k, m in enumerate(self.parts) if is_leaky(m)}
        outputs = []
        for step in x:
            for k, part in enumerate(self.parts):
                if k in membranes:
                    step, membranes[k] = part(step, membranes[k])
                else:
                    step = part(step)
            outputs.append(step)
        return torch.stack(outputs)


def is_leaky(module: nn.Module) -> bool:
    return isinstance(module, snntorch.Leaky)


def routes(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """The same network, as a user of each framework would hand it over."""
    network = load_checkpoint(checkpoint).network
    save_nir(folder / "net.nir", network)
    return {
        "own checkpoint": checkpoint,
        "SpikingJelly": in_spikingjelly(network).eval(),
        "snnTorch": InSnnTorch(network).eval(),
        "NIR": folder / "net.nir",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", default=None)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--attacked", type=int, default=50)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--audit", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ways = routes(options.checkpoint, Path(folder))
        own = ready(ModelChoice(ways["own checkpoint"]), DataChoice(options.data))
        chosen = range(min(options.recordings, len(own.data.test)))
        x = own.data.test.grid_batch(own.grid, chosen).float()
        y = torch.from_numpy(own.data.test.labels[chosen].copy())
        reference = answer(own.model, x)
        grid = own.grid
        print(f"{len(x)} recordings; fewest flips on the first {options.attacked}\n")
        head = (
            "route",
            "right",
            "same class",
            "logits differ",
            "fooled",
            "median flips",
            "seconds",
        )
        print("{:16}{:>8}{:>12}{:>15}{:>10}{:>14}{:>9}".format(*head))
        for name, source in ways.items():
            choice = ModelChoice(
                source, bins=grid.bins, window=grid.window, start=grid.start, fast=options.fast
            )
            given = own if name == "own checkpoint" else ready(choice, DataChoice(own.data))
            logits = answer(given.model, x)
            show(name, given, x, y, logits, reference, options.attacked)
        if options.audit:
            print()
            audits(ways, own, options.audit, Path(folder), options.fast)


def show(
    name: str,
    given: LoadedInputs,
    x: Tensor,
    y: Tensor,
    logits: Tensor,
    reference: Tensor,
    attacked: int,
) -> None:
    right = logits.argmax(1) == y
    same = int((logits.argmax(1) == reference.argmax(1)).sum())
    some = right[:attacked].nonzero().squeeze(1)
    goal, threat = Untargeted(y[some]), Flip()
    began = time.perf_counter()
    adv = confirmed(
        SparseFlip(),
        Victim(given.search),
        given.model,
        x[some],
        goal,
        threat,
        rng=torch.Generator().manual_seed(0),
    )
    seconds = time.perf_counter() - began
    outcome = judge(given.model, x[some], adv, goal, threat)
    flips = summary(outcome.cost[outcome.success].tolist())
    fooled = f"{int(outcome.success.sum())}/{len(some)}"
    gap = float((logits - reference).abs().max())
    median = f"{flips.median:.0f} ({flips.low:.0f}-{flips.high:.0f})"
    print(
        f"{name:16}{int(right.sum()):>8}{f'{same}/{len(x)}':>12}{gap:>15.1e}{fooled:>10}"
        f"{median:>14}{seconds:>9.1f}",
        flush=True,
    )


def audits(ways: dict[str, Any], own: LoadedInputs, n: int, folder: Path, fast: bool) -> None:
    """The standard audit of every route, and of the checkpoint with other seeds."""
    grid = own.grid
    columns: dict[str, Audit] = {}
    for name, seed in [*((name, 0) for name in ways), ("own checkpoint", 1), ("own checkpoint", 2)]:
        choice = ModelChoice(
            ways[name], bins=grid.bins, window=grid.window, start=grid.start, fast=fast
        )
        began = time.perf_counter()
        title = f"{name}, seed {seed}"
        columns[title] = run_audit(
            choice,
            own.data,
            out=folder / title.replace(" ", "-"),
            settings=Settings(recordings=n, seed=seed),
        )
        print(f"{title}: {time.perf_counter() - began:.0f} s", flush=True)
    print("\nsuccess in % (median flips or moves)\n")
    for title, audit in columns.items():
        print(f"{title}\n    clean {100 * (audit.clean.accuracy.value or 0):.1f}")
        for attack in audit.attacks:
            if not attack.is_control:
                edits = attack.moved or attack.flips
                median = f" ({edits.median:g})" if edits and edits.median else ""
                print(f"    {attack.id:16} {100 * (attack.success.value or 0):5.1f}{median}")


if __name__ == "__main__":
    main()
