from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from spikeproof.errors import SpikeproofError
from spikeproof.results.read import inside, load


def results(audits: Any) -> dict[str, Any]:
    return json.loads((audits("complete") / "results.json").read_text(encoding="utf-8"))


def put(folder: Path, content: object) -> Path:
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_everything_is_read(audits):
    audit = load(audits("complete"))
    assert audit.model.parameters == 38_412
    assert audit.attack("flip-budget").curve[-1].budget == 200
    assert audit.attack("patch-fixed").per_target[3].target == "3"
    assert audit.attack("nothing") is None
    assert audit.attack(None) is None
    assert len(audit.examples) == 8


def test_missing_file_names_the_command(tmp_path):
    with pytest.raises(SpikeproofError, match=r"results\.json: no such file.*spikeproof audit"):
        load(tmp_path)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"", b"[" * 10])
def test_damaged_json(tmp_path, text):
    (tmp_path / "results.json").write_bytes(text)
    with pytest.raises(SpikeproofError, match=r"not valid JSON.*run the audit again"):
        load(tmp_path)


@pytest.mark.parametrize("content", [[], 3, {}, {"schema": "spikeproof/audit/3"}])
def test_other_schema(tmp_path, content):
    with pytest.raises(SpikeproofError, match=r"schema is .* reads 'spikeproof/audit/2'"):
        load(put(tmp_path, content))


def test_a_fault_is_named_by_its_path(audits, tmp_path):
    raw = results(audits)
    raw["attacks"][2]["success"].pop("k")
    with pytest.raises(SpikeproofError, match=re.escape("attacks[2].success.k is missing")):
        load(put(tmp_path, raw))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model",), None), (("attacks",), {}), (("data", "grid"), []), (("seed",), "x"),
        (("attacks", 0, "success", "k"), True), (("attacks", 0, "success", "n"), 1.5),
        (("complete",), 1), (("environment",), []), (("clean", "accuracy", "low"), "0.5"),
    ],
)  # fmt: skip
def test_wrong_types_are_errors_not_tracebacks(audits, tmp_path, path, value):
    raw = results(audits)
    place: Any = raw
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(SpikeproofError, match="should be"):
        load(put(tmp_path, raw))


def test_tolerance(audits, tmp_path):
    raw = results(audits)
    raw["news"] = {"from": "the future"}
    raw["data"]["classes"] = [0, 1, "two"]  # names may be numbers
    raw["attacks"][0]["success"]["low"] = float("nan")  # written by careless encoders
    raw["environment"]["cpu"] = None
    audit = load(put(tmp_path, raw))
    assert audit.data.classes == ("0", "1", "two")
    assert audit.attacks[0].success.low is None


def test_only_files_of_the_folder_are_opened(tmp_path):
    folder = tmp_path / "audit"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "mine").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    assert inside(folder, "mine") == folder / "mine"
    for name in ("../secret", "link", str(tmp_path / "secret"), "none", "a\0b", "", "x" * 5000):
        assert inside(folder, name) is None
