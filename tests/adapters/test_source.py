"""Models from users' files: what they wrote is run, what they saved is not."""

from __future__ import annotations

from zipfile import ZipFile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spikeproof.adapters.source import is_source, load_source
from spikeproof.errors import InvalidModel

FILE = """
import neighbour
from torch import nn

READY = nn.Linear(2, 3)
WIDTH = 3

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, neighbour.OUT)
        self.norm = nn.BatchNorm1d(neighbour.OUT)
        self.register_buffer("mem", None if neighbour.OUT == 0 else __import__("torch").zeros(1))

    def forward(self, x):
        return self.norm(self.fc(x))

def build():
    return Net()

def fails():
    raise ValueError("no such size")

def number():
    return 5

def function():
    return lambda x: x
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "neighbour.py").write_text("OUT = 3\n")
    path = tmp_path / "my_net.py"
    path.write_text(FILE)
    return path


def tensors(file):
    torch.manual_seed(1)
    return load_source(f"{file}:build").state_dict()


def same(model, state):
    return all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", ["build", "Net", "READY", "function"])
def test_functions_classes_and_modules_give_a_model(file, name):
    assert callable(load_source(f"{file}:{name}"))


def test_a_spec_is_told_from_a_path(tmp_path, file):
    assert is_source(f"{file}:build")
    assert is_source("package.module:build")
    assert not is_source("net.safetensors")
    odd = tmp_path / "a:b"
    odd.write_text("")
    assert not is_source(str(odd))


@pytest.mark.parametrize("nest", [None, "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_weights_load_from_what_trainers_save(file, tmp_path, nest, prefix):
    state = tensors(file)
    value = {prefix + k: v for k, v in state.items()}
    torch.save({nest: value, "epoch": 3} if nest else value, tmp_path / "w.pt")
    assert same(load_source(f"{file}:build", tmp_path / "w.pt"), state)


def test_a_wrapper_may_have_tensors_of_its_own(file, tmp_path):
    state = tensors(file)
    saved = {f"trainer.net.{k}": v for k, v in state.items()} | {"loss.weight": torch.ones(3)}
    torch.save({"state_dict": saved}, tmp_path / "w.ckpt")
    assert same(load_source(f"{file}:build", tmp_path / "w.ckpt"), state)
    twice = saved | {f"ema.{k}": v for k, v in state.items()}
    torch.save(twice, tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match=r"holds the network 2 times, under 'ema\.', 'trainer"):
        load_source(f"{file}:build", tmp_path / "w.pt")


def test_plain_weights_fit_a_parallel_model(file, tmp_path):
    file.write_text(FILE + "\ndef parallel():\n    return nn.DataParallel(Net())\n")
    state = tensors(file)
    torch.save(state, tmp_path / "w.pt")
    assert same(load_source(f"{file}:parallel", tmp_path / "w.pt").module, state)


def test_weights_load_from_safetensors(file, tmp_path):
    state = tensors(file)
    save_file(state, tmp_path / "w.safetensors")
    assert same(load_source(f"{file}:build", tmp_path / "w.safetensors"), state)


def test_a_membrane_of_another_batch_is_no_weight(file, tmp_path):
    state = {**tensors(file), "mem": torch.ones(32, 3)}
    torch.save(state, tmp_path / "w.pt")
    model = load_source(f"{file}:build", tmp_path / "w.pt")
    assert torch.equal(model.fc.weight, state["fc.weight"])
    assert model.mem.shape == (1,)


class Trap:
    def __reduce__(self):
        return (print, ("run",))


def test_weights_are_never_unpickled(file, tmp_path, capsys):
    torch.save({"fc.weight": Trap()}, tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match=r"w\.pt: holds more than tensors.*state_dict\(\) alone"):
        load_source(f"{file}:build", tmp_path / "w.pt")
    assert capsys.readouterr().out == ""


def test_no_message_says_how_to_run_the_code_in_a_file(file, tmp_path):
    torch.save(nn.Linear(2, 3), tmp_path / "whole.pt")
    with pytest.raises(InvalidModel, match="a whole model perhaps") as caught:
        load_source(f"{file}:build", tmp_path / "whole.pt")
    assert "weights_only" not in str(caught.value)
    with ZipFile(tmp_path / "script.pt", "w") as archive:  # what torch.jit.save writes
        archive.writestr("script/constants.pkl", b"")
    with pytest.raises(InvalidModel, match=r"script\.pt: is a TorchScript program and no table"):
        load_source(f"{file}:build", tmp_path / "script.pt")


def test_a_script_that_ends_the_program(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import sys\nsys.exit(2)\n")
    with pytest.raises(InvalidModel, match=r"train\.py: line 2 ends the program; keep what runs"):
        load_source(f"{path}:build")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("fc.weight"), r"has no 'fc\.weight', which Net needs"),
        (lambda s: s.pop("norm.running_mean"), r"has no 'norm\.running_mean'"),
        (lambda s: s.update({"head.bias": torch.ones(1)}), r"has 'head\.bias', which Net has no"),
        (
            lambda s: s.update({"fc.weight": torch.ones(5, 2)}),
            r"is \[5, 2\] and Net needs \[3, 2\]",
        ),
    ],
)
def test_weights_of_another_network_are_named(file, tmp_path, change, message):
    state = dict(tensors(file))
    change(state)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match=message):
        load_source(f"{file}:build", tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_net.py:nothing", r"has no 'nothing'; it has .*build"),
        ("my_net.py:fails", r"line 22 raises ValueError: no such size; it is called without"),
        ("my_net.py:number", "gives an object of type int, which cannot be called"),
        ("my_net.py:WIDTH", "is of type int; name a function or class"),
        ("none.py:build", r"none\.py: no such file"),
        ("no_such_module_here:build", "No module named"),
    ],
)
def test_errors_say_where(file, spec, message):
    name, _, what = spec.partition(":")
    place = file.parent / name if name.endswith(".py") else name
    with pytest.raises(InvalidModel, match=message):
        load_source(f"{place}:{what}")


def test_an_error_in_the_file_names_its_line(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import torch\n\nx = 1 / 0\n")
    with pytest.raises(InvalidModel, match=r"bad\.py: line 3 raises ZeroDivisionError"):
        load_source(f"{path}:build")
    path.write_text("def build(:\n")
    with pytest.raises(InvalidModel, match=r"bad\.py: line 1 raises SyntaxError"):
        load_source(f"{path}:build")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04rubbish", b"\x80\x02]q\x00."])
def test_files_that_are_no_weights(file, tmp_path, data):
    (tmp_path / "w.pt").write_bytes(data)
    with pytest.raises(InvalidModel, match=r"w\.pt: "):
        load_source(f"{file}:build", tmp_path / "w.pt")
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match="holds no table of tensors"):
        load_source(f"{file}:build", tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match="no such file"):
        load_source(f"{file}:build", tmp_path / "missing.pt")


def test_weights_need_a_module(file, tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(InvalidModel, match="has no weights to load"):
        load_source(f"{file}:function", tmp_path / "w.pt")
    assert isinstance(load_source(f"{file}:READY"), nn.Linear)
