"Built, installed elsewhere, and used without the repository."

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from conftest import HERE
from rsna_cls import __version__

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
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
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
    assert wheel.stat().st_size < 40e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    wanted = {
        "rsna_cls/__init__.pyi",  # which module a public name is in
        "rsna_cls/cam.py",
        "rsna_cls/films/manifest.csv",
        "rsna_cls/py.typed",
        "rsna_cls/weights/resnet18_simulated.safetensors",
    }
    assert wanted <= set(names)
    not_shipped = ("tests/", "nbs/", "tools/", "experiments/")
    assert not [name for name in names if name.startswith(not_shipped)]
