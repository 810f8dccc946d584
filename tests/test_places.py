"""The lessons under the conditions of VS Code and Kaggle, as far as they can be had here.

VS Code runs a kernel in the notebook's folder, with nothing of Jupyter but ipykernel, and shows a
widget only if it can fetch the widget's program from the internet. Kaggle runs without internet in
a folder of its own, beside films that cannot be written to. (Colab: tests/test_versions.py;
JupyterLab: tests/test_browser.py.)
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
import versions

LESSONS = sorted((HERE / "nbs/lessons").glob("[0-9]*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    "All outputs of a notebook, in their order."
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in code_cells for output in cell.outputs]


def printed(notebook, name="stdout"):
    "All that was printed."
    streams = [output for output in outputs(notebook) if output.output_type == "stream"]
    return "".join(output.text for output in streams if output.name == name)


# --- what an editor has to be able to show -------------------------------------------------------

# Each of these shows controls; the call that does the same without them.
PLAIN_TWINS = {
    "quiz(": ", choice=",
    "final_quiz(": "final_quiz(mine)",
    "read_blind(": "answers=mine",
    "cam_explorer(": "show_cam(",
    "augment_explorer(": "show_augmented(",
    "widgets.HBox(": "simulate_film(",
}


def missing_twins(notebook):
    "Calls that show controls, and have no plain twin within two cells of them."
    missing = []
    for i, cell in enumerate(notebook.cells):
        calls = re.findall(r"[\w.]+\(", cell.source)
        shown = [call for call in PLAIN_TWINS if call in calls]
        if cell.cell_type != "code" or not shown:
            continue
        nearby = notebook.cells[max(i - 2, 0) : i] + notebook.cells[i + 1 : i + 3]
        words = "\n".join(neighbour.source for neighbour in nearby)
        missing += [call for call in shown if PLAIN_TWINS[call] not in words]
    return missing


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_whoever_sees_no_controls_is_told_the_plain_call(lesson):
    assert missing_twins(read(lesson)) == []


def test_a_missing_twin_is_noticed():
    lesson = read(HERE / "nbs/lessons/01_first_classifier.ipynb")
    lesson.cells = [cell for cell in lesson.cells if "choice=" not in cell.source]
    assert missing_twins(lesson) == ["quiz("]


# What every editor shows by itself. Controls come with a text for those that cannot show them.
PLAIN = {"text/plain", "text/html", "image/png"}
CONTROLS = "application/vnd.jupyter.widget-view+json"


def what_it_needs(output):
    "What an editor would have to fetch or to run to show an output: in words, or nothing."
    data = output.get("data", {})
    kinds = set(data)
    if CONTROLS in kinds and "text/plain" in kinds:
        kinds.remove(CONTROLS)
    needs = [f"a program for {kind}" for kind in sorted(kinds - PLAIN)]
    html = re.sub(r"data:image/[^\"']*", "", data.get("text/html", ""))
    if "<script" in html:
        needs.append("a script")
    if re.search(r"(?:src|href)=[\"']|url\((?!\))|@import", re.sub(r"src=[\"'][\"']", "", html)):
        needs.append("something from elsewhere")
    return needs


@pytest.mark.parametrize(
    "data, needs",
    [
        ({"text/html": '<img alt="a film" src="data:image/png;base64,//iVBO">'}, []),
        ({"text/html": "<style>td {color: red}</style><table></table>"}, []),
        ({CONTROLS: {}, "text/plain": "VBox()"}, []),
        ({CONTROLS: {}}, [f"a program for {CONTROLS}"]),
        ({"application/javascript": "1"}, ["a program for application/javascript"]),
        ({"text/html": "<script>1</script>"}, ["a script"]),
        ({"text/html": '<img src="https://example.org/x.png">'}, ["something from elsewhere"]),
        ({"text/html": "<style>@import 'x.css'</style>"}, ["something from elsewhere"]),
    ],
)
def test_what_an_output_needs(data, needs):
    assert what_it_needs(dict(data=data)) == needs


# --- VS Code -------------------------------------------------------------------------------------

# Runs before a lesson: VS Code's variable, and nothing of Jupyter beside the kernel.
AS_IN_VS_CODE = """
import sys
from pathlib import Path

__vsc_ipynb_file__ = str(Path("in.ipynb").resolve())

class NotInstalled:
    names = {"jupyterlab", "notebook", "nbclient", "nbconvert", "nbformat", "papermill", "pytest"}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in cls.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled)
"""

# Runs after it.
NOTHING_IS_LEFT_OPEN = """
import matplotlib.pyplot
assert matplotlib.pyplot.get_fignums() == []
assert "google.colab" not in sys.modules
"""


def papermill(notebook, folder, *parameters, command=(), **variables):
    "Run a notebook in a folder, from a shell; return it executed."
    nbformat.write(notebook, folder / "in.ipynb")
    run = [sys.executable, "-m", "papermill", "--no-progress-bar", "--kernel", "python3"]
    done = subprocess.run(
        [*command, *run, *parameters, "in.ipynb", "out.ipynb"],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return read(folder / "out.ipynb")


def code_cell(code):
    return nbformat.v4.new_code_cell(code)


@pytest.fixture(scope="module")
def in_vs_code(tmp_path_factory):
    "Lesson 01 at a small size, run as in VS Code."
    folder = tmp_path_factory.mktemp("vscode")
    lesson = read(HERE / "nbs/lessons/01_first_classifier.ipynb")
    before, after = code_cell(AS_IN_VS_CODE), code_cell(NOTHING_IS_LEFT_OPEN)
    lesson.cells = [before, *lesson.cells, after]
    return papermill(lesson, folder, "-p", "films", "simulated", "-p", "size", "48")


@pytest.mark.slow(seconds=45)
class TestVSCode:
    "Lesson 01, run once."

    def test_every_part_is_a_line_of_text(self, in_vs_code):
        "Progress bars vanish there. (A bar goes back to the beginning of its line: \\r.)"
        lines = re.split(r"[\r\n]+", printed(in_vs_code))
        part = r"(last layer, \d+ steps|all layers, epoch 1 of 1): .* right, \d+ s"
        parts = [line[:3] for line in lines if re.fullmatch(part, line)]
        assert parts == ["las", "all"] * 2

    def test_no_warning_reaches_the_reader(self, in_vs_code):
        assert printed(in_vs_code, "stderr") == ""

    def test_nothing_has_to_be_fetched_to_show_it(self, in_vs_code):
        needs = [what_it_needs(output) for output in outputs(in_vs_code)]
        assert [need for need in needs if need] == []

    def test_no_picture_is_lost_without_widgets(self, in_vs_code):
        "Twelve pictures are there without any program; so no widget captured one."
        shown = [output.get("data", {}) for output in outputs(in_vs_code)]
        assert sum("image/png" in data for data in shown) == 12
        state = in_vs_code.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
        models = {model["model_name"] for model in state.values()}
        assert models.isdisjoint({"OutputModel", "FileUploadModel"})


# --- Kaggle --------------------------------------------------------------------------------------

TRY_TO_WRITE = """
import os
from pathlib import Path

try:
    (Path(os.environ["RSNA_CLS_DATA"]).parent / "new").touch()
except PermissionError:
    print("the input is read-only")
"""


def as_a_guest():
    "What stands before a command that may not write where permissions forbid it."
    if os.name == "nt":
        pytest.skip("needs a system on which a folder can be closed to writing: not Windows")
    try:
        guest = versions.without_privilege()
        subprocess.run([*guest, "true"], check=True, capture_output=True)
    except (versions.CannotBegin, subprocess.CalledProcessError):
        pytest.skip("needs another user than root, or setpriv")
    return guest


def state_of(folder):
    "Every file in a folder, with its size and the time of its last change."
    facts = {path: path.stat() for path in folder.rglob("*")}
    return {path: (fact.st_size, fact.st_mtime_ns) for path, fact in facts.items()}


@pytest.fixture
def kaggle(tmp_path):
    "Folders as Kaggle has them, and what it sets; the input is closed to writing afterwards."
    from rsna_cls import embedded_films

    films = tmp_path / "input/my-films/films"
    shutil.copytree(embedded_films(), films)
    with zipfile.ZipFile(films.with_suffix(".zip"), "w") as archive:
        for file in films.rglob("*.png"):
            archive.write(file, file.relative_to(films))
    for path in (films.with_suffix(".zip"), *films.parent.rglob("*"), films.parent):
        path.chmod(path.stat().st_mode & ~0o222)
    (tmp_path / "working").mkdir()
    nowhere = "http://127.0.0.1:9"  # nobody listens there
    variables = dict(
        KAGGLE_KERNEL_RUN_TYPE="Interactive",
        HOME=str(tmp_path / "home"),
        http_proxy=nowhere,
        https_proxy=nowhere,
        no_proxy="",
        XDG_CACHE_HOME="",
    )
    yield tmp_path, variables
    for path in (films.parent, *films.parent.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("name", ["films", "films.zip"])
def test_films_from_a_folder_that_is_read_only(kaggle, name):
    "Read where they are, or unpacked into the cache; nothing is written beside them."
    home, variables = kaggle
    source = home / "input/my-films" / name
    before = state_of(home / "input")
    code = f"{TRY_TO_WRITE}\nfrom rsna_cls import fetch_data, summary\npath = fetch_data()\n"
    code += "print(len(summary(path)), path)"
    done = subprocess.run(
        [*as_a_guest(), sys.executable, "-W", "ignore", "-c", code],
        cwd=home / "working",
        env=os.environ | variables | dict(RSNA_CLS_DATA=str(source)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "the input is read-only" in done.stdout
    rows, path = done.stdout.strip().split("\n")[-1].split(" ", 1)
    assert rows == "7"
    assert path.startswith(str(source if name == "films" else home / "home"))
    assert state_of(home / "input") == before
    assert list((home / "working").iterdir()) == []
