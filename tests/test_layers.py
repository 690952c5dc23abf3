"""The dependency order of the package, read from its imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import spikeproof

ROOT = Path(spikeproof.__file__).parent

BASE = {"errors", "types"}
MAY_IMPORT = {
    "errors": set(),
    "types": set(),
    "goals": BASE,
    "threats": BASE,
    "models": BASE,
    "events": BASE,
    "images": BASE,
    "results": {"errors"},
    "adapters": BASE | {"models"},
    "training": BASE | {"models"},
    "engine": BASE | {"models", "adapters"},
    "attacks": BASE | {"models", "adapters", "engine", "goals", "threats", "results"},
    "evaluate": BASE | {"models", "adapters", "engine", "goals", "threats", "attacks", "results"},
    "inputs": BASE
    | {"adapters", "models", "events", "goals", "threats", "attacks", "training", "evaluate"}
    | {"engine", "images", "results"},
    "audit": BASE
    | {"adapters", "models", "events", "goals", "threats", "attacks", "training", "evaluate"}
    | {"engine", "images", "results", "inputs"},
    "recipes": BASE
    | {"images", "events", "models", "adapters", "engine", "goals", "threats", "attacks"}
    | {"training", "evaluate", "results"},
    "report": {"errors", "events", "images", "results"},
}
ANYTHING = {"__init__", "__main__", "api", "cli"}  # the public face may know everything

FILES = sorted(ROOT.rglob("*.py"))


def layer(file):
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(file):
    """Top-level parts of spikeproof that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package == "spikeproof" and rest and (rest[0] in MAY_IMPORT or rest[0] in ANYTHING):
                yield rest[0], node.lineno


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_down(file):
    mine = layer(file)
    if mine in ANYTHING:
        return
    allowed = MAY_IMPORT[mine] | {mine}
    for other, line in imported(file):
        assert other in allowed, f"{file}:{line}: {mine} may not import {other}"


def test_every_part_has_its_place():
    assert {layer(file) for file in FILES} <= MAY_IMPORT.keys() | ANYTHING


def test_the_order_has_no_cycles():
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {name for name, below in MAY_IMPORT.items() if below <= done} - done
        assert ready, f"a cycle among {MAY_IMPORT.keys() - done}"
        done |= ready
