"""Numbers to words: every sentence of the report that states a result is made here.

A number never appears without its interval where it has one, a proportion that is not 0 or 1 is
never rounded to 0 % or 100 %, and a failed attack is never called a proof of robustness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from spikeproof.report.terms import terms
from spikeproof.results.records import AttackRecord, Audit, Proportion, Summary

NARROW: Final = "\u202f"  # narrow no-break space
DASH: Final = "–"
TO: Final = "\u2060–\u2060"  # the dash of a range, which no line may end with
_INTERVAL: Final = "95\u00a0%\u00a0interval"
_LEVELS: Final = 255  # grey levels above 0 that most images are stored in
_SLIGHT: Final = 0.1  # of the range of intensities: a change that is hard to see
Tone = Literal["fragile", "shaky", "steady", "unknown"]


@dataclass(frozen=True)
class Headline:
    """The head of the report."""

    tone: Tone
    title: str
    sentences: tuple[str, ...]
    caution: str


def number(value: float | None, *, digits: int = 3) -> str:
    """``4 180``, ``2.15``, ``3.2 million``; a dash for ``None``."""
    if value is None:
        return DASH
    size = abs(value)
    for limit, name in ((1e9, "billion"), (1e6, "million")):
        if size >= limit:
            return f"{value / limit:.{digits}g}{NARROW}{name}"
    if size >= 100 or float(value).is_integer():
        return f"{value:,.0f}".replace(",", NARROW)
    return f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """``97 %``, ``2.1 %``, ``< 0.1 %``; a dash for ``None``."""
    if value is None:
        return DASH
    hundredths = 100 * value
    if 0 < hundredths < 0.1:
        return f"<{NARROW}0.1{NARROW}%"
    if 99.9 < hundredths < 100:
        return f">{NARROW}99.9{NARROW}%"
    text = f"{hundredths:.1f}" if abs(hundredths) < 10 or hundredths > 99 else f"{hundredths:.0f}"
    return f"{text.removesuffix('.0')}{NARROW}%"


def interval(part: Proportion) -> str:
    """The 95 % interval, ``91–99 %``; a dash when nothing was counted."""
    if part.low is None or part.high is None:
        return DASH
    return f"{percent(part.low).removesuffix(f'{NARROW}%')}{TO}{percent(part.high)}"


def share(part: Proportion) -> str:
    """``97 % (95 % interval 91–99 %)``."""
    return f"{percent(part.value)} ({_INTERVAL} {interval(part)})" if part.n else DASH


def quartiles(summary: Summary | None, *, as_percent: bool = False) -> str:
    """``41 [22–77]``: the median and the quartiles."""
    if summary is None or summary.median is None:
        return DASH
    say = percent if as_percent else number
    if summary.q25 is None or summary.q75 is None:
        return say(summary.median)
    low, high = say(summary.q25), say(summary.q75)
    if as_percent:
        low = low.removesuffix(f"{NARROW}%")
    return f"{say(summary.median)} [{low}{TO}{high}]"


def level(value: float) -> str:
    """An intensity: ``0.1`` where that is exact, ``8/255`` for a whole number of grey levels."""
    whole = round(value * _LEVELS)
    exact = abs(value * _LEVELS - whole) < 1e-6 and 0 < whole < _LEVELS
    return f"{whole}/{_LEVELS}" if exact and round(value, 3) != value else number(value)


def amount(value: float | None, norm: str | None) -> str:
    """A size of changes with its unit: ``0.031``, ``length 0.52``, ``3 pixels``."""
    if value is None:
        return DASH
    if norm == "l0":
        return f"{number(value)}{NARROW}pixel{'s' * (value != 1)}"
    return f"length {number(value)}" if norm == "l2" else f"up to {number(value)}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 12 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f}{NARROW}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NARROW}s"
    if whole < 3600:
        return f"{whole // 60}{NARROW}min {whole % 60:02d}{NARROW}s"
    return f"{whole // 3600}{NARROW}h {whole % 3600 // 60:02d}{NARROW}min"


def plain(text: str, limit: int = 48) -> str:
    """A name on one line, without control characters, cut to ``limit`` characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def shown(audit: Audit) -> AttackRecord | None:
    """The attack that the verdict is about: fewest flips, smallest change, else the strongest."""
    done = [a for a in audit.attacks if a.measured and not a.is_control]
    first = next((a for a in done if a.id in ("flip-minimum", "linf-minimum")), None)
    return first or max(done, key=lambda a: a.success.value or 0.0, default=None)


def verdict(audit: Audit) -> Headline:
    """The headline and what stands behind it, from the numbers alone."""
    main = shown(audit)
    sentences = [_clean(audit)]
    if main is not None:
        sentences.append(effect(main, terms(audit).many))
        if (control := audit.attack(main.control)) is not None and control.measured:
            sentences.append(_control(control))
    tone, title = _tone(audit, main)
    return Headline(tone, title, tuple(sentences), _caution(audit, main))


def effect(attack: AttackRecord, many: str = "recordings") -> str:
    """One sentence: what the attack changes, and how often that fools the network."""
    right = attack.success
    how_often = (
        f"{percent(right.value)} of the {many} it had right "
        f"({right.k} of {right.n}; {_INTERVAL} {interval(right)})"
    )
    if attack.id == "flip-minimum" and attack.flips and attack.flips.median is not None:
        events = number(attack.flips.median)
        part = attack.relative.median if attack.relative else None
        of = f" ({percent(part)} of the active cells)" if part is not None else ""
        return f"Flipping a median of {events} events{of} fools it on {how_often}."
    if attack.id == "linf-minimum" and attack.size and attack.size.median is not None:
        far = number(attack.size.median)
        return (
            f"Moving intensities, which go from 0 to 1, by at most {far} (median) fools it on"
            f" {how_often}."
        )
    return f"“{plain(attack.title)}” fools it on {how_often}."


def card_note(attack: AttackRecord, control: AttackRecord | None) -> str:
    """``95 % interval 80–91 %; control 3 %``."""
    note = f"{_INTERVAL} {interval(attack.success)}"
    if control is not None and control.measured:
        note += f"; control {percent(control.success.value)}"
    return note


def change(title: str, clean: Summary, attacked: Summary) -> str:
    """``Spikes: 12 300 → 12 900 (+4.9 %)``, medians."""
    text = f"{title}: {number(clean.median)} → {number(attacked.median)}"
    if clean.median and attacked.median is not None:
        ratio = attacked.median / clean.median - 1
        sign = "+" if ratio >= 0 else "−"
        text += f" ({sign}{percent(abs(ratio))})"
    return text


def _clean(audit: Audit) -> str:
    part = audit.clean.accuracy
    if not part.n:
        return f"The network has not been measured on clean {terms(audit).many} yet."
    return (
        f"Left alone, the network is right on {part.k} of {part.n} {terms(audit).many} "
        f"({percent(part.value)}; {_INTERVAL} {interval(part)})."
    )


def _control(control: AttackRecord) -> str:
    flips = control.flips.median if control.flips else None
    many = f", with a median of {number(flips)} changes," if flips is not None else ""
    if control.norm is not None:
        many = ", with changes that are no larger,"
    return f"Its random control{many} fools it on {share(control.success)}."


def _tone(audit: Audit, main: AttackRecord | None) -> tuple[Tone, str]:
    clean, chance = audit.clean.accuracy, 1 / max(len(audit.data.classes), 2)
    if clean.n and clean.low is not None and clean.low <= chance:
        return "unknown", "No better than guessing, so there is nothing to attack"
    if main is None or main.success.value is None:
        return "unknown", "Not attacked yet"
    fooled = main.success.value
    small = main.relative.median if main.relative else None
    if fooled >= 0.9 and small is not None and small <= 0.05:
        return "fragile", f"Fragile: changing {percent(small)} of its input is enough to fool it"
    far = main.size.median if main.size and main.norm == "linf" else None
    if fooled >= 0.9 and far is not None and far <= _SLIGHT:
        return "fragile", f"Fragile: moving intensities by {percent(far)} is enough to fool it"
    if fooled >= 0.9 and far is not None:
        return "shaky", f"Everything can be fooled, once intensities move by {percent(far)}"
    if fooled >= 0.9:
        return "fragile", "Fragile: it can nearly always be fooled"
    if fooled >= 0.5:
        return "shaky", "Shaky: more often than not it can be fooled"
    if fooled >= 0.1:
        return "shaky", "Mostly steady, but it can be fooled"
    return "steady", "Steady under every attack tried so far" if _all_weak(audit) else (
        "Steady under its fewest-changes attack, but not under all"
    )


def _all_weak(audit: Audit) -> bool:
    return all(
        (a.success.value or 0.0) < 0.1 for a in audit.attacks if a.measured and not a.is_control
    )


def _caution(audit: Audit, main: AttackRecord | None) -> str:
    waiting = sum(a.status != "done" for a in audit.attacks)
    warnings = sum(d.level == "warning" for d in audit.caveats)
    parts = []
    if not audit.complete:
        left = f": {waiting} of {len(audit.attacks)} attacks have not run" if waiting else ""
        parts.append(f"This audit is not finished{left}.")
    if warnings:
        parts.append(f"Read with care: {warnings} warning{'s' * (warnings > 1)} below.")
    if main is not None and (main.success.value or 0.0) < 0.5:
        parts.append("An attack that fails proves nothing about stronger ones.")
    return " ".join(parts)
