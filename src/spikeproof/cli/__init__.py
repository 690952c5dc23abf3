"""The command line, ``spikeproof``: one file per command, heavy imports inside the commands."""

from __future__ import annotations

import os
from typing import Annotated

import typer

import spikeproof
from spikeproof.cli import attack, audit, check, convert, report, reproduce, train, view
from spikeproof.cli.common import out

__all__ = ["app", "main"]

app = typer.Typer(
    name="spikeproof",
    help=(
        "How robust is your spiking neural network? Spike-compatible adversarial attacks and"
        " audits for event-based vision."
    ),
    epilog="[b]spikeproof audit[/b] alone audits the network that comes with it, in some minutes.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (audit, check, train, attack, view, convert, report, reproduce):
    app.command(
        name=module.__name__.rpartition(".")[2], epilog=module.EXAMPLES, no_args_is_help=False
    )(module.command)


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        out.print(f"spikeproof {spikeproof.__version__}", highlight=False)
        raise typer.Exit


def main() -> None:
    """The entry point of the command."""
    # Threads that wait by spinning make everything many times slower when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()
