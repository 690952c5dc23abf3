from __future__ import annotations

import pytest

from spikeproof.audit.store import Store
from spikeproof.errors import SpikeproofError

IDENTITY = {"subject": "a", "settings": {"seed": 0}, "version": "1", "created": "then"}


def test_parts_come_back_and_missing_ones_are_none(tmp_path):
    store = Store(tmp_path / "a")
    store.open(IDENTITY)
    store.put("flip.0", {"rows": [1, 2]})
    again = Store(tmp_path / "a")
    assert again.open({**IDENTITY, "created": "now"})["created"] == "then"
    assert again.get("flip.0") == {"rows": [1, 2]}
    assert again.get("flip.1") is None


def test_another_audit_is_refused_and_told_apart(tmp_path):
    Store(tmp_path).open(IDENTITY)
    with pytest.raises(SpikeproofError, match="seed 0, not 7"):
        Store(tmp_path).open({**IDENTITY, "settings": {"seed": 7}})


def test_fresh_forgets_what_was_there(tmp_path):
    store = Store(tmp_path)
    store.open(IDENTITY)
    store.put("flip.0", {"rows": []})
    store.open({**IDENTITY, "subject": "b"}, fresh=True)
    assert store.get("flip.0") is None


def test_a_damaged_part_names_its_file(tmp_path):
    store = Store(tmp_path)
    store.open(IDENTITY)
    (store.work / "flip.0.json").write_text("{")
    with pytest.raises(SpikeproofError, match=r"flip\.0\.json: is damaged"):
        store.get("flip.0")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpikeproofError, match="choose another --out"):
        Store(tmp_path / "file" / "audit").open(IDENTITY)


def test_a_number_that_json_does_not_know_is_not_written(tmp_path):
    store = Store(tmp_path)
    store.open(IDENTITY)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.put("flip.0", {"cost": float("nan")})
    assert store.get("flip.0") is None


def test_forgetting_leaves_the_folder_free(tmp_path):
    store = Store(tmp_path)
    store.open(IDENTITY)
    store.put("clean", {"rows": []})
    store.forget()
    assert list(tmp_path.iterdir()) == []
    Store(tmp_path).open({**IDENTITY, "settings": {"seed": 7}})
