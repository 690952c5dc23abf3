"""The NULL class: how many images of other things are taken for digits, with it and without.

Three networks of one size are trained, without a NULL class, with one, and with one that has also
seen half of the strange classes, and each is converted to a rate-coded spiking network. The NULL
class learns from noise and from digits that were taken apart or mixed (:data:`LEARNED`), and is
tested on those kinds (made of test images), on kinds of noise that it has not seen, and on images
of other things, which it has not seen either (Fashion-MNIST beside MNIST).

Without a NULL class everything is taken for a digit, so the comparison is with a network that
refuses what it is not sure of, at a threshold that costs it a whole point of accuracy.

Leontev, Antonov and Sukhov, ITNT 2021. Thresholds: Hendrycks and Gimpel, ICLR 2017. Learning from
other images: Hendrycks, Mazeika and Dietterich, ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spikeproof.evaluate import Verdicts, answer, proportion, threshold_for, verdicts
from spikeproof.images import STRANGE, Images, resized
from spikeproof.models import Network, SerializableNetwork, build, converted
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import answers
from spikeproof.recipes.shares import line, told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.training import TrainingConfig, fit, with_null

PROGRAM = "fc400-fc{}"
LEARNED = ("uniform", "shuffled", "blocks", "mixed")
SHARE = 0.25  # NULL images for each digit
STEPS, TYPICAL = 64, 500
COST = 0.01  # of the accuracy, that a threshold may cost, and the NULL class
COSTS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02)
PUBLISHED = "tested; no figures in the abstract"


@dataclass(frozen=True, eq=False)
class Judged:
    """What a network says of the clean test images and of each kind of strange ones."""

    clean: Verdicts
    right: Proportion
    strange: Mapping[str, Verdicts]

    def taken(self, kind: str, threshold: float = 0.0) -> Proportion:
        """How many of a kind are taken for a digit."""
        found = self.strange[kind].accepted(threshold)
        return proportion(int(found.sum()), len(found))


def run(bench: RecipeContext) -> Found:
    """Train, convert and measure the networks."""
    rng = torch.Generator().manual_seed(bench.seed)
    learn, test = _part(bench.data.learn, 6000, bench), _part(bench.data.test, 1000, bench)
    kinds, other = _strange(bench, test, rng)
    null_images = _to_refuse(learn, rng)
    sets = {"no NULL class": None, "NULL class": null_images}
    if bench.strange is not None:
        seen = _half(bench.strange.learn, first=True)
        extra = resized(seen.x[: len(null_images)], learn.x)
        sets["NULL class, half of the others seen"] = torch.cat([null_images, extra])
    found: dict[tuple[str, str], Judged] = {}
    models: dict[str, SerializableNetwork] = {}
    asked: dict[str, SerializableNetwork] = {}
    for name, strange in sets.items():
        with bench.timed(f"training, {name}"):
            ann = _trained(learn, strange, bench)
        snn = converted(ann, learn.x[:TYPICAL], steps=STEPS)
        with bench.timed(f"testing, {name}"):
            null = None if strange is None else len(learn.classes)
            found[name, "ANN"] = _judged(ann, null, test, kinds)
            found[name, "SNN"] = _judged(snn, null, test, kinds)
        asked |= {f"{name}, ANN": ann, f"{name}, SNN": snn}
        if name != "NULL class, half of the others seen":
            models |= {_slug(f"{name} ann"): ann, _slug(f"{name} snn"): snn}
    unseen = [other] if other else [k for k in kinds if k not in LEARNED]
    claims = [c for kind in ("ANN", "SNN") for c in _claims(kind, found, unseen, test, bench)]
    tables = tuple(_table(kind, found, test) for kind in ("ANN", "SNN"))
    right = {f"{name}, {kind}": judged.right for (name, kind), judged in found.items()}
    tables = (answers(asked, right, test.x), *tables)
    return Found(tuple(claims), tables, (_chart(found, unseen, test),), models)


def _part(images: Images, most: int, bench: RecipeContext) -> Images:
    return images.subset(np.arange(min(most, len(images)))) if bench.quick else images


def _to_refuse(learn: Images, rng: torch.Generator) -> Tensor:
    """What the NULL class learns from, of each kind equally many."""
    each = round(SHARE * len(learn) / len(LEARNED))
    found = []
    for kind in LEARNED:
        chosen = learn.subset(torch.randperm(len(learn), generator=rng)[:each].numpy())
        found.append(STRANGE[kind](chosen, rng))
    return torch.cat(found)


def _strange(
    bench: RecipeContext, test: Images, rng: torch.Generator
) -> tuple[dict[str, Tensor], str]:
    """Strange images to test on, by kind, and which kind has those of other things."""
    made = test.subset(np.arange(min(len(test), 2000)))
    kinds = {kind: make(made, rng) for kind, make in STRANGE.items()}
    if bench.strange is None:
        return kinds, ""
    name, others = bench.strange.name, _part(bench.strange.test, 1000, bench)
    kinds[name] = resized(others.x, test.x)
    kinds[f"{name}, the other half"] = resized(_half(others, first=False).x, test.x)
    return kinds, name


def _half(images: Images, *, first: bool) -> Images:
    """The images of the first or of the second half of the classes."""
    low = images.labels < len(images.classes) // 2
    return images.subset((low if first else ~low).nonzero().flatten().numpy())


def _trained(learn: Images, strange: Tensor | None, bench: RecipeContext) -> Network:
    many = len(learn) > 5000
    classes, x, labels = len(learn.classes), learn.x, learn.labels
    if strange is not None:
        x, labels = with_null(x, labels, strange, classes=classes)
        classes += 1
    epochs = (4 if bench.quick else 6) if many else (15 if bench.quick else 40)
    channels, height, width = x.shape[2:]
    torch.manual_seed(bench.seed)
    network = build(
        PROGRAM.format(classes), height=height, width=width, polarities=channels, spiking=False
    )
    recipe = TrainingConfig(epochs, 128 if many else 32, 3e-3, augment=None, seed=bench.seed)
    fit(network, x, labels, recipe)
    return network


def _judged(
    model: SerializableNetwork, null: int | None, test: Images, kinds: Mapping[str, Tensor]
) -> Judged:
    clean = verdicts(answer(model, test.x), null=null)
    right = int(clean.right(test.labels).sum())
    strange = {kind: verdicts(answer(model, x), null=null) for kind, x in kinds.items()}
    return Judged(clean, proportion(right, len(test)), strange)


def _threshold(judged: Judged, plain: Judged, test: Images, cost: float) -> float | None:
    """What ``judged`` may ask for so that it is right ``cost`` less often than ``plain`` was."""
    least = plain.right.k - int(cost * len(test))
    return threshold_for(judged.clean, test.labels, right=least)


def _claims(
    kind: str,
    found: Mapping[tuple[str, str], Judged],
    unseen: list[str],
    test: Images,
    bench: RecipeContext,
) -> list[Claim]:
    plain, with_class = found["no NULL class", kind], found["NULL class", kind]
    lost = (plain.right.k - with_class.right.k) / len(test)
    threshold = _threshold(plain, plain, test, COST)
    refusing = _pooled(plain, unseen, threshold or 0.0)
    ours = _pooled(with_class, unseen)
    what = unseen[0] if len(unseen) == 1 else "noise of unseen kinds"
    fewer = (ours.high or 1.0) < (refusing.low or 0.0)
    return [
        Claim(
            f"{kind}: accuracy that the NULL class costs",
            figure=100 * lost,
            unit="points",
            published=PUBLISHED,
            aim="≤ 1",
            holds=bench.settled(lost <= COST),
        ),
        Claim(
            f"{kind} with NULL class: {what} taken for a digit",
            ours,
            published=PUBLISHED,
            aim=f"< {refusing.low:.1%} (without it, at a threshold that costs a point)",
            holds=bench.settled(fewer),
        ),
        Claim(
            f"{kind}: false acceptance of {what}, without (threshold, 1 point lost) over with",
            figure=(refusing.value or 0.0) / ours.value if ours.value else None,
            unit="times",
        ),
    ]


def _pooled(judged: Judged, kinds: list[str], threshold: float = 0.0) -> Proportion:
    parts = [judged.taken(kind, threshold) for kind in kinds]
    return proportion(sum(p.k for p in parts), sum(p.n for p in parts))


def _table(kind: str, found: Mapping[tuple[str, str], Judged], test: Images) -> Table:
    plain = found["no NULL class", kind]
    others = {name: judged for (name, of), judged in found.items() if of == kind}
    threshold = _threshold(plain, plain, test, COST) or 0.0
    columns = ["images", "number", "no NULL class: confidence", "no NULL class, at the threshold"]
    clean = ["test digits, right", str(len(test)), _sure(plain.clean)]
    clean.append(told(proportion(int(plain.clean.right(test.labels, threshold).sum()), len(test))))
    rows = {k: [k, str(len(v.named)), _sure(v)] for k, v in plain.strange.items()}
    for k, row in rows.items():
        row[0] += " (learned)" if k in LEARNED else ""
        row.append(told(plain.taken(k, threshold)))
    for name, judged in list(others.items())[1:]:
        columns += [name, "its confidence"]
        clean += [told(judged.right), _sure(judged.clean)]
        for k, row in rows.items():
            row += [told(judged.taken(k)), _sure(judged.strange[k])]
    return Table(
        f"{kind}: share of images taken for a digit",
        tuple(columns),
        (tuple(clean), *(tuple(row) for row in rows.values())),
        "Without a NULL class everything is taken for a digit, of the test digits"
        f" {told(plain.right)} for the right one. The threshold, {threshold:.3f}, costs a point"
        " of that. Confidence: mean softmax of what is taken for a digit. Learned: kinds that the"
        f" NULL class has seen, {SHARE:g} images of them for each digit. The SNN runs {STEPS}"
        " steps.",
    )


def _chart(found: Mapping[tuple[str, str], Judged], unseen: list[str], test: Images) -> Chart:
    lines = []
    for kind in ("ANN", "SNN"):
        plain = found["no NULL class", kind]
        for name in ("no NULL class", "NULL class"):
            judged = found[name, kind]
            asked = [(c, _threshold(judged, plain, test, c)) for c in COSTS]
            points = [(c, _pooled(judged, unseen, t)) for c, t in asked if t is not None]
            if points:
                x, shares = zip(*points, strict=True)
                lines.append(line(f"{kind}, {name}", [100 * cost for cost in x], shares))
    what = unseen[0] if len(unseen) == 1 else "noise of unseen kinds"
    return Chart(
        f"{what}: false acceptance at equal cost, by threshold",
        "points of clean accuracy lost",
        "taken for a digit",
        tuple(lines),
    )


def _sure(said: Verdicts) -> str:
    sure = said.confidence[said.accepted()]
    return f"{float(sure.mean()):.3f}" if len(sure) else "–"


def _slug(text: str) -> str:
    return text.lower().replace(" ", "-")


NULL_CLASS = Recipe(
    "null-class",
    "A class for none of these: what is taken for a digit, and what is not",
    "Leontev, Antonov and Sukhov, ITNT 2021",
    run,
    strange=True,
)
