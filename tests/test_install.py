"Built, installed elsewhere, and used without the repository."

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

USE = """
import json
from importlib.metadata import version
from pathlib import Path

import rsna_cls
from rsna_cls import dataloaders, fetch_data, film_files, film_learner

path = fetch_data("simulated")
learn = film_learner(dataloaders(path, size=64))
facts = dict(
    where=str(Path(rsna_cls.__file__).parent),
    version=version("rsna_cls"),
    films=len(film_files(path)),
    weight=float(learn.model[0][0].weight.abs().sum()),
)
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
        ".pytest_cache",
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
    "A new environment that sees the packages of this one, but not the repository."
    run(sys.executable, "-m", "venv", path)
    if os.name == "nt":
        site, python = path / "Lib/site-packages", path / "Scripts/python"
    else:
        site, python = next((path / "lib").glob("python*")) / "site-packages", path / "bin/python"
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def used_in(python, tmp_path):
    "What the installed package says of itself, without the repository's variables."
    hidden = ("PYTHONPATH", "RSNA_CLS_DATA")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    printed = run(python, "-W", "ignore", "-c", USE, cwd=tmp_path, env=env)
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_install_and_use(source, built, tmp_path, kind):
    python = clean_environment(tmp_path / "env")
    what = {
        "wheel": [file for file in built if file.suffix == ".whl"],
        "sdist": [file for file in built if file.name.endswith(".tar.gz")],
        "editable": ["-e", source],
    }[kind]
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", *what)

    used = used_in(python, tmp_path)
    assert Path(used["where"]).is_relative_to(source if kind == "editable" else tmp_path)
    assert used["films"] >= 75 and used["weight"] > 0
    assert used["version"] == __version__


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
    assert not [name for name in names if name.startswith(("tests/", "nbs/", "tools/"))]
