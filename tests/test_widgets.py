"Widgets without a browser, on both generations of ipywidgets; what they compute is tested in their notebook."

import os
import subprocess
import sys

import ipywidgets
import pytest
from conftest import HERE

WALK = """
import sys, warnings
warnings.simplefilter('ignore')
import ipywidgets
assert ipywidgets.__version__ == sys.argv[2], ipywidgets.__version__
from rsna_cls import dataloaders
from rsna_cls import film_learner
from rsna_cls import augment_explorer, cam_explorer, quiz
learn = film_learner(dataloaders(sys.argv[1], size=64, bs=4))
explorer = cam_explorer(learn, sys.argv[1] + '/val', 'chest')
film, method, target, block, opacity, out = explorer.children
seen = {out.value}
for control, value in [(block, -5), (target, 'abd'), (method, 'hires_cam'), (method, 'cam'), (film, 3), (opacity, .2)]:
    control.value = value
    assert out.value not in seen, control
    seen.add(out.value)
assert block.disabled and 'alt="4 · ' in out.value
tried = augment_explorer(sys.argv[1], size=64, n=2)
for k, value in [(0, 45.), (4, .3), (5, True), (6, 5)]:
    before = tried.children[-1].value
    tried.children[k].value = value
    assert tried.children[-1].value != before, k
radio, said = quiz('Which?', ['a', 'b'], 'b', 'Because.').children[1].children
assert radio.value is None
radio.value = 'b'
assert 'Yes. Because.' in said.value
import matplotlib.pyplot
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
    assert done.returncode == 0 and "all of them answer" in done.stdout, done.stdout + done.stderr


def test_this_ipywidgets(course):
    assert ipywidgets.__version__.startswith("8.1")
    walk(course, ipywidgets.__version__)


def test_colab_s_ipywidgets(course, tmp_path):
    "Colab keeps version 7.7.1; it is put in front of the environment's own."
    fetched = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            tmp_path,
            "ipywidgets==7.7.1",
            "ipython-genutils",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if fetched.returncode:
        pytest.skip("needs the internet: ipywidgets 7.7.1 could not be fetched")
    walk(course, "7.7.1", PYTHONPATH=str(tmp_path))


def test_nothing_is_kept_about_the_person():
    "The module opens no file and no connection, and no lesson carries widget state."
    code = (HERE / "rsna_cls/widgets.py").read_text()
    assert not any(
        word in code
        for word in (
            "open(",
            "write_",
            "requests",
            "urllib",
            "socket",
            "environ",
            "FileUpload",
            "logging",
        )
    )
    assert all(
        "application/vnd.jupyter.widget" not in p.read_text()
        for p in (HERE / "nbs").rglob("*.ipynb")
    )
