"""Lessons, run as a person would.

With small parameters, as in Colab and as outside it, on toy films, simulated and real ones."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from conftest import HERE, has_a_white_edge, write_course

sys.path.insert(0, str(HERE / "tools"))
import versions

SMALL = {run.name: run.parameters for run in versions.LESSON_RUNS}
LESSONS = HERE / "nbs/lessons"
LESSON = LESSONS / "01_first_classifier.ipynb"


# --- running a lesson, and reading what came of it -----------------------------------------------


def code_cell(code):
    return nbformat.v4.new_code_cell(code)


def read(path):
    return nbformat.read(path, as_version=4)


def run_notebook(notebook, tmp_path, **parameters):
    "Run a notebook in a folder; return it executed."
    nbformat.write(notebook, tmp_path / "in.ipynb")
    papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        parameters,
        kernel_name="python3",
        progress_bar=False,
        cwd=tmp_path,
        extra_arguments=["--IPKernelApp.log_level=50"],
    )
    return read(tmp_path / "out.ipynb")


def outputs(notebook, kind):
    "All outputs of a kind: a MIME type, or 'stdout' or 'stderr'."
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = [output for cell in code_cells for output in cell.outputs]
    if kind in ("stdout", "stderr"):
        streams = [output for output in found if output.output_type == "stream"]
        return "".join(output.text for output in streams if output.name == kind)
    return [output.data[kind] for output in found if kind in output.get("data", {})]


def alternative_texts(notebook):
    "What stands for each figure where it cannot be seen."
    figures = [html for html in outputs(notebook, "text/html") if html.startswith("<img")]
    return [re.search(r'alt="([^"]*)"', html)[1] for html in figures]


def check_figures(notebook, n):
    "Whether there are so many figures, each whole, and with words that stand for it."
    figures = [base64.b64decode(figure) for figure in outputs(notebook, "image/png")]
    assert len(figures) == n
    assert all(has_a_white_edge(figure) for figure in figures)
    assert all(len(text) > 20 for text in alternative_texts(notebook))


def python_blocks(text):
    "The blocks of Python in a text."
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def markdown(notebook):
    "All prose of a notebook."
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def plain_blocks(notebook):
    "The folded code of a lesson, as cells."
    return [code_cell(block) for block in python_blocks(markdown(notebook))]


def run_with_blocks(tmp_path, name):
    "Run a lesson and then its folded code; the lesson's own cells, and the number of blocks."
    notebook = read(LESSONS / f"{name}.ipynb")
    blocks = plain_blocks(notebook)
    notebook.cells += blocks
    done = run_notebook(notebook, tmp_path, **SMALL[name])
    assert outputs(done, "stderr") == ""  # no warning reaches the reader
    done.cells = done.cells[: -len(blocks)]
    return done, len(blocks)


# --- how the folded code is written --------------------------------------------------------------

RULES = "E,F401,E731,E701,E702"  # lines of up to 100, one statement a line, no lambda with a name


def ruff(block, *command):
    "What ruff finds to say against a block, or nothing."
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), *command, "--stdin-filename", "block.py", "-"],
        input=block,
        capture_output=True,
        text=True,
        cwd=HERE,
    )
    return done.stdout + done.stderr if done.returncode else ""


def complaints(block):
    "What is wrong with how a block is written. (Names may come from the cells before it.)"
    return ruff(block, "format", "--diff") + ruff(
        block, "check", "--select", RULES, "--ignore", "F821"
    )


def is_python_alone(block):
    "Whether a block has no magic and no line for the shell, which ruff does not read."
    return not re.search(r"^\s*[%!]", block, re.MULTILINE)


def written_blocks():
    "Every block of Python in prose: the file it stands in, and the block."
    texts = {"README.md": (HERE / "README.md").read_text(encoding="utf-8")}
    for path in sorted((HERE / "nbs").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            texts[path.stem] = markdown(read(path))
    return [(name, block) for name, text in texts.items() for block in python_blocks(text)]


def test_folded_code_is_written_as_the_rest():
    "In lessons, rooms and README: what ruff does not see, because it stands in prose."
    blocks = written_blocks()
    assert len(blocks) >= 25
    found = {}
    for name, block in blocks:
        if is_python_alone(block) and complaints(block):
            found[name, block] = complaints(block)
    assert found == {}


@pytest.mark.parametrize(
    "block",
    [
        "print('one kind of quotes')\n",
        f"long = '{'x' * 100}'\n",
        "wide = lambda film: film.width\n",
        "a = 1; b = 2\n",
        "import numpy as np\n",
    ],
)
def test_careless_folded_code_is_noticed(block):
    assert complaints(block)


# --- lesson by lesson ----------------------------------------------------------------------------


# As in Colab: a session in which google.colab is there, and IPython's pip magic at hand.
AS_IN_COLAB = """
import sys
import types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
"""

# The folded code gives what the library gives.
CHECKS = """
import torch
from rsna_cls import grad_cam
assert torch.allclose(plain_cam, cam(learn, film, case, difference=True)[0], atol=1e-4)
ours = grad_cam(learn, film, case, block=block, difference=True)[0]
assert torch.allclose(plain_grad_cam[0], ours, atol=1e-5)
"""


@pytest.fixture(scope="module")
def first_lesson(tmp_path_factory):
    """Lesson 01's own cells, executed as in Colab, at a small size with weights that are not usual.

    Every folded block of plain fastai, PyTorch and exercise code ran after them, and gave what the
    library gives. (Outside Colab, with the usual weights, the lesson runs below for the demo.)"""
    home = tmp_path_factory.mktemp("lesson")
    notebook = read(LESSON)
    blocks = plain_blocks(notebook)
    assert len(blocks) >= 8
    for block in blocks:
        block.source = block.source.replace("fv.Resize(160", "fv.Resize(64")
    assert sum("fv.Resize(64" in block.source for block in blocks) == 1
    added = [*blocks, code_cell(CHECKS)]
    notebook.cells = [code_cell(AS_IN_COLAB), *notebook.cells, *added]
    films = write_course(home / "films", n=10)
    parameters = dict(films=str(films), size=64, weights="random", seed=1)
    done = run_notebook(notebook, home, **parameters)
    done.cells = done.cells[: -len(added)]
    return done


@pytest.mark.slow(seconds=50)
class TestFirstClassifier:
    "Lesson 01, run once."

    def test_figures_and_choices(self, first_lesson):
        "All figures, no warning, the training that was asked for."
        printed = outputs(first_lesson, "stdout")
        check_figures(first_lesson, 12)
        assert "Ready:" in printed
        assert "random weights" in printed
        assert outputs(first_lesson, "stderr") == ""
        # A network that has seen films and one that has not: each in both parts.
        assert len(re.findall(r"last layer, \d+ steps", printed)) == 2
        assert len(re.findall(r"all layers, epoch 1 of 1", printed)) == 2

    def test_a_map_s_average_plus_biases_is_the_difference(self, first_lesson):
        "Both as the lesson works it out and as it stands above the picture."
        printed = outputs(first_lesson, "stdout")
        computed = re.search(r"average (\S+) \+ biases (\S+) = (\S+)", printed)[3]
        # The first map is of the network that comes with the library.
        maps = [html for html in outputs(first_lesson, "text/html") if "CAM of" in html]
        title = maps[1]
        shown = re.search(r"chest − abd, difference (-?[\d.]+)", title)[1]
        assert abs(float(computed) - float(shown)) <= 0.011  # both are rounded


@pytest.mark.slow(seconds=60)
def test_is_it_cheating(tmp_path):
    """Lesson 02 and its folded code at a small size, on the simulated films.

    What their card confesses is found, and every examination stands in a table."""
    done, n_blocks = run_with_blocks(tmp_path, "02_is_it_cheating")
    printed = outputs(done, "stdout")
    assert n_blocks >= 4
    assert "high    shortcut: size" in printed and "same pixels" in printed
    check_figures(done, 8)

    tables = [html for html in outputs(done, "text/html") if not html.startswith("<img")]
    examinations = [html for html in tables if "abdomens with the square" in html]
    assert len(examinations) == 3  # two networks, and the one after the cure
    assert len(re.findall(r"of the heat on 2% of the film", printed)) == 2

    texts = "\n".join(alternative_texts(done))
    borders = re.findall(r"border alone is right for (\d+)", texts)
    before, with_bars = int(borders[0]), int(borders[1])
    assert with_bars > before + 10  # the cure's own shortcut


@pytest.mark.slow(seconds=50)
def test_how_sure(tmp_path):
    """Lesson 03 and its folded code at a small size.

    Every figure has its alternative text, and numbers can be worked out by hand."""
    done, n_blocks = run_with_blocks(tmp_path, "03_how_sure")
    printed = outputs(done, "stdout")
    assert n_blocks >= 4
    check_figures(done, 5)

    assert "10 of 10 right: compatible with 72 to 100 %" in printed
    assert "about 139 films" in printed
    assert "of 100 positive answers 16 are right" in printed
    folds = re.findall(r"seed \d+, fold \d of 2: \d+ of \d+ right", printed)
    assert len(folds) == 6  # two seeds, and the unschooled network


@pytest.mark.slow(seconds=50)
def test_where_it_ends(tmp_path):
    """Lesson 04 and its folded code at a small size.

    Every figure has its alternative text, and the ladder of surprises has both ends."""
    done, n_blocks = run_with_blocks(tmp_path, "04_where_it_ends")
    printed = outputs(done, "stdout")
    assert n_blocks >= 3
    check_figures(done, 8)

    refused = re.search(r"refused by the gate: (.*)", printed)[1].split(", ")
    assert {"elbow", "hand", "photograph", "inverted"} <= set(refused)
    assert "blurred" not in refused
    assert re.search(r"internal testing: 2 folds: [01]\.\d\d", printed)


@pytest.mark.slow(seconds=20)
def test_how_a_film_is_made(tmp_path):
    "Lesson 05 at a small size: figures, no warning, the same number by hand and by computer."
    name = "05_how_a_film_is_made"
    done = run_notebook(read(LESSONS / f"{name}.ipynb"), tmp_path, **SMALL[name])
    check_figures(done, 13)
    assert outputs(done, "stderr") == ""
    numbers = re.search(r"by hand ([\d.]+), by computer ([\d.]+)", outputs(done, "stdout"))
    assert abs(float(numbers[1]) - float(numbers[2])) < 0.5


@pytest.mark.slow(seconds=40)
def test_inside_the_network(tmp_path):
    "Lesson 06 and its folded code at a small size: each number by hand is the network's own."
    done, n_blocks = run_with_blocks(tmp_path, "06_inside_the_network")
    printed = outputs(done, "stdout")
    assert n_blocks >= 4
    check_figures(done, 11)
    pairs = re.findall(r"by hand ([-\d.]+)[,\n].*?in the network ([-\d.]+)", printed)
    assert len(pairs) == 2
    for by_hand, networks in pairs:
        assert abs(float(by_hand) - float(networks)) < 0.001


@pytest.mark.slow(seconds=60)
def test_a_clinical_question(tmp_path):
    """Lesson 07 and its folded code at a small size.

    The test films are counted by kind, and the report says what the cells before it found."""
    done, n_blocks = run_with_blocks(tmp_path, "07_a_clinical_question")
    printed = outputs(done, "stdout")
    assert n_blocks >= 6
    check_figures(done, 7)
    assert re.search(r"fall -?0\.\d+ \(-?0\.\d+ to -?0\.\d+\)", printed)

    tables = [html for html in outputs(done, "text/html") if "others cleared" in html]
    assert len(tables) == 2  # at home and elsewhere
    sizes = re.findall(r"<th>(?:small|medium|large) effusions</th>\s*<td>\d+ of (\d+)", tables[0])
    assert sum(map(int, sizes)) == 12

    (report,) = [html for html in outputs(done, "text/html") if "CLAIM 3" in html]
    cut = re.search(r"nine in ten have (0\.\d+) or more", printed)[1]
    assert re.search(rf"threshold \(26\)</th><td[^>]*>{cut}, which", report)
    assert "24 simulated films from home" in report
    sensitivities = re.findall(r"sensitivity (\d\.\d\d) \(", report)
    assert len(sensitivities) == 3  # internal and external testing, acceptance test


@pytest.mark.slow(seconds=40)
def test_your_own_films(tmp_path):
    """Lesson 08 and its folded code at a small size.

    Nobody lies in two parts, the wrong label is found, the text is gone, the gate knows limbs."""
    done, n_blocks = run_with_blocks(tmp_path, "08_your_own_films")
    printed = outputs(done, "stdout")
    assert n_blocks >= 3
    check_figures(done, 9)

    in_parts, in_all = re.search(
        r"(\[[\d, ]+\]) patients in the parts, (\d+) in all", printed
    ).groups()
    assert sum(json.loads(in_parts)) == int(in_all) == 19
    assert "Left out: 1 the same film again." in printed
    assert "In the wrong class: 1; found by you: 0." in printed

    # Nothing is left of the letters.
    marks = re.findall(r"burned-in marks: .*marks per film: abdomen ([\d.]+), chest", printed)
    assert float(marks[-1]) < 3

    diary = [html for html in outputs(done, "text/html") if "pass the gate" in html]
    assert [html.count("<tr") for html in diary] == [2, 3]  # with the head
    (week,) = [html for html in outputs(done, "text/html") if "<th>refused</th>" in html]
    assert all(kind in week for kind in ("abdomen", "chest", "hand", "hip", "knee", "skull"))


@pytest.mark.slow(seconds=40)
def test_your_own_films_where_dicom_cannot_be_read(tmp_path):
    "As in Colab before pydicom is installed: the export is made of pictures and a table."
    notebook = read(LESSONS / "08_your_own_films.ipynb")
    hide = "import sys\nsys.modules['pydicom'] = None"
    notebook.cells = [code_cell(hide), *notebook.cells]
    done = run_notebook(notebook, tmp_path, **SMALL["08_your_own_films"])
    printed = outputs(done, "stdout")
    assert "This computer cannot read DICOM" in printed
    assert "20 films of 19 patients" in printed
    assert outputs(done, "stderr") == ""


# --- make demo -----------------------------------------------------------------------------------

SHARE = r"\d+/\d+ \[\d+–\d+ %\]"
LAST_LINE = (
    rf"demo: films=\S+ weights=\S+ val={SHARE} test={SHARE} "
    r"surprise=\w+ [01]\.\d\d seconds=\d+"
)


def demo(tmp_path, *arguments, **variables):
    "Run `make demo`'s script; its report, its last line, its page. No cell may have warned."
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "tools/demo.py", "--build", tmp_path, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | variables,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    page = (tmp_path / "01_first_classifier.html").read_text(encoding="utf-8")
    assert outputs(read(tmp_path / "01_first_classifier.ipynb"), "stderr") == ""
    return report, done.stdout.strip().split("\n")[-1], page


def check_page(page):
    "A page that a reader can use: figures with words for them, no error, no dead control."
    assert page.count("data:image/png;base64") >= 8
    for sign in (
        "No description has been provided",
        "NA&gt;",
        "Traceback",
        "application/vnd.jupyter.widget",
    ):
        assert sign not in page
    texts = re.findall(r'<img[^>]*alt="([^"]*)"[^>]*src="data:', page)
    assert all(len(text) > 20 for text in texts)


@pytest.mark.slow(seconds=20)
def test_a_demo_without_its_films_says_so_in_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "tools/demo.py", "--build", tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | dict(RSNA_CLS_DATA="no_such.zip"),
        cwd=tmp_path,
    )
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == 2, done.stderr
    assert said[0] == f"FetchError: there is no folder or zip at {tmp_path / 'no_such.zip'}"
    assert "The lesson stopped at its cell [3]" in said[1]


def check_claims(folder):
    "What lesson 01 says one should see, as far as it can be computed, in an executed lesson."
    lesson = read(folder / "01_first_classifier.ipynb")
    printed = outputs(lesson, "stdout")

    # "Chest and abdomen are right", and no number says that the elbow's answer is nonsense.
    answers = re.findall(r"^\S+: (\w+), probability ([01]\.\d\d)$", printed, re.M)
    assert [said for said, _ in answers[:2]] == ["chest", "abd"]
    assert len(answers) == 3 and float(answers[2][1]) > 0.9

    # Who begins with other pictures gets nearly all right.
    right = re.findall(r"all layers, epoch 1 of 1: .* (\d+) of 10 right", printed)
    assert len(right) == 2 and int(right[0]) >= 9

    # One picture is there twice; some of the heat lies on black; the gate turns the elbow away.
    assert "10 files, 9 different films" in printed
    assert int(re.search(r"(\d+)% of the heat on black", printed)[1]) > 0
    # Some covers make the network surer.
    texts = "\n".join(alternative_texts(lesson))
    assert int(re.search(r"(\d+) covers make the network surer", texts)[1]) > 0
    gate = next(table for table in outputs(lesson, "text/html") if "accepted" in table)
    elbow = next(row for row in gate.split("<tr>") if "elbow" in row)
    assert "False" in elbow
    # The surest of the answers to what is neither.
    assert max(float(number) for number in re.findall(r"<td>([01]\.\d+)</td>", gate)) > 0.9


@pytest.mark.slow(seconds=60)
def test_demo_on_the_real_films(real, tmp_path):
    "Found through RSNA_CLS_DATA, at full size."
    report, line, page = demo(tmp_path)
    check_claims(tmp_path)
    assert re.fullmatch(LAST_LINE, line), line
    check_page(page)
    assert report["validation"]["n"] == 10 and report["validation"]["k"] >= 9
    assert report["test"]["k"] == report["test"]["n"] == 2
    assert report["surprise"]["file"] == "elbow.png"
    assert "10 files, 9 different films" in page


@pytest.mark.slow(seconds=60)
def test_demo_without_any_data(tmp_path, cache, offline):
    "Nothing at hand, no network: the simulated films, at full size."
    report, line, page = demo(tmp_path, RSNA_CLS_DATA="")
    check_claims(tmp_path)
    assert line.startswith("demo: films=simulated weights=other_films"), line
    check_page(page)
    assert "different films" in page
