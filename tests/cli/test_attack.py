"""Attacks by the command: what is written fools the network and keeps to the threat."""

from __future__ import annotations

import pytest
import torch
from tests.cli.conftest import SIDE, call, succeed

from spikeproof.events import Grid, compare, read
from spikeproof.models import load_checkpoint

QUICK = ["--steps", 8, "--recordings", 6, "--threads", 1, "--refractory", 0]


def pairs(folder, ending="npz"):
    for attacked in sorted((folder / "attacked").glob(f"*/*.{ending}")):
        clean = folder / "clean" / attacked.relative_to(folder / "attacked")
        size = {"width": SIDE, "height": SIDE}
        yield attacked.parent.name, read(clean, **size), read(attacked, **size)


def predictions(net, events):
    checkpoint = load_checkpoint(net)
    grid = Grid(**checkpoint.about["grid"])
    cells = torch.stack([grid.bin(e) for e in events])
    return [checkpoint.about["classes"][k] for k in checkpoint.network(cells).argmax(1).tolist()]


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ([], lambda d: True),
        (["--threat", "add"], lambda d: not len(d.removed)),
        (["--threat", "remove"], lambda d: not len(d.added)),
        (["--budget", "40"], lambda d: len(d.added) + len(d.removed) <= 80),
        (["--threat", "patch", "--size", "8x12", "--place", "0,0"], lambda d: True),
    ],
    ids=lambda o: " ".join(map(str, o)) if isinstance(o, list) else "",
)
def test_written_recordings_fool_and_keep_the_rules(options, holds, stripes, net, tmp_path):
    printed = succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                      *QUICK, *options)  # fmt: skip
    made = list(pairs(tmp_path / "adv"))
    assert printed.count("fooled") == len(made) + 1  # the last line counts them
    labels = [label for label, _, _ in made]
    assert predictions(net, [clean for _, clean, _ in made]) == labels if made else True
    for (label, clean, adv), said in zip(
        made, predictions(net, [a for _, _, a in made]) if made else [], strict=True
    ):
        assert said != label
        assert holds(compare(clean, adv))


def test_flips_fool_most(stripes, net, tmp_path):
    succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv", *QUICK)
    assert len(list(pairs(tmp_path / "adv"))) >= 4


def test_a_target_is_met(stripes, net, tmp_path):
    printed = succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                      *QUICK, "--target", "1", "--format", "bin", "--steps", 20)  # fmt: skip
    made = list(pairs(tmp_path / "adv", "bin"))
    assert made
    assert set(predictions(net, [adv for _, _, adv in made])) == {"1"}
    assert "already the target" in printed


def test_retiming_keeps_every_pixels_events(stripes, net, tmp_path):
    printed = succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                      *QUICK, "--threat", "retime", "--max-shift", 1)  # fmt: skip
    assert "moved" in printed
    for _, clean, adv in pairs(tmp_path / "adv"):
        change = compare(clean, adv, moved=True)
        assert not len(change.added)
        assert not len(change.removed)


def test_one_file(stripes, net, tmp_path):
    file = stripes / "2" / "03.bin"
    printed = succeed("attack", file, "--label", "2", "--model", net, "--out", tmp_path / "adv",
                      "--steps", 20, "--refractory", 0)  # fmt: skip
    assert "1 of 1 fooled" in printed
    ((label, clean, _),) = pairs(tmp_path / "adv")
    assert label == "2"
    assert clean == read(file, width=SIDE, height=SIDE)


def test_the_same_seed_attacks_the_same_way(stripes, net, tmp_path):
    made = []
    for name in "ab":
        succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / name, *QUICK)
        made.append([adv for _, _, adv in pairs(tmp_path / name)])
    assert made[0] == made[1]


def test_old_recordings_are_not_mixed_with_new_ones(stripes, net, tmp_path):
    (tmp_path / "adv" / "attacked").mkdir(parents=True)
    result = call("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv", *QUICK)
    assert result.exit_code == 2
    assert "choose another --out" in result.stderr


def test_what_was_attacked_can_be_seen(stripes, net, tmp_path):
    """The hint at the end works as it is printed."""
    printed = succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                      *QUICK)  # fmt: skip
    hint = printed.splitlines()[-1].split()
    _, clean, adv = hint[hint.index("view") :][:3]
    succeed("view", clean, adv, "--out", tmp_path / "look.png")
    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["sparse-flip", "sparse-dynamic", "corner"])
def test_attacks_of_the_catalogue_by_name(name, stripes, net, tmp_path):
    printed = succeed("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                      "--attack", name, *QUICK)  # fmt: skip
    assert printed.count("fooled") == len(list(pairs(tmp_path / "adv"))) + 1


def test_an_unknown_attack_is_refused_before_anything_is_written(stripes, net, tmp_path):
    result = call("attack", "--model", net, "--data", stripes, "--out", tmp_path / "adv",
                  "--attack", "pgd", *QUICK)  # fmt: skip
    assert result.exit_code != 0
    assert "no attack 'pgd'; choose one of sparse-flip" in " ".join(result.output.split())
    assert not (tmp_path / "adv").exists()
