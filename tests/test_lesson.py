"Lessons, run as a person would: with small parameters, in full on the real films, and with a stand-in for Colab."

import base64
import json
import os
import re
import subprocess
import sys

import nbformat
import papermill
from conftest import HERE, write_course

LESSON = HERE / "nbs/lessons/01_first_classifier.ipynb"


def run_lesson(tmp_path, before="", lesson=LESSON, **parameters):
    "Run a lesson, with a cell before it if one is given; return the executed notebook."
    nb = nbformat.read(lesson, as_version=4)
    if before:
        nb.cells.insert(0, nbformat.v4.new_code_cell(before))
    nbformat.write(nb, tmp_path / "in.ipynb")
    papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        parameters,
        kernel_name="python3",
        progress_bar=False,
        cwd=tmp_path,
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    return nbformat.read(tmp_path / "out.ipynb", as_version=4)


def outputs(nb, kind):
    "All outputs of a kind: a MIME type, or 'stdout' or 'stderr'."
    found = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    if kind.startswith("std"):
        return "".join(o.text for o in found if o.output_type == "stream" and o.name == kind)
    return [o.data[kind] for o in found if kind in o.get("data", {})]


def test_small(course, tmp_path):
    nb = run_lesson(tmp_path, films=str(course), size=64)
    assert len(outputs(nb, "image/png")) == 9
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in outputs(nb, "image/png"))
    assert "Ready:" in outputs(nb, "stdout")
    average, bias, logit = re.search(
        r"average (\S+) \+ bias (\S+) = (\S+)", outputs(nb, "stdout")
    ).groups()
    shown = next(
        re.search(r"chest, logit (-?[\d.]+)", h)[1]
        for h in outputs(nb, "text/html")
        if "cam of" in h
    )
    assert (
        abs(float(logit) - float(shown)) <= 0.011
    )  # the map's average plus the bias is the logit in the figure's title
    assert outputs(nb, "stderr") == ""  # no warning reaches the reader
    assert len(re.findall(r"epoch \d of 5", outputs(nb, "stdout"))) == 12


def test_how_a_film_is_made(tmp_path):
    "Lesson 05 at a small size: every figure with its alternative text, no warning, and the same number by hand and by computer."
    nb = run_lesson(tmp_path, lesson=LESSON.with_name("05_how_a_film_is_made.ipynb"), size=128)
    assert len(outputs(nb, "image/png")) >= 12 and outputs(nb, "stderr") == ""
    assert all(
        len(re.search(r'alt="([^"]*)"', h)[1]) > 10
        for h in outputs(nb, "text/html")
        if h.startswith("<img")
    )
    by_hand, by_computer = map(
        float, re.search(r"by hand ([\d.]+), by computer ([\d.]+)", outputs(nb, "stdout")).groups()
    )
    assert abs(by_hand - by_computer) < 0.5


def plain_blocks(nb):
    "The folded code of a lesson, as cells."
    return [
        nbformat.v4.new_code_cell(b)
        for c in nb.cells
        if c.cell_type == "markdown"
        for b in re.findall(r"```python\n(.*?)```", c.source, re.S)
    ]


def run_with_blocks(tmp_path, name, **parameters):
    "Run a lesson and its folded code after it; return the lesson's own cells, and how many blocks there were."
    nb = nbformat.read(LESSON.with_name(name), as_version=4)
    blocks = plain_blocks(nb)
    nb.cells += blocks
    nbformat.write(nb, tmp_path / "more.ipynb")
    nb = run_lesson(tmp_path, lesson=tmp_path / "more.ipynb", **parameters)
    assert outputs(nb, "stderr") == ""  # no warning reaches the reader
    nb.cells = nb.cells[: -len(blocks)]
    return nb, len(blocks)


def test_is_it_cheating(tmp_path):
    "Lesson 02 and its folded code at a small size, on the simulated films: what its card confesses is found, and every examination stands in a table."
    nb, blocks = run_with_blocks(
        tmp_path, "02_is_it_cheating.ipynb", films="simulated", size=64, epochs=1
    )
    said, tables = outputs(nb, "stdout"), outputs(nb, "text/html")
    assert blocks >= 4 and "high    shortcut: size" in said and "same pixels" in said
    assert len(outputs(nb, "image/png")) == 8
    assert all(len(re.search(r'alt="([^"]*)"', h)[1]) > 20 for h in tables if h.startswith("<img"))
    assert (
        sum("marker on abdomens" in h for h in tables if not h.startswith("<img")) == 3
    )  # two networks, and the one after the cure
    assert len(re.findall(r"of the heat on 2% of the film", said)) == 2
    padded = [h for h in tables if "border alone is right for" in h]
    before, bars = (int(re.search(r"border alone is right for (\d+)", h)[1]) for h in padded[:2])
    assert bars > before + 10  # the cure's own shortcut


def test_can_you_trust_it(tmp_path):
    "Lesson 03 and its folded code at a small size: every figure with its alternative text, no warning, numbers that can be worked out by hand, a ladder with both ends."
    nb, blocks = run_with_blocks(
        tmp_path, "03_can_you_trust_it.ipynb", films="simulated", size=64, folds=2
    )
    assert blocks >= 6
    said = outputs(nb, "stdout")
    assert len(outputs(nb, "image/png")) == 13
    assert all(
        len(re.search(r'alt="([^"]*)"', h)[1]) > 30
        for h in outputs(nb, "text/html")
        if h.startswith("<img")
    )
    assert (
        "10 of 10 right: compatible with 72 to 100 %" in said
        and "about 139 films" in said
        and "of 100 positive answers 16 are right" in said
    )
    assert (
        len(re.findall(r"seed \d+, fold \d of 2: \d+ of \d+ right", said)) == 6
    )  # two seeds, and the unschooled network
    refused = re.search(r"refused by the gate: (.*)", said)[1].split(", ")
    assert {"elbow", "hand", "photograph", "inverted"} <= set(refused) and "blurred" not in refused


def test_the_plain_calls_run_too(tmp_path):
    "Every folded block of plain fastai, PyTorch, and exercise code, run after the lesson."
    nb = nbformat.read(LESSON, as_version=4)
    blocks = plain_blocks(nb)
    assert len(blocks) >= 8
    checks = [
        "import torch",
        "assert torch.allclose(plain_cam, cam(learn, film, case)[0], atol=1e-4)",
        "from rsna_cls.cam import grad_cam",
        "assert torch.allclose(plain_grad_cam[0], grad_cam(learn, film, case, block=block)[0], atol=1e-5)",
    ]
    nb.cells += [*blocks, nbformat.v4.new_code_cell("\n".join(checks))]
    nbformat.write(nb, tmp_path / "in.ipynb")
    films = write_course(tmp_path / "films", n=10)
    papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        dict(films=str(films), size=64),
        kernel_name="python3",
        progress_bar=False,
        cwd=tmp_path,
    )


def test_as_in_colab(course, tmp_path):
    "With google.colab present, IPython's pip magic at hand, and the working directory elsewhere."
    stub = "import sys, types\nsys.modules['google'] = types.ModuleType('google')\nsys.modules['google.colab'] = types.ModuleType('google.colab')"
    nb = run_lesson(tmp_path, before=stub, films=str(course), size=64, weights="random", seed=1)
    assert "Ready:" in outputs(nb, "stdout") and "random weights" in outputs(nb, "stdout")


def test_the_set_up_cell_installs_what_is_missing(tmp_path):
    "Without the package the cell calls %pip once, without dependencies, and with the address from settings.ini."
    cell = next(
        c.source for c in nbformat.read(LESSON, as_version=4).cells if "#@title Set up" in c.source
    )
    code = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
said = []
def pip(line):
    said.append(line)
    sys.modules.pop('rsna_cls', None)
shell.register_magic_function(pip, 'line')
sys.modules['rsna_cls'] = None
shell.run_cell({cell!r}).raise_error()
print(said)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip().split("\n")[-1]
    assert said.startswith("['install -q --no-deps git+https://") and "Ready:" in done.stdout


def demo(tmp_path, *args, **env):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "tools/demo.py", "--build", tmp_path, *args],
        capture_output=True,
        text=True,
        env=os.environ | env,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (
        json.loads((tmp_path / "demo.json").read_text()),
        done.stdout.strip().split("\n")[-1],
        (tmp_path / "01_first_classifier.html").read_text(),
    )


LINE = r"demo: films=\S+ weights=\S+ val=\d+/\d+ \[\d+–\d+ %\] test=\d+/\d+ \[\d+–\d+ %\] surprise=\w+ [01]\.\d\d seconds=\d+"


def check_page(page):
    assert "No description has been provided" not in page
    assert page.count("data:image/png;base64") >= 8
    assert (
        "NA&gt;" not in page
        and "Traceback" not in page
        and "application/vnd.jupyter.widget" not in page
    )
    assert all(len(alt) > 20 for alt in re.findall(r'<img[^>]*alt="([^"]*)"[^>]*src="data:', page))


def test_demo_in_full_on_the_real_films(real, tmp_path):
    report, line, page = demo(tmp_path)
    assert re.fullmatch(LINE, line), line
    check_page(page)
    assert report["validation"]["n"] == 10 and report["validation"]["k"] >= 9
    assert report["test"]["k"] == report["test"]["n"] == 2
    assert report["surprise"]["file"] == "elbow.png" and "10 files, 9 different films" in page


def test_demo_without_any_data(tmp_path, cache, offline):
    "Nothing at hand, no network: the simulated films."
    report, line, page = demo(tmp_path, "--size", "96", RSNA_CLS_DATA="")
    assert line.startswith("demo: films=simulated weights=simulated"), line
    check_page(page)
    assert "different films" in page
