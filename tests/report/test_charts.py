from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import pytest

from spikeproof.report import charts
from spikeproof.results.read import load
from spikeproof.results.records import Proportion, Row, TargetRecord

from .sample import HOSTILE


def parsed(svg: str) -> list[ET.Element]:
    """Both sizes, as XML: a chart that is not well-formed fails here."""
    return list(ET.fromstring(f'<div xmlns="http://www.w3.org/1999/xhtml">{svg}</div>'))


def texts(svg: str) -> str:
    return " ".join(t for part in parsed(svg) for t in part.itertext())


@pytest.fixture(scope="session")
def audit(audits):
    return load(audits("complete"))


@pytest.fixture(scope="session")
def drawn(audit):
    minimum, patch = audit.attack("flip-minimum"), audit.attack("patch-fixed")
    return {
        "overview": charts.overview([(a, audit.attack(a.control)) for a in audit.attacks]),
        "curve": charts.curve([audit.attack("flip-budget")], audit.clean.accuracy),
        "distribution": charts.distribution(minimum),
        "targets": charts.targets(patch),
        "energy": charts.energy("spikes", [("a", minimum.energy.spikes)]),
    }


@pytest.mark.parametrize("name", ["overview", "curve", "distribution", "targets", "energy"])
def test_charts_are_labelled_self_contained_and_text(drawn, name):
    wide, narrow = parsed(drawn[name])
    for part, size in ((wide, "wide"), (narrow, "narrow")):
        assert part.get("role") == "img"
        assert len(part.get("aria-label")) > 20
        assert part.get("class") == f"chart {size}"
    assert "<text" in drawn[name]
    for forbidden in ("<script", "<style", "<metadata", "<image", "@import"):
        assert forbidden not in drawn[name]


def test_ids_are_unique_and_references_resolve(drawn):
    ids, used = [], []
    for svg in drawn.values():
        for part in parsed(svg):
            for node in part.iter():
                ids += [v for k, v in node.attrib.items() if k == "id"]
                used += [v[1:] for k, v in node.attrib.items() if k.endswith("href")]
                clip = node.get("clip-path")
                used += [clip[5:-1]] if clip else []
    assert len(ids) == len(set(ids))
    assert used
    assert set(used) <= set(ids)


def test_same_numbers_same_bytes(audit, drawn):
    again = charts.curve([audit.attack("flip-budget")], audit.clean.accuracy)
    assert again == drawn["curve"]


def test_matplotlib_is_left_as_it_was(audit):
    before = dict(mpl.rcParams)
    charts.targets(audit.attack("patch-fixed"))
    assert dict(mpl.rcParams) == before


def test_curve_says_budgets_and_begins_with_clean_accuracy(drawn):
    label = parsed(drawn["curve"])[0].get("aria-label").replace("\u202f", " ")
    assert "0: 97 %, 1: 97 %" in label
    assert "200: 3 %" in label
    assert "the same number at random" in texts(drawn["curve"])


def test_curve_over_relative_budgets(audit):
    attack = audit.attack("flip-budget")
    points = tuple(replace(p, budget=None, control=None) for p in attack.curve)
    svg = charts.curve([replace(attack, curve=points)], audit.clean.accuracy)
    assert "share of the active cells changed" in texts(svg)
    assert "at random" not in texts(svg)


@pytest.mark.parametrize("flips", [[1, 2], [7, 7, 8], list(range(1, 900)), [0, 3, 9], [5, 5]])
def test_distributions_of_many_shapes(audit, flips):
    rows = tuple(Row(k, 0, 0, 1, True, True, f) for k, f in enumerate(flips))
    attack = replace(audit.attack("flip-minimum"), rows=rows)
    parsed(charts.distribution(attack))
    assert 0 not in charts.fooled_costs(attack)


def test_invalid_results_are_not_counted(audit):
    rows = (Row(0, 0, 0, 1, True, False, 4), Row(1, 0, 0, 1, True, True, 9))
    attack = replace(audit.attack("flip-minimum"), rows=rows)
    assert charts.fooled_costs(attack) == [9]


def test_hostile_names_are_only_text(audit):
    part = Proportion(1, 2, 0.5, 0.1, 0.9)
    attack = replace(
        audit.attack("patch-fixed"),
        id='x" onload="alert(1)',
        title=HOSTILE[0],
        per_target=tuple(TargetRecord(name, part) for name in HOSTILE),
    )
    svg = charts.targets(attack)
    tags = {node.tag.rpartition("}")[2] for part in parsed(svg) for node in part.iter()}
    assert tags <= {"svg", "g", "path", "text", "defs", "use", "clipPath", "rect"}
    assert "onload=" not in svg
    assert "$x_{$ \\frac{1}" in texts(svg)  # no mathematics


def test_nothing_measured_is_still_a_chart(audit):
    part = Proportion(0, 0)
    attack = replace(audit.attack("patch-fixed"), per_target=(TargetRecord("a", part, part),))
    assert "–" in texts(charts.targets(attack))
