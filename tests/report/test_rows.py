"""Rows in a file of their own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from spikeproof.errors import SpikeproofError
from spikeproof.results import RowFile, as_json, load, write_rows
from spikeproof.results.records import Row

ROWS = (
    Row(3, 0, 0, 1, True, flips=7, relative=0.25, recording="recordings/a/3.npz"),
    Row(5, 1, 1, 1, False, False, target=2, why="too µany"),
)


def test_rows_come_back_each_time_they_are_asked_for(tmp_path):
    rows = write_rows(tmp_path, "rows/a.jsonl", iter(ROWS))
    assert tuple(rows) == tuple(rows) == ROWS
    assert [p.name for p in (tmp_path / "rows").iterdir()] == ["a.jsonl"]


def test_results_name_the_file_and_the_report_reads_it(audits, tmp_path):
    audit = load(audits("complete"))
    first = audit.attacks[0]
    inline = as_json(audit)["attacks"][0]["rows"]
    assert [row["index"] for row in inline] == [row.index for row in first.rows]
    filed = replace(first, rows=write_rows(tmp_path, "rows/a.jsonl", first.rows))
    raw = as_json(replace(audit, attacks=(filed, *audit.attacks[1:])))
    assert raw["attacks"][0]["rows"] == "rows/a.jsonl"
    (tmp_path / "results.json").write_text(json.dumps(raw), encoding="utf-8")
    again = load(tmp_path).attacks[0]
    assert isinstance(again.rows, RowFile)
    assert tuple(again.rows) == tuple(first.rows)


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "line 2"), ("[]", "line 2.*should be an object"), ('{"index": "x"}', "line 2.*index")],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    rows = write_rows(tmp_path, "a.jsonl", ROWS[:1])
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(SpikeproofError, match=rf"a\.jsonl: {message}.*run the audit again"):
        list(rows)


@pytest.mark.parametrize("name", ["none.jsonl", "../secret.jsonl", ""])
def test_only_files_of_the_folder_are_read(tmp_path, name):
    folder = tmp_path / "audit"
    folder.mkdir()
    write_rows(tmp_path, "secret.jsonl", ROWS)
    with pytest.raises(SpikeproofError, match="cannot be read"):
        list(RowFile(folder, name))
