"What the tests share. Real films are found through RSNA_CLS_DATA; tests that need them skip without it."

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).resolve().parents[1]

if os.environ.get("RSNA_CLS_DATA"):  # a relative path means one from where the tests were started
    os.environ["RSNA_CLS_DATA"] = str(Path(os.environ["RSNA_CLS_DATA"]).expanduser().resolve())


def write_course(path, n=6, size=(60, 80), seed=0):
    "A course folder of toy films: a small bright disc for chest, a large one for abd, and a striped surprise."
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    for split, k in (("train", n), ("val", 3), ("test", 1)):
        for radius, name in ((0.4, "chest"), (0.8, "abd")):
            for i in range(k):
                film = 180 * (np.hypot(x, y) < radius) + rng.integers(0, 40, size)
                file = path / split / name / f"{name}{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(film.astype(np.uint8)).save(file)
    Image.fromarray((np.arange(60 * 60).reshape(60, 60) % 7 * 30).astype(np.uint8)).save(
        path / "elbow.png"
    )
    return path


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    "A toy course folder; do not change it."
    return write_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty cache folder, and no RSNA_CLS_DATA."
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RSNA_CLS_DATA", raising=False)
    from rsna_cls import cache_folder

    if not cache_folder().is_relative_to(
        tmp_path
    ):  # elsewhere than on Linux the cache does not follow that variable
        monkeypatch.setattr("rsna_cls.data._cache", lambda: tmp_path / "cache/rsna_cls")
    return tmp_path / "cache/rsna_cls"


@pytest.fixture
def offline(monkeypatch):
    "Every request goes to a port of this machine where nobody listens."
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    "The course folder of the real films."
    if not os.environ.get("RSNA_CLS_DATA"):
        pytest.skip("needs the real films: set RSNA_CLS_DATA to their folder or zip")
    from rsna_cls import fetch_data

    with pytest.MonkeyPatch.context() as patch:  # unpack into the tests' own cache, not the user's
        patch.setattr("rsna_cls.data._cache", lambda: tmp_path_factory.mktemp("real"))
        return fetch_data(os.environ["RSNA_CLS_DATA"])


@pytest.fixture
def learn(course):
    "An untrained learner with the embedded weights, on toy films, fresh for each test."
    from rsna_cls import dataloaders, film_learner

    return film_learner(dataloaders(course, size=96, bs=4))
