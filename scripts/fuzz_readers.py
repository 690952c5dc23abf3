"""Feed the readers of event files with damaged files, guided by what code they reach.

    python scripts/fuzz_readers.py                              # every format, 60 s each
    python scripts/fuzz_readers.py --format evt3 --seconds 600

Needs atheris (pip install atheris), which drives libFuzzer. Every input is read strictly, with
repair and in slices; anything but valid events or ``InvalidRecording``, a warning included, is an
error, and so is an input that takes longer than ``SLOW``. Inputs that fail are kept in
``fuzz-errors/``. Exits with 1 if there are any.

Only Python is instrumented. The compiled loops run as they are, from their uninstrumented source.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEEP = Path("fuzz-errors")
SLOW = 5.0  # seconds
LONGEST = 2**20  # bytes of an input


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--format", help="a format's name (default: all, one after the other)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each format")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzz_readers.py needs atheris, which is not installed; pip install atheris")
    if options.child:
        fuzz(options.format, options.seconds)
    from spikeproof.events.formats import FORMATS

    names = [format.name for format in FORMATS]
    if options.format is not None and options.format not in names:
        sys.exit(f"format {options.format!r} is unknown; use one of {', '.join(names)}")
    chosen = names if options.format is None else [options.format]
    failed = [name for name in chosen if not run(name, options.seconds)]
    if failed:
        sys.exit(f"errors in {', '.join(failed)}; the inputs are in {KEEP}/")


def run(name: str, seconds: float) -> bool:
    """Fuzz one format in a process of its own, which libFuzzer takes over; True if all is well."""
    command = [sys.executable, __file__, "--child", "--format", name, "--seconds", str(seconds)]
    child = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in child.stdout.splitlines() if line.startswith("{")]
    if not lines:  # killed, or out of memory
        print(f"{name}: the process ended with {child.returncode}\n{child.stderr[-2000:]}")
        return False
    result = json.loads(lines[-1])
    print(
        f"{name}: {result['inputs']} inputs in {seconds:g} s ({result['read']} gave events), "
        f"{len(result['errors'])} different errors",
        flush=True,
    )
    for error in result["errors"]:
        print(f"    {error}", flush=True)
    return not result["errors"]


def fuzz(name: str, seconds: float) -> None:
    """Fuzz one format; libFuzzer does not come back, so the target itself ends the process."""
    import atheris
    import numba

    numba.njit = functools.partial(compiled, numba.njit)
    with atheris.instrument_imports(
        include=[
            "spikeproof.events.formats",
            "spikeproof.events.files",
            "spikeproof.events.reading",
        ]
    ):
        from spikeproof.events import read, slices
        from spikeproof.events.formats import FORMATS
    from events.formats.samples import sample
    from spikeproof.errors import InvalidRecording

    warnings.simplefilter("error")
    format = next(format for format in FORMATS if format.name == name)
    folder = Path(tempfile.mkdtemp(prefix="spikeproof-fuzz-"))
    path = folder / f"input{format.endings[0]}"
    seeds = folder / "seeds"
    seeds.mkdir()
    good = sample(format)
    for k, seed in enumerate((good, good[: len(good) // 2], good[:100])):
        (seeds / str(k)).write_bytes(seed)
    path.write_bytes(good)
    read(path, width=30, height=20)  # the loops are compiled before the clock runs

    state: dict[str, Any] = {"inputs": 0, "read": 0, "errors": {}}
    end = time.monotonic() + seconds

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        began = time.monotonic()
        quiet: Callable[[str], None] = lambda _: None  # noqa: E731
        for repair in (False, True):
            for size in ({}, {"width": 30, "height": 20}):
                with contextlib.suppress(InvalidRecording):
                    read(path, repair=repair, told=quiet, **size)
                    state["read"] += 1
            with contextlib.suppress(InvalidRecording):
                for _ in slices(path, count=100, repair=repair, told=quiet):
                    pass
        if time.monotonic() - began > SLOW:
            raise TimeoutError(f"takes more than {SLOW} s")

    def target(data: bytes) -> None:
        state["inputs"] += 1
        try:
            attempt(data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
            kind = key if isinstance(error, TimeoutError) else f"{type(error).__name__} {place[:2]}"
            if kind not in state["errors"]:
                KEEP.mkdir(exist_ok=True)
                kept = KEEP / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}{format.endings[0]}"
                kept.write_bytes(data)
                state["errors"][kind] = f"{kept}: {key}"
        if time.monotonic() > end:
            print(json.dumps(state | {"errors": list(state["errors"].values())}), flush=True)
            for file in [*seeds.iterdir(), path]:
                file.unlink()
            seeds.rmdir()
            folder.rmdir()
            os._exit(0)

    arguments = [__file__, f"-max_len={min(LONGEST, 2 * len(good))}", "-rss_limit_mb=4096"]
    atheris.Setup([*arguments, str(seeds)], target)
    atheris.Fuzz()


def compiled(njit: Any, *arguments: Any, **settings: Any) -> Any:
    """Stand in for ``numba.njit``, which cannot compile what atheris has instrumented."""

    def decorate(function: types.FunctionType) -> Any:
        return njit(plain(function), **settings)

    return decorate(arguments[0]) if arguments else decorate


def plain(function: types.FunctionType) -> types.FunctionType:
    """Make the function again from its source."""
    code = function.__code__
    source = Path(code.co_filename).read_text(encoding="utf-8")
    stack = [compile(source, code.co_filename, "exec", dont_inherit=True)]
    while stack:
        candidate = stack.pop()
        if (candidate.co_name, candidate.co_firstlineno) == (code.co_name, code.co_firstlineno):
            made = types.FunctionType(candidate, function.__globals__, function.__name__)
            made.__module__, made.__doc__ = function.__module__, function.__doc__
            made.__qualname__ = function.__qualname__
            return made
        stack += [const for const in candidate.co_consts if isinstance(const, types.CodeType)]
    raise LookupError(f"{function.__name__} is not in {code.co_filename}")


if __name__ == "__main__":
    main()
