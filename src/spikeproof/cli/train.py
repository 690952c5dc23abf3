"""``spikeproof train``: train a network on recordings or images and save it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spikeproof.cli.common import (
    check_file,
    guarded,
    out,
    plainly,
    progress,
    stoppable,
    told,
    use_threads,
)
from spikeproof.cli.data_options import DataOptions, ImageOptions
from spikeproof.cli.options import RunOptions
from spikeproof.errors import InvalidRecording, SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof train --out net.safetensors [dim]# the embedded digits[/dim]\n\n"
    "spikeproof train --data recordings --holdout 0.2 --arch vgg --out net.safetensors\n\n"
    "spikeproof train --data recordings --arch 8c5-bn-p2-fc64-fc4 --neuron plif --out"
    " net.safetensors\n\n"
    "spikeproof train --images mnist --code latency --steps 16 --out mnist.safetensors\n\n"
    "spikeproof train --adversarial 4% --out hardened.safetensors\n\n"
    "A training that was interrupted continues when the same command is given again."
)
_MEASURED = 64  # test recordings whose operations are counted
_MODEL, _TRAINING, _BINS = "Network", "Training", "Recordings"


class NeuronName(StrEnum):
    """Kinds of neurons."""

    lif = "lif"
    if_ = "if"
    plif = "plif"


class Reset(StrEnum):
    """What a spike does to the membrane."""

    hard = "hard"
    soft = "soft"


class CodeName(StrEnum):
    """How images become spikes."""

    direct = "direct"
    bernoulli = "bernoulli"
    poisson = "poisson"
    latency = "latency"


class SurrogateName(StrEnum):
    """Names of surrogate gradients."""

    arctan = "arctan"
    fast_sigmoid = "fast-sigmoid"
    piecewise_quadratic = "piecewise-quadratic"
    potential_dependent = "potential-dependent"
    rate = "rate"
    hybrid = "hybrid"


@guarded
def command(
    path: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The network, a .safetensors file.")
    ],
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh/--resume", help="Begin anew and replace --out, or continue what is there."
        ),
    ] = False,
    *,
    data: DataOptions,
    images: ImageOptions,
    run: RunOptions,
    arch: Annotated[
        str,
        typer.Option(
            metavar="NAME|PROGRAM",
            help="small, vgg, or a program such as 'conv _ 16 5 norm |> pool 2 |> dense _ 10', for"
            " short 16c5-bn-p2-fc10 (docs/topology.md).",
            rich_help_panel=_MODEL,
        ),
    ] = "small",
    neuron: Annotated[
        NeuronName,
        typer.Option(help="Leaky, not leaky, or with a learned leak.", rich_help_panel=_MODEL),
    ] = NeuronName.lif,
    tau: Annotated[
        float,
        typer.Option(
            metavar="X", help="Membrane time constant, time bins.", rich_help_panel=_MODEL
        ),
    ] = 2.0,
    reset: Annotated[
        Reset, typer.Option(help="To zero, or by the threshold.", rich_help_panel=_MODEL)
    ] = Reset.hard,
    surrogate: Annotated[
        SurrogateName,
        typer.Option(
            metavar="NAME",
            help="Stands in for the spike's gradient: arctan, fast-sigmoid, piecewise-quadratic,"
            " potential-dependent, rate, hybrid.",
            rich_help_panel=_MODEL,
        ),
    ] = SurrogateName.arctan,
    twin: Annotated[
        bool,
        typer.Option(
            "--twin", help="The non-spiking twin: ReLUs for neurons.", rich_help_panel=_MODEL
        ),
    ] = False,
    code: Annotated[
        CodeName | None,
        typer.Option(
            help="Of images: how intensities become spikes. A constant current, random spikes, a"
            " Poisson process, or one spike that comes the earlier the brighter.",
            show_default="direct",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    code_steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            metavar="N",
            help="Of images: time steps of the code.",
            show_default="4; latency: 16",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Passes over the recordings.", rich_help_panel=_TRAINING
        ),
    ] = 40,
    batch: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Recordings at a time.", rich_help_panel=_TRAINING),
    ] = 32,
    rate: Annotated[
        float,
        typer.Option(min=0.0, metavar="X", help="Peak learning rate.", rich_help_panel=_TRAINING),
    ] = 4e-3,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Shift, turn and warp what is learned from at random.",
            show_default="recordings only",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    adversarial: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE|EPS",
            help="Adversarial training: attack half of what is learned from, within so many flips,"
            " cells or a share of the active ones such as 4%; of images, by moving intensities so"
            " far, such as 8/255. Takes twice as long or more.",
            show_default="nothing is attacked",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    bins: Annotated[int, typer.Option(metavar="N", help="Time bins.", rich_help_panel=_BINS)] = 16,
    window: Annotated[
        int, typer.Option(metavar="µs", help="All bins together.", rich_help_panel=_BINS)
    ] = 300_000,
) -> None:
    """Train a network and save it.

    The file remembers how recordings were binned and which were held out, so that audits need no
    options. The state after each epoch is kept beside it until the end.
    """
    check_file(path, (".safetensors",))
    state = path.with_name(f"{path.name}.train")
    given = images.choice(data)
    of_images = images.images is not None
    if not of_images and (code or code_steps):
        raise SpikeproofError("--code and --steps are for images; give --images, or leave them out")
    held_out, split_seed = given.holdout or 0.2, given.split_seed or 0
    if fresh:
        state.unlink(missing_ok=True)
    elif path.exists() and not state.exists():
        raise SpikeproofError(f"{path}: is there already; pass --fresh to train it anew")
    path.parent.mkdir(parents=True, exist_ok=True)
    with progress() as tell:
        tell("starting")
        use_threads(run.threads)

        import torch

        from spikeproof.cli.training import coded, count_right, lessons, line_of, perturbing
        from spikeproof.evaluate import activity, recorded
        from spikeproof.events import Grid
        from spikeproof.models import SURROGATES, NeuronSpec, build, save_checkpoint
        from spikeproof.models.device import choose, placed
        from spikeproof.training import Augment, EpochProgress, TrainingConfig, fit

        perturb = perturbing(adversarial, of_images)
        where = choose(run.device)
        taught = lessons(given, held_out, split_seed, Grid(bins, window))
        classes, (polarities, height, width) = taught.classes, taught.shape
        torch.manual_seed(run.seed)
        inside = build(
            line_of(arch, len(classes)),
            height=height,
            width=width,
            polarities=polarities,
            spiking=not twin,
            neuron=NeuronSpec(
                neuron.value, tau, reset=reset.value, surrogate=SURROGATES[surrogate]()
            ),
        )
        network = coded(inside, code, code_steps) if of_images else inside
        if network.n_classes != len(classes):
            raise InvalidRecording(
                f"{taught.name}: has {len(classes)} labels for the network's"
                f" {network.n_classes} outputs; end --arch with fc{len(classes)}"
            )
        placed(network, where)
        cells, test_cells = taught.cells(tell)
    model = f"{inside.description['architecture']}, {network.n_parameters} parameters"
    of = f"{len(cells)} {taught.noun} to learn from, {len(test_cells)} to test on"
    out.print(Text(f"model  {model}\ndata   {taught.name}: {of}, {len(classes)} classes"))
    with progress() as tell:

        def report(p: EpochProgress) -> None:
            doing = f"epoch {p.epoch}: loss {p.loss:.3f}, {100 * p.accuracy:.1f} % right"
            tell(doing, p.epoch, p.epochs)

        warped = not of_images if augment is None else augment
        recipe = TrainingConfig(
            epochs, batch, rate, seed=run.seed, augment=Augment() if warped else None
        )
        with stoppable(
            f"Stopped. Every finished epoch is kept in {state}; the same command"
            f"{', without --fresh,' if fresh else ''} continues it."
        ):
            tell("training")
            fit(network, cells, taught.labels, recipe, perturb=perturb, state=state, report=report)
        tell("testing")
        right = count_right(network, test_cells, taught.test_labels)
        about = {
            "name": path.stem,
            "data": taught.name,
            "holdout": held_out,
            "split_seed": split_seed,
            **taught.about,
            "classes": [*classes],
            "accuracy": right / len(test_cells),
            "right": right,
            "of": len(test_cells),
            "epochs": epochs,
            "adversarial": None if perturb is None else str(perturb),
            "seed": run.seed,
            "parameters": network.n_parameters,
            "architecture": inside.description["architecture"],
            "kind": "non-spiking" if twin else "spiking",
        }
        save_checkpoint(path, network, about)
        state.unlink(missing_ok=True)
        found = activity(network.eval(), test_cells[:_MEASURED].float())
    _summarise(right, len(test_cells), taught.noun)
    if found is not None:
        out.print(told(recorded(found), str(about["kind"])))
    out.print(Text(str(path)), soft_wrap=True)


def _summarise(right: int, n: int, noun: str) -> None:
    from spikeproof.evaluate import proportion
    from spikeproof.report.words import interval, percent

    accuracy = proportion(right, n)
    out.print(
        Text.assemble(
            "Test accuracy ",
            (plainly(percent(accuracy.value)), "bold"),
            plainly(f" ({interval(accuracy)}), {right} of {n} {noun}"),
        )
    )
