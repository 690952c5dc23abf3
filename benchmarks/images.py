"""How robust are a directly coded spiking network and its non-spiking twin to changed images?

    python benchmarks/images.py [--data mnist-folder] [--images 200] [--norm linf] [--smallest]

Trains both on the images, then asks for the share of images that each attack leaves standing at
each budget, with 95 % intervals. Cross-entropy, margin and dlr are what Auto-PGD climbs; AutoSpike
is the ensemble. The last line of a budget names attacks that fooled an image which the ensemble
left. With ``--smallest`` it prints the median of the smallest changes instead.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from spikeproof.attacks import (
    APGD,
    FGSM,
    PGD,
    Attack,
    DualAveraging,
    MinimumNorm,
    RandomEdits,
    Square,
)
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.victim import Victim
from spikeproof.evaluate import answer, judge, proportion, summary
from spikeproof.goals import LOSSES, Untargeted
from spikeproof.images import ImageData, load_images
from spikeproof.models import Direct, Encoded, NeuronSpec, build
from spikeproof.threats import L0, L2, Ball, Linf
from spikeproof.training import TrainingConfig, fit

STEPS = 4  # time steps of the direct code
LEARN = 3000  # images to train on, at most
BUDGETS: dict[str, list[Ball]] = {
    "linf": [Linf(eps) for eps in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)],
    "l2": [L2(eps) for eps in (0.2, 0.5, 1.0, 1.5)],
    "l0": [L0(pixels) for pixels in (1, 2, 3, 5)],
}


def trained(data: ImageData, spiking: bool, epochs: int) -> Encoded:
    x, labels = data.learn.x[:LEARN], data.learn.labels[:LEARN]
    classes, (_, _, channels, height, width) = len(data.learn.classes), x.shape
    torch.manual_seed(0)
    body = "16c3-bn-16c3-bn-p2" if height < 16 else "16c3-bn-p2-32c3-bn-p2"
    net = build(
        f"{body}-fc{classes}",
        height=height,
        width=width,
        polarities=channels,
        spiking=spiking,
        neuron=NeuronSpec(),
    )
    code = Direct(STEPS if spiking else 1)
    fit(net, code(x), labels, TrainingConfig(epochs=epochs, augment=None))
    return Encoded(code, net)


def attacks(norm: str) -> dict[str, Attack]:
    found: dict[str, Attack] = {"random": RandomEdits(), "FGSM": FGSM(), "PGD": PGD()}
    found |= {f"APGD {name}": APGD(loss, steps=40) for name, loss in LOSSES.items()}
    found["dual averaging"] = DualAveraging()
    if norm != "l0":
        found["Square"] = Square(1000)
    return found


def budgets(model: Encoded, x: Tensor, labels: Tensor, norm: str) -> None:
    goal = Untargeted(labels)
    every = {**attacks(norm), "AutoSpike": AutoSpike("budget")}
    print(f"{'attack':20}{'stands':>8}{'95 %':>16}{'forwards':>10}{'gradients':>10}{'seconds':>8}")
    for threat in BUDGETS[norm]:
        print(threat)
        left = {}
        for name, attack in every.items():
            began, victim = time.perf_counter(), Victim(model, chunk=128)
            adv = attack(victim, x, goal, threat, rng=torch.Generator().manual_seed(0))
            seconds = time.perf_counter() - began
            left[name] = ~judge(model, x, adv, goal, threat).success
            share = proportion(int(left[name].sum()), len(x))
            sure = f"{100 * share.low:.1f}-{100 * share.high:.1f} %"
            asked = victim.queries
            print(
                f"{name:20}{100 * share.value:6.1f} %{sure:>16}"
                f"{asked.forwards / len(x):10.0f}{asked.gradients / len(x):10.0f}{seconds:8.1f}",
                flush=True,
            )
        beaten = {n: int((left["AutoSpike"] & ~flags).sum()) for n, flags in left.items()}
        better = ", ".join(f"{n} ({k})" for n, k in beaten.items() if k)
        print(f"fooled by one, but not by the ensemble: {better or 'none'}")


def smallest(model: Encoded, x: Tensor, labels: Tensor, norm: str) -> None:
    goal, threat = Untargeted(labels), BUDGETS[norm][0].at(None)  # type: ignore[attr-defined]
    climbers = {f"APGD {name}": APGD(loss, steps=15) for name, loss in LOSSES.items()}
    every = {name: MinimumNorm(climber) for name, climber in climbers.items()}
    every["dual averaging"] = MinimumNorm(DualAveraging(steps=15))
    print(f"{'attack':20}{'median':>8}{'95 %':>18}{'gradients':>10}{'seconds':>8}")
    for name, attack in {**every, "AutoSpike": AutoSpike()}.items():
        began, victim = time.perf_counter(), Victim(model, chunk=128)
        adv = attack(victim, x, goal, threat, rng=torch.Generator().manual_seed(0))
        seconds = time.perf_counter() - began
        outcome = judge(model, x, adv, goal, threat)
        costs = summary(outcome.cost[outcome.success].tolist())
        sure = f"{costs.low:.4f}-{costs.high:.4f}"
        print(
            f"{name:20}{costs.median:8.4f}{sure:>18}"
            f"{victim.queries.gradients / len(x):10.0f}{seconds:8.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None, help="what load_images takes; the digits if absent")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--norm", choices=list(BUDGETS), default="linf")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--smallest", action="store_true")
    asked = parser.parse_args()
    data = load_images(asked.data)
    x, labels = data.test.x[: asked.images], data.test.labels[: asked.images]
    for spiking in (True, False):
        model = trained(data, spiking, asked.epochs)
        right = answer(model, x).argmax(1) == labels
        accuracy = proportion(int(right.sum()), len(x))
        kind = "spiking" if spiking else "not spiking"
        print(f"\n{kind}: {accuracy.k} of {accuracy.n} right; what is wrong counts as fooled")
        (smallest if asked.smallest else budgets)(model, x, labels, asked.norm)


if __name__ == "__main__":
    main()
