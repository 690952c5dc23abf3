"""Claims in words: what was published, what we measured, and whether it held.

A failed claim is called that, and a claim that could not be decided is never counted as held.
"""

from __future__ import annotations

from spikeproof.report.words import DASH, NARROW, TO, Headline, number
from spikeproof.results.records import Proportion
from spikeproof.results.reproduction import Claim, Reproduction

MANY = 2000  # counted from here on, a share has two decimals


def ours(claim: Claim) -> str:
    """``97.6 % (97.3–97.9 %)``, ``2.1e-14 ms``, or a dash."""
    if claim.ours is not None and claim.ours.value is not None:
        return f"{exact(claim.ours.value, claim.ours.n)} ({bounds(claim.ours)})"
    if claim.figure is None:
        return DASH
    return f"{number(claim.figure)}{NARROW}{claim.unit}".rstrip(NARROW)


def exact(value: float, n: int) -> str:
    """A share of ``n`` with as many decimals as ``n`` bears; never 0 or 100 % unless it is."""
    digits = 2 if n >= MANY else 1
    hundredths = round(100 * value, digits)
    step = 10.0**-digits
    if hundredths == 100 and value < 1:
        return f">{NARROW}{100 - step:.{digits}f}{NARROW}%"
    if hundredths == 0 and value > 0:
        return f"<{NARROW}{step:.{digits}f}{NARROW}%"
    whole = value in (0.0, 1.0)
    return f"{hundredths:.{0 if whole else digits}f}{NARROW}%"


def bounds(part: Proportion) -> str:
    """The 95 % interval; a dash when nothing was counted."""
    if part.low is None or part.high is None:
        return DASH
    low = exact(part.low, part.n).removesuffix(f"{NARROW}%")
    return f"{low}{TO}{exact(part.high, part.n)}"


def held(claim: Claim) -> str:
    """``yes``, ``no``, or a dash for what was not decided."""
    return DASH if claim.holds is None else "yes" if claim.holds else "no"


def verdict(found: Reproduction) -> Headline:
    """Whether the claims held, from the claims alone."""
    yes = sum(c.holds is True for c in found.claims)
    no = sum(c.holds is False for c in found.claims)
    open_ = len(found.claims) - yes - no
    caution = ""
    if found.quick:
        caution = (
            "This is the quick version, with fewer steps or images than the published system had."
        )
    sentences = [f"{yes} of {len(found.claims)} claims held"]
    if no:
        sentences.append(f"{no} did not")
    if open_:
        sentences.append(f"{open_} {'was' if open_ == 1 else 'were'} only measured")
    said = f"{', '.join(sentences)}."
    if no:
        title = f"{no} of {yes + no} claims did not hold"
        return Headline("fragile" if no > yes else "shaky", title, (said,), caution)
    if yes:
        every = "The claim that was tested held" if yes == 1 else f"All {yes} claims tested held"
        return Headline("steady", every, (said,), caution)
    return Headline("unknown", "No claim was decided", (said,), caution)
