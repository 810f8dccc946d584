"What the tests share. The real films are found through RSNA_CLS_DATA; without it, tests skip."

import os
import sys

# One thread for each process: as many processes as there are processors run beside each other, and
# threads that wait for each other burn time. Said before torch is imported, which reads it then.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).resolve().parents[1]

# Whoever starts the tests in the background lets them, and the programs that they start, ignore
# Ctrl + C; some tests want to know what becomes of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("RSNA_CLS_DATA"):  # a relative path means one from where the tests were started
    os.environ["RSNA_CLS_DATA"] = str(Path(os.environ["RSNA_CLS_DATA"]).expanduser().resolve())


def can_link():
    "Whether this user may make links: on Windows only some may."
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, "link").symlink_to(folder)
        except (OSError, NotImplementedError):
            return False
        return True


CAN_LINK = can_link()


def make_link(link, target):
    "A link to a file or folder, there or not; skips the test where this user may make none."
    if not CAN_LINK:
        pytest.skip("needs links, which this user may not make")
    link.symlink_to(target, target_is_directory=Path(link.parent, target).is_dir())


def has_a_white_edge(png):
    "Whether nothing reaches the edge of a figure, where it would be cut off."
    pixels = np.asarray(Image.open(BytesIO(png)).convert("L"))
    edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
    return all((edge == 255).all() for edge in edges)


def need_names(*names):
    "Skip a test where a disk cannot hold these names, text or bytes, beside each other."
    held = None
    with tempfile.TemporaryDirectory() as folder, suppress(OSError, ValueError):
        for name in names:
            os.mkdir(os.path.join(folder, os.fsdecode(name)))
        held = set(os.listdir(folder))
    if held is None or held != {os.fsdecode(name) for name in names}:
        pytest.skip(f"needs a disk that can hold {ascii(names)}")


# Modules whose tests share something that is costly to make: they run in one process.
TOGETHER = (
    "test_camcheck.py",
    "test_gate.py",
    "test_gpu.py",
    "test_install.py",
)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config, log):
    "Tests go one by one to whichever process is free; those of a class or of `TOGETHER`, together."
    # (xdist's own way to say so, `--dist loadgroup`, has no effect with pytest 9.2.)
    from xdist.scheduler import LoadScopeScheduling

    class OneByOne(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, *_ = nodeid.split("::")
            scope = nodeid.partition("[")[0].rpartition("::")[0]  # the class, or the file
            is_shared = scope != file or Path(file).name in TOGETHER
            return scope if is_shared else nodeid

    config.option.loadscopereorder = False  # the order is that of the next function
    return OneByOne(config, log)


def pytest_collection_modifyitems(items):
    "What takes long starts first, so that no processor waits for another at the end."

    def seconds(item):
        slow = item.get_closest_marker("slow")
        return slow.kwargs.get("seconds", 1) if slow else 0

    items.sort(key=seconds, reverse=True)


TABLES = {  # which the log of the tests ends with, and how each is called there
    "faults": "What goes wrong around the library, and what came of it",
    "bad input": "What is no film, folder, zip or model, and what came of it",
}


@pytest.fixture
def outcome(record_property):
    "Writes a row of one of `TABLES`: `outcome('faults', case, what came of it)`."

    def write(table, case, result):
        assert table in TABLES
        record_property(table, (case, result))

    return write


def pytest_terminal_summary(terminalreporter):
    "The tables of all that passed, whichever process it ran in."
    reports = terminalreporter.stats.get("passed", [])
    written = [row for report in reports if report.when == "call" for row in report.user_properties]
    for table, title in TABLES.items():
        rows = sorted(row for name, row in written if name == table)
        if not rows:
            continue
        terminalreporter.section(f"{title} ({len(rows)} cases)")
        width = max(len(case) for case, _ in rows)
        for case, result in rows:
            terminalreporter.write_line(f"{case:{width}}  {result}")


@pytest.fixture(scope="session", autouse=True)
def no_gpu_of_a_mac():
    "Workflows' Macs have one that gives no memory (actions/runner-images#9918): the CPU it is."
    if sys.platform == "darwin":
        import torch

        torch.backends.mps.is_available = lambda: False
        torch.backends.mps.is_built = lambda: False  # fastai asks for this as well


def write_course(path, n=6, size=(60, 80), seed=0):
    "Toy films: a small bright disc for chest, a large one for abd, and a striped surprise."
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    for split, count in (("train", n), ("val", 3), ("test", 1)):
        for radius, name in ((0.4, "chest"), (0.8, "abd")):
            folder = path / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                film = 180 * (np.hypot(x, y) < radius) + rng.integers(0, 40, size)
                Image.fromarray(film.astype(np.uint8)).save(folder / f"{name}{i}.png")
    stripes = np.arange(60 * 60).reshape(60, 60) % 7 * 30
    Image.fromarray(stripes.astype(np.uint8)).save(path / "elbow.png")
    return path


def make_dicom(path, pixels, syntax="1.2.840.10008.1.2.1", **tags):
    "An uncompressed DICOM file with these pixels (h, w), by default of 12 bits in 16, unsigned."
    pydicom = pytest.importorskip("pydicom")
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray Image Storage
    ds.SOPInstanceUID = "1.2.3"
    ds.Modality = "DX"
    ds.PatientName = "Secret^Name"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = 16
    ds.BitsStored = tags.get("BitsStored", 12)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    for name, value in tags.items():
        setattr(ds, name, value)
    if "PixelData" not in ds:
        order = "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
        kind = "i" if ds.PixelRepresentation else "u"
        ds.PixelData = pixels.astype(f"{order}{kind}{ds.BitsAllocated // 8}").tobytes()
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


RAMP = np.tile(np.arange(0, 4096, 16), (64, 1))  # every grey from 0 to 4080, shape (64, 256)


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

    # Elsewhere than on Linux the cache does not follow that variable.
    folder = tmp_path / "cache/rsna_cls"
    if not cache_folder().is_relative_to(tmp_path):
        monkeypatch.setattr("rsna_cls.fetch.cache_folder", lambda: folder)
    return folder


@pytest.fixture
def offline(monkeypatch):
    "Every request goes to a port of this machine where nobody listens."
    for scheme in ("http", "https", "all"):
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    "The course folder of the real films."
    if not os.environ.get("RSNA_CLS_DATA"):
        pytest.skip("needs the real films: set RSNA_CLS_DATA to their folder or zip")
    from rsna_cls import fetch_data

    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:  # unpack into the tests' own cache, not the user's
        patch.setattr("rsna_cls.fetch.cache_folder", lambda: folder)
        return fetch_data(os.environ["RSNA_CLS_DATA"])


@pytest.fixture(scope="session")
def first_learner(course):
    "The learner that `learn` gives copies of: a copy takes a tenth of the time."
    from rsna_cls import dataloaders, film_learner

    return film_learner(dataloaders(course, size=96, bs=4))


@pytest.fixture
def learn(first_learner):
    "A learner with the embedded body and a head that was not trained; fresh for each test."
    return deepcopy(first_learner)


# --- the source of the page that a network is saved into -----------------------------------------

NPM = shutil.which("npm")
AXE = "node_modules/axe-core/axe.min.js"  # in the workshop: looks for what shuts people out


def npm(folder, *words, **more):
    "Run npm in a folder; its exit status and its output."
    result = subprocess.run(
        [NPM, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | more,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    "A copy of the page's source, with the packages that its lock file names."
    if NPM is None:
        pytest.skip("needs Node.js and npm: on Debian and Ubuntu, apt-get install npm")
    folder = tmp_path_factory.mktemp("workshop") / "page"
    shutil.copytree(HERE / "page", folder, ignore=shutil.ignore_patterns("node_modules"))
    code, words = npm(folder, "ci", "--prefer-offline", "--loglevel=error")
    if code and re.search("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT", words):
        pytest.skip("needs the internet: npm could not be reached")
    assert code == 0, words
    return folder


@pytest.fixture(scope="module")
def chromium():
    "Chromium without a window."
    from playwright.sync_api import sync_playwright

    from test_browser import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
