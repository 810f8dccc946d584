"""Every lesson in JupyterLab, as a person meets it: run all cells, move a slider, answer a quiz.

Needs Chromium. Screenshots stay in build/browser; how long a step of the slider takes is printed
and kept there too, not asserted.
"""

import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from conftest import HERE
from test_places import outputs, what_it_needs

sys.path.insert(0, str(HERE / "tools"))
import versions

SMALL = {run.name: run.parameters for run in versions.LESSON_RUNS}


def find_chromium():
    "Where Chromium or Chrome is; None if it is not installed."
    usual = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
    for path in (os.environ.get("CHROMIUM"), *usual):
        if path and os.path.exists(path):
            return path
    return None


CHROMIUM = find_chromium()
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONGEST = 480_000  # that a lesson may take (ms); at small size it is a minute
SHOTS = HERE / "build/browser"
LESSONS = HERE / "nbs/lessons"
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="needs Chromium: on Debian and Ubuntu, apt-get install chromium; "
    "elsewhere set CHROMIUM to its path",
)


# --- JupyterLab, and a lesson in it --------------------------------------------------------------


def free_port():
    "The number of a port of this machine that nobody uses."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_small(name, small, file):
    "Write a lesson with other values in its parameters cell: `small` maps a name to its value."
    lesson = nbformat.read(LESSONS / name, as_version=4)
    cell = next(cell for cell in lesson.cells if "parameters" in cell.metadata.get("tags", []))
    lines = cell.source.split("\n")
    names = [line.partition(" = ")[0] for line in lines]
    for parameter, value in small.items():
        lines[names.index(parameter)] = f"{parameter} = {value!r}"
    cell.source = "\n".join(lines)
    nbformat.write(lesson, file)


# Cells out of sight stay in the page; no question about news.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}


def write_settings(folder):
    "Write JupyterLab's settings."
    for name, value in SETTINGS.items():
        file = folder / f"@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(value), encoding="utf-8")


def lab_command(home, port):
    "The command that starts JupyterLab, without a browser, a password or a question."
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={home}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]


def wait_for_server(server, port, log):
    "Wait until JupyterLab answers, a minute at most."
    for _ in range(120):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
            return
        except OSError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.5)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "JupyterLab on 127.0.0.1: the address of its folder, and the folder."
    home = tmp_path_factory.mktemp("lab")
    port = free_port()
    write_settings(home / "settings")
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    log_file = home / "lab.log"
    with open(log_file, "w", encoding="utf-8") as log:
        server = subprocess.Popen(
            lab_command(home, port),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | folders,
            cwd=home,
        )
    try:
        wait_for_server(server, port, log_file)
        yield f"http://127.0.0.1:{port}/lab/tree", home
    finally:
        server.terminate()
        server.wait(30)


# JupyterLab shows an error and a warning alike.
RED = "[data-mime-type='application/vnd.jupyter.stderr']"

# Whether the first cell has its number and none waits: all have run, or one has failed.
IS_AT_ITS_END = """() => {
    const prompts = document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt');
    const words = [...prompts].map(prompt => prompt.textContent);
    return /\\d/.test(words[0]) && !words.some(word => word.includes('*'));
}"""


def run_all_cells(page, address):
    "Open a lesson and choose Run, Run All Cells; wait until it has ended."
    page.goto(address, timeout=120_000)
    page.locator(".jp-Notebook").wait_for(timeout=120_000)
    ready = page.locator("#jp-main-statusbar", has_text="Python 3 (ipykernel) | Idle")
    ready.wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(IS_AT_ITS_END, timeout=LONGEST)


@pytest.fixture(scope="class")
def folder(request):
    "Where the screenshots of a class's lesson go."
    folder = SHOTS / request.cls.name.removesuffix(".ipynb")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="class")
def page(request, lab, chromium, folder):
    "A class's lesson, opened and run to its end."
    address, home = lab
    name = request.cls.name
    write_small(name, SMALL[Path(name).stem], home / name)
    page = chromium.new_page(viewport=dict(width=1280, height=1000))
    try:
        run_all_cells(page, f"{address}/{name}?reset")  # without the lessons that were open before
    finally:
        page.screenshot(path=folder / "after_run.png")
    yield page
    page.close()


@pytest.fixture(scope="class")
def saved(request, page, lab):
    "The lesson as JupyterLab saves it."
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    _, home = lab
    for _ in range(40):
        try:
            lesson = nbformat.read(home / request.cls.name, as_version=4)
        except nbformat.reader.NotJSONError:
            code_cells = []  # it is being written
        else:
            code_cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
        # (The folded ones were run, too.)
        if code_cells and all(cell.execution_count for cell in code_cells):
            return lesson
        time.sleep(0.5)
    raise AssertionError("JupyterLab did not save the lesson")


def shot(locator, folder, name):
    "A part of the page as a PNG in a folder, and as pixels."
    locator.scroll_into_view_if_needed()
    data = locator.screenshot(path=folder / f"{name}.png")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def share_changed(before, after):
    "The share of the pixels that changed clearly, where both pictures have pixels."
    height = min(len(before), len(after))
    difference = np.abs(after[:height] - before[:height]).max(2)
    return (difference > 30).mean()


def press(page, key, shown, patience=60_000):
    "Press a key, and wait until what is shown (a locator) reads otherwise; whether it did."
    before = shown.inner_html()
    page.keyboard.press(key)
    for _ in range(patience // 50):
        page.wait_for_timeout(50)
        if shown.inner_html() != before:
            return True
    return False


def wait_for_picture(box, words):
    """Wait for a picture in a box that is described with these words.

    It comes later than the number beside the slider, and late pictures of earlier steps come first.
    """
    box.locator(f'img[alt*="{words}"]').first.wait_for(timeout=60_000)


# --- what holds for every lesson -----------------------------------------------------------------

# What is cut off: its first words, or those that stand for a picture. (A wide table gets a bar to
# scroll it with.)
CUT_OFF = """() => {
    const places = document.querySelectorAll('.jp-OutputArea-output, .jp-RenderedMarkdown');
    const found = [];
    for (const place of places) {
        const isWide = place.scrollWidth > place.clientWidth + 1;
        if (isWide && !place.querySelector('table')) found.push(place.textContent.slice(0, 60));
        const edge = place.getBoundingClientRect().right + 1;
        for (const part of place.querySelectorAll('img, select, .widget-readout')) {
            const words = part.alt || part.parentElement.textContent;
            if (part.getBoundingClientRect().right > edge) found.push(words);
        }
    }
    return found;
}"""


class EveryLesson:
    "What a lesson shows and lets one do. Each class below runs one lesson once."

    name: str  # of its file
    pictures: int  # at least so many
    quizzes: int

    def test_every_cell_ran(self, page):
        # the place that stands for a folded cell has no number
        numbers = page.locator(".jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)")
        prompts = numbers.all_text_contents()
        lesson = nbformat.read(LESSONS / self.name, as_version=4)
        code = [cell for cell in lesson.cells if cell.cell_type == "code"]
        folded = [cell for cell in code if cell.metadata.get("jupyter", {}).get("source_hidden")]
        assert len(prompts) == len(code) - len(folded) > 10
        assert all(prompt.strip("[]: ").isdigit() for prompt in prompts), prompts

    def test_no_cell_failed_or_warned(self, page):
        assert page.locator(RED).all_text_contents() == []

    def test_every_picture_has_alternative_text(self, page):
        pictures = page.locator(".jp-OutputArea-output img")
        assert pictures.count() >= self.pictures
        words = pictures.evaluate_all("pictures => pictures.map(picture => picture.alt)")
        assert all(len(alt or "") > 20 for alt in words), words

    @pytest.mark.parametrize("width", [1280, 800])
    def test_nothing_is_cut_off(self, page, width):
        page.set_viewport_size(dict(width=width, height=1000))
        page.wait_for_timeout(500)
        found = page.evaluate(CUT_OFF)
        page.set_viewport_size(dict(width=1280, height=1000))
        assert found == []

    def test_quizzes_answer_to_the_keyboard(self, page, folder):
        "The space bar chooses the first answer, a wrong one; the Tab key leads to the right one."
        boxes = page.locator(
            ".jp-OutputArea-output",
            has=page.locator(".widget-radio-box"),
            has_not=page.locator("button"),  # films to be read have one
        )
        assert boxes.count() == self.quizzes
        for number in range(self.quizzes):
            box = boxes.nth(number)
            choices = box.locator("input[type=radio]")
            verdict = box.get_by_role("status")
            assert "Choose first" in verdict.inner_text()
            assert box.locator("input[type=radio]:checked").count() == 0

            choices.first.focus()
            assert press(page, "Space", verdict)
            told = verdict.inner_text()
            answers = box.locator("label", has=page.locator("input[type=radio]"))
            beginnings = [
                f"Not quite: {answer.strip().removesuffix('.')}."
                for answer in answers.all_text_contents()
            ]
            (right,) = [i for i, words in enumerate(beginnings) if told.startswith(words)]

            for _ in range(right):
                page.keyboard.press("Tab")
            page.keyboard.press("Space")
            box.get_by_role("status").filter(has_text="Yes. ").wait_for(timeout=60_000)
            shot(box, folder, f"quiz_{number + 1}")

    def test_a_saved_lesson_keeps_no_widget_state(self, saved):
        assert any(outputs(saved))
        assert "widgets" not in saved.metadata

    def test_nothing_has_to_be_fetched_to_show_it(self, saved):
        "Neither here nor in another editor; controls excepted."
        needs = [what_it_needs(output) for output in outputs(saved)]
        assert [need for need in needs if need] == []


# --- lesson by lesson ----------------------------------------------------------------------------


def explorer(page, control="Opacity"):
    "The output that holds a control of this name: as a rule, the explorer of maps."
    label = page.locator(".widget-label", has_text=control)
    return page.locator(".jp-OutputArea-output", has=label).first


def handle(box, name):
    "What is moved on the slider of this name: the Tab key reaches it, the arrow keys move it."
    return box.locator(".widget-slider", has_text=name).locator("[role=slider]")


def labels(box):
    "The names that stand before controls; a checkbox has its own behind it, and here an empty one."
    names = [text.strip("\u200b") for text in box.locator(".widget-label").all_text_contents()]
    return [name for name in names if name]


def are_reached_by_the_keyboard(controls):
    "Whether the Tab key stops at each of these."
    return controls.evaluate_all("controls => controls.every(control => control.tabIndex >= 0)")


# Leaves a promise in window.step: the time from the next key to the new picture on the screen (ms),
# where a control of this name is.
WATCH_A_STEP = """control => {
    window.step = new Promise(done => {
        const isIt = label => label.textContent === control;
        const hasIt = output => [...output.querySelectorAll('.widget-label')].some(isIt);
        const box = [...document.querySelectorAll('.jp-OutputArea-output')].find(hasIt);
        const before = box.querySelector('img').src;
        let start = null;
        const begin = () => { start = performance.now(); };
        document.addEventListener('keydown', begin, {once: true, capture: true});
        const look = async (changes, observer) => {
            const image = box.querySelector('img');
            if (!image || image.src === before) return;
            observer.disconnect();
            await image.decode();
            requestAnimationFrame(() => done(performance.now() - start));
        };
        const where = {subtree: true, childList: true, attributes: true};
        new MutationObserver(look).observe(box, where);
    });
}"""
TIME_OF_A_STEP = """() => {
    const tooLong = new Promise(done => setTimeout(() => done(null), 10000));
    return Promise.race([window.step, tooLong]);
}"""


# Answers that run over the next one.
CROWDED = """box => {
    const answers = [...box.querySelectorAll('.widget-radio-box label')];
    return answers.filter(answer => answer.scrollHeight > answer.clientHeight + 1).length;
}"""

# What of a widget lies beyond its right edge.
BEYOND = """box => {
    const edge = box.getBoundingClientRect().right + 1;
    const parts = [...box.querySelectorAll('img, input, button, select, .widget-readout')];
    return parts.filter(part => part.getBoundingClientRect().right > edge).length;
}"""


def assert_fits_a_phone(page, box, folder, name):
    "A widget is as wide as a phone's screen, and no wider; the screenshot is to be looked at."
    page.set_viewport_size(dict(width=390, height=844))
    page.keyboard.press("Control+b")  # without the list of files
    page.wait_for_timeout(500)
    shot(box, folder, name)
    width = box.bounding_box()["width"]
    beyond = box.evaluate(BEYOND)
    crowded = box.evaluate(CROWDED)
    page.keyboard.press("Control+b")
    page.set_viewport_size(dict(width=1280, height=1000))
    page.wait_for_timeout(500)
    assert 200 < width <= 390
    assert (beyond, crowded) == (0, 0)


def time_steps(page, box, slider, control):
    "How long each of 18 steps of a slider takes, from the key to the new picture (ms)."
    handle(box, slider).focus()
    times = []
    for key in ["ArrowLeft"] * 6 + ["ArrowRight"] * 6 + ["ArrowLeft"] * 6:
        page.evaluate(WATCH_A_STEP, control)
        page.keyboard.press(key)
        times.append(page.evaluate(TIME_OF_A_STEP))
    assert None not in times, times
    return times


def log_steps(times, slider, folder, capsys):
    "Print the times of a slider's steps, and keep them."
    line = (
        f"a step of the {slider} slider: median {statistics.median(times):.0f} ms, "
        f"{min(times):.0f} to {max(times):.0f} (n = {len(times)})"
    )
    (folder / "slider.txt").write_text(line + "\n", encoding="utf-8")
    with capsys.disabled():
        print("\n" + line)


@pytest.mark.slow(seconds=80)
class TestFirstClassifier(EveryLesson):
    "Lesson 01, and its explorer of maps."

    name = "01_first_classifier.ipynb"
    pictures = 12
    quizzes = 1

    def test_the_slider_changes_the_picture(self, page, folder):
        box = explorer(page)
        image = box.locator("img")
        before = shot(box, folder, "explorer_block_-1")
        assert "at block −1" in image.get_attribute("alt")

        handle(box, "Block").focus()
        assert press(page, "ArrowLeft", box)
        wait_for_picture(box, "at block −2")
        after = shot(box, folder, "explorer_block_-2")
        assert share_changed(before, after) > 0.01

    def test_how_long_a_step_takes(self, page, folder, capsys):
        "From the key to the new picture, decoded and drawn: measured, not asserted."
        times = time_steps(page, explorer(page), "Block", "Opacity")
        log_steps(times, "block", folder, capsys)

    def test_controls_have_labels(self, page):
        box = explorer(page)
        assert labels(box) == ["Film", "Method", "Speaks for", "Block", "Opacity"]
        assert are_reached_by_the_keyboard(box.locator("select, [role=slider]"))


@pytest.mark.slow(seconds=80)
class TestIsItCheating(EveryLesson):
    "Lesson 02."

    name = "02_is_it_cheating.ipynb"
    pictures = 8
    quizzes = 2


@pytest.mark.slow(seconds=80)
class TestHowSure(EveryLesson):
    "Lesson 03, and its explorer of thresholds."

    name = "03_how_sure.ipynb"
    pictures = 7
    quizzes = 1

    def test_the_slider_moves_the_threshold(self, page, folder):
        box = explorer(page, "Threshold")
        image = box.locator("img").first
        assert "from probability 0.50 on" in image.get_attribute("alt")
        before = shot(image, folder, "threshold_0.50")

        handle(box, "Threshold").focus()
        for _ in range(20):
            assert press(page, "ArrowLeft", box)
        wait_for_picture(box, "from probability 0.30 on")
        wait_for_picture(box, "at threshold 0.30 the")
        after = shot(image, folder, "threshold_0.30")
        shot(box, folder, "threshold")
        assert share_changed(before, after) > 0.003

    def test_the_prevalence_changes_the_predictive_values(self, page, folder):
        box = explorer(page, "Threshold")
        told = box.get_by_role("status")
        assert "predictive value at 5 % chest" in told.inner_text()
        handle(box, "Prevalence").focus()
        assert press(page, "ArrowRight", told)
        assert "predictive value at 6 % chest" in told.inner_text()

    def test_how_long_a_step_takes(self, page, folder, capsys):
        "From the key to the new picture, decoded and drawn: measured, not asserted."
        times = time_steps(page, explorer(page, "Threshold"), "Threshold", "Threshold")
        log_steps(times, "threshold", folder, capsys)

    def test_controls_have_labels(self, page):
        box = explorer(page, "Threshold")
        assert labels(box) == ["Threshold", "Prevalence"]
        assert are_reached_by_the_keyboard(box.locator("[role=slider]"))

    def test_it_fits_a_phone(self, page, folder):
        assert_fits_a_phone(page, explorer(page, "Threshold"), folder, "threshold_phone")


@pytest.mark.slow(seconds=80)
class TestWhereItEnds(EveryLesson):
    "Lesson 04, and its twenty films to be read."

    name = "04_where_it_ends.ipynb"
    pictures = 9
    quizzes = 1

    def films(self, page):
        "The output with the films to be read, the only one with a button."
        return page.locator(".jp-OutputArea-output", has=page.locator("button")).first

    def test_it_fits_a_phone(self, page, folder):
        assert_fits_a_phone(page, self.films(page), folder, "reading_phone")

    def test_films_are_read_with_the_keyboard(self, page, folder):
        "The space bar chooses the first answer, the Tab key leads to the button, Enter goes on."
        box = self.films(page)
        told = box.get_by_role("status")
        button = box.locator("button")
        shot(box, folder, "reading_1")
        for number in range(1, 21):
            assert told.inner_text() == f"Film {number} of 20"
            wait_for_picture(box, f"Film {number} of 20, to be read without knowing what it is.")
            box.locator("button:disabled").wait_for()

            box.locator("input[type=radio]").first.focus()
            page.keyboard.press("Space")
            box.locator("button:enabled").wait_for()
            while not button.evaluate("button => button === document.activeElement"):
                page.keyboard.press("Tab")
            assert press(page, "Enter", told)
        assert "You were right about 10 of 20 films" in told.inner_text()  # all called chest
        button.wait_for(state="hidden")
        shot(box, folder, "reading_marked")
        assert "alone" in told.inner_text()


@pytest.mark.slow(seconds=60)
class TestHowAFilmIsMade(EveryLesson):
    "Lesson 05, and its console."

    name = "05_how_a_film_is_made.ipynb"
    pictures = 13
    quizzes = 0

    def console(self, page):
        "The output that holds the sliders and the film."
        label = page.locator(".widget-label", has_text="kvp")
        return page.locator(".jp-OutputArea-output", has=label).first

    @pytest.mark.parametrize("dial", ["yaw", "inspiration", "kvp", "window", "dose"])
    def test_each_slider_takes_another_film(self, page, folder, dial):
        box = self.console(page)
        handle(box, dial).focus()
        assert press(page, "ArrowRight", box.locator(".widget-html-content"))
        shot(box, folder, f"console_{dial}")

    def test_controls_have_labels(self, page):
        box = self.console(page)
        assert labels(box) == ["yaw", "inspiration", "kvp", "window", "dose"]
        assert are_reached_by_the_keyboard(box.locator("[role=slider]"))


@pytest.mark.slow(seconds=80)
class TestInsideTheNetwork(EveryLesson):
    "Lesson 06, and its seven steps."

    name = "06_inside_the_network.ipynb"
    pictures = 12
    quizzes = 1

    def test_each_step_shows_another_picture(self, page, folder):
        box = explorer(page, "Step")
        told = box.get_by_role("status")
        seen = {box.locator("img").get_attribute("alt")}
        assert told.inner_text().startswith("Step 1 of 7")
        handle(box, "Step").focus()
        for number in range(2, 8):
            assert press(page, "ArrowRight", told)
            assert told.inner_text().startswith(f"Step {number} of 7")
            seen.add(box.locator("img").get_attribute("alt"))
            shot(box, folder, f"step_{number}")
        assert len(seen) == 7

    def test_controls_have_labels(self, page):
        box = explorer(page, "Step")
        assert labels(box) == ["Film", "Step"]
        assert are_reached_by_the_keyboard(box.locator("select, [role=slider]"))

    def test_it_fits_a_phone(self, page, folder):
        assert_fits_a_phone(page, explorer(page, "Step"), folder, "steps_phone")


@pytest.mark.slow(seconds=90)
class TestAClinicalQuestion(EveryLesson):
    "Lesson 07, its thresholds, and its twenty films to be read."

    name = "07_a_clinical_question.ipynb"
    pictures = 9
    quizzes = 1

    def test_the_slider_moves_the_threshold(self, page, folder):
        box = explorer(page, "Threshold")
        handle(box, "Threshold").focus()
        assert press(page, "ArrowLeft", box)
        wait_for_picture(box, "Called effusion from probability 0.49 on")
        shot(box, folder, "threshold")

    def test_films_are_shown_one_after_the_other(self, page, folder):
        box = page.locator(".jp-OutputArea-output", has=page.locator("button")).first
        told = box.get_by_role("status")
        assert told.inner_text() == "Film 1 of 20"
        box.locator("input[type=radio]").first.focus()
        page.keyboard.press("Space")
        box.locator("button:enabled").click()
        wait_for_picture(box, "Film 2 of 20")
        shot(box, folder, "reading")

    def test_the_report_is_a_table(self, page, folder):
        report = page.locator(".jp-OutputArea-output", has_text="CLAIM 3")
        assert report.locator("tr").count() == 11
        shot(report, folder, "report")


@pytest.mark.slow(seconds=80)
class TestYourOwnFilms(EveryLesson):
    "Lesson 08, and the quiz at the end of the course."

    name = "08_your_own_films.ipynb"
    pictures = 9
    quizzes = 1

    def questions(self, page):
        "The output with the course's last quiz, the only one with a button."
        return page.locator(".jp-OutputArea-output", has=page.locator("button")).first

    def test_it_fits_a_phone(self, page, folder):
        assert_fits_a_phone(page, self.questions(page), folder, "final_quiz_phone")

    def test_the_last_quiz_is_taken_with_the_keyboard(self, page, folder):
        "The space bar chooses the first answer each time; the marks say which were right, and why."
        box = self.questions(page)
        told = box.get_by_role("status")
        button = box.locator("button")
        shot(box, folder, "final_quiz_1")
        for number in range(1, 17):
            assert f"Question {number} of 16" in told.inner_text()
            box.locator("button:disabled").wait_for()
            assert box.locator("input[type=radio]").count() == 4

            box.locator("input[type=radio]").first.focus()
            page.keyboard.press("Space")
            box.locator("button:enabled").wait_for()
            button.focus()
            assert press(page, "Enter", told)
        assert "4 of 16 right" in told.inner_text()
        assert told.get_by_role("listitem").count() == 16
        button.wait_for(state="hidden")
        shot(box, folder, "final_quiz_marked")
