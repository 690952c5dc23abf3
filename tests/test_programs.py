"""Benchmarks and scripts are not run here, but what they import and name must exist."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "scripts").glob("*.py"))]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_programs_can_be_loaded(program):
    names = runpy.run_path(str(program), run_name="loaded")
    assert callable(names["main"])
    assert names["__doc__"].strip()
