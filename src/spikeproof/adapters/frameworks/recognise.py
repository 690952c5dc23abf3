"""Which library a module's class comes from, without importing any.

The user has imported the library already; asking the class costs nothing and cannot fail.
"""

from __future__ import annotations

from torch import nn


def is_of(module: nn.Module, package: str) -> bool:
    """Whether a module's class, or one it derives from, is defined in ``package``."""
    return any(cls.__module__.split(".")[0] == package for cls in type(module).__mro__)


def contains(module: nn.Module, package: str) -> bool:
    """Whether a module or any inside it is of ``package``."""
    return any(is_of(m, package) for m in module.modules())
