"""What holds for whatever comes in: damaged films, trees of any names, damaged zips.

Hypothesis makes the input: the same each time, so that what passes here passes everywhere.
"""

import io
import os
import tempfile
import warnings
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsna_cls import BadFilm, BadFolder, Course, FetchError, as_film, fetch_data, load_film
from rsna_cls.course import SPLITS, class_name
from small_films import (
    COLOURS,
    COMPRESSED,
    SMOOTH,
    UNCOMPRESSED,
    deep_tiff,
    dicom,
    picture,
    pictures,
    small_films,
)

# What it looks up of Unicode it keeps on the disk, and not in the repository.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{tempfile.gettempdir()}/hypothesis")
hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis, as developers have it")
st = pytest.importorskip("hypothesis.strategies")
pytest.importorskip("pydicom")
given, settings = hypothesis.given, hypothesis.settings


def rule(examples):
    "How many examples are made: the same each time, and none is kept."
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


# --- films ----------------------------------------------------------------------------------------

FILMS = {}  # bytes by name, made once in each process
NAMES = [*pictures(), *(f"{how}.dcm" for how in (*UNCOMPRESSED, *COMPRESSED))]
NAMES += ["no preamble.dcm", "window.dcm", "tables.dcm", "colour.dcm", "palette.dcm"]
MOST_PIXELS = 60_000_000


def film_bytes(name):
    "The bytes of a small film."
    pytest.importorskip("gdcm")
    if not FILMS:
        FILMS.update(small_films())
    return FILMS[name]


def film_or_refusal(data):
    "What `load_film` makes of bytes: a grey film, or None for a `BadFilm`; never a word."
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        file = Path(folder, "film")
        file.write_bytes(data)
        with redirect_stdout(said), redirect_stderr(said):
            try:
                film = load_film(file)
            except BadFilm:
                film = None
    assert not said.getvalue()
    assert not warned
    if film is not None:
        assert film.mode == "L"
        assert 0 < film.width * film.height <= MOST_PIXELS
        assert film.info == {}
    return film


@pytest.mark.parametrize("name", NAMES)
@rule(40)
@given(data=st.data())
def test_some_bytes_of_a_film_are_others(name, data, capfd):
    film = bytearray(film_bytes(name))
    places = st.integers(0, len(film) - 1)
    damages = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)
    for place, byte in data.draw(damages):
        film[place] = byte
    film_or_refusal(bytes(film))
    assert capfd.readouterr() == ("", "")  # nor did a library in C


@pytest.mark.parametrize("name", NAMES)
@rule(25)
@given(data=st.data())
def test_a_film_that_is_cut(name, data, capfd):
    "Cut short of its pixels' end, it is no film, and never one of which a part is black."
    film = film_bytes(name)
    kept = data.draw(st.integers(0, len(film) - 1))
    found = film_or_refusal(film[:kept])
    if found is not None:
        assert found == film_or_refusal(film)
    assert capfd.readouterr() == ("", "")


MAGIC = {
    "PNG": b"\x89PNG\r\n\x1a\n",
    "PNG, and its head": picture(SMOOTH, "PNG")[:33],
    "JPEG": b"\xff\xd8\xff",
    "TIFF": b"II*\0\x08\0\0\0",
    "TIFF, most significant byte first": b"MM\0*\0\0\0\x08",
    "TIFF of 64 bits": b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
    "BMP": picture(COLOURS, "BMP")[:30],
    "WebP": b"RIFF\x50\0\0\0WEBPVP8 ",
    "DICOM": bytes(128) + b"DICM",
    "DICOM, and its first elements": dicom()[:250],
    "DICOM without a preamble": b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100",
}


@pytest.mark.parametrize("name", MAGIC)
@rule(80)
@given(rest=st.binary(max_size=300))
def test_any_bytes_behind_the_right_first_ones(name, rest, capfd):
    film_or_refusal(MAGIC[name] + rest)
    assert capfd.readouterr() == ("", "")


@st.composite
def arrays(draw):
    "Films as arrays: grey or colours, of 8 or 16 bits."
    shape = [draw(st.integers(1, 12)), draw(st.integers(1, 12))]
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    if draw(st.booleans()):
        shape.append(3)
    values = draw(
        st.lists(
            st.integers(0, np.iinfo(dtype).max),
            min_size=int(np.prod(shape)),
            max_size=int(np.prod(shape)),
        )
    )
    return np.array(values, dtype).reshape(shape)


@rule(100)
@given(array=arrays())
def test_a_film_is_the_same_as_file_image_and_array(array):
    film = as_film(array)
    assert film.size == array.shape[1::-1]
    assert as_film(film) == film
    is_grey = array.ndim == 2
    assert film_or_refusal(deep_tiff(array, photometric="minisblack" if is_grey else "rgb")) == film
    if is_grey or array.dtype == np.uint8:  # Pillow knows no deeper colours
        img = Image.fromarray(array)
        assert as_film(img) == film
        assert film_or_refusal(picture(array, "PNG")) == film
    if is_grey:
        bits = 8 * array.itemsize
        shown = dicom(array, BitsAllocated=bits, BitsStored=bits)
        deep = as_film(array.astype(float))
        difference = np.asarray(film_or_refusal(shown)).astype(int) - np.asarray(deep)
        assert np.abs(difference).max() <= 1


# --- course folders -------------------------------------------------------------------------------

# Names that mean something, and any others that a disk can hold.
NEARLY_SPLITS = ["Train", "training", "train_old", "valid", "tests"]
TOPS = st.sampled_from([*SPLITS, *NEARLY_SPLITS, "more", ".git"])
CLASSES = st.sampled_from(["abd", "chest", "Abd", "truth", "NA", "1", "01", "thörax", "a b", " a"])
LETTERS = st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\\:")
ANY_NAME = st.text(LETTERS, min_size=1, max_size=6).filter(lambda name: name.strip(". "))
FILE_NAMES = st.sampled_from(
    ["1.png", "2.PNG", "film", "a.png.part", ".hidden.png", "notes.txt", "a.gif", ".a.png.icloud"]
)
PLACES = st.lists(
    st.tuples(
        st.one_of(TOPS, st.sampled_from(SPLITS), ANY_NAME),
        st.lists(st.one_of(CLASSES, ANY_NAME), max_size=3),
        st.one_of(FILE_NAMES, ANY_NAME),
    ),
    max_size=14,
)
FILM = picture(SMOOTH, "PNG")


def write_tree(top, places):
    "A folder with a file at each of these places, where the disk lets there be one."
    for folder, inner, name in places:
        file = top.joinpath(folder, *inner, name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"a text" if name.endswith(".txt") else FILM)
        except OSError:  # a file lies where a folder should be, or the other way round
            continue


@pytest.mark.parametrize("needs", [("train", "val"), ()])
@rule(120)
@given(places=PLACES)
def test_any_tree_of_names(places, needs):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "films")
        top.mkdir()
        whole = [(split, [label], "1.png") for split in SPLITS[:2] for label in ("abd", "chest")]
        write_tree(top, [*places, *(whole if len(places) % 2 else [])])
        try:
            course = Course(top, needs=needs)
        except BadFolder:
            return
        films = course.films()
        left_out = {item.path for item in course.left_out}
        assert not left_out & {*films, *course.surprises()}
        for film in films:
            split, label, *_ = film.relative_to(top).parts
            assert split in SPLITS
            assert course.label(film) == class_name(label)
            assert class_name(label) in course.classes
        for split in needs:
            assert {course.label(film) for film in course.films(split)} == {*course.classes}
        assert all(film.parent == top for film in course.surprises())

        # Whatever looks like a film is one, or is left out, or lies in a folder that is hidden.
        for file in top.rglob("*.png"):
            inner = file.relative_to(top).parts
            if file.is_file() and not any(part.startswith(".") for part in inner):
                known = {*films, *course.surprises(), *left_out}
                assert file in known or known & {*file.parents}


# --- zips -----------------------------------------------------------------------------------------


def zip_of_a_course(compression):
    "The bytes of a zip with a small course folder."
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for split in SPLITS[:2]:
            for label in ("abd", "chest"):
                archive.writestr(f"films/{split}/{label}/1.png", FILM)
    return packed.getvalue()


def films_of_zip(data):
    "The bytes of the films that `fetch_data` finds in a zip; None: it is refused."
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        cache = Path(folder, "cache")
        patch.setattr("rsna_cls.fetch.cache_folder", lambda: cache)
        given_folder = Path(folder, "given")
        given_folder.mkdir()
        file = given_folder / "films.zip"
        file.write_bytes(data)
        try:
            with redirect_stdout(io.StringIO()):
                path = fetch_data(file)
            films = {film.read_bytes() for film in Course(path).films()}
        except (BadFolder, FetchError):
            films = None
        assert os.listdir(given_folder) == ["films.zip"]
        assert {path.name for path in Path(folder).iterdir()} <= {"cache", "given"}
        if films is None:
            assert not list(cache.rglob("*.png"))
    return films


ZIPS = {
    "stored": zip_of_a_course(zipfile.ZIP_STORED),
    "deflated": zip_of_a_course(zipfile.ZIP_DEFLATED),
    "bzip2": zip_of_a_course(zipfile.ZIP_BZIP2),
    "LZMA": zip_of_a_course(zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", ZIPS)
@rule(80)
@given(data=st.data())
def test_a_damaged_zip(name, data):
    "Its films are those that were put in, or it is refused; nothing is left behind."
    packed = bytearray(ZIPS[name])
    places = st.integers(0, len(packed) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        packed[place] = byte
    kept = data.draw(st.one_of(st.just(len(packed)), st.integers(0, len(packed))))
    films = films_of_zip(bytes(packed[:kept]))
    assert films is None or films == {FILM}
