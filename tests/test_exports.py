"""Every package lists its public names, sorted as the linter sorts them."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import pytest

import spikeproof

ROOT = Path(spikeproof.__file__).parent
PACKAGES = sorted(
    ".".join(("spikeproof", *file.parent.relative_to(ROOT).parts))
    for file in ROOT.rglob("__init__.py")
)


def isort_style(name):
    """Constants, then classes, then the rest."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_there_and_sorted(package):
    module = importlib.import_module(package)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert names == sorted(set(names), key=isort_style)
    for name in names:
        getattr(module, name)


@pytest.mark.parametrize("package", [p for p in PACKAGES if p != "spikeproof"])
def test_what_a_package_imports_of_its_own_is_public(package):
    module = importlib.import_module(package)
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "").startswith(package)
    }
    assert own <= set(getattr(module, "__all__", []))


def test_type_checkers_of_users_read_the_annotations():
    assert (ROOT / "py.typed").is_file()  # PEP 561
