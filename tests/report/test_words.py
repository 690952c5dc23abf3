from __future__ import annotations

from dataclasses import replace

import pytest

from spikeproof.report import words
from spikeproof.results.read import load
from spikeproof.results.records import Proportion, Summary


def plainly(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2060", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0, "0"), (41, "41"), (41.5, "41.5"), (4180, "4 180"), (2.149, "2.15"),
        (0.0312, "0.0312"), (2_400_000, "2.4 million"), (7.2e9, "7.2 billion"), (-3, "-3"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert plainly(words.number(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0 %"), (1.0, "100 %"), (0.97, "97 %"), (0.021, "2.1 %"),
        (0.0004, "< 0.1 %"), (0.9996, "> 99.9 %"), (0.995, "99.5 %"), (0.02, "2 %"),
    ],
)  # fmt: skip
def test_percent_never_rounds_to_certainty(value, text):
    assert plainly(words.percent(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (2 / 255, "2/255"), (0.1, "0.1"), (0.2, "0.2"), (0.0333333, "0.0333"), (1.0, "1")],
)
def test_intensities_are_grey_levels_where_they_are_whole(value, text):
    assert words.level(value) == text


@pytest.mark.parametrize(
    ("value", "norm", "text"),
    [
        (0.0312, "linf", "up to 0.0312"), (0.52, "l2", "length 0.52"), (1.0, "l0", "1 pixel"),
        (3.0, "l0", "3 pixels"), (None, "linf", "–"),
    ],
)  # fmt: skip
def test_amounts_have_their_unit(value, norm, text):
    assert plainly(words.amount(value, norm)) == text


def test_interval_and_quartiles():
    part = Proportion(97, 100, 0.97, 0.915, 0.99)
    assert plainly(words.interval(part)) == "92–99 %"
    assert plainly(words.share(part)) == "97 % (95 % interval 92–99 %)"
    assert words.share(Proportion(0, 0)) == "–"
    spread = Summary(9, 45.0, 41.0, 22.0, 77.5)
    assert plainly(words.quartiles(spread)) == "41 [22–77.5]"
    assert words.quartiles(None) == words.quartiles(Summary(0)) == "–"
    assert plainly(words.quartiles(Summary(1, 0.1, 0.1), as_percent=True)) == "10 %"


def test_a_range_never_breaks_across_lines():
    assert "\u2060–\u2060" in words.interval(Proportion(1, 2, 0.5, 0.1, 0.9))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"), (12.4, "12 s"), (192, "3 min 12 s"), (7500, "2 h 05 min"),
        (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"),
    ],
)  # fmt: skip
def test_duration(seconds, text):
    assert plainly(words.duration(seconds)) == text


def test_plain_names():
    assert words.plain("a\nb\x00\u202ec ") == "a b c"
    assert words.plain("x" * 100, 10) == "x" * 9 + "…"


def test_verdict_of_a_fragile_network(audits):
    said = words.verdict(load(audits("complete")))
    assert said.tone == "fragile"
    assert plainly(said.title) == "Fragile: changing 2.2 % of its input is enough to fool it"
    assert [plainly(s) for s in said.sentences] == [
        "Left alone, the network is right on 97 of 100 recordings (97 %; 95 % interval 92–99 %).",
        "Flipping a median of 42 events (2.2 % of the active cells) fools it on 100 % of the "
        "recordings it had right (97 of 97; 95 % interval 96–100 %).",
        "Its random control, with a median of 200 changes, fools it on 3.1 % "
        "(95 % interval 1.1–8.7 %).",
    ]
    assert said.caution == "Read with care: 1 warning below."


def test_verdict_of_an_audit_under_way(audits):
    part = words.verdict(load(audits("unfinished")))
    assert "11 of 13 attacks have not run" in part.caution
    none = words.verdict(load(audits("unstarted")))
    assert (none.tone, none.title) == ("unknown", "Not attacked yet")


@pytest.mark.parametrize(
    ("rate", "tone"), [(0.95, "fragile"), (0.6, "shaky"), (0.2, "shaky"), (0.02, "steady")]
)
def test_tone_follows_success(audits, rate: float, tone: str):
    audit = load(audits("complete"))
    attacks = tuple(
        replace(a, success=Proportion(round(97 * rate), 97, rate, rate / 2, (1 + rate) / 2))
        for a in audit.attacks
    )
    said = words.verdict(replace(audit, attacks=attacks))
    assert said.tone == tone
    if rate < 0.5:
        assert "proves nothing" in said.caution


def test_a_network_that_guesses_has_no_robustness(audits):
    audit = load(audits("complete"))
    clean = replace(audit.clean, accuracy=Proportion(11, 100, 0.11, 0.06, 0.19))
    assert words.verdict(replace(audit, clean=clean)).tone == "unknown"


def test_a_steady_minimum_does_not_hide_another_attack(audits):
    audit = load(audits("complete"))
    weak = replace(audit.attacks[0], success=Proportion(1, 97, 0.01, 0.0, 0.06))
    said = words.verdict(replace(audit, attacks=(weak, *audit.attacks[1:])))
    assert said.title.endswith("but not under all")


def test_change():
    text = words.change("Spikes", Summary(3, None, 100.0), Summary(3, None, 93.0))
    assert plainly(text) == "Spikes: 100 → 93 (−7 %)"
