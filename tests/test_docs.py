"""What the documentation shows is true: its code runs, its commands exist, its tables are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from spikeproof.cli import app

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"```python\n(.*?)```", re.S)
SHELL = re.compile(r"```bash\n(.*?)```", re.S)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def run_blocks(name: str, capsys) -> str:
    """Run the Python blocks of a page, one after the other; what they printed."""
    names: dict[str, object] = {}
    blocks = PYTHON.findall(read(name))
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, name, "exec"), names)
    return capsys.readouterr().out


def test_the_tutorial_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "fooled with a median of" in run_blocks("docs/tutorial.md", capsys)
    assert (tmp_path / "my-audit" / "report.html").exists()
    assert (tmp_path / "adversarial.npz").exists()


def test_networks_in_words_runs_as_it_stands(capsys):
    printed = run_blocks("docs/topology.md", capsys)
    assert printed == "dense 100 20 |> dense 20 10 (-) dense 20 10 |> dense 20 10\n"


def test_the_recipe_that_is_shown_runs(capsys):
    from spikeproof.images import load_images
    from spikeproof.recipes import RecipeContext

    names: dict[str, object] = {}
    exec(compile(PYTHON.findall(read("docs/reproduce.md"))[1], "reproduce.md", "exec"), names)
    found = names["MINE"].run(RecipeContext(load_images(), quick=True))
    assert found.claims[0].ours.n == 400
    assert found.claims[0].holds is None


def test_operations_run_as_they_stand(capsys):
    printed = run_blocks("docs/operations.md", capsys)
    assert "nJ dense" in printed
    assert "Loihi" in printed


def test_conversion_runs_as_it_stands(capsys):
    first, second = run_blocks("docs/conversion.md", capsys).splitlines()
    assert first.endswith("after 64")
    assert second.endswith("waves taken for a digit")


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda p: p.stem)
def test_the_tutorials_of_frameworks_run_as_they_stand(page, tmp_path, monkeypatch, capsys):
    if page.stem in ("norse", "sinabs"):  # their requirements exclude each other
        pytest.importorskip(page.stem)
    monkeypatch.chdir(tmp_path)
    printed = run_blocks(f"docs/tutorials/{page.name}", capsys)
    assert "fooled" in printed
    assert (tmp_path / f"audit-{page.stem}" / "report.html").exists()
    for line in shell_lines(page.read_text(encoding="utf-8")):
        command = line.split()
        if command[1] == "check":
            monkeypatch.setattr("sys.argv", command)
            assert CliRunner().invoke(app, command[1:]).exit_code == 0


def shell_lines(text: str) -> list[str]:
    """The commands of ours that a page shows."""
    lines = "\n".join(SHELL.findall(text)).splitlines()
    return [line.split("#")[0] for line in lines if line.startswith("spikeproof ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_commands_and_options_exist(page):
    commands = get_command(app).commands
    shown = shell_lines(page.read_text(encoding="utf-8"))
    assert shown or page.name != "README.md"
    for line in shown:
        known = {o for p in commands[line.split()[1]].params for o in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line


THREATS = ["Flip", "Retime", "Patch", "Universal", "Sensor", "Linf", "L2", "L0"]


@pytest.mark.parametrize("name", THREATS)
def test_every_threat_is_explained(name):
    import spikeproof.threats

    assert name in spikeproof.threats.__all__
    assert f"`{name}(" in read("docs/attacks.md")


def test_every_key_of_the_results_is_documented():
    from dataclasses import fields

    from spikeproof.results import records

    text = read("docs/results-format.md")
    for record in (
        records.Audit,
        records.AttackRecord,
        records.Row,
        records.Proportion,
        records.Summary,
    ):
        for field in fields(record):
            assert f"`{field.name}`" in text or f"`{field.name}[]`" in text, field.name


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
