"""The page of a reproduction, and the words for its claims."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.recipes.toy import toy_reproduction

from spikeproof.evaluate import proportion
from spikeproof.report import build_reproduction, claims
from spikeproof.report.lines import drawn
from spikeproof.report.reproduction import render_reproduction
from spikeproof.results.reproduction import Chart, Claim, Reproduction, Series

from .test_page import Page

YES, NO, OPEN = (Claim("x", holds=holds) for holds in (True, False, None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return toy_reproduction(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "reproduction.html").read_text(encoding="utf-8"))


def test_it_is_a_pure_function_of_the_folder(folder):
    before = (folder / "reproduction.html").read_bytes()
    assert build_reproduction(folder) == folder / "reproduction.html"
    assert (folder / "reproduction.html").read_bytes() == before


def test_it_loads_nothing_and_runs_nothing(page):
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)


def test_claims_are_beside_what_was_published(page):
    said = page.said().replace("\u202f", " ")
    assert "1 of 2 claims did not hold" in said
    assert "1 of 3 claims held, 1 did not, 1 was only measured." in said
    for word in ("97.0 % (91.5–99.0 %)", "97 of 100", "98.1 %", "12.5 ms", "≤ 10 ms", "3e-15"):
        assert word in said
    assert "quick version" in said
    assert "slow <b>" in said  # escaped, so it is text
    assert "Nobody, Nowhere 0 (2000)" in said
    assert "A toy & its claims" in said
    assert "spikeproof reproduce toy --quick" in said
    assert "net.safetensors" in said


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"} <= set(ids)


def test_charts_have_words(page):
    labels = [a["aria-label"] for tag, a in page.tags if tag == "svg" and "aria-label" in a]
    assert "Rising. up: 10 % at 1, 100 % at 64" in labels[0].replace("\u202f", " ")
    assert "$flat$" in page.said()


def reproduction(*claims_, **more):
    return Reproduction("", "x", "X", "Y", "z", False, 0, claims_, **more)


def test_a_page_with_nothing_on_it():
    said = Page(render_reproduction(reproduction())).said()
    assert "No claim was decided" in said
    assert "Charts" not in said


@pytest.mark.parametrize(
    ("made", "tone", "title"),
    [
        ((YES, YES), "steady", "All 2 claims tested held"),
        ((YES, OPEN), "steady", "The claim that was tested held"),
        ((YES, YES, NO), "shaky", "1 of 3 claims did not hold"),
        ((YES, NO, NO), "fragile", "2 of 3 claims did not hold"),
        ((OPEN,), "unknown", "No claim was decided"),
    ],
)
def test_verdicts(made, tone, title):
    verdict = claims.verdict(reproduction(*made))
    assert (verdict.tone, verdict.title) == (tone, title)


@pytest.mark.parametrize(
    ("k", "n", "text"),
    [
        (0, 100, "0 %"),
        (100, 100, "100 %"),
        (9999, 10000, "99.99 %"),
        (99999, 100000, "> 99.99 %"),
        (1, 100000, "< 0.01 %"),
        (974, 1000, "97.4 %"),
        (9749, 10000, "97.49 %"),
    ],
)
def test_shares_are_as_exact_as_their_counts(k, n, text):
    assert claims.exact(k / n, n).replace("\u202f", " ") == text


def test_figures_and_nothing():
    assert claims.ours(Claim("x", figure=2.5)) == "2.5"
    assert claims.ours(Claim("x")) == "–"
    assert claims.ours(Claim("x", proportion(0, 0))) == "–"


def values(n, top=1.0):
    return tuple(top * k / max(n - 1, 1) for k in range(n))


@pytest.mark.parametrize(
    "series",
    [
        (Series("one point", (3.0,), (0.5,)),),
        (Series("from nought", (0.0, 0.01, 0.1, 1.0), (0.99, 0.98, 0.97, 0.9)),),
        (Series("below nought", (-1.0, 0.0, 1.0), (0.1, 0.2, 0.3)),),
        tuple(Series(f"line {k}", values(5), values(5)) for k in range(7)),
        (Series("many points", values(200), values(200)), Series("none", (), ())),
        (Series("constant", (1.0, 2.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),),
    ],
    ids=lambda series: series[0].name,
)
@pytest.mark.parametrize("percent", [True, False])
def test_lines_of_all_kinds_can_be_drawn(series, percent):
    found = Chart("Chart", "x", "y", series, percent)
    assert drawn(found, "a").count("<svg") == 2
    assert drawn(replace(found), "a") == drawn(found, "a")
