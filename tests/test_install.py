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

USE = """
import json, rsna_cls, torch
from importlib.metadata import version
from pathlib import Path
from rsna_cls import dataloaders, fetch_data, film_files
from rsna_cls import film_learner
path = fetch_data('simulated')
learn = film_learner(dataloaders(path, size=64))
print(json.dumps(dict(where=str(Path(rsna_cls.__file__).parent), version=version('rsna_cls'), films=len(film_files(path)),
                      weight=float(learn.model[0][0].weight.abs().sum()))))
"""


def run(*args, **kw):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)
    assert done.returncode == 0, f"{args}\n{done.stdout}\n{done.stderr}"
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
    site = (
        next((path / "lib").glob("python*")) / "site-packages"
        if os.name != "nt"
        else path / "Lib/site-packages"
    )
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return path / ("Scripts" if os.name == "nt" else "bin") / "python"


def used_in(python, tmp_path):
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RSNA_CLS_DATA")}
    return json.loads(
        run(python, "-W", "ignore", "-c", USE, cwd=tmp_path, env=env).splitlines()[-1]
    )


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_install_and_use(source, built, tmp_path, kind):
    python = clean_environment(tmp_path / "env")
    what = {
        "wheel": [next(f for f in built if f.suffix == ".whl")],
        "sdist": [next(f for f in built if f.name.endswith(".tar.gz"))],
        "editable": ["-e", source],
    }[kind]
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", *what)
    used = used_in(python, tmp_path)
    assert Path(used["where"]).is_relative_to(source if kind == "editable" else tmp_path)
    assert used["films"] >= 75 and used["weight"] > 0
    from rsna_cls import __version__

    assert used["version"] == __version__


def test_what_is_in_the_wheel(built):
    wheel = next(f for f in built if f.suffix == ".whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stat().st_size < 40e6
    for name in (
        "rsna_cls/cam.py",
        "rsna_cls/weights/resnet18_simulated.safetensors",
        "rsna_cls/films/manifest.csv",
    ):
        assert name in names
    assert not [n for n in names if n.startswith(("tests/", "nbs/", "tools/"))]
