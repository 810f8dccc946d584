"""The check of other versions (tools/versions.py), on small cases.

What it runs when it runs for real takes gigabytes and minutes: see `make colab`."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from conftest import HERE, make_link

sys.path.insert(0, str(HERE / "tools"))
spec = importlib.util.spec_from_file_location("versions", HERE / "tools/versions.py")
versions = importlib.util.module_from_spec(spec)
sys.modules["versions"] = versions
spec.loader.exec_module(versions)

FILES = sorted((HERE / "tests/versions").glob("*.txt"))
ASKED_FOR = [Requirement(line) for line in versions.requirements()]


# --- constraints ---------------------------------------------------------------------------------


def pins(file):
    "The versions in a constraints file."
    lines = [line.partition("#")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line.strip()]
    return {canonicalize_name(pin.name): Version(str(pin.specifier)[2:]) for pin in found}


def floor(requirement):
    "The lowest version that a requirement allows, or None."
    floors = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
    return floors[0] if floors else None


@pytest.mark.parametrize("requirement", ASKED_FOR, ids=lambda requirement: requirement.name)
def test_every_requirement_has_a_floor(requirement):
    "Without one, settings.ini would promise that any version works, however old."
    assert floor(requirement)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_constraints_keep_what_settings_promise(file):
    "Each direct requirement has a version there, and one that settings.ini allows."
    there = pins(file)
    for requirement in ASKED_FOR:
        version = there.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is missing"
        assert requirement.specifier.contains(version), f"{requirement.name} {version}"


def test_the_lowest_are_the_floors():
    "On the lowest Python exactly; on later ones as near as there are wheels."
    for file in FILES:
        if not file.stem.startswith("lowest"):
            continue
        there = pins(file)
        for requirement in ASKED_FOR:
            name = canonicalize_name(requirement.name)
            if file.stem == "lowest-3.11":
                assert there[name] == floor(requirement), name
            assert there[name] <= pins(HERE / "tests/constraints.txt")[name], name


def test_each_edition_has_its_constraints():
    for edition in versions.EDITIONS.values():
        versions.constraints_of(edition, edition.python)
    with pytest.raises(versions.CannotBegin, match="it has colab, kaggle, lowest-3.11"):
        versions.constraints_of(versions.EDITIONS["lowest"], "2.7")


def test_an_interpreter_that_is_not_there_is_named():
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert versions.find_interpreter(ours)
    with pytest.raises(versions.CannotBegin, match="No Python 2.1 was found"):
        versions.find_interpreter("2.1")


# --- lessons -------------------------------------------------------------------------------------


def test_every_lesson_is_run():
    "Each one, with parameters that it has."
    lessons = sorted((HERE / "nbs/lessons").glob("*.ipynb"))
    assert [run.name for run in versions.LESSON_RUNS] == [lesson.stem for lesson in lessons]
    for run, lesson in zip(versions.LESSON_RUNS, lessons, strict=True):
        cells = nbformat.read(lesson, as_version=4).cells
        cell = next(cell for cell in cells if "parameters" in cell.metadata.get("tags", []))
        for name in run.parameters:
            assert f"\n{name} = " in cell.source


def test_a_lesson_is_stamped_with_the_address_of_the_wheel():
    "The set-up cell asks for the file that the server here has, at the path of a release."
    notebook = versions.stamped_lesson("01_first_classifier", "http://127.0.0.1:1/owner/rsna_cls")
    version = versions.docs.read_settings().version
    release = f"http://127.0.0.1:1/owner/rsna_cls/releases/download/v{version}/rsna_cls-{version}"
    set_up = next(cell.source for cell in notebook.cells if "@title Set up" in cell.source)
    assert f"{release}-py3-none-any.whl" in set_up


def test_a_folder_is_served(tmp_path):
    (tmp_path / "file.txt").write_text("here", encoding="utf-8")
    with versions.served(tmp_path) as host:
        assert urlopen(f"{host}/file.txt").read() == b"here"


# --- faults, on made-up runs ---------------------------------------------------------------------


def stream(name, text):
    return new_output("stream", name=name, text=text)


def picture():
    return new_output("display_data", data={"image/png": "iVBORw0KGgo="})


def good_run(*outputs):
    "A run in which all is well, and these outputs as well."
    shown = [stream("stdout", "Ready: all is there.\n"), picture(), *outputs]
    cell = new_code_cell("…", outputs=shown)
    return versions.Run(
        new_notebook(cells=[cell]),
        figures=1,
        library="/environment/lib/site-packages/rsna_cls/__init__.py",
        environment=Path("/environment"),
        before={"torch": "2.11.0"},
        after={"torch": "2.11.0", "rsna_cls": "0.2.0"},
        installed={"cam.py": "1"},
        left={"cam.py": "1"},
    )


def test_a_good_run_has_no_faults():
    assert versions.faults(good_run()) == []


@pytest.mark.parametrize(
    "output, fault",
    [
        (stream("stderr", "UserWarning: old\n"), "on stderr: UserWarning: old"),
        (stream("stdout", "you may need to RESTART the kernel"), "it asks for a restart"),
        (new_output("display_data", data={"text/html": "Restart?"}), "it asks for a restart"),
    ],
)
def test_what_a_lesson_must_not_say(output, fault):
    assert versions.faults(good_run(output)) == [fault]


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"error": "ValueError: no"}, "ValueError: no"),
        ({"figures": 2}, "1 figures of 2"),
        ({"after": {"torch": "2.12.0"}}, "packages changed: torch 2.11.0 → 2.12.0"),
        ({"after": {}}, "packages changed: torch 2.11.0 → not there"),
        ({"after": {"torch": "2.11.0", "x": "1"}}, "packages changed: x not there → 1"),
        ({"library": "/else/rsna_cls/__init__.py"}, "the library came from /else/rsna_cls/"),
        ({"left": {"cam.py": "2"}}, "files of the library changed: cam.py"),
        ({"left": {"cam.py": "1", "new": "1"}}, "files of the library changed: new"),
        ({"notebook": new_notebook(cells=[])}, "the set-up cell does not say Ready"),
    ],
)
def test_what_must_not_change(change, fault):
    run = good_run()
    for name, value in change.items():
        setattr(run, name, value)
    assert versions.faults(run)[0].startswith(fault)


def test_a_library_that_was_there_before_is_noticed():
    run = good_run()
    run.before["rsna_cls"] = "0.1.0"
    assert versions.faults(run) == ["the library was there before the set-up cell"]


# --- a whole run, with a library that does nothing -----------------------------------------------

INIT = "def check_setup():\n    print('Ready: a small library.')\n"

SET_UP = """
import subprocess
import sys

pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", WHEEL]
subprocess.run(pip, check=True)
from rsna_cls import check_setup

check_setup()
"""

FIGURE = """
from IPython.display import display

display({"image/png": "iVBORw0KGgo="}, raw=True)
"""

WRITES = """
from pathlib import Path

import rsna_cls

Path(rsna_cls.__file__).with_name("cache.txt").write_text("mine")
"""


def small_wheel(folder, name):
    "A wheel of one module."
    wheel = folder / f"{name}-0.0-py3-none-any.whl"
    facts = f"{name}-0.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}/__init__.py", INIT)
        archive.writestr(
            f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0\n"
        )
        archive.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{facts}/RECORD", "")
    return wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    "An environment that has the packages of this one, but not the library; its Python."
    if os.name == "nt":
        pytest.skip("makes links to packages, which Windows may forbid")
    folder = tmp_path_factory.mktemp("environment").resolve()
    others = folder / "others"
    others.mkdir()
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "rsna_cls" not in item.name:
            make_link(others / item.name, item)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "here"], check=True)
    site = next((folder / "here/lib").glob("python*")) / "site-packages"
    (site / "others.pth").write_text(f"{others}\n", encoding="utf-8")
    return folder / "here/bin/python"


def run_small_lesson(environment, tmp_path, *cells):
    "Run a lesson of these cells behind a set-up cell and a figure."
    try:
        versions.without_privilege()
    except versions.CannotBegin as problem:
        pytest.skip(str(problem))
    wheel = small_wheel(tmp_path, "rsna_cls")
    set_up = f"WHEEL = {str(wheel)!r}\n{SET_UP}"
    parameters = new_code_cell("n = 1", metadata={"tags": ["parameters"]})
    rest = [new_code_cell(cell) for cell in (FIGURE, *cells)]
    notebook = new_notebook(cells=[new_code_cell(set_up), parameters, *rest])
    edition = versions.Edition("", "", before="print('before')", variables={"A_PLACE": "here"})
    (tmp_path / edition.folder).mkdir()
    versions.uninstall(environment)
    lesson = versions.Lesson("small", {"n": 2}, figures=1)
    return versions.run_lesson(lesson, notebook, environment, edition, tmp_path)


ASKS = """
import os
from urllib.request import getproxies, proxy_bypass

print(n, os.environ["A_PLACE"], os.getcwd(), os.path.expanduser("~"))
print(getproxies()["https"], bool(proxy_bypass("127.0.0.1")))
"""


@pytest.mark.slow(seconds=20)
class TestSmallLesson:
    "An environment, a wheel, a kernel, and a lesson."

    def test_a_good_lesson(self, environment, tmp_path):
        """Installs the library for itself; has its parameters, folder, home and variables.

        Every request goes to a port where nobody listens, but those to this machine do not."""
        run = run_small_lesson(environment, tmp_path, ASKS)
        assert versions.faults(run) == []
        assert run.after["rsna_cls"] == "0.0"
        printed = versions.texts_of(run.notebook, "stdout")
        assert f"2 here {tmp_path / 'somewhere'} {tmp_path / 'home'}" in printed
        assert "http://127.0.0.1:9 True" in printed

    def test_a_lesson_that_writes_into_the_library(self, environment, tmp_path):
        "Cannot, even as root."
        run = run_small_lesson(environment, tmp_path, WRITES)
        assert "PermissionError" in versions.faults(run)[0]

    def test_a_lesson_that_forces_its_way(self, environment, tmp_path):
        "It allows itself to write into the library, and installs something else: both are seen."
        forced = WRITES.replace("Path(", "Path(rsna_cls.__file__).parent.chmod(0o755)\nPath(", 1)
        other = small_wheel(tmp_path, "something")
        installs = f"pip[-1] = {str(other)!r}\nprint(subprocess.run(pip, check=True))"
        run = run_small_lesson(environment, tmp_path, forced, installs)
        assert versions.faults(run) == [
            "packages changed: something not there → 0.0",
            "files of the library changed: cache.txt",
        ]


def test_kernels_of_an_edition_have_what_the_place_has():
    "In Colab, google.colab is there; each place has its variables."
    before = versions.EDITIONS["colab"].before
    compile(before, "before", "exec")
    assert "google.colab" in before
    python = Path("/environment/bin/python")
    variables = versions.kernel_variables(python, Path("/home"), versions.EDITIONS["kaggle"])
    assert variables["KAGGLE_KERNEL_RUN_TYPE"] and variables["HOME"] == "/home"
    assert json.dumps(variables)
