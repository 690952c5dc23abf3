from __future__ import annotations

from spikeproof.audit.stages import Stages
from spikeproof.results.records import Contribution


def part(name, fooled, edits, **more):
    return {"name": name, "kind": "white-box", "fooled": fooled, "edits": edits, **more}


def test_parts_add_up_and_means_are_weighted():
    stages = Stages()
    stages.add(None)
    stages.add({"stages": [part("a", 3, 10.0, tried=4, seconds=1.0), part("b", 0, None)]})
    stages.add({"stages": [part("a", 1, 30.0, tried=1, seconds=0.5), part("b", 0, None, tried=2)]})
    assert stages.told == (
        Contribution("a", "white-box", tried=5, fooled=4, edits=15.0, seconds=1.5),
        Contribution("b", "white-box", tried=2),
    )


def test_parts_of_plain_attacks_say_nothing():
    stages = Stages()
    stages.add({"rows": []})
    assert stages.told == ()
