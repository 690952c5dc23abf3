"""``spikeproof reproduce``: measure a published system again, beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikeproof.cli.common import check_folder, guarded, progress, stoppable, use_threads
from spikeproof.errors import SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof reproduce --list\n\n"
    "spikeproof reproduce topology --quick [dim]# on the embedded digits[/dim]\n\n"
    "spikeproof reproduce first-spikes --data mnist --out first-spikes\n\n"
    "spikeproof reproduce --all --quick"
)


@guarded
def command(
    name: Annotated[
        str | None, typer.Argument(help="A recipe, by the name that --list shows.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show all recipes and stop.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="All recipes, one after the other.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Figures, networks and page; with --all, a folder in it for each recipe.",
            show_default="reproduction-NAME",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Images to learn from and to test on: a folder with IDX files (MNIST), or any"
            " other that is read.",
            show_default="the embedded digits, 8x8",
        ),
    ] = None,
    strange: Annotated[
        str | None,
        typer.Option(
            "--strange",
            metavar="PATH",
            help="Images of other things, of the same size, for recipes that ask for them.",
            show_default="beside the embedded digits: photos",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The same steps but fewer, about a minute.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="All randomness.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="CPU threads.", show_default="as PyTorch likes"),
    ] = None,
) -> None:
    """Train and measure a published system, and say whether its claims hold.

    A claim that does not hold is a finding and no error.
    """
    given = (name is not None) + list_ + all_
    if given != 1:
        raise SpikeproofError(
            "give the name of one recipe, or --all, or --list to see them"
            if given == 0
            else "a name, --all and --list exclude each other; give one of them"
        )
    if folder is not None:
        check_folder(folder)
    with progress() as tell:
        tell("starting")
        use_threads(threads)

        from spikeproof.cli.reproducing import chosen, images_for, reproduced, show, show_list
        from spikeproof.recipes import RECIPES

    if list_:
        show_list(RECIPES.values())
        return
    recipes = chosen(name)
    done: list[str] = []
    with progress() as tell:
        tell("reading images")
        images = [images_for(recipe, data, strange) for recipe in recipes]
    for recipe, (known, other) in zip(recipes, images, strict=True):
        place = Path(f"reproduction-{recipe.name}") if folder is None else folder
        if all_ and folder is not None:
            place = folder / recipe.name
        check_folder(place)
        confirmed = f" Finished before it: {', '.join(done)}." if done else ""
        with stoppable(f"Stopped. Nothing of {recipe.name} was written.{confirmed}"):
            with progress() as tell:
                record = reproduced(recipe, known, other, place, tell=tell, quick=quick, seed=seed)
            show(record, place)
        done.append(recipe.name)
