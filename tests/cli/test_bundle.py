"""Options declared once reach every command that wants them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from spikeproof.cli.bundle import unbundled


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option("--width", help="Pixels.")] = 34
    height: Annotated[int, typer.Option("--height")] = 34


@dataclass(frozen=True)
class Named:
    name: Annotated[str, typer.Option("--name")]


def app(seen):
    def command(path: Annotated[str, typer.Argument()], *, size: Size, named: Named, n: int = 1):
        """Take a path."""
        seen.append((path, size, named, n))

    app = typer.Typer()
    app.command()(unbundled(command))
    return app


def test_a_bundle_arrives_whole():
    seen = []
    done = CliRunner().invoke(app(seen), ["x", "--name", "a", "--height", "5", "--n", "3"])
    assert done.exit_code == 0, done.output
    assert seen == [("x", Size(34, 5), Named("a"), 3)]


def test_help_and_errors_are_those_of_plain_options():
    run = CliRunner()
    assert "Pixels." in run.invoke(app([]), ["--help"]).output
    assert "Take a path." in run.invoke(app([]), ["--help"]).output
    assert run.invoke(app([]), ["x"]).exit_code == 2  # --name has no default
    assert run.invoke(app([]), ["x", "--name", "a", "--width", "wide"]).exit_code == 2


def test_a_command_without_bundles_is_left_alone():
    def command(a: int, b: str = "c"):
        pass

    assert list(inspect.signature(unbundled(command)).parameters) == ["a", "b"]
