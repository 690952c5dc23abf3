"""What ``spikeproof reproduce`` does: run a recipe, keep what it found, and print it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.table import Table
from rich.text import Text

import spikeproof
from spikeproof.cli.common import ReportProgress, command_line, out, plainly
from spikeproof.errors import InvalidRecording, SpikeproofError
from spikeproof.images import ImageData, load_images
from spikeproof.recipes import RECIPES, Recipe, RecipeContext, keep, recorded
from spikeproof.report import build_reproduction
from spikeproof.report.claims import held, ours, verdict
from spikeproof.report.reproduction import PAGE
from spikeproof.report.words import duration
from spikeproof.results import Reproduction
from spikeproof.results import reproduction as records

_STYLES = {"yes": "green", "no": "bold red"}


def chosen(name: str | None) -> list[Recipe]:
    """The recipe of this name, or all; raises :class:`SpikeproofError` for an unknown one."""
    if name is None:
        return [*RECIPES.values()]
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise SpikeproofError(f"there is no recipe {name!r}{meant}; there are {', '.join(RECIPES)}")
    return [RECIPES[name]]


def images_for(
    recipe: Recipe, data: str | None, strange: str | None
) -> tuple[ImageData, ImageData | None]:
    """The images that a recipe works with, and those of other things if it asks for them.

    Raises :class:`InvalidRecording` if there are none, or if both are not of one size.
    """
    known = load_images(data)
    if not recipe.strange:
        return known, None
    if strange is None and data is not None:
        raise InvalidRecording(
            f"{recipe.name} also needs images of other things: give them with --strange, such as"
            " Fashion-MNIST beside MNIST"
        )
    other = load_images("photos" if strange is None else strange)
    if other.test.x.shape[2:] != known.test.x.shape[2:]:
        sizes = ["x".join(map(str, images.test.x.shape[2:])) for images in (other, known)]
        raise InvalidRecording(
            f"--strange has images of {sizes[0]} and --data of {sizes[1]}; give images of one size"
        )
    return known, other


def reproduced(
    recipe: Recipe,
    data: ImageData,
    strange: ImageData | None,
    folder: Path,
    *,
    tell: ReportProgress,
    quick: bool,
    seed: int,
) -> Reproduction:
    """Run the recipe and write what it found, with the page, into ``folder``."""

    def doing(what: str, done: float = 0, total: float | None = None) -> None:
        tell(f"{recipe.name}: {what}", done, total)

    torch.manual_seed(seed)
    bench = RecipeContext(data, quick=quick, seed=seed, strange=strange, tell=doing)
    found = recipe.run(bench)
    record = recorded(
        recipe,
        bench,
        found,
        command=command_line(),
        threads=torch.get_num_threads(),
        version=spikeproof.__version__,
    )
    tell(f"{recipe.name}: writing")
    keep(folder, record, found, data, build_reproduction)
    return record


def show_list(recipes: Iterable[Recipe]) -> None:
    """All recipes with what they reproduce."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    table.add_column("system")
    table.add_column("needs", no_wrap=True)
    for recipe in recipes:
        system = Text.assemble(recipe.title, "\n", (recipe.source, "dim"))
        table.add_row(Text(recipe.name, "bold"), system, "--strange" if recipe.strange else "")
    out.print(table)


def show(found: Reproduction, folder: Path) -> None:
    """Claims, tables and times; charts are in the page."""
    out.print()
    out.print(Text(found.title, "bold"))
    out.print(Text(found.source, "dim"))
    effort = "quick version" if found.quick else "full version"
    out.print(Text(f"{found.images}; {effort}, seed {found.seed}"))
    out.print()
    out.print(_claims(found))
    summary = verdict(found)
    style = "bold red" if any(c.holds is False for c in found.claims) else "bold"
    out.print()
    out.print(Text.assemble((summary.title, style), ". ", *summary.sentences))
    for claim in found.claims:
        if claim.why:
            out.print(Text.assemble((f"· {claim.what}", "dim"), f": {claim.why}"))
    for table in found.tables:
        out.print()
        out.print(Text(table.title, "bold"))
        out.print(_table(table))
        if table.note:
            out.print(Text(table.note, "dim"))
    out.print()
    took = found.seconds or {}
    parts = ", ".join(f"{part} {duration(seconds)}" for part, seconds in took.items())
    if parts:
        out.print(Text(plainly(f"time     {parts}")))
    out.print(Text(f"page     {folder / PAGE}"), soft_wrap=True)
    out.print(Text(f"figures  {folder / records.REPRODUCTION_FILE}"), soft_wrap=True)
    for name in found.models:
        out.print(Text(f"network  {folder / name}"), soft_wrap=True)


def _claims(found: Reproduction) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("claim", ratio=1)
    table.add_column("published", justify="right", max_width=24)
    table.add_column("ours (95 %)", justify="right", no_wrap=True)
    table.add_column("holds if", justify="right", max_width=20)
    table.add_column("held", justify="right", no_wrap=True)
    for claim in found.claims:
        said = held(claim)
        table.add_row(
            claim.what,
            claim.published,
            Text(plainly(ours(claim)), "bold"),
            claim.aim,
            Text(said, _STYLES.get(said, "dim")),
        )
    return table


def _table(content: records.Table) -> Table:
    """Rows below columns, or where no line has room for that, row below row."""
    words = [
        max((len(word) for cell in cells for word in cell.split()), default=0)
        for cells in zip(content.columns, *content.rows, strict=False)
    ]
    if sum(words) + 2 * len(words) > out.width:
        return _blocks(content)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for k, column in enumerate(content.columns):
        table.add_column(Text(column), justify="right" if k else "left", overflow="fold")
    for row in content.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _blocks(content: records.Table) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, *cells in content.rows:
        table.add_row(Text(name, "underline"))
        for column, cell in zip(content.columns[1:], cells, strict=False):
            table.add_row(Text(f"  {column}", "dim"), Text(cell, overflow="fold"))
    return table
