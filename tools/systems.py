"""Run the quick tests against a built wheel, without make, shell and links: on every system.

`python tools/systems.py` makes an environment in build/systems, installs the wheel of dist/ there,
and runs the tests in an empty folder, where Python finds the installed package and not the
checkout's. Arguments go to pytest.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ENVIRONMENT = HERE / "build/systems"
MOST_PROCESSES = 4  # each takes about 2 GB of memory
NOT_HERE = ("bench", "test_repository.py", "test_community.py")  # times; the checkout and its .venv

# Ends with an error where what is tested would be the checkout's package.
WHICH = f"""
from pathlib import Path
import rsna_cls
package = Path(rsna_cls.__file__).resolve().parent
print("Testing", package, flush=True)
if package.is_relative_to(Path({str(HERE / "rsna_cls")!r}).resolve()):
    raise SystemExit("That is the checkout's package: install the wheel first.")
"""


def the_wheel(folder: Path) -> Path:
    "The one wheel in a folder; raises `SystemExit` where there is none, or several."
    wheels = sorted(folder.glob("rsna_cls-*.whl"))
    if len(wheels) != 1:
        raise SystemExit(
            f"{folder} holds {len(wheels)} wheels of rsna_cls, and one is needed: put it there, "
            "or build it with `python -m build` in an empty dist folder."
        )
    return wheels[0]


def new_environment(
    folder: Path,  # one that is there is emptied first
) -> Path:  # its Python
    "Make an environment."
    venv.create(folder, clear=True, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, wheel: Path) -> None:
    "Install a wheel and what its tests need; raises `CalledProcessError`."
    constraints = HERE / "tests/constraints.txt"
    command = [python, "-m", "pip", "install", "--progress-bar", "off", "-c", constraints]
    subprocess.run([*command, f"{wheel}[dev]"], check=True)


def run_tests(
    python: Path | str,  # one that has the package installed
    options: list[str],  # for pytest
) -> int:  # pytest's exit status
    "Run the quick tests in an empty folder."
    tests = HERE / "tests"
    quick = ["-m", "not slow", "-q", "-ra"]
    for name in NOT_HERE:
        quick += ["--ignore", str(tests / name)]
    processes = ["-n", str(min(os.cpu_count() or 1, MOST_PROCESSES))]
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory(prefix="rsna_cls_systems_") as empty:
        subprocess.run([python, "-c", WHICH], cwd=empty, env=settings, check=True)
        command = [python, "-m", "pytest", str(tests), *quick, *processes, *options]
        return subprocess.run(command, cwd=empty, env=settings).returncode


def main() -> int:
    "Install, and test."
    wheel = the_wheel(HERE / "dist")
    python = new_environment(ENVIRONMENT)
    install(python, wheel)
    return run_tests(python, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
