"""What the documentation shows is true: its code runs, its commands exist, its tables are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = re.compile(r"```python\n(.*?)```", re.S)
SHELL = re.compile(r"```bash\n(.*?)```", re.S)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_tutorial_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = PYTHON.findall(read("docs/tutorial.md"))
    assert len(blocks) >= 6
    for block in blocks:
        exec(compile(block, "docs/tutorial.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "fooled with a median of" in printed
    assert (tmp_path / "my-audit" / "report.html").exists()
    assert (tmp_path / "adversarial.npz").exists()


def test_every_command_in_the_readme_exists():
    from typer.main import get_command

    from spikeproof.cli import app

    known = get_command(app).commands
    shown = re.findall(r"^spikeproof (\w+)", "\n".join(SHELL.findall(read("README.md"))), re.M)
    assert len(shown) >= 4
    assert set(shown) <= set(known)


def test_options_in_the_readme_exist():
    from typer.main import get_command

    from spikeproof.cli import app

    commands = get_command(app).commands
    for line in "\n".join(SHELL.findall(read("README.md"))).splitlines():
        if match := re.match(r"spikeproof (\w+)", line):
            known = {o for p in commands[match[1]].params for o in p.opts}
            assert set(re.findall(r"--[a-z-]+", line.split("#")[0])) <= known, line


@pytest.mark.parametrize("name", ["Flip", "Retime", "Patch", "Universal", "Sensor"])
def test_every_threat_is_explained(name):
    import spikeproof.threats

    assert name in spikeproof.threats.__all__
    assert f"`{name}(" in read("docs/attacks.md")


def test_every_key_of_the_results_is_documented():
    from dataclasses import fields

    from spikeproof.results import records

    text = read("docs/results-format.md")
    for record in (records.Audit, records.Attack, records.Row, records.Proportion, records.Summary):
        for field in fields(record):
            assert f"`{field.name}`" in text or f"`{field.name}[]`" in text, field.name


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
