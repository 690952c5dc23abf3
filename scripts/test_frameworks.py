"""The adapters' tests and the tutorials, with Norse and with Sinabs, each in its environment.

    python scripts/test_frameworks.py                       # norse and sinabs, fresh environments
    python scripts/test_frameworks.py norse --env DIR       # reuse (or make) the one in DIR

SpikingJelly and snnTorch live in the test environment. Norse and Sinabs want versions of NIR that
exclude each other, and dependencies that their layers do not need. So each gets an environment
with itself and its NIR, installed without dependencies; everything else, PyTorch above all, is
borrowed from the environment that runs this script. Environments are made in a temporary folder
and thrown away, unless ``--env`` names one. Exits with the status of the first failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = {
    "norse": ["norse==1.1.0", "nir==1.0.8", "nirtorch==2.6"],
    "sinabs": ["sinabs==3.1.3", "nir==1.0.4", "nirtorch==2.0.2", "pbr==7.1.3"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("frameworks", nargs="*", help="norse, sinabs (default: both)")
    parser.add_argument("--env", type=Path, help="environment to use, made if missing")
    chosen = parser.parse_args()
    names = chosen.frameworks or list(PINS)
    if unknown := sorted(set(names) - set(PINS)):
        parser.error(f"unknown framework {unknown[0]!r}; choose from {', '.join(PINS)}")
    if chosen.env is not None and len(names) != 1:
        parser.error("--env is for one framework; name it")
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            folder = chosen.env or Path(temporary) / name
            if status := run(name, python_of(folder, name)):
                return status
    return 0


def python_of(folder: Path, framework: str) -> Path:
    """The interpreter of the environment in ``folder``, which is made if there is none."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", *PINS[framework]]
        subprocess.run(install, check=True)
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.check_output([python, "-c", where], text=True).strip()
        Path(packages, "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def run(framework: str, python: Path) -> int:
    """Run the tests that every framework must pass, and the framework's own; the exit status."""
    adapters = ROOT / "tests/adapters"
    tests = [
        str(adapters / "test_adapt.py"),
        str(adapters / "frameworks" / f"test_{framework}.py"),
        str(adapters / "test_norse_and_sinabs_rebuilt.py"),
        f"{ROOT / 'tests/test_docs.py'}::"
        f"test_the_tutorials_of_frameworks_run_as_they_stand[{framework}]",
    ]
    print(f"--- {framework}, {python}", flush=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
