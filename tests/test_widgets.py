"Widgets without a browser, on both generations of ipywidgets; their notebook tests what they draw."

import os
import subprocess
import sys

import ipywidgets
import pytest

from conftest import HERE

# What a person does with the widgets, without a browser; run with a course folder and a version.
WALK = """
import sys, warnings

warnings.simplefilter('ignore')
import ipywidgets
import matplotlib.pyplot
from rsna_cls import augment_explorer, cam_explorer, dataloaders, film_learner, quiz

course, version = sys.argv[1:]
assert ipywidgets.__version__ == version, ipywidgets.__version__

learn = film_learner(dataloaders(course, size=64, bs=4))
explorer = cam_explorer(learn, course + '/val', 'chest')
film, method, target, block, opacity, out = explorer.children
seen = {out.value}
steps = [
    (block, -5), (target, 'abd'), (method, 'hires_cam'), (method, 'cam'), (film, 3), (opacity, .2)
]
for control, value in steps:
    control.value = value
    assert out.value not in seen, control
    seen.add(out.value)
assert block.disabled
assert 'alt="4 · ' in out.value

tried = augment_explorer(course, size=64, n=2)
rotate, shift, zoom, exposure, warp, flip, look, out = tried.children
for control, value in [(rotate, 45.), (warp, .3), (flip, True), (look, 5)]:
    before = out.value
    control.value = value
    assert out.value != before, control

answers, verdict = quiz('Which?', ['a', 'b'], 'b', 'Because.').children[1].children
assert answers.value is None
answers.value = 'b'
assert 'Yes. Because.' in verdict.value

assert not matplotlib.pyplot.get_fignums()
print('all of them answer')
"""


def walk(course, version, **env):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WALK, str(course), version],
        capture_output=True,
        text=True,
        env=os.environ | env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of them answer" in done.stdout


def test_this_ipywidgets(course):
    assert ipywidgets.__version__.startswith("8.1")
    walk(course, ipywidgets.__version__)


def test_colab_s_ipywidgets(course, tmp_path):
    "Colab keeps version 7.7.1; it is put in front of the environment's own."
    old = ["ipywidgets==7.7.1", "ipython-genutils"]
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path, *old],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if fetched.returncode:
        pytest.skip("needs the internet: ipywidgets 7.7.1 could not be fetched")
    walk(course, "7.7.1", PYTHONPATH=str(tmp_path))


# What a module would need to keep something about a person, or to send it.
KEEPING = (
    "open(",
    "write_",
    "requests",
    "urllib",
    "socket",
    "environ",
    "FileUpload",
    "logging",
)


def test_nothing_is_kept_about_the_person():
    "The module opens no file and no connection, and no lesson carries widget state."
    code = (HERE / "rsna_cls/widgets.py").read_text()
    assert [word for word in KEEPING if word in code] == []
    for notebook in (HERE / "nbs").rglob("*.ipynb"):
        assert "application/vnd.jupyter.widget" not in notebook.read_text(), notebook
