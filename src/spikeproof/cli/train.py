"""``spikeproof train``: train a network on recordings and save it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spikeproof.cli.common import (
    check_file,
    guarded,
    number,
    out,
    plainly,
    progress,
    stoppable,
    told,
    use_threads,
)
from spikeproof.cli.options import DataOptions, RunOptions
from spikeproof.errors import InvalidRecording, SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof train --out net.safetensors [dim]# the embedded digits[/dim]\n\n"
    "spikeproof train --data recordings --holdout 0.2 --arch vgg --out net.safetensors\n\n"
    "spikeproof train --data recordings --arch 8c5-bn-p2-fc64-fc4 --neuron plif --out"
    " net.safetensors\n\n"
    "spikeproof train --adversarial 4% --out hardened.safetensors\n\n"
    "A training that was interrupted continues when the same command is given again."
)
_MEASURED = 64  # test recordings whose operations are counted
_MODEL, _TRAINING, _BINS = "Network", "Training", "Recordings"


class Neuron(StrEnum):
    """Kinds of neurons."""

    lif = "lif"
    if_ = "if"
    plif = "plif"


class Reset(StrEnum):
    """What a spike does to the membrane."""

    hard = "hard"
    soft = "soft"


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
        Neuron,
        typer.Option(help="Leaky, not leaky, or with a learned leak.", rich_help_panel=_MODEL),
    ] = Neuron.lif,
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
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Shift, turn and warp the recordings at random.",
            rich_help_panel=_TRAINING,
        ),
    ] = True,
    adversarial: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE",
            help="Adversarial training: attack half of what is learned from, within so many flips,"
            " cells or a share of the active ones such as 4%. Takes twice as long or more.",
            show_default="clean recordings only",
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
    given = data.choice()
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

        from spikeproof.attacks import AdversarialBatch
        from spikeproof.cli.training import binned, count_right, line_of
        from spikeproof.evaluate import activity, recorded
        from spikeproof.events import Grid, fitted, load_data
        from spikeproof.models import SURROGATES, NeuronSpec, build, save_checkpoint
        from spikeproof.models.device import choose, placed
        from spikeproof.threats import Flip
        from spikeproof.training import Augment, Progress, Recipe, fit

        most = None if adversarial is None else number(adversarial, "--adversarial")
        perturb = None if most is None else AdversarialBatch(Flip(most))
        where = choose(run.device)
        loaded = load_data(
            data.data,
            holdout=held_out,
            seed=split_seed,
            width=given.width,
            height=given.height,
            root=given.root,
            repair=given.repair,
            told=given.told,
            download=given.download,
        )
        grid = loaded.grid or Grid(bins, window, loaded.learn.height, loaded.learn.width)
        grid = replace(grid, counts=False)  # frames bring a grid of counts; the network sees 0/1
        recordings = fitted(loaded, grid, given.fit)
        learn, test = recordings.learn, recordings.test
        torch.manual_seed(run.seed)
        network = build(
            line_of(arch, len(learn.classes)),
            height=grid.height,
            width=grid.width,
            spiking=not twin,
            neuron=NeuronSpec(
                neuron.value, tau, reset=reset.value, surrogate=SURROGATES[surrogate]()
            ),
        )
        if network.n_classes != len(learn.classes):
            raise InvalidRecording(
                f"{recordings.name}: has {len(learn.classes)} labels for the network's"
                f" {network.n_classes} outputs; end --arch with fc{len(learn.classes)}"
            )
        placed(network, where)
        cells = binned(learn, grid, tell, "reading recordings")
        test_cells = binned(test, grid, tell, "reading test recordings")
    model = f"{network.description['architecture']}, {network.n_parameters} parameters"
    of = f"{len(learn)} recordings to learn from, {len(test)} to test on"
    out.print(Text(f"model  {model}\ndata   {recordings.name}: {of}, {len(learn.classes)} classes"))
    with progress() as tell:

        def report(p: Progress) -> None:
            doing = f"epoch {p.epoch}: loss {p.loss:.3f}, {100 * p.accuracy:.1f} % right"
            tell(doing, p.epoch, p.epochs)

        recipe = Recipe(epochs, batch, rate, seed=run.seed, augment=Augment() if augment else None)
        labels = torch.from_numpy(learn.labels.copy())
        with stoppable(
            f"Stopped. Every finished epoch is kept in {state}; the same command"
            f"{', without --fresh,' if fresh else ''} continues it."
        ):
            tell("training")
            fit(network, cells, labels, recipe, perturb=perturb, state=state, report=report)
        tell("testing")
        right = count_right(network, test_cells, torch.from_numpy(test.labels.copy()))
        about = {
            "name": path.stem,
            "data": recordings.name,
            "split": recordings.split,
            "holdout": held_out,
            "split_seed": split_seed,
            "grid": {
                "bins": grid.bins,
                "window": grid.window,
                "height": grid.height,
                "width": grid.width,
                "counts": grid.counts,
                "start": grid.start,
            },
            "classes": [*learn.classes],
            "accuracy": right / len(test),
            "right": right,
            "of": len(test),
            "epochs": epochs,
            "adversarial": None if perturb is None else str(perturb),
            "seed": run.seed,
            "parameters": network.n_parameters,
            "architecture": network.description["architecture"],
            "kind": "non-spiking" if twin else "spiking",
        }
        save_checkpoint(path, network, about)
        state.unlink(missing_ok=True)
        found = activity(network.eval(), test_cells[:_MEASURED].float())
    _summarise(right, len(test))
    if found is not None:
        out.print(told(recorded(found), str(about["kind"])))
    out.print(Text(str(path)), soft_wrap=True)


def _summarise(right: int, n: int) -> None:
    from spikeproof.evaluate import proportion
    from spikeproof.report.words import interval, percent

    accuracy = proportion(right, n)
    out.print(
        Text.assemble(
            "Test accuracy ",
            (plainly(percent(accuracy.value)), "bold"),
            plainly(f" ({interval(accuracy)}), {right} of {n} recordings"),
        )
    )
