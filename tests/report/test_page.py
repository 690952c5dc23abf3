from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from spikeproof.errors import SpikeproofError
from spikeproof.report import build, embed

from .sample import ATTACKS, HOSTILE, write_audit

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Tags, attributes and text, with a check that elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def said(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text)).replace("\u2060", "")


def read(folder) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_build_gives_the_path_and_is_a_pure_function_of_the_folder(audits):
    folder = audits("complete")
    before = read(folder)
    path = build(folder)
    assert path == folder / "report.html"
    assert read(folder) == before
    assert not list(folder.glob(".*"))


def test_the_page_is_one_file_of_reasonable_size(audits):
    text = read(audits("complete"))
    assert 100_000 < len(text.encode()) < 4_000_000
    for tag, attrs in Page(text).tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    assert "url(http" not in text
    assert "@import" not in text


def test_every_attack_is_beside_its_control(audits):
    page = Page(read(audits("complete")))
    said = page.said()
    for attack in ATTACKS:
        assert attack["title"] in said
        assert attack["what"] in said
    for word in ("Fragile", "Control wins", "Reproduce", "20261120", "9f2b9f2b", "16 bins"):
        assert word in said


def test_the_parts_of_an_ensemble_are_told_with_their_figures(audits):
    said = Page(read(audits("complete"))).said()
    assert "what each part of the ensemble did" in said
    assert "gradients white-box" in said
    assert "2 084 + 900" in said
    assert "Not needed, as nothing stood any more: restart." in said


def test_what_an_answer_costs_stands_beside_the_accuracy(audits, tmp_path):
    said = Page(read(audits("complete"))).said()
    assert "Energy, estimated" in said
    assert "The same layers without spikes – – – 33" in said
    assert "an addition takes 0.9 pJ, a multiplication 4.6 pJ" in said
    assert "left out, and on most hardware it takes more" in said
    assert "Loihi 23.6 pJ – – –" in said
    raw = json.loads((audits("complete") / "results.json").read_text())
    raw["model"]["kind"] = "non-spiking"
    raw["clean"]["operations"]["uncounted"] = ["memory (LSTM)"]
    raw["examples"] = []
    (tmp_path / "results.json").write_text(json.dumps(raw))
    said = Page(build(tmp_path).read_text(encoding="utf-8")).said()
    assert said.index("Zeros computed") < said.index("Zeros skipped")
    assert "Not counted at all: memory (LSTM)." in said
    del raw["clean"]["operations"]  # of older results
    (tmp_path / "results.json").write_text(json.dumps(raw))
    said = Page(build(tmp_path).read_text(encoding="utf-8")).said()
    assert "estimated" not in said
    assert "Attacks change the activity too" in said


def test_ids_are_unique_and_links_lead_somewhere(audits):
    tags = Page(read(audits("complete"))).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for tag, attrs in tags if tag == "a"}
    assert links <= set(ids)


def test_every_picture_and_chart_has_words(audits):
    for tag, attrs in Page(read(audits("complete"))).tags:
        if tag == "img":
            assert attrs.get("alt")
        if tag == "svg":
            assert attrs.get("role") == "img"
            assert attrs.get("aria-label")


@pytest.mark.parametrize("state", ["unfinished", "unstarted"])
def test_an_audit_under_way_still_has_a_page(audits, state):
    said = Page(read(audits(state))).said()
    assert "This audit is not finished" in said
    assert "has not run yet" in said
    assert "None" not in said
    assert "nan" not in said.split()


def test_empty_lists(audits, tmp_path):
    raw = json.loads((audits("complete") / "results.json").read_text())
    for name in ("attacks", "caveats", "examples", "timing"):
        raw[name] = []
    raw["data"]["classes"] = []
    nothing = {"k": 0, "n": 0, "value": None, "low": None, "high": None}
    raw["clean"] = {"accuracy": nothing, "spikes": None, "synops": None}
    (tmp_path / "results.json").write_text(json.dumps(raw))
    said = Page(build(tmp_path).read_text(encoding="utf-8")).said()
    assert "Not attacked yet" in said
    assert "No attack has run yet" in said
    assert "viewer-data" not in said


def test_hostile_names_are_only_text(audits):
    text = read(audits("hostile"))
    page = Page(text)
    assert [t for t, _ in page.tags].count("script") == 2
    assert all(a.get("src", "").startswith("data:") for t, a in page.tags if t == "img")
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "{{ 7*7 }}" in page.said()
    assert "\u202e" not in text
    assert HOSTILE[0] not in text


def test_a_hostile_path_opens_nothing(audits, tmp_path, recordings):
    folder = tmp_path / "audit"
    shutil.copytree(audits("complete"), folder)
    shutil.copy(folder / "recordings/clean/0.npz", tmp_path / "outside.npz")
    raw = json.loads((folder / "results.json").read_text())
    raw["examples"][0]["clean"] = "../outside.npz"
    raw["examples"][1]["attacked"] = "recordings/gone.npz"
    (folder / "recordings/clean/2.npz").write_bytes(b"damaged")
    (folder / "results.json").write_text(json.dumps(raw))
    page = Page(build(folder).read_text(encoding="utf-8"))
    said = page.said()
    assert said.count("Example left out:") == 3
    assert "../outside.npz is not in the audit folder" in said
    assert str(tmp_path) not in said
    assert sum("data-example" in attrs for _, attrs in page.tags) == 5


def test_too_many_events_are_thinned_openly(audits, monkeypatch):
    folder = audits("complete")
    monkeypatch.setattr(embed, "MAX_EVENTS", 800)
    text = build(folder).read_text(encoding="utf-8")
    monkeypatch.undo()
    build(folder)
    assert "unchanged events and every changed one" in text


def test_the_script_is_the_one_the_policy_allows(audits):
    import base64
    import hashlib

    text = read(audits("complete"))
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_an_unwritable_folder_is_an_error_of_the_user(tmp_path, recordings):
    write_audit(tmp_path, recordings[:1], done=0)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(SpikeproofError, match=r"report\.html: cannot be written"):
        build(tmp_path)
    assert not list(tmp_path.glob(".*"))
