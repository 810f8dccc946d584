"""The kit, one file for a room without network: what is in it, and that it works in such a room.

The room is a network namespace of Linux: a process in it reaches nothing but itself. There the
commands of the kit's own README are typed. What is compiled, which the README says to fetch for the
room's computers, is lent from this environment; all else has to come out of the kit.
"""

import base64
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution, distributions
from pathlib import Path

import nbformat
import pytest
from packaging.utils import canonicalize_name

from conftest import HERE
from rsna_cls import __version__
from test_browser import CHROMIUM, FLAGS, SMALL, write_small

sys.path.insert(0, str(HERE / "tools"))
kit = importlib.import_module("kit")
versions = importlib.import_module("versions")

NAME = f"rsna_cls-{__version__}-kit"
LESSONS = kit.all_lessons()
GUIDE = (HERE / "docs/site/kit.md").read_text(encoding="utf-8")


# --- stand-ins -----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    "A kit without what takes long: one lesson, one wheel, no network to try; what was fetched."
    fetched = []

    def fetch(packages, folder, *platform):
        fetched.append([package.name for package in packages])

    def build(scratch):
        file = scratch / f"rsna_cls-{__version__}-py3-none-any.whl"
        file.write_bytes(b"a wheel")
        return file

    def write_try(file):
        file.write_text("<!DOCTYPE html><title>a page</title>", encoding="utf-16")

    monkeypatch.setattr(kit, "COPIES", kit.COPIES[:1])
    monkeypatch.setattr(kit, "fetch_wheels", fetch)
    monkeypatch.setattr(kit, "build_wheel", build)
    monkeypatch.setattr(kit, "write_ready_page", write_try)
    return fetched


# --- which packages ------------------------------------------------------------------------------


def test_what_the_room_needs():
    "What is asked for, what that asks for in turn, and nothing for graphics cards."
    packages = {package.name: package for package in kit.all_packages()}
    for name in ("fastai", "jupyterlab", "ipykernel", "lazy-loader", "pydicom", "sympy"):
        assert packages[name].is_pure, name
    for name in ("numpy", "pillow", "python-gdcm", "safetensors", "torch", "torchvision"):
        assert not packages[name].is_pure, name
    assert not [name for name in packages if name.startswith(("nvidia", "cuda", "triton"))]
    for name in ("rsna-cls", "pytest", "papermill", "nbdev", "playwright"):
        assert name not in packages


def test_what_is_said_to_be_pure_besides_is_needed_and_compiled_here():
    needed = {package.name for package in kit.all_packages()}
    assert needed >= kit.ALSO_PURE
    for name in kit.ALSO_PURE:
        assert not kit.is_pure(distribution(name)), f"{name} is pure anyway: take it out"


def test_a_package_that_is_not_here_is_named():
    with pytest.raises(kit.KitError, match="no-such-package is not installed here"):
        kit.needed_packages(["no_such_package>=1"])


def test_versions_that_no_test_ran_with_are_named():
    packages = [kit.Package("lazy-loader", "0.7", True), kit.Package("new", "1", True)]
    assert kit.untested(packages, "lazy_loader==0.6\n# and so on\n") == [
        "lazy-loader==0.7, tested: 0.6"
    ]
    assert kit.untested(packages, "lazy.loader==0.7") == []


def test_where_no_index_can_be_reached_it_says_so(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(kit.KitError) as said:
        kit.fetch_wheels([kit.Package("lazy-loader", "0.6", True)], tmp_path)
    assert str(said.value) == (
        "Not all of the 1 wheels that the kit needs could be fetched (No matching distribution "
        "found for lazy-loader==0.6): is the package index within reach?"
    )


@pytest.mark.slow(seconds=5)
def test_compiled_wheels_are_added_where_they_are_wanted(quick, tmp_path):
    "Of this system, which the kit's name then says; PyTorch never."
    plain = kit.make_kit(tmp_path)
    [pure] = quick
    assert "fastai" in pure and "numpy" not in pure
    full = kit.make_kit(tmp_path, with_compiled=True)
    compiled = quick[2]
    assert {"numpy", "pillow", "safetensors"} <= set(compiled) and quick[1] == pure
    assert not {"torch", "torchvision"} & {*pure, *compiled}
    python = f"python3.{sys.version_info.minor}"
    assert plain.name == f"{NAME}.zip"
    assert full.name.startswith(f"{NAME}-") and full.name.endswith(f"-{python}.zip")


# --- a kit is there whole, or not at all ---------------------------------------------------------


@pytest.mark.slow(seconds=5)
def test_the_same_files_make_the_same_kit(quick, tmp_path):
    kits = [kit.make_kit(tmp_path / name) for name in ("one", "two")]
    assert kits[0].read_bytes() == kits[1].read_bytes()


@pytest.mark.slow(seconds=5)
def test_a_kit_that_could_not_be_finished_leaves_the_older_one(quick, tmp_path, monkeypatch):
    before = kit.make_kit(tmp_path).read_bytes()
    write = zipfile.ZipFile.writestr

    def write_some(archive, info, *rest):
        if info.filename.endswith("try.html"):
            raise OSError("No space left on device")
        write(archive, info, *rest)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", write_some)
    with pytest.raises(OSError, match="No space left"):
        kit.make_kit(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{NAME}.zip"]
    assert (tmp_path / f"{NAME}.zip").read_bytes() == before


def main_says(monkeypatch, *arguments):
    "What the command line says where it makes no kit."
    monkeypatch.setattr(sys, "argv", ["kit.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        kit.main()
    return str(stopped.value.code)


@pytest.mark.slow(seconds=3)
def test_the_command_line_says_where_the_kit_is(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kit, "untested", lambda *arguments: [])
    monkeypatch.setattr(sys, "argv", ["kit.py", "--folder", str(tmp_path)])
    kit.main()
    digest = hashlib.sha256((tmp_path / f"{NAME}.zip").read_bytes()).hexdigest()
    assert capsys.readouterr().out.splitlines()[-1] == f"its SHA-256: {digest}"


def test_lessons_that_have_changed_since_they_ran_stop_it(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "untested", lambda *arguments: [])
    monkeypatch.setattr(kit, "stale", lambda: kit.COPIES)
    words = main_says(monkeypatch, "--folder", tmp_path / "kit")
    assert words == "Lessons have changed since they ran: make site"
    assert not (tmp_path / "kit").exists()


def test_versions_that_no_test_ran_with_stop_it(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "all_packages", lambda: [kit.Package("numpy", "0.1", False)])
    words = main_says(monkeypatch, "--folder", tmp_path / "kit")
    assert words.startswith("The tests ran with other versions than these: numpy==0.1, tested: ")


# --- lessons as pages ----------------------------------------------------------------------------


def mended(html):
    "A piece of a lesson's page, with its links mended."
    page = kit.fragment(html)
    kit.lead_to_pages(page)
    return str(page)


@pytest.mark.parametrize(
    "html, expected",
    [
        ('<a href="02_is_it_cheating.md">x</a>', '<a href="02_is_it_cheating.html">x</a>'),
        ('<a href="02_is_it_cheating.md#a">x</a>', '<a href="02_is_it_cheating.html#a">x</a>'),
        ('<a href="../../nbs/22_gate.ipynb">x</a>', "x"),
        (
            '<a href="../../nbs/lessons/01_first_classifier.ipynb">x</a>',
            '<a href="../lessons/01_first_classifier.ipynb">x</a>',
        ),
        ('<a href="https://example.org/x">x</a>', '<a href="https://example.org/x">x</a>'),
        ('<a href="#below">x</a>', '<a href="#below">x</a>'),
    ],
)
def test_where_a_lesson_s_links_lead(html, expected):
    assert mended(html) == expected


@pytest.mark.parametrize("copy", kit.COPIES, ids=lambda copy: copy.stem)
def test_a_lesson_is_one_file_with_its_pictures_and_folded_parts(copy):
    text = copy.read_text(encoding="utf-8")
    page = kit.fragment(kit.lesson_page(copy))
    pictures = [image["src"] for image in page.find_all("img")]
    assert len(pictures) == len(list(copy.with_suffix("").iterdir()))
    assert all(address.startswith("data:image/webp;base64,") for address in pictures)
    assert len(page.find_all("details")) == text.count("<details>")
    for folded in page.find_all("details"):
        assert folded.find("summary").get_text(strip=True)
        assert "```" not in folded.get_text()
    assert page.title.get_text().endswith(" – rsna_cls")
    assert "Not for clinical use" in page.get_text()


def test_a_page_with_a_fault_stops_it(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "lead_to_pages", lambda page: None)
    with pytest.raises(kit.KitError, match=r"read/01_first_classifier\.html: .* leads nowhere"):
        kit.make_kit(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- the guide -----------------------------------------------------------------------------------


def commands(heading):
    "The blocks of commands below a heading of the guide."
    _, below = re.split(rf"^#+ {re.escape(heading)}\n", GUIDE, flags=re.MULTILINE)
    section = re.split(r"^#", below, flags=re.MULTILINE)[0]
    return re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def commands_in_the_room():
    "What step 2 says to type on Linux, line by line, and what step 3 says."
    [make, install] = commands("Step 2: in the room")[0].splitlines()
    [start] = commands("Step 3: start a lesson")[0].splitlines()
    return make, install, start


@pytest.mark.parametrize("heading", ["Step 2: in the room", "Step 3: start a lesson"])
def test_windows_is_told_the_same_as_linux(heading):
    linux, windows = commands(heading)
    assert windows == linux.replace("python3 ", "py ").replace("course/bin/", "course\\Scripts\\")


def test_step_1_is_the_same_on_windows_but_for_pytorch():
    torch, linux, windows = commands("Step 1: on a computer with network")
    assert windows == linux.replace("python3 ", "py ")
    assert torch.endswith("https://download.pytorch.org/whl/cpu torch torchvision\n")


def test_the_guide_is_short_sentences():
    "It is for people who read English as a second language."
    prose = re.sub(r"^```.*?^```|^\|.*?$|`[^`\n]*`", "x", GUIDE, flags=re.MULTILINE | re.DOTALL)
    sentences = re.split(r"(?<=[.:;?!])\W*\s|\n\n", prose)
    longest = max(sentences, key=lambda sentence: len(sentence.split()))
    assert len(longest.split()) <= 30, longest


# --- a kit, really -------------------------------------------------------------------------------

# Starts a command where there is nothing but this machine itself: a namespace without a route.
ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def can_be_alone():
    "Whether this system and this user can make a network namespace."
    if not all(shutil.which(program) for program in ("unshare", "ip", "sh")):
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


CAN_BE_ALONE = can_be_alone()
needs_a_room = pytest.mark.skipif(
    not CAN_BE_ALONE, reason="needs Linux, and a user who may make a network namespace (unshare)"
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="needs Chromium: on Debian and Ubuntu, apt-get install chromium",
)


def index_answers(folder):
    "Whether a package index can be reached: whether it gives a small wheel."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_DEFAULT_TIMEOUT", "30")
        small = kit.Package("lazy-loader", distribution("lazy-loader").version, True)
        try:
            kit.fetch_wheels([small], folder)
        except kit.KitError:
            return False
    return True


@pytest.fixture(scope="module")
def has_index(tmp_path_factory):
    return index_answers(tmp_path_factory.mktemp("index"))


@pytest.fixture
def needs_index(has_index):
    if not has_index:
        pytest.skip("needs the internet: no package index could be reached")


@pytest.fixture(scope="module")
def zipped(has_index, tmp_path_factory):
    "A kit as `make kit` makes it; without an index, of one wheel."
    with pytest.MonkeyPatch.context() as patch:
        if not has_index:
            patch.setattr(kit, "fetch_wheels", lambda *arguments: None)
        return kit.make_kit(tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def room(zipped, tmp_path_factory):
    "The kit's folder, unpacked in a folder whose name has a space."
    folder = tmp_path_factory.mktemp("a room")
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder / NAME


def variables(home, **more):
    "The variables of a user in a room: a home of their own, no settings of pip's, this Python."
    kept = ("LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return found | {"HOME": str(home), "PATH": path, "PIP_CONFIG_FILE": os.devnull} | more


def type_in(folder, command, env, before=()):
    "Type a command in a folder; what is printed. It may not fail."
    done = subprocess.run(
        [*before, "bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def lend_compiled(python, folder):
    "Let an environment see the compiled packages of this one, and no other; their names."
    compiled = {package.name for package in kit.all_packages() if not package.is_pure}
    here = {canonicalize_name(found.name): found for found in distributions()}
    compiled |= {name for name in here if name.startswith(kit.FOR_GRAPHICS_CARDS)}
    folder.mkdir()
    for name in compiled:
        parts = {file.parts[0] for file in here[name].files} - {"..", "__pycache__"}
        for part in parts:
            link = folder / part
            if not link.exists():
                link.symlink_to(here[name].locate_file(part))
    site = next(python.parents[1].glob("lib/python*/site-packages"))
    (site / "compiled.pth").write_text(f"{folder}\n", encoding="utf-8")
    return compiled


@pytest.fixture(scope="module")
def environment(room, has_index, tmp_path_factory):
    "An environment that was made in the room as step 2 says; the variables it was made with."
    if not has_index:
        pytest.skip("needs the internet: no package index could be reached")
    folder = tmp_path_factory.mktemp("user")
    env = variables(folder, PIP_NO_COMPILE="1")
    make, install, _ = commands_in_the_room()
    type_in(room, make, env, ALONE)
    lend_compiled(room / "course/bin/python", folder / "compiled")
    type_in(room, install, env, ALONE)
    return env


# Says which packages an environment has in its own folder.
OWN = """
import sysconfig
from importlib.metadata import distributions

for found in distributions(path=[sysconfig.get_paths()["purelib"]]):
    print(found.name, found.version)
"""

# Starts JupyterLab as it is told to, and asks it for its page and its lessons.
LAB = """
import json, subprocess, sys, time, urllib.request

options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=8765", "--port-retries=0"]
options += ["--IdentityProvider.token="]
lab = subprocess.Popen([*sys.argv[1:], *options], stderr=subprocess.DEVNULL)
try:
    for _ in range(240):
        try:
            page = urllib.request.urlopen("http://127.0.0.1:8765/lab").read().decode()
            break
        except OSError:
            assert lab.poll() is None, "it has ended"
            time.sleep(0.5)
    listed = json.load(urllib.request.urlopen("http://127.0.0.1:8765/api/contents"))
finally:
    lab.terminate()
    lab.wait(30)
names = sorted(file["name"] for file in listed["content"])
print(json.dumps(dict(is_lab="jupyter-config-data" in page, names=names)))
"""


def write_small_edition(found, folder):
    "Write a wheel as of PyTorch without graphics cards: what it asks for, and nothing in it."
    name = f"{found.name}-{found.version.partition('+')[0]}+cpu"
    asked = kit.asked_for(found, set())
    asked = [each for each in asked if not each.name.startswith(kit.FOR_GRAPHICS_CARDS)]
    lines = ["Metadata-Version: 2.1", f"Name: {found.name}", f"Version: {name.split('-')[1]}"]
    lines += [f"Requires-Dist: {each}" for each in asked]
    about = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", "\n".join(lines) + "\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", about)
        wheel.writestr(f"{name}.dist-info/RECORD", "")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    "Chromium without a window, in a room without network where one can be had."
    from playwright.sync_api import sync_playwright

    program = CHROMIUM
    if CAN_BE_ALONE:
        program = tmp_path_factory.mktemp("browser") / "chromium"
        before = " ".join(ALONE[:3])
        program.write_text(f'#!/bin/sh\nexec {before} "{CHROMIUM}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(browser):
    "A page in a browser that is offline; nothing may go wrong in it, and it may ask for no more."
    context = browser.new_context(offline=True)
    window = context.new_page()
    problems = []
    requests = []
    window.on("pageerror", lambda error: problems.append(str(error)))
    window.on("console", lambda message: problems.append(message.text))
    window.on("request", lambda asked: requests.append(asked.url))
    yield window
    context.close()
    assert not problems
    assert not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]


# Whether every picture of a page is drawn, and how many there are.
PICTURES = """() => {
    const pictures = [...document.images];
    return [pictures.length, pictures.every((picture) => picture.naturalWidth > 0)];
}"""

# What `try.html` says of a film: its answer for each class, and whether its gate lets it pass.
ASK = """async (letters) => {
    const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    const { engine, readFilm, data } = window.rsna_cls;
    const film = await readFilm(bytes);
    const { logits } = await engine.ask(film);
    const { isAccepted } = await engine.askGate(film);
    return { class: data.classes[logits[0] > logits[1] ? 0 : 1], isAccepted };
}"""


@pytest.mark.slow(seconds=300)
class TestKit:
    "A kit, made once."

    def test_what_is_in_it(self, zipped, room):
        with zipfile.ZipFile(zipped) as archive:
            assert archive.testzip() is None
            names = {name.partition("/")[0] for name in archive.namelist()}
        assert names == {NAME}
        assert sorted(path.name for path in room.iterdir() if path.name != "course") == [
            "LICENSE",
            "LICENSE-CONTENT",
            "README.html",
            "README.md",
            "SHA256SUMS",
            "films",
            "lessons",
            "read",
            "requirements.txt",
            "try.html",
            "versions.txt",
            "wheels",
        ]
        assert (room / "README.md").read_text(encoding="utf-8") == GUIDE
        for lesson in LESSONS:
            assert (room / "lessons" / lesson.name).read_bytes() == lesson.read_bytes()
            assert (room / "read" / f"{lesson.stem}.html").is_file()
        assert len(list((room / "films").rglob("*.png"))) == 89
        assert zipped.stat().st_size < 250e6

    def test_what_the_guide_names_is_there(self, room):
        "And nothing lies at the top that it does not name, the licences and its own source aside."
        table = re.findall(r"^\| (`.*?`) \|", GUIDE, re.MULTILINE)[:8]
        named = set(re.findall(r"`([\w.]+)`", " ".join(table)))
        there = {path.name for path in room.iterdir()} - {"course"}
        assert there - named == {"LICENSE", "LICENSE-CONTENT", "README.md"}
        assert named <= there

    def test_checksums(self, room, tmp_path):
        "Every file has one; a damaged file is named."
        [check], *_ = [commands("How to check the files")[0].splitlines()]
        copy = tmp_path / "copy"
        shutil.copytree(room, copy, ignore=shutil.ignore_patterns("course"), copy_function=os.link)
        lines = (copy / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        named = {line.partition("  ")[2] for line in lines}
        files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
        assert files - named == {"SHA256SUMS"} and named <= files
        if not shutil.which("sha256sum"):
            return
        assert type_in(copy, check, dict(os.environ)) == ""
        (copy / "films/elbow.png").unlink()  # a link to the one in the room
        (copy / "films/elbow.png").write_bytes(b"damaged")
        done = subprocess.run(["bash", "-c", check], cwd=copy, capture_output=True, text=True)
        assert done.returncode == 1 and done.stdout == "films/elbow.png: FAILED\n"

    def test_a_page_does_not_say_where_it_was_made(self, room):
        texts = [file for file in kit.files_of(room) if file.suffix in (".html", ".md", ".txt")]
        for file in [file for file in texts if "course" not in file.relative_to(room).parts]:
            text = file.read_bytes().decode("utf-16" if file.name == "try.html" else "utf-8")
            assert f"{HERE}/" not in text, file.name

    def test_its_pages_ask_for_nothing_and_lead_somewhere(self, zipped, room, tmp_path):
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(tmp_path)
        assert kit.problems(kit.Site(tmp_path / NAME)) == []
        page = kit.fragment((room / "README.html").read_text(encoding="utf-8"))
        links = {link["href"] for link in page.find_all("a")}
        pages = {f"read/{lesson.stem}.html" for lesson in LESSONS} | {"try.html"}
        assert links == pages | {"https://www.python.org/downloads/"}
        for lesson, following in zip(LESSONS, LESSONS[1:], strict=False):
            text = (room / "read" / f"{lesson.stem}.html").read_text(encoding="utf-8")
            assert f'href="{following.stem}.html"' in text and 'href="../README.html"' in text
            assert "Not for clinical use." in text and "it is no product of the" in text

    def test_wheels(self, room, needs_index):
        "Each fits every computer; what is left is listed for where there is a network."
        files = sorted(file.name for file in (room / "wheels").iterdir())
        assert [name for name in files if not name.endswith("py3-none-any.whl")] == []
        packages = kit.all_packages()
        wanted = {p.pin for p in packages if p.is_pure} | {f"rsna-cls=={__version__}"}
        found = [name.split("-")[:2] for name in files]
        assert {f"{canonicalize_name(name)}=={version}" for name, version in found} == wanted
        listed = (room / "versions.txt").read_text(encoding="utf-8").split()
        assert listed == [package.pin for package in packages]

    def test_the_library_s_wheel_is_the_same_each_time(self, room, tmp_path, monkeypatch):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
        wheel = room / f"wheels/rsna_cls-{__version__}-py3-none-any.whl"
        assert versions.build_wheel(tmp_path).read_bytes() == wheel.read_bytes()

    def test_step_1_fetches_what_is_missing(self, room, needs_index, tmp_path):
        "All of it: then the room needs no more. PyTorch's small edition is not replaced."
        copy = tmp_path / NAME
        shutil.copytree(room, copy, ignore=shutil.ignore_patterns("course"), copy_function=os.link)
        for name in kit.TORCH:
            write_small_edition(distribution(name), copy / "wheels")
        fetch = commands("Step 1: on a computer with network")[1]
        env = os.environ | {"PATH": variables(tmp_path)["PATH"]}
        type_in(copy, fetch, env)
        names = [file.name for file in (copy / "wheels").iterdir()]
        assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
        assert len([name for name in names if name.startswith("torch-")]) == 1
        assert len([name for name in names if name.startswith("rsna_cls-")]) == 1

        make, install, _ = commands_in_the_room()
        env = variables(tmp_path)
        before = ALONE if CAN_BE_ALONE else []
        type_in(copy, make, env, before)
        printed = type_in(copy, f"{install} --dry-run", env, before)
        taken = {}
        for word in printed.splitlines()[-1].removeprefix("Would install ").split():
            name, _, version = word.rpartition("-")
            taken[canonicalize_name(name)] = version
        expected = {package.name: package.version for package in kit.all_packages()}
        for name in kit.TORCH:
            expected[name] = f"{expected[name].partition('+')[0]}+cpu"
        assert taken == expected | {"rsna-cls": __version__}

    @needs_a_room
    def test_there_is_no_way_out_of_the_room(self, tmp_path):
        routes = type_in(tmp_path, "tail -n +2 /proc/net/route", variables(tmp_path), ALONE)
        assert routes == ""

    @needs_a_room
    def test_step_2_installs_from_the_kit_alone(self, room, environment):
        "What is not compiled is the kit's own."
        command = f"course/bin/python -c '{OWN}'"
        own = dict(line.split() for line in type_in(room, command, environment).splitlines())
        own = {canonicalize_name(name): version for name, version in own.items()}
        pure = {p.name: p.version for p in kit.all_packages() if p.is_pure}
        assert own.items() >= pure.items() and own["rsna-cls"] == __version__
        assert own.keys() - pure.keys() <= {"rsna-cls", "pip", "setuptools"}

    @needs_a_room
    def test_step_3_opens_the_lessons(self, room, environment, tmp_path):
        (tmp_path / "lab.py").write_text(LAB, encoding="utf-8")
        *_, start = commands_in_the_room()
        command = f"course/bin/python '{tmp_path / 'lab.py'}' {start}"
        said = json.loads(type_in(room, command, environment, ALONE).splitlines()[-1])
        assert said == dict(is_lab=True, names=[lesson.name for lesson in LESSONS])

    @needs_a_room
    def test_lesson_1_runs_in_the_room(self, room, environment, tmp_path):
        "With few pixels; it looks for films on the internet, and takes the simulated ones."
        run = versions.LESSON_RUNS[0]
        small = SMALL[run.name] | {"films": "auto"}
        write_small(f"{run.name}.ipynb", small, tmp_path / "small.ipynb")
        command = "course/bin/jupyter nbconvert --to notebook --execute --output ran.ipynb "
        command += f"--output-dir '{tmp_path}' '{tmp_path / 'small.ipynb'}'"
        type_in(room, command, environment, ALONE)
        ran = nbformat.read(tmp_path / "ran.ipynb", as_version=4)
        printed = versions.texts_of(ran, "stdout")
        assert f"Ready: rsna_cls {__version__}, " in printed
        assert str(room / "course") in printed  # where the simulated films come from
        assert versions.count_figures(ran) >= run.figures
        assert versions.texts_of(ran, "stderr").strip() == ""

    @needs_chromium
    def test_from_the_first_page_to_each_lesson_and_back(self, room, window):
        window.goto((room / "README.html").as_uri())
        for lesson in LESSONS:
            window.click(f"nav >> a[href='read/{lesson.stem}.html']")
            assert window.url == (room / "read" / f"{lesson.stem}.html").as_uri()
            window.wait_for_load_state("load")
            shown, are_whole = window.evaluate(PICTURES)
            assert shown >= 5 and are_whole
            window.click("text=All lessons, and how to run them")
            assert window.url == (room / "README.html").as_uri()

    @needs_chromium
    def test_on_a_phone(self, room, window):
        "Nothing is wider than the phone."
        window.set_viewport_size(dict(width=390, height=844))
        for page in ("README.html", "read/01_first_classifier.html"):
            window.goto((room / page).as_uri())
            assert window.evaluate("() => document.documentElement.scrollWidth") <= 390, page

    @needs_chromium
    def test_the_page_to_try_answers(self, room, window):
        window.goto((room / "try.html").as_uri())
        for film, answer in (
            ("val/chest/chest0.png", dict({"class": "chest"}, isAccepted=True)),
            ("val/abd/abd0.png", dict({"class": "abd"}, isAccepted=True)),
        ):
            letters = base64.b64encode((HERE / "data" / film).read_bytes()).decode()
            assert window.evaluate(ASK, letters) == answer
        letters = base64.b64encode((HERE / "data/elbow.png").read_bytes()).decode()
        assert not window.evaluate(ASK, letters)["isAccepted"]
