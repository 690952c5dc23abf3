"""Networks that see images, from training to the report; what is mixed up is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.cli.conftest import call, succeed

from spikeproof import Settings, results, run_audit
from spikeproof.evaluate import answer
from spikeproof.images import load_arrays, load_images
from spikeproof.inputs.choice import ImageChoice
from spikeproof.models import load_checkpoint

TRAIN = ["--arch", "6c3-p2-fc3", "--epochs", 4, "--rate", 0.02, "--threads", 1]
EFFORT = ["--recordings", 6, "--steps", 6, "--eps", "4/255,0.3", "--threads", 1]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """An archive of three classes of digits, split by hand."""
    path = tmp_path_factory.mktemp("images") / "few.npz"
    data = load_images()
    arrays = {}
    for part, images, most in (("train", data.learn, 240), ("test", data.test, 60)):
        kept = (images.labels < 3).nonzero().squeeze(1)[:most]
        arrays |= {f"x_{part}": images.x[kept, 0].numpy(), f"y_{part}": images.labels[kept].numpy()}
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def sees(pictures, tmp_path_factory):
    """A checkpoint that sees images."""
    path = tmp_path_factory.mktemp("net") / "sees.safetensors"
    succeed("train", "--images", pictures, "--out", path, *TRAIN)
    return path


@pytest.fixture(scope="session")
def audited_images(pictures, sees, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "audit"
    command = ["audit", "--model", sees, "--images", pictures, "--out", folder, *EFFORT]
    return folder, command, succeed(*command)


def test_the_checkpoint_says_that_it_sees_images(sees):
    about = load_checkpoint(sees).about
    assert about["images"] == {"channels": 1, "height": 8, "width": 8}
    assert "grid" not in about
    assert about["data"] == "few"
    assert about["accuracy"] > 0.9
    assert load_checkpoint(sees).network.description["code"] == {"name": "direct", "steps": 4}


def test_of_images_there_is_no_quick_audit(pictures, sees, tmp_path):
    command = "audit", "--model", sees, "--images", pictures, "--quick", "--out", tmp_path / "a"
    result = call(*command)
    assert result.exit_code == 2
    assert "no quick version; lower the steps" in result.stderr


def test_the_audit_is_complete(audited_images, sees):
    folder, _, printed = audited_images
    audit = results.load(folder)
    assert audit.complete
    assert audit.data.grid is None
    assert (audit.data.images.height, audit.data.recordings) == (8, 6)
    assert audit.model.sha256 == load_checkpoint(sees).digest
    assert [a.id for a in audit.attacks if not a.is_control] == [
        "linf-minimum", "linf-budget", "l2-minimum", "l0-minimum",
    ]  # fmt: skip
    for attack in audit.attacks:
        assert attack.status == "done"
        assert attack.invalid == 0
        assert attack.flips is None
        assert attack.norm in attack.id
    smallest = audit.attack("linf-minimum")
    assert smallest.success.value == 1.0
    assert 0 < smallest.size.median < 0.5
    budgets = audit.attack("linf-budget").curve
    assert [p.eps for p in budgets] == [4 / 255, 0.3]
    assert budgets[0].robust_accuracy.k >= budgets[1].robust_accuracy.k
    assert all(p.control is not None for p in budgets)
    assert audit.attack("l0-minimum").size.median == int(audit.attack("l0-minimum").size.median)
    for part in ("6 of 60 test images", "images", "4/255", "random moves", "pixel"):
        assert part in printed
    page = (folder / "report.html").read_text()
    assert "images it had right" in page
    assert "largest change of an intensity" in page
    assert "brighter" in page
    for word in ("recordings it", 'id="viewer"', "<script", "active cells", "Example left out"):
        assert word not in page


def test_written_images_fool_the_network_again(audited_images, sees):
    folder, _, _ = audited_images
    network = load_checkpoint(sees).network
    audit = results.load(folder)
    for attack in audit.attacks:
        for row in attack.rows:
            if row.recording is None:
                continue
            image = load_arrays(folder / row.recording).test
            clean = load_arrays(folder / f"recordings/clean/{row.index}.npz").test
            assert image.labels.tolist() == [row.label]
            assert answer(network, image.x).argmax(1).tolist() == [row.prediction]
            if attack.norm == "linf":
                assert float((image.x - clean.x).abs().max()) == pytest.approx(row.size)
    every = load_images(folder / "recordings" / "linf-minimum")
    assert len(every.learn) == 0
    assert not (answer(network, every.test.x).argmax(1) == every.test.labels).any()


def test_the_same_command_again_computes_nothing(audited_images):
    folder, command, printed = audited_images
    before = {p: p.stat().st_mtime_ns for p in (folder / "work").iterdir()}
    assert succeed(*command) == printed
    assert {p: p.stat().st_mtime_ns for p in (folder / "work").iterdir()} == before
    result = call(*command, "--eps", "0.2")
    assert result.exit_code == 2
    assert "eps 0.0156863/0.3, not 0.2" in result.stderr


def test_an_interrupted_audit_continues_with_the_same_figures(
    audited_images, pictures, sees, tmp_path
):
    folder, *_ = audited_images
    settings = Settings(recordings=6, steps=6, eps=(4 / 255, 0.3))

    def stop(p):
        if p.doing == "Shortest change":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_audit(sees, ImageChoice(pictures), out=tmp_path, settings=settings, progress=stop)
    assert not results.load(tmp_path).complete
    run_audit(sees, ImageChoice(pictures), out=tmp_path, settings=settings)
    for path in (folder / "rows").iterdir():
        assert (tmp_path / "rows" / path.name).read_text() == path.read_text()


def test_attacked_images_are_images_to_audit(audited_images, sees, tmp_path):
    folder, _, _ = audited_images
    result = call("audit", "--model", sees, "--images", folder / "recordings" / "linf-minimum",
                  "--out", tmp_path / "a", *EFFORT)  # fmt: skip
    assert result.exit_code == 2  # all of them fool it, so that nothing is left to attack
    assert "classifies none of the images right" in result.stderr


def test_random_codes_are_averaged(pictures, tmp_path):
    net = tmp_path / "noisy.safetensors"
    code = ("--code", "poisson", "--steps", 3)
    succeed("train", "--images", pictures, "--out", net, *TRAIN, *code)
    command = ["--model", net, "--images", pictures, "--threads", 1]
    printed = " ".join(succeed("check", *command).split())
    assert "averaged over 16 draws" in printed
    assert "random numbers play no part" in printed
    printed = " ".join(succeed("check", *command, "--draws", 5).split())
    assert "averaged over 5 draws" in printed


def test_adversarial_training_on_images(pictures, tmp_path):
    out = tmp_path / "hard.safetensors"
    succeed("train", "--images", pictures, "--out", out, *TRAIN, "--adversarial", "16/255")
    assert load_checkpoint(out).about["adversarial"].startswith("change every intensity by at most")


NET = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(1), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))
"""


def test_a_model_from_a_file_of_ones_own(pictures, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    namespace: dict = {}
    exec(NET, namespace)
    torch.manual_seed(0)
    net, data = namespace["build"](), load_images(pictures)
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(net(data.learn.x), data.learn.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.save(net.state_dict(), tmp_path / "w.pt")
    command = ["audit", "--model", f"{tmp_path / 'net.py'}:build", "--weights", tmp_path / "w.pt"]
    succeed(*command, "--images", pictures, "--out", tmp_path / "a", "--norm", "l2", *EFFORT)
    audit = results.load(tmp_path / "a")
    assert [a.id for a in audit.attacks] == ["l2-minimum", "l2-minimum-random"]
    assert audit.attack("l2-minimum").success.value == 1.0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("audit", "--model", "{sees}", "--data", "{stripes}"), "give them with --images"),
        (("audit", "--model", "{net}", "--images", "{few}"), "give them with --data"),
        (("audit", "--model", "{sees}"), "was trained on 'few'; give its images with --images"),
        (("audit", "--model", "{sees}", "--images", "digits"), "label '3' is outside"),
        (("audit", "--images", "{few}"), "the shipped network sees recordings"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--data", "x"), "not both"),
        (("audit", "--model", "{sees}", "--images", "{stripes}"), "holds no images"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--bins", 3), "leave out --bins"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--eps", "a"), "is not understood"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--eps", "8"), "not between 0 and 1"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--norm", "l3"), "no norm 'l3'"),
        (("audit", "--model", "{sees}", "--images", "{few}", "--draws", 3), "is not random"),
        (("attack", "--model", "{sees}", "--out", "{out}"), "this is for recordings of events"),
        (("audit", "--data", "{arrays}"), "holds images, not recordings of events"),
        (("train", "--data", "{arrays}", "--out", "{out}.safetensors"), "with --images"),
        (("train", "--code", "direct", "--out", "{out}.safetensors"), "are for images"),
    ],
)  # fmt: skip
def test_what_is_mixed_up_is_said(args, said, sees, net, stripes, pictures, tmp_path):
    (tmp_path / "images.npy").touch()
    known = {
        "arrays": tmp_path,
        "sees": sees,
        "net": net,
        "stripes": stripes,
        "few": pictures,
        "out": tmp_path / "o",
    }
    given = [str(a).format(**known) for a in args]
    if given[0] == "audit":
        given += ["--out", str(tmp_path / "a")]
    result = call(*given)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_model_that_gives_no_gradient_is_imitated(pictures, sees, tmp_path):
    closed = torch.no_grad()(load_checkpoint(sees).network.forward)
    settings = Settings(recordings=6, steps=6, eps=(0.3,))
    audit = run_audit(closed, ImageChoice(pictures), out=tmp_path / "a", settings=settings)
    assert audit.complete
    said = [text for text in audit.model.assumptions if "trained to imitate it" in text]
    assert len(said) == 1
    assert "images that it did not learn from" in said[0]
    assert "Gradient is lacking" in {doubt.title for doubt in audit.caveats}
    smallest = audit.attack("linf-minimum")
    assert smallest.success.k == smallest.success.n > 0
    assert smallest.gradients == 0
