"Built, installed elsewhere, and used without the repository."

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from email import message_from_bytes
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import HERE
from rsna_cls import __version__

sys.path.insert(0, str(HERE / "tools"))
import address
import docs

pytestmark = pytest.mark.slow(seconds=30)

# What the installed package says of itself.
FACTS = """
import json
from importlib.metadata import version
from pathlib import Path

import rsna_cls
from rsna_cls import fetch_data, film_files

path = fetch_data("simulated")
facts = dict(
    where=str(Path(rsna_cls.__file__).parent),
    version=version("rsna_cls"),
    films=len(film_files(path)),
)
print(json.dumps(facts))
"""

# The same, and it works: with its films and weights, far from the repository.
USE = f"""
{FACTS}
from rsna_cls import dataloaders, film_learner

learn = film_learner(dataloaders(path, size=64))
facts["weight"] = float(learn.model[0][0].weight.abs().sum())
print(json.dumps(facts))
"""


def run(*command, **options):
    "Run a command; what it prints."
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    "A copy of the repository's files, so that a build leaves nothing in the repository."
    to = tmp_path_factory.mktemp("source") / "repo"
    ignore = shutil.ignore_patterns(
        ".git",
        ".venv",
        "build",
        "dist",
        "*.egg-info",
        "__pycache__",
        ".*_cache",
        ".benchmarks",
    )
    shutil.copytree(HERE, to, symlinks=True, ignore=ignore)
    return to


@pytest.fixture(scope="module")
def built(source):
    "The sdist, and the wheel that is built from it."
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", source / "dist", source)
    return sorted((source / "dist").iterdir())


def clean_environment(path):
    "A new environment that sees the packages of this one, but not the repository; its Python."
    run(sys.executable, "-m", "venv", "--without-pip", path)
    if os.name == "nt":
        site, python = path / "Lib/site-packages", path / "Scripts/python"
    else:
        site, python = next((path / "lib").glob("python*")) / "site-packages", path / "bin/python"
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return python


def install(path, *what):
    "Install something, by itself and without a network, in a new environment; its Python."
    python = clean_environment(path)
    alone = ["--no-deps", "--no-build-isolation", "--no-index"]
    run(sys.executable, "-m", "pip", "--python", python, "install", *alone, *what)
    return python


def facts_from(python, program, folder):
    "What a program prints at last, run in a folder without the repository's variables."
    hidden = ("PYTHONPATH", "RSNA_CLS_DATA")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    printed = run(python, "-W", "ignore", "-c", program, cwd=folder, env=env)
    return json.loads(printed.splitlines()[-1])


def installed_files(environment):
    "The package's files in an environment, with their contents' checksums."
    package = next(environment.rglob("site-packages/rsna_cls"))
    files = [file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return {
        file.relative_to(package).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def test_install_and_use(source, built, tmp_path):
    "The wheel works; the sdist installs the same files, and the repository itself in its place."
    wheel = next(file for file in built if file.suffix == ".whl")
    used = facts_from(install(tmp_path / "wheel", wheel), USE, tmp_path)
    assert Path(used["where"]).is_relative_to(tmp_path / "wheel")
    assert used["films"] >= 75 and used["weight"] > 0
    assert used["version"] == __version__

    sdist = next(file for file in built if file.name.endswith(".tar.gz"))
    install(tmp_path / "sdist", sdist)
    files = installed_files(tmp_path / "sdist")
    assert len(files) > 100
    assert files == installed_files(tmp_path / "wheel")

    python = install(tmp_path / "editable", "-e", source)
    facts = facts_from(python, FACTS, tmp_path)
    assert Path(facts["where"]) == source / "rsna_cls"
    assert [facts["films"], facts["version"]] == [used["films"], __version__]


def test_what_is_in_the_wheel(built):
    wheel = next(file for file in built if file.suffix == ".whl")
    assert wheel.stat().st_size < 60e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    wanted = {
        "rsna_cls/__init__.pyi",  # which module a public name is in
        "rsna_cls/cam.py",
        "rsna_cls/films/manifest.csv",
        "rsna_cls/py.typed",
        "rsna_cls/weights/resnet18_other_films.safetensors",
        "rsna_cls/weights/resnet18_simulated.safetensors",
    }
    assert wanted <= set(names)
    for name in ("LICENSE", "LICENSE-CONTENT"):
        assert any(file.endswith(f".dist-info/licenses/{name}") for file in names), name
    not_shipped = ("tests/", "nbs/", "tools/", "experiments/")
    assert not [name for name in names if name.startswith(not_shipped)]


def metadata(wheel):
    "What a wheel says of itself: name of a line → its texts."
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = message_from_bytes(archive.read(name))
    return {key: said.get_all(key) for key in said} | {"README": said.get_payload()}


def build_wheel(source, folder):
    "A wheel of a folder, quickly; what it says of itself."
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, source)
    return metadata(next(folder.glob("*.whl")))


def test_the_wheel_names_its_licences_and_its_address(source, built, tmp_path):
    "An address only where there is one; then the links of its README lead there."
    unset = metadata(next(file for file in built if file.suffix == ".whl"))
    assert unset["License-Expression"] == ["MIT AND CC-BY-4.0"]
    assert unset["License-File"] == ["LICENSE", "LICENSE-CONTENT"]
    if not docs.read_settings().is_set:
        assert "Home-page" not in unset and "Project-URL" not in unset
        assert "-address-not-set-" not in unset["README"]

    copy = shutil.copytree(source, tmp_path / "copy", symlinks=True)
    url = "https://github.com/someone/rsna_cls"
    address.set_address(url, copy)
    said = build_wheel(copy, tmp_path / "wheel")
    assert said["Home-page"] == [url]
    at_tag = f"{url}/blob/v{__version__}"
    assert said["Project-URL"] == [f"Changelog, {at_tag}/CHANGELOG.md"]
    targets = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)\"", said["README"])
    targets = ["".join(target) for target in targets]
    assert f"{at_tag}/docs/lessons/01_first_classifier.md" in targets
    for target in targets:
        assert target.startswith(("https://", "#")), target
        is_picture = re.search(r"\.(png|svg|gif)$", target)
        assert not (is_picture and target.startswith(at_tag)), f"{target} is a page, no picture"


# --- the set-up cell of a lesson -----------------------------------------------------------------

LESSON = "nbs/lessons/01_first_classifier.ipynb"

# Runs a cell as a notebook would, beside a stub of google.colab; what it prints, and how it ended.
NOTEBOOK = """
import sys
from types import ModuleType

sys.modules["google.colab"] = ModuleType("google.colab")

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("colors", "nocolor")
print("all is well:", shell.run_cell(CELL).success)
"""


def set_up_cell(url):
    "The set-up cell of a lesson that is published at an address."
    address = docs.Address(url, __version__, is_on_index=False)
    text = (HERE / LESSON).read_text(encoding="utf-8")
    text = docs.stamped_notebook(text, LESSON, address, docs.read_texts())
    sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    return next(source for source in sources if source.startswith("# @title Set up"))


def run_set_up(python, folder, url, before=""):
    "Run the set-up cell of a lesson at an address, in a folder; what is printed."
    program = f"{before}\nCELL = {set_up_cell(url)!r}\n{NOTEBOOK}"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"IPYTHONDIR": str(folder / "ipython")}
    return run(python, "-W", "ignore", "-c", program, cwd=folder, env=env)


@pytest.fixture(scope="module")
def wheel(built):
    return next(file for file in built if file.suffix == ".whl")


@pytest.fixture
def host(wheel, tmp_path):
    "A host on this machine with a release of the library; the repository's address there."
    shutil.copy(wheel, tmp_path / "released.whl")
    release = f"/owner/rsna_cls/releases/download/v{__version__}/{wheel.name}"
    asked = []

    class Host(SimpleHTTPRequestHandler):
        def do_GET(self):
            "Send a release's file from elsewhere, as the code host does."
            asked.append(self.path)
            if self.path != release:
                return super().do_GET()
            self.send_response(302)
            self.send_header("Location", f"/released.whl?name={wheel.name}")
            return self.end_headers()

        def log_message(self, *arguments):
            "Print nothing."

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/owner/rsna_cls"
        server.shutdown()
    assert asked[0] == release and len(asked) == 2, asked


NOBODY = "http://127.0.0.1:9/owner/rsna_cls"  # where nobody listens


@pytest.fixture
def place(tmp_path):
    "A folder far from the repository, and a Python without the library."
    (tmp_path / "lessons").mkdir()
    return clean_environment(tmp_path / "environment"), tmp_path / "lessons"


def sentences(printed):
    "What a learner reads where the set-up failed; no program, no traceback."
    assert printed.endswith("all is well: False\n")
    assert "Retrying" not in printed and "Traceback" not in printed
    assert "File <" not in printed and "---" not in printed
    return " ".join(printed.split())


class TestSetUpCell:
    def test_it_installs_the_released_wheel(self, host, place):
        "And nothing else."
        python, folder = place
        printed = run_set_up(python, folder, host)
        assert re.match(
            rf"Ready: rsna_cls {re.escape(__version__)}, torch .*\nall is well: True", printed
        )
        assert [path.name for path in folder.iterdir()] == ["ipython"]
        site = next(python.parents[1].rglob("site-packages"))
        installed = {path.name for path in site.iterdir()}
        assert installed == {"others.pth", "rsna_cls", f"rsna_cls-{__version__}.dist-info"}

    def test_where_nothing_can_be_fetched_it_says_so(self, place):
        python, folder = place
        printed = run_set_up(python, folder, NOBODY)
        assert printed.startswith("The course's library could not be fetched. Is there internet")
        words = sentences(printed)
        assert (
            f"fetch the file rsna_cls-{__version__}-py3-none-any.whl on another computer" in words
        )
        assert f"{NOBODY}/releases/tag/v{__version__} and put it into this notebook's" in words
        assert "ERROR: Could not install packages due to an OSError" in words  # for an engineer

    def test_without_an_address_it_says_so(self, place):
        python, folder = place
        printed = run_set_up(python, folder, docs.PLACEHOLDER)
        assert printed.startswith(f"This lesson needs the course's library, version {__version__}")
        words = sentences(printed)
        assert "`make lab` opens the lessons" in words and "pip" not in words
        assert f"the file rsna_cls-{__version__}-py3-none-any.whl and put it into" in words

    def test_a_wheel_beside_the_notebook_is_enough(self, wheel, place):
        "As both sentences say. Of several, the one that has the notebook's version."
        python, folder = place
        for other in ("rsna_cls-0.0.1-py3-none-any.whl", f"{wheel.stem} (1).whl"):
            (folder / other).touch()
        shutil.copy(wheel, folder)
        assert run_set_up(python, folder, docs.PLACEHOLDER).startswith("Ready: ")

    def test_what_the_library_needs_is_named(self, wheel, place):
        "Where the environment lacks even what the library cannot begin without."
        python, folder = place
        shutil.copy(wheel, folder)
        words = sentences(run_set_up(python, folder, NOBODY, WITHOUT_LAZY_LOADER))
        assert words.startswith("First run `%pip install lazy_loader` in a new cell, then this ")

    @pytest.mark.parametrize("before", ["", "import rsna_cls\n"])
    def test_another_version_is_replaced(self, wheel, place, before):
        "Whether this session has used it already or not."
        python, folder = place
        put_older(python)
        shutil.copy(wheel, folder)
        printed = run_set_up(python, folder, docs.PLACEHOLDER, before)
        assert printed.startswith(f"Ready: rsna_cls {__version__}, ")

    def test_another_version_is_not_used_in_its_place(self, place):
        "Where this lesson's cannot be fetched."
        python, folder = place
        package = put_older(python)
        words = sentences(run_set_up(python, folder, NOBODY))
        assert words.startswith(f"{package / '__init__.py'} is not version {__version__} of the ")
        assert "could not be fetched. Is there internet here?" in words

    def test_a_folder_with_the_library_s_name_is_no_library(self, wheel, place):
        "As `git clone` leaves it beside a notebook."
        python, folder = place
        (folder / "rsna_cls/nbs").mkdir(parents=True)
        words = sentences(run_set_up(python, folder, docs.PLACEHOLDER))
        assert words.startswith("This lesson needs the course's library")
        shutil.copy(wheel, folder)
        assert run_set_up(python, folder, docs.PLACEHOLDER).startswith("Ready: ")

    def test_what_stands_before_the_library_is_named(self, wheel, place):
        "A package of the same name, which Python finds first."
        python, folder = place
        (folder / "rsna_cls").mkdir()
        (folder / "rsna_cls/__init__.py").write_text("", encoding="utf-8")
        shutil.copy(wheel, folder)
        words = sentences(run_set_up(python, folder, docs.PLACEHOLDER))
        assert words.startswith("The library was installed, but Python takes ")
        assert f"{folder / 'rsna_cls/__init__.py'} instead. Rename that, restart" in words

    def test_what_was_added_to_a_kaggle_notebook_is_found(self, wheel, place):
        "There, nothing can be put into the notebook's folder without internet."
        python, folder = place
        added = folder / "kaggle/input/datasets/someone/library"
        added.mkdir(parents=True)
        shutil.copy(wheel, added)
        words = sentences(run_set_up(python, folder, NOBODY, WITHOUT_LAZY_LOADER + KAGGLE))
        assert words.startswith("First run `%pip install lazy_loader`")  # so the library is here


def put_older(python):
    "Install an older library, which `pip` knows; its folder."
    site = next(python.parents[1].rglob("site-packages"))
    (site / "rsna_cls").mkdir()
    program = "__version__ = '0.0.1'\ndef check_setup(): print('Ready: an older one')\n"
    (site / "rsna_cls/__init__.py").write_text(program, encoding="utf-8")
    facts = site / "rsna_cls-0.0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: rsna_cls\nVersion: 0.0.1\n", encoding="utf-8"
    )
    record = "rsna_cls/__init__.py,,\nrsna_cls-0.0.1.dist-info/METADATA,,\n"
    (facts / "RECORD").write_text(f"{record}rsna_cls-0.0.1.dist-info/RECORD,,\n", encoding="utf-8")
    (facts / "INSTALLER").write_text("pip\n", encoding="utf-8")
    return site / "rsna_cls"


WITHOUT_LAZY_LOADER = """
import sys

sys.modules["lazy_loader"] = None  # makes an import fail
"""

KAGGLE = """
import pathlib

find = pathlib.Path.rglob
pathlib.Path.rglob = lambda path, name: find(pathlib.Path(str(path).lstrip("/")), name)
"""
