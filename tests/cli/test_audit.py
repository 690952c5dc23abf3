"""The audit from end to end, and what becomes of it when it is interrupted."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from tests.cli.conftest import EFFORT, SIDE, WINDOW, call, start, succeed, wait_for

from spikeproof import results
from spikeproof.audit.standard import standard
from spikeproof.events import Events, read, write
from spikeproof.models import load_checkpoint, save_checkpoint

TIMES = {"created", "updated", "timing", "seconds", "command", "environment"}


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def figures(folder):
    rows = {path.name: path.read_text() for path in (folder / "rows").iterdir()}
    return without_times(json.loads((folder / "results.json").read_text())), rows


def test_results_and_report_are_written(audited, net):
    folder, _ = audited
    audit = results.load(folder)
    assert audit.complete
    assert audit.data.recordings == 9
    assert audit.data.name == "stripes"
    assert audit.model.sha256 == load_checkpoint(net).digest
    assert audit.model.file == "net.safetensors"
    assert (audit.model.parameters, audit.model.trained_on) == (511, "stripes")
    assert audit.clean.accuracy.value == 1.0
    assert audit.environment["device"] == "cpu"
    assert all(a.status == "done" for a in audit.attacks)
    assert (folder / "report.html").stat().st_size > 10_000
    assert any((folder / "recordings").glob("flip-minimum/*.npz"))


def test_what_an_answer_costs_is_counted_beside_the_accuracy(audited, net):
    folder, printed = audited
    clean = results.load(folder).clean
    operations = clean.operations
    shape = load_checkpoint(net).about["grid"]
    assert operations.neurons == 4 * shape["height"] * shape["width"]
    assert operations.steps == shape["bins"]
    assert operations.updates == operations.neurons * shape["bins"]
    assert operations.acs.mean + operations.macs.mean == pytest.approx(clean.synops.mean)
    assert operations.acs.median > 0  # of events
    assert operations.macs.median > 0  # of averages
    assert 1 <= operations.decided.median <= shape["bins"]
    first = operations.estimates[0]
    assert first.dense_nj == pytest.approx(operations.dense_macs * 4.6e-3)
    assert first.energy_nj.mean == pytest.approx(
        (operations.acs.mean * 0.9 + operations.macs.mean * 4.6) / 1000
    )
    assert "Each takes" in printed


def test_training_recordings_are_not_audited(audited, net):
    audit = results.load(audited[0])
    assert audit.data.split == load_checkpoint(net).about["split"]
    assert audit.data.learn_recordings == 21
    assert not any("trained" in d.title or "Training" in d.title for d in audit.caveats)


def test_the_summary_is_compact_and_complete(audited):
    folder, printed = audited
    for part in ("Clean accuracy 100 %", "Fewest flips", "random", "cells flipped",
                 "Few recordings", str(folder / "report.html")):  # fmt: skip
        assert part in printed
    assert "random control" not in printed  # controls stand in their attack's row
    assert len(printed.splitlines()) < 45


def test_the_same_command_again_computes_nothing(audited, stripes, net):
    folder, printed = audited
    before = {p: p.stat().st_mtime_ns for p in (folder / "work").iterdir()}
    again = succeed("audit", "--model", net, "--data", stripes, "--out", folder, *EFFORT)
    assert {p: p.stat().st_mtime_ns for p in (folder / "work").iterdir()} == before
    assert again == printed


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_audit_continues(how, audited, stripes, net, tmp_path):
    folder = tmp_path / "audit"
    command = ["audit", "--model", net, "--data", stripes, "--out", folder, *EFFORT]
    process = start(*command)
    wait_for(folder / "work" / "retime.0.json", process)
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert process.returncode == 130
        last = said.splitlines()[-1]
        assert (
            last == f"Stopped. What is finished is kept in {folder}; the same command continues it."
        )
        assert "Traceback" not in said
    assert not results.load(folder).complete
    done = {p: p.stat().st_mtime_ns for p in (folder / "work").iterdir() if p.suffix == ".json"}
    assert len(done) < len(list((audited[0] / "work").glob("*.json")))
    succeed(*command)
    assert {p: p.stat().st_mtime_ns for p in done} == done
    assert figures(folder) == figures(audited[0])


def test_other_settings_need_another_folder_or_fresh(audited, stripes, net, tmp_path):
    folder, _ = audited
    command = ["audit", "--model", net, "--data", stripes, "--out", folder, *EFFORT]
    result = call(*command, "--seed", 7)
    assert result.exit_code == 2
    assert "seed 0, not 7" in result.stderr
    assert "--fresh" in result.stderr

    checkpoint = load_checkpoint(net)
    next(checkpoint.network.parameters()).data.mul_(1.01)
    save_checkpoint(tmp_path / "other.safetensors", checkpoint.network, checkpoint.about)
    command[2] = tmp_path / "other.safetensors"
    assert "another model" in call(*command).stderr


@pytest.fixture
def brief(monkeypatch):
    """Audits of one attack and its control only."""
    monkeypatch.setattr(
        "spikeproof.audit.run.standard", lambda subject, settings: standard(subject, settings)[:2]
    )


@pytest.mark.usefixtures("brief")
def test_fresh_begins_anew_and_only_deletes_audits(stripes, net, tmp_path):
    folder = tmp_path / "audit"
    (folder / "recordings").mkdir(parents=True)
    (folder / "recordings" / "mine.npz").write_bytes(b"precious")
    command = ["audit", "--model", net, "--data", stripes, "--out", folder, *EFFORT, "--fresh"]
    result = call(*command)
    assert result.exit_code == 2
    assert "not from an audit" in result.stderr
    assert (folder / "recordings" / "mine.npz").read_bytes() == b"precious"

    (folder / "recordings" / "mine.npz").unlink()
    succeed(*command)
    marker = folder / "work" / "clean.0.json"
    first = marker.stat().st_mtime_ns
    succeed(*command[:-3], "--threads", 1, "--seed", 1, "--fresh")
    assert marker.stat().st_mtime_ns != first
    assert results.load(folder).seed == 1


@pytest.mark.usefixtures("brief")
def test_a_quick_audit_is_told_from_a_whole_one(audited, stripes, net, tmp_path):
    command = ["audit", "--model", net, "--data", stripes, *EFFORT, "--quick", "--out"]
    succeed(*command, tmp_path / "audit")
    found = results.load(tmp_path / "audit")
    assert "A quick audit" in [doubt.title for doubt in found.caveats]
    assert "A quick audit" not in [doubt.title for doubt in results.load(audited[0]).caveats]
    tried = {stage.name: stage.attempted for stage in found.attacks[0].stages}
    assert tried["cross-entropy"] < tried["gradients"]  # of the recordings only those that stand
    result = call(*command, audited[0])
    assert result.exit_code == 2
    assert "quick False, not True" in result.stderr


@pytest.mark.usefixtures("brief")
def test_an_audit_of_recordings_that_have_changed_is_not_continued(own_stripes, net, tmp_path):
    command = ["audit", "--model", net, "--data", own_stripes, "--out", tmp_path / "a", *EFFORT]
    succeed(*command)
    for path in sorted((own_stripes / "1").iterdir()):  # a microsecond, in no cell to be seen
        e = read(path, width=SIDE, height=SIDE)
        t = np.where(e.t == e.t[-1], e.t + (1 if e.t[-1] + 1 < WINDOW else -1), e.t)
        write(path, Events.sorted_by_time(e.x, e.y, t, e.p, SIDE, SIDE))
    result = call(*command)
    assert result.exit_code == 2
    assert "of another model or other data" in result.stderr


@pytest.mark.usefixtures("brief")
def test_event_files_of_some_recordings_only(stripes, net, tmp_path):
    command = ["audit", "--model", net, "--data", stripes, *EFFORT, "--out"]
    succeed(*command, tmp_path / "all")
    succeed(*command, tmp_path / "some", "--keep", 3)
    succeed(*command, tmp_path / "none", "--keep", 0)
    everything, some, none = (results.load(tmp_path / name) for name in ("all", "some", "none"))
    assert everything.attacks[0].success == some.attacks[0].success == none.attacks[0].success
    kept = sorted(p.stem for p in (tmp_path / "some" / "recordings" / "clean").iterdir())
    assert len(kept) == 3
    labels = {row.label for row in some.attacks[0].rows if str(row.index) in kept}
    assert len(labels) > 1  # spread over the classes, though recordings are sorted by them
    assert {row.index for row in some.attacks[0].rows if row.recording} <= set(map(int, kept))
    assert some.examples
    assert not (tmp_path / "none" / "recordings").exists()
    assert (tmp_path / "none" / "report.html").exists()


@pytest.mark.usefixtures("brief")
def test_labels_are_matched_by_name(own_stripes, net, tmp_path):
    """A folder with some of the classes keeps their meaning."""
    for path in (own_stripes / "0").iterdir():
        path.unlink()
    (own_stripes / "0").rmdir()
    folder = tmp_path / "audit"
    succeed("audit", "--model", net, "--data", own_stripes, "--out", folder, *EFFORT)
    audit = results.load(folder)
    assert audit.clean.accuracy.value == 1.0
    assert audit.data.classes == ("0", "1", "2")
    assert {row.label for a in audit.attacks for row in a.rows} == {1, 2}


@pytest.mark.usefixtures("brief")
def test_another_folder_is_a_doubt(own_stripes, net, tmp_path):
    other = own_stripes.rename(tmp_path / "others")
    printed = succeed(
        "audit", "--model", net, "--data", other, "--out", tmp_path / "a", "--holdout", "20%",
        *EFFORT,
    )  # fmt: skip
    assert "Training recordings unknown" in printed
    assert results.load(tmp_path / "a").data.recordings == 6


def test_a_model_of_other_data_wants_its_data(net, tmp_path):
    result = call("audit", "--model", net, "--out", tmp_path / "a")
    assert result.exit_code == 2
    assert "was trained on 'stripes'" in result.stderr
    assert not (tmp_path / "a").exists()


def test_the_report_survives_without_its_audit_running(audited, tmp_path):
    folder, _ = audited
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert succeed("report", folder).strip() == str(folder / "report.html")
    assert (folder / "report.html").read_bytes() == before
