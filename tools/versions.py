"""Run every lesson as somebody else would, with versions of packages that are not our own.

`make colab` does so with Google Colab's packages. `python tools/versions.py kaggle`, `lowest` and
`newest` do so with Kaggle's, with the lowest that settings.ini promises, and with whatever pip
finds today; `--python 3.12` says for which Python. Each lesson starts without the library and gets
it from its own set-up cell, out of a wheel that is built here and served on this machine, at the
path a release has. Nothing else can be downloaded. The lessons run with small parameters, on the
simulated films, in another folder; once the library is installed its files cannot be written.

This is for Linux and macOS; on Windows, `python tools/systems.py` runs a short part.

A table says how it went. A lesson fails if a cell does, if it says anything on stderr or asks for a
restart, if figures are missing, if a package is replaced, or if a file of the library changes.
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

import docs

HERE = Path(__file__).resolve().parents[1]
LESSONS = HERE / "nbs/lessons"
CONSTRAINTS = HERE / "tests/versions"

# What stands in the way of a check, in words; the check itself has not begun.
CANNOT_BEGIN = 2


class CannotBegin(Exception):
    "What is missing, and how to get it."


# --- what is run, and where ----------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    "A lesson, the parameters that make it short, and how many figures it draws with them."

    name: str
    parameters: dict
    figures: int


LESSON_RUNS = [
    Lesson("01_first_classifier", dict(films="simulated", size=64, seed=1), figures=12),
    Lesson(
        "02_is_it_cheating",
        dict(films="simulated", size=32, epochs=1, new_films=4),
        figures=8,
    ),
    Lesson("03_how_sure", dict(films="simulated", size=48, folds=2), figures=5),
    Lesson("04_where_it_ends", dict(films="simulated", size=48, folds=2), figures=8),
    Lesson("05_how_a_film_is_made", dict(size=128), figures=12),
    Lesson("06_inside_the_network", dict(films="simulated", size=64), figures=11),
    Lesson("07_a_clinical_question", dict(train_films=24, test_films=24, size=48), figures=7),
    Lesson("08_your_own_films", dict(patients=20, size=48), figures=9),
]

# Runs in the kernel before a lesson: in Colab `google.colab` is imported already.
AS_IN_COLAB = """
import sys
import types

sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
sys.modules["google"].colab = sys.modules["google.colab"]
"""


@dataclass(frozen=True)
class Edition:
    "A place where lessons are run, or an end of what settings.ini promises."

    python: str  # where none is asked for
    constraints: str  # a file in tests/versions; empty: whatever pip finds today
    folder: str = "somewhere"  # in which a lesson is opened
    before: str = ""  # runs in the kernel before the lesson
    variables: dict = field(default_factory=dict)  # of the environment
    has_internet: bool = True  # else the wheel lies beside the notebook, as does a folder of films


EDITIONS = {
    "colab": Edition(
        "3.13",
        "colab.txt",
        folder="content",
        before=AS_IN_COLAB,
        variables={"COLAB_RELEASE_TAG": "release-colab-external-images", "COLAB_GPU": ""},
    ),
    "kaggle": Edition(
        "3.12",
        "kaggle.txt",
        folder="kaggle/working",
        variables={"KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
        has_internet=False,
    ),
    "lowest": Edition("3.11", "lowest-{python}.txt"),
    "newest": Edition("3.13", ""),
}


# --- an environment ------------------------------------------------------------------------------


def python_in(environment: Path) -> Path:
    "The interpreter of a virtual environment."
    return environment / "bin/python"


def interpreters(version: str) -> Iterator[Path]:
    "Places where an interpreter of a version such as 3.13 may be: PATH, pyenv's and uv's folders."
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield Path(getattr(sys, "_base_executable", sys.executable))
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local/share/uv/python"))
    for folder in [*pyenv.glob(f"{version}.*"), *uv.glob(f"cpython-{version}.*")]:
        yield folder / "bin/python3"


def find_interpreter(version: str) -> Path:
    "An interpreter of this version that starts and can make environments."
    asks = f"import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    for python in interpreters(version):
        with suppress(OSError):
            if subprocess.run([python, "-c", asks], capture_output=True).returncode == 0:
                return python
    raise CannotBegin(
        f"No Python {version} was found: not on the PATH, not among pyenv's or uv's. Install it "
        f"(for instance with `uv python install {version}`), or name another: --python 3.12."
    )


def requirements() -> list[str]:
    "What settings.ini asks for."
    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]["requirements"].split()


def constraints_of(edition: Edition, version: str) -> Path | None:
    "The constraints file of an edition for a Python, if it has one."
    if not edition.constraints:
        return None
    file = CONSTRAINTS / edition.constraints.format(python=version)
    if not file.exists():
        there = ", ".join(sorted(path.stem for path in CONSTRAINTS.glob("*.txt")))
        raise CannotBegin(f"tests/versions has no {file.name}; it has {there}.")
    return file


def make_environment(folder: Path, python: Path, constraints: Path | None) -> Path:
    "An environment with what the library needs and a kernel, but not the library; its Python."
    # An environment is used again while it would be made of the same things. What pip finds
    # without constraints changes from day to day.
    wanted = constraints.read_text(encoding="utf-8") if constraints else date.today().isoformat()
    wanted = "\n".join([*requirements(), wanted])
    ready = folder / ".ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python_in(folder)

    print(f"Making {folder}: about 7 GB, 3 to 10 minutes …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True)
    command = [python_in(folder), "-m", "pip", "install", "--only-binary=:all:"]
    command += ["--progress-bar", "off", "--disable-pip-version-check"]
    command += ["--no-compile"]  # only what is imported, once it is
    if constraints:
        command += ["--constraint", constraints]
    command += [*requirements(), "ipykernel", "pip"]
    log = folder / "pip.log"
    with log.open("w", encoding="utf-8") as written:
        done = subprocess.run(command, stdout=written, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise CannotBegin(f"pip failed; all it said is in {log}. The end of it:\n{tail}")
    ready.write_text(wanted, encoding="utf-8")
    return python_in(folder)


# Prints the installed packages and their versions.
LIST_PACKAGES = """
import json
from importlib.metadata import distributions

found = {package.name.lower().replace("-", "_"): package.version for package in distributions()}
print(json.dumps(found))
"""


def packages(python: Path) -> dict[str, str]:
    "The packages that an interpreter has, and their versions."
    done = subprocess.run(
        [python, "-I", "-c", LIST_PACKAGES], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def uninstall(python: Path) -> None:
    "Take the library out of an environment, if it is there."
    command = [python, "-m", "pip", "uninstall", "-q", "-y", "rsna_cls"]
    subprocess.run(command, check=True, capture_output=True)


# --- the wheel, and where a lesson gets it from --------------------------------------------------

NOT_COPIED = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")


def build_wheel(scratch: Path) -> Path:
    "The wheel of this repository, built from a copy: a build leaves files where it runs."
    copy = scratch / "source"
    shutil.copytree(HERE, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        scratch,
        copy,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotBegin(f"The wheel could not be built:\n{done.stdout[-2000:]}{done.stderr}")
    shutil.rmtree(copy)
    return next(scratch.glob("*.whl"))


class QuietHandler(SimpleHTTPRequestHandler):
    "Serves the files of a folder, and says nothing."

    def log_message(self, *args) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    "Serve a folder on a free port of this machine; its address."
    handler = partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def stamped_lesson(name: str, repository: str | None) -> NotebookNode:
    "A lesson as it is published at an address, or, with none, as this repository has it."
    place = LESSONS / f"{name}.ipynb"
    text = place.read_text(encoding="utf-8")
    if repository:
        address = docs.Address(repository, docs.read_settings().version, is_on_index=False)
        text = docs.stamped_notebook(text, place.name, address, docs.read_texts())
    return nbformat.reads(text, as_version=4)


# --- one lesson ----------------------------------------------------------------------------------


@dataclass
class Run:
    "What came of a lesson."

    notebook: NotebookNode  # executed, as far as it came
    figures: int  # that it should have drawn
    seconds: float = 0
    error: str = ""  # what stopped it
    library: str = ""  # where the kernel had the library from
    environment: Path = Path()
    before: dict[str, str] = field(default_factory=dict)  # packages and versions
    after: dict[str, str] = field(default_factory=dict)
    installed: dict[str, str] = field(default_factory=dict)  # files of the library, and checksums
    left: dict[str, str] = field(default_factory=dict)  # the same when the lesson had ended


def texts_of(notebook: NotebookNode, kind: str) -> str:
    "All that a notebook wrote to a stream, or, for any other kind, all that it showed as text."
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and kind in (output.name, "any"):
                found.append(output.text)
            elif kind == "any":
                data = output.get("data", {})
                found += [data[mime] for mime in ("text/plain", "text/html") if mime in data]
    return "\n".join(found)


def count_figures(notebook: NotebookNode) -> int:
    "How many pictures a notebook shows."
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    "What was added, taken away or replaced between two lists, in words."
    names = sorted(before.keys() | after.keys())
    return [
        f"{name} {before.get(name, 'not there')} → {after.get(name, 'not there')}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def without_library(found: dict[str, str]) -> dict[str, str]:
    "A list of packages without our own."
    return {name: version for name, version in found.items() if name != "rsna_cls"}


def faults(run: Run) -> list[str]:
    "Everything that is wrong with a run, in words."
    found = []
    if run.error:
        found.append(run.error)
    if "Ready:" not in texts_of(run.notebook, "stdout"):
        found.append("the set-up cell does not say Ready")
    if "restart" in texts_of(run.notebook, "any").lower():
        found.append("it asks for a restart")
    said = texts_of(run.notebook, "stderr").strip()
    if said:
        found.append(f"on stderr: {' '.join(said.split())[:300]}")
    drawn = count_figures(run.notebook)
    if drawn < run.figures:
        found.append(f"{drawn} figures of {run.figures}")

    replaced = changed(without_library(run.before), without_library(run.after))
    if replaced:
        found.append(f"packages changed: {', '.join(replaced)}")
    if "rsna_cls" in run.before:
        found.append("the library was there before the set-up cell")
    if not Path(run.library).is_relative_to(run.environment) and not run.error:
        found.append(f"the library came from {run.library}, not from the environment")
    written = sorted({line.split(" ")[0] for line in changed(run.installed, run.left)})
    if written:
        found.append(f"files of the library changed: {', '.join(written[:5])}")
    return found


def library_folder(environment: Path) -> Path | None:
    "Where the library is installed in an environment."
    return next(environment.glob("lib/python*/site-packages/rsna_cls"), None)


def checksums(folder: Path | None) -> dict[str, str]:
    "The files below a folder, and their checksums; what Python compiles on its own left aside."
    if not folder:
        return {}
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def set_writable(folder: Path, is_writable: bool) -> None:
    "Allow or forbid to write the files below a folder, and to add any."
    write = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IWUSR if is_writable else mode & ~write)


def without_privilege() -> list[str]:
    "What stands before a command so that the bits which forbid writing hold for root, too."
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        raise CannotBegin(
            "As root, this check needs `setpriv` (package util-linux): root may write to files "
            "that are read-only. Or run it as another user."
        )
    given_up = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={given_up}", f"--inh-caps={given_up}"]


def write_kernel(folder: Path, python: Path) -> None:
    "Describe the environment's kernel where Jupyter looks for it, under the name `lesson`."
    kernel = folder / "kernels/lesson"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [*without_privilege(), str(python), "-m", "ipykernel_launcher", "-f"]
    argv += ["{connection_file}", "--IPKernelApp.log_level=50"]
    description = {"argv": argv, "display_name": "lesson", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(description), encoding="utf-8")


def kernel_variables(python: Path, home: Path, edition: Edition) -> dict[str, str]:
    "The variables a lesson starts with: a home of its own, and no way out but to this machine."
    kept = ("LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    variables |= {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", "")]),
        "no_proxy": "127.0.0.1,localhost",
    }
    for scheme in ("http", "https", "all"):  # a port where nobody listens
        variables[f"{scheme}_proxy"] = "http://127.0.0.1:9"
    return variables | edition.variables


def set_parameters(notebook: NotebookNode, parameters: dict) -> None:
    "Put a cell that sets other parameters behind the cell in which a lesson sets its own."
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    place = next(number for number, tagged in enumerate(tags) if "parameters" in tagged)
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))


WHERE_FROM = "import rsna_cls\n\nprint(rsna_cls.__file__)"


def run_lesson(
    lesson: Lesson, notebook: NotebookNode, python: Path, edition: Edition, scratch: Path
) -> Run:
    "Run a lesson in an environment that does not have the library yet."
    environment = python.parent.parent
    working = scratch / edition.folder
    home = scratch / "home"
    startup = home / ".ipython/profile_default/startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-place.py").write_text(edition.before, encoding="utf-8")
    write_kernel(scratch, python)
    os.environ["JUPYTER_PATH"] = str(scratch)

    set_parameters(notebook, lesson.parameters)
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE_FROM))
    run = Run(notebook, lesson.figures, environment=environment, before=packages(python))

    def lock(cell: NotebookNode, **_) -> None:
        "Once the set-up cell has run, the library can be read only."
        folder = library_folder(environment)
        if folder and not run.installed:
            run.installed = checksums(folder)
            set_writable(folder, False)

    client = NotebookClient(
        notebook,
        kernel_name="lesson",
        timeout=900,
        resources={"metadata": {"path": str(working)}},
        on_cell_executed=lock,
    )
    started = time.monotonic()
    with (scratch / "kernel.log").open("a", encoding="utf-8") as log:
        try:
            client.execute(
                env=kernel_variables(python, home, edition), stdout=log, stderr=subprocess.STDOUT
            )
        except CellExecutionError as error:
            run.error = f"{error.ename}: {error.evalue}".replace("\n", " ")[:300]
        except (CellTimeoutError, DeadKernelError) as error:
            run.error = str(error).replace("\n", " ")[:300]
    run.seconds = time.monotonic() - started

    if not run.error:
        run.library = texts_of(NotebookNode(cells=[notebook.cells.pop()]), "stdout").strip()
    run.after = packages(python)
    folder = library_folder(environment)
    run.left = checksums(folder)
    if folder:
        set_writable(folder, True)
    return run


# --- all lessons ---------------------------------------------------------------------------------


def offline_files(working: Path, wheel: Path) -> Path:
    "Without internet, the wheel lies beside the notebook, and films come from a read-only folder."
    shutil.copy(wheel, working)
    films = working.parent / "input/films"
    shutil.copytree(HERE / "data", films)
    set_writable(films, False)
    return films


def run_lessons(
    edition: Edition, python: Path, lessons: list[Lesson], keep: Path, tell: Callable
) -> list[list[str]]:
    "Run lessons one after another; the faults of each. Executed notebooks are kept in a folder."
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="lessons-", ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary).resolve()
        working = scratch / edition.folder
        working.mkdir(parents=True)
        wheel = build_wheel(scratch)

        # The wheel is served at the path that it has in a release.
        repository = scratch / "host/owner/rsna_cls"
        release = repository / f"releases/download/v{docs.read_settings().version}"
        release.mkdir(parents=True)
        shutil.copy(wheel, release)
        films = "simulated" if edition.has_internet else str(offline_files(working, wheel))

        with served(scratch / "host") as host:
            for lesson in lessons:
                uninstall(python)
                address = f"{host}/owner/rsna_cls" if edition.has_internet else None
                notebook = stamped_lesson(lesson.name, address)
                if "films" in lesson.parameters:
                    lesson = replace(lesson, parameters=lesson.parameters | {"films": films})
                run = run_lesson(lesson, notebook, python, edition, scratch)
                nbformat.write(run.notebook, keep / f"{lesson.name}.ipynb")
                outcomes.append(faults(run))
                tell(lesson, run, outcomes[-1])
        uninstall(python)
    return outcomes


TOLD = ("torch", "torchvision", "fastai", "fastcore", "numpy", "pandas", "matplotlib", "pillow")
TOLD += ("scikit_learn", "scipy", "ipywidgets", "ipython", "ipykernel")


def check(name: str, version: str, lessons: list[Lesson], folder: Path) -> bool:
    "Check lessons under the versions of an edition, and print the table; whether all is well."
    edition = EDITIONS[name]
    without_privilege()  # says now, rather than in ten minutes, if it cannot be had
    constraints = constraints_of(edition, version)
    environment = folder / f"{name}-{version}"
    python = make_environment(environment, find_interpreter(version), constraints)

    found = packages(python)
    versions = ", ".join(f"{told} {found[told]}" for told in TOLD if told in found)
    print(f"\n{name} on Python {version}: {versions}\n")
    print("| versions | Python | lesson | min:s | outcome |\n| --- | --- | --- | --- | --- |")

    def tell(lesson: Lesson, run: Run, wrong: list[str]) -> None:
        minutes, seconds = divmod(round(run.seconds), 60)
        outcome = "; ".join(wrong) or "passes"
        line = f"| {name} | {version} | {lesson.name} | {minutes}:{seconds:02} | {outcome} |"
        print(line, flush=True)

    keep = environment / "executed"
    keep.mkdir(exist_ok=True)
    outcomes = run_lessons(edition, python, lessons, keep, tell)
    failed = sum(bool(wrong) for wrong in outcomes)
    print(f"\n{len(outcomes) - failed} of {len(outcomes)} lessons pass; as they ran: {keep}")
    return not failed


def main() -> int:
    "The command line."
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("edition", choices=EDITIONS)
    parser.add_argument("--python", help="such as 3.12")
    parser.add_argument("--lesson", help="one lesson alone, such as 03")
    parser.add_argument("--folder", type=Path, default=HERE / "build/versions")
    parser.add_argument("--remove", action="store_true", help="the environment, once it was used")
    given = parser.parse_args()

    version = given.python or EDITIONS[given.edition].python
    lessons = [run for run in LESSON_RUNS if run.name.startswith(given.lesson or "")]
    folder = given.folder.resolve()
    try:
        is_well = check(given.edition, version, lessons, folder)
    except CannotBegin as problem:
        print(problem, file=sys.stderr)
        return CANNOT_BEGIN
    finally:
        if given.remove:
            shutil.rmtree(folder / f"{given.edition}-{version}", ignore_errors=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
