"""The version is written once; what has to repeat it, the citation and the changelog, agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import spikeproof

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def cited(key: str) -> str:
    """A one-line value of the citation file."""
    found = re.search(rf"^{key}: *[\"']?([^\"'\n]+)", read("CITATION.cff"), re.M)
    assert found, key
    return found[1].strip()


def newest_release() -> tuple[str, str]:
    """Version and date of the first release heading of the changelog, which is the newest."""
    found = re.search(r"^## \[(\d[^\]]*)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.M)
    assert found
    return found[1], found[2]


def test_citation_package_and_changelog_have_one_version():
    assert cited("version") == spikeproof.__version__ == newest_release()[0]


def test_the_citation_has_the_date_of_the_release():
    assert cited("date-released") == newest_release()[1]


def test_the_build_reads_the_version_from_the_package():
    settings = tomllib.loads(read("pyproject.toml"))
    assert "version" not in settings["project"]
    assert "version" in settings["project"]["dynamic"]
    path = settings["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{spikeproof.__version__}"' in read(path)


def test_the_citation_names_the_license_of_the_package():
    assert cited("license") == tomllib.loads(read("pyproject.toml"))["project"]["license"]


def test_changes_that_are_not_released_come_first():
    headings = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.M)
    assert headings[0] == "Unreleased"
