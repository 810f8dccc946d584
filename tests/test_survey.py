"A survey notes of each film what it is like, reads it once, and holds few at a time."

import importlib
import json
import logging
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from rsna_cls import BadFolder, Survey, audit, load_film
from textures import EMBEDDED, dicom_file, write

room = importlib.import_module("rsna_cls.survey")


# --- what was drawn on a film ---------------------------------------------------------------------


def test_marks_are_found_as_often_as_the_notebook_says():
    films = Survey.of(EMBEDDED).films.set_index("file")
    manifest = pd.read_csv(EMBEDDED / "manifest.csv").set_index("path")
    parameters = manifest["parameters"].map(json.loads)[films.index]
    is_marked = parameters.map(lambda p: bool(p["marks"]))
    is_found = films[["marks_middle", "marks_edge", "frame"]].sum(axis=1) > 0
    assert is_marked.sum() == 23
    assert (is_marked & is_found).sum() >= 17
    assert (~is_marked & is_found).sum() <= 2


@pytest.mark.parametrize("shape", [(120, 90), (7, 200), (3, 4), (1, 1)])
@pytest.mark.parametrize("width", [5, 15, 37])
def test_the_opening_is_scipy_s(shape, width):
    greys = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    wanted = ndimage.grey_opening(greys, (width, width))
    assert (room._opening(greys, width) == wanted).all()


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.slow(seconds=2)
def test_dicom_facts_without_the_patient(tmp_path):
    source = dicom_file()
    from pydicom import dcmread

    path = write(tmp_path, n=4)
    shutil.copy(source, path / "train/a/film.dcm")
    survey = Survey.of(path)
    film = survey.films.set_index("file").loc["train/a/film.dcm"]
    header = dcmread(source)
    assert not len(survey.unreadable)
    assert film["format"] == "DICOM MONOCHROME1"
    assert film["bits"] == header.BitsStored
    everything = audit(path).to_string() + survey.films.to_string()
    patient = str(header.PatientID)
    assert not patient or patient not in everything


@pytest.mark.parametrize("suffix", ["tif", "bmp", "webp"])
def test_other_formats(tmp_path, suffix):
    path = write(tmp_path, n=4)
    for file in sorted((path / "train/b").iterdir()):
        Image.open(file).save(file.with_suffix(f".{suffix}"), lossless=True)
        file.unlink()
    survey = Survey.of(path)
    formats = survey.films.set_index("file")["format"]
    name = {"tif": "TIFF"}.get(suffix, suffix.upper())
    assert formats[f"train/b/0.{suffix}"].startswith(name)
    sizes = survey.films[["width", "height"]].values.tolist()
    assert sizes == [list(load_film(path / file).size) for file in survey.films["file"]]


def test_nothing_readable(tmp_path):
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "x.png").write_bytes(b"nothing")
    with pytest.raises(BadFolder, match="none of its 2 films"):
        audit(tmp_path)


def test_reading_leaves_no_trace(tmp_path):
    "Warnings and pydicom's messages are as they were, although films are read by several threads."

    def settings():
        return list(warnings.filters), logging.getLogger("pydicom").disabled

    before = settings()
    audit(write(tmp_path, n=6))
    assert settings() == before


def test_torch_is_not_needed():
    check = "import sys, rsna_cls.audit; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_pixels_of_each_film_are_decoded_once(tmp_path, monkeypatch):
    path = write(tmp_path, n=6)
    for number in (2, 4):
        Image.open(path / f"train/b/{number}.png").save(path / f"train/b/{number}.jpg")
    decoders = []
    decoder = Image._getdecoder

    def counting(mode, name, *others):
        decoders.append(name)
        return decoder(mode, name, *others)

    monkeypatch.setattr(Image, "_getdecoder", counting)
    audit(path)
    assert sorted(decoders) == ["jpeg"] * 2 + ["zip"] * 12


@pytest.mark.parametrize("shape", [(60, 90), (7, 200), (3, 4), (2, 1), (300, 70)])
def test_marks_are_those_of_scipy_s_functions(shape):
    "Patches, their rims and their boxes, on films with hundreds of them."
    rng = np.random.default_rng(1)
    for share in (0.02, 0.3, 0.6, 1):
        is_part = rng.random(shape) < share
        patches = room._Patches.of(is_part)
        numbers, count = ndimage.label(is_part, structure=np.ones((3, 3)))
        assert len(patches.areas) == count
        own = numbers[patches.rows, patches.columns]
        assert len(own) == is_part.sum()
        assert all(len(set(of_one)) == 1 for of_one in np.split(own, patches.starts[1:]) if count)
        if not count:
            continue
        first = own[patches.starts]
        assert (patches.areas == np.bincount(numbers.ravel())[first]).all()
        is_rim = is_part & ~ndimage.binary_erosion(is_part)
        assert (patches.is_rim == is_rim[patches.rows, patches.columns]).all()
        greys = np.where(is_part, 255, rng.integers(0, 256, shape)).astype(np.uint8)
        falls = greys - ndimage.minimum_filter(greys, room._RIM_WINDOW, mode="nearest")
        sharp = ndimage.mean((falls > room._MARK_CONTRAST)[is_rim], numbers[is_rim], first)
        assert (room._sharp_shares(greys, patches) == sharp).all()


@pytest.mark.parametrize("spare", [0, 1, 7, 23])
def test_a_border_s_lines_are_those_of_sorting(spare):
    rng = np.random.default_rng(0)
    rule = room._Evenness(greys=30, spare=spare / 50)
    lines = rng.integers(90, 90 + 45, (40, 50)).astype(np.uint8)
    greys = np.sort(lines, axis=1).astype(int)
    wanted = greys[:, 49 - spare] - greys[:, spare] <= 30
    assert (room._are_of_border(lines, rule) == wanted).all()


# --- memory ---------------------------------------------------------------------------------------
PEAK = """
import sys
from rsna_cls import audit, load_film

def peak():
    with open("/proc/self/status") as status:  # of this process alone, not of the one it came from
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

load_film(sys.argv[2])
before = peak()
audit(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.slow(seconds=30)
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_large_films_take_little_memory(tmp_path):
    "12 films of 16 megapixels, three at once: below 20 bytes a pixel of one film (was 85)."
    side = 4000
    path = write(tmp_path, n=6)
    for file in path.glob("*/*/*.png"):
        Image.open(file).resize((side, side)).save(file, compress_level=1)
    command = [sys.executable, "-c", PEAK, str(path), str(path / "train/a/0.png")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kilobytes = int(told.split()[-1])
    assert kilobytes * 1000 < 20 * side**2


@pytest.mark.slow(seconds=30)
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_large_files_are_read_one_after_the_other(tmp_path):
    "4 films of 13 megapixels and 16 bits: hardly more than one of them by itself takes."
    side = 3600
    path = write(tmp_path, n=2)
    for file in path.glob("*/*/*.png"):
        greys = np.asarray(Image.open(file).resize((side, side)), np.uint16)
        Image.fromarray(257 * greys).save(file, compress_level=0)
    command = [sys.executable, "-c", PEAK, str(path), str(path / "train/a/0.png")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kilobytes = int(told.split()[-1])
    assert kilobytes * 1000 < 8 * side**2


@pytest.mark.slow(seconds=20)
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_grows_by_a_few_kilobytes_a_film(tmp_path):
    "1,600 films more, each with its small square of 4 kB and its facts."
    peaks = []
    for n in (500, 1300):  # more than are looked at together
        path = write(tmp_path / str(n), n=n, shape=lambda name, rng: (70, 80))
        command = [sys.executable, "-c", PEAK, str(path), str(path / "train/a/0.png")]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks.append(int(told.split()[-1]))
    assert peaks[1] - peaks[0] < 25 * 1600


def test_the_order_of_records_is_that_of_the_films(tmp_path, monkeypatch):
    "Although small files are read first, and large ones last."
    path = write(tmp_path, n=4)
    sizes = sorted(file.stat().st_size for file in path.glob("*/*/*.png"))
    monkeypatch.setattr(room, "_SMALL_FILE", sizes[2])
    monkeypatch.setattr(room, "_LARGE_FILE", sizes[4])
    is_small = [room._is_small(path / file) for file in Survey.of(path).films["file"]]
    assert 0 < sum(is_small) < len(is_small)
    survey = Survey.of(path)
    for file, square in zip(survey.films["file"], survey.squares, strict=True):
        assert (square == room.small_square(load_film(path / file))).all()
