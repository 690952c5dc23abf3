"""A model from its owner's Python file, with weights from a file that holds no code.

``my_net.py:build`` names a function or class that is called without arguments and gives the
model, or the model itself. Importing the file runs it, as ``python my_net.py`` would. Weights are
read as plain tensors (safetensors, or ``torch.load`` with ``weights_only=True``), never unpickled.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.checkpoint import read_tensors

_NESTS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_SHOWN = 4


def is_source(spec: str) -> bool:
    """Whether ``spec`` names an object in a Python file or module, such as ``my_net.py:build``."""
    place, colon, name = spec.rpartition(":")
    return bool(colon) and bool(place) and name.isidentifier() and not Path(spec).exists()


def load_source(spec: str, weights: str | Path | None = None) -> Callable[..., object]:
    """The model that ``spec`` names, with ``weights`` if they are given.

    Raises :class:`InvalidModel` naming the file (and, if the file itself fails, its line).
    """
    place, _, name = spec.rpartition(":")
    module = _import(place)
    if not hasattr(module, name):
        known = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise InvalidModel(f"{place}: has no {name!r}; it has {', '.join(known) or 'no functions'}")
    model = getattr(module, name)
    if not isinstance(model, nn.Module):
        model = _build(spec, model)
    if weights is not None:
        if not isinstance(model, nn.Module):
            raise InvalidModel(
                f"{spec}: gives {type(model).__name__}, which has no weights to load; leave out"
                " --weights, or give a torch.nn.Module"
            )
        load_into(model, Path(weights))
    called: Callable[..., object] = model
    return called


def _import(place: str) -> ModuleType:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise InvalidModel(
                f"{place}: {error}; give FILE.py:NAME or an installed module"
            ) from None
        except (Exception, SystemExit) as error:
            raise InvalidModel(f"{place}: {_failure(error, place)}") from error
    path = Path(place).resolve()
    if not path.is_file():
        raise InvalidModel(f"{place}: no such file; give the Python file that builds the model")
    loader = importlib.util.spec_from_file_location(f"_spikeproof_user_{path.stem}", path)
    assert loader is not None
    assert loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    sys.modules[loader.name] = module  # dataclasses and pickling look their module up
    sys.path.insert(0, str(path.parent))  # the file's neighbours, as when it is run
    try:
        loader.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InvalidModel(f"{place}: {_failure(error, str(path))}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _build(spec: str, make: Any) -> Callable[..., object]:
    if not callable(make):
        raise InvalidModel(
            f"{spec}: is of type {type(make).__name__}; name a function or class that gives the"
            " model"
        )
    try:
        model = make()
    except (Exception, SystemExit) as error:
        place = str(Path(spec.rpartition(":")[0]).resolve())
        raise InvalidModel(
            f"{spec}: {_failure(error, place)}; it is called without arguments"
        ) from error
    if not callable(model):
        raise InvalidModel(
            f"{spec}: gives an object of type {type(model).__name__}, which cannot be called"
        )
    return model  # type: ignore[no-any-return]


def _failure(error: Exception | SystemExit, path: str) -> str:
    """The error with the last line of the user's file that led to it."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno]
    where = f"line {lines[-1]} " if lines else ""
    if isinstance(error, SystemExit):
        return f"{where}ends the program; keep what runs the script under if __name__ == '__main__'"
    return f"{where}raises {type(error).__name__}: {error}"


def load_into(module: nn.Module, path: Path) -> None:
    """Copy the weights in ``path`` into ``module``; buffers that hold neurons' state may differ.

    Raises :class:`InvalidModel` naming the file and the first names that do not fit.
    """
    tensors = read_weights(path)
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        module = module.module
    wanted = module.state_dict()
    found = _renamed(tensors, set(wanted), path)
    parameters = {name for name, _ in module.named_parameters()}
    # membranes saved with a batch's shape are no weights; running statistics are
    state = {
        name
        for name in set(wanted) - parameters
        if name in found and found[name].shape != wanted[name].shape
    }
    missing = sorted((set(wanted) - set(found)) & (parameters | _statistics(wanted)))
    if missing:
        raise InvalidModel(
            f"{path}: has no {_some(missing)}, which {type(module).__name__} needs; it has"
            f" {_some(sorted(set(found) - set(wanted)) or sorted(found))}"
        )
    for name in sorted(parameters):
        if found[name].shape != wanted[name].shape:
            raise InvalidModel(
                f"{path}: {name!r} is {list(found[name].shape)} and {type(module).__name__} needs"
                f" {list(wanted[name].shape)}; the weights are of another network"
            )
    if extra := sorted(set(found) - set(wanted)):
        raise InvalidModel(
            f"{path}: has {_some(extra)}, which {type(module).__name__} has no place for; the"
            " weights are of another network"
        )
    module.load_state_dict({k: v for k, v in found.items() if k not in state}, strict=False)


def _statistics(names: Mapping[str, Tensor]) -> set[str]:
    return {n for n in names if n.rpartition(".")[2] in ("running_mean", "running_var")}


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a ``.safetensors`` file or a PyTorch file, which is not unpickled."""
    if not path.is_file():
        raise InvalidModel(f"{path}: no such file; give the weights of the model")
    if path.suffix.lower() == ".safetensors":
        return read_tensors(path)[0]
    if _is_torchscript(path):
        raise InvalidModel(
            f"{path}: is a TorchScript program and no table of weights; name a function of yours"
            " that gives torch.jit.load(...) with --model, or save model.state_dict()"
        )
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # whose words say how to run the code in the file
        raise InvalidModel(
            f"{path}: holds more than tensors, a whole model perhaps, so loading it could run code;"
            " where you trust it, save model.state_dict() alone"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0] or "it is cut short"
        raise InvalidModel(
            f"{path}: is no readable PyTorch file ({reason}); save it again"
        ) from None
    for name in _NESTS:
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
            break
    if not isinstance(value, dict) or not value:
        raise InvalidModel(f"{path}: holds no table of tensors; save model.state_dict()")
    tensors = {str(k): v for k, v in value.items() if isinstance(v, Tensor)}
    if not tensors:
        raise InvalidModel(f"{path}: holds no tensors; save model.state_dict()")
    return tensors


def _is_torchscript(path: Path) -> bool:
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _renamed(tensors: dict[str, Tensor], wanted: set[str], path: Path) -> dict[str, Tensor]:
    """The part of ``tensors`` that belongs to the network, if a wrapper was saved around it.

    The wrapper (DataParallel, a LightningModule) puts its own name before all names in ``wanted``,
    and may hold tensors of its own.
    """
    if not wanted or wanted & tensors.keys():
        return tensors
    first = min(wanted, key=lambda name: (-name.count("."), name))  # the least ambiguous
    ends = [name.removesuffix(first) for name in tensors if name.endswith(f".{first}")]
    parts = [
        part
        for prefix in ends
        if wanted
        <= (
            part := {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        ).keys()
    ]
    if len(parts) > 1:
        raise InvalidModel(
            f"{path}: holds the network {len(parts)} times, under {_some(sorted(ends))}; save the"
            " state_dict() of one"
        )
    return parts[0] if parts else tensors


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "nothing"
