"""Attributes of the owner's modules, replaced for a while.

``lending`` shadows attributes of single module instances and takes the shadows away at the end;
``undisturbed`` does so for everything a call may set: membrane potentials, recorded spikes, the
training flag. The owner's module is afterwards as it was, in the middle of a sequence if need be,
and holds no graph of ours. ``rebound`` is for libraries that reach the spike function through a
global name: it makes a copy of one function that sees another object under that name, so that
other models of the same process keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType

import torch
from torch import nn

_MISSING = object()


@contextmanager
def lending(loans: Iterable[tuple[nn.Module, str, object]]) -> Iterator[None]:
    """Let ``getattr(module, name)`` give another value, for each ``(module, name, value)``.

    The value lies in the instance's ``__dict__``, which Python looks up before the tables of
    parameters, buffers and submodules: those stay untouched.
    """
    before = [(m, name, vars(m).get(name, _MISSING), value) for m, name, value in loans]
    try:
        for m, name, _, value in before:
            vars(m)[name] = value
        yield
    finally:
        for m, name, old, _ in reversed(before):
            if old is _MISSING:
                vars(m).pop(name, None)
            else:
                vars(m)[name] = old


@contextmanager
def undisturbed(model: object) -> Iterator[None]:
    """Run the model in evaluation mode and undo every attribute that is set meanwhile.

    Undone are assignments, to plain attributes and to buffers. Tensors that are changed in place
    are not; evaluation mode changes none, and ``Framework.prepare`` sees that state is fresh.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    before = []
    try:
        for m in modules:
            if isinstance(m, torch.jit.ScriptModule):
                continue  # has no attributes of its own that a call could set
            before.append((m, vars(m)))
            inside = dict(vars(m), training=False)
            inside["_buffers"] = inside["_buffers"].copy()
            object.__setattr__(m, "__dict__", inside)
        yield
    finally:
        for m, attributes in reversed(before):
            object.__setattr__(m, "__dict__", attributes)


def mentions(function: object, name: str, package: str) -> bool:
    """Whether a function uses the global ``name``, itself or through functions of ``package``."""
    if not isinstance(function, FunctionType):
        return False
    used, scope = function.__code__.co_names, function.__globals__
    if name in used and name in scope:
        return True
    return any(
        mentions(scope.get(other), name, package)
        for other in used
        if _is_of(scope.get(other), package) and scope.get(other) is not function
    )


def rebound(function: FunctionType, package: str, name: str, value: object) -> FunctionType:
    """A copy of ``function`` for which the global ``name`` has another value.

    Functions of ``package`` that it calls by a global name are copied likewise.
    """
    scope = dict(function.__globals__)
    for other in set(function.__code__.co_names) - {name}:
        callee = scope.get(other)
        if not isinstance(callee, FunctionType) or callee is function:
            continue
        if _is_of(callee, package) and mentions(callee, name, package):
            scope[other] = rebound(callee, package, name, value)
    scope[name] = value
    copy = FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _is_of(callee: object, package: str) -> bool:
    return isinstance(callee, FunctionType) and callee.__module__.split(".")[0] == package
