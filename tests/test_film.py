"Reading films from files good and bad, from images and from arrays."

import logging
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from conftest import RAMP, make_dicom
from rsna_cls import READERS, BadFilm, FileFacts, Reader, as_film, load_film, read_film


def greys(film):
    "The pixels of a film (int, shape (h, w))."
    return np.asarray(film).astype(int)


def test_dicom_order_of_steps(tmp_path):
    "Rescale, then window, then one inversion: the window is in rescaled units."
    tags = dict(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=2000)
    film = greys(load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags)))
    black_at_0_white_at_2000 = np.clip((2 * RAMP - 1000) / 2000, 0, 1) * 255
    assert np.abs(film - black_at_0_white_at_2000).max() <= 1.5
    tags["PhotometricInterpretation"] = "MONOCHROME1"
    inverted = greys(load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)))
    assert (inverted == 255 - film).all()


def test_dicom_window_wider_than_the_film(tmp_path):
    "The film fills half of the window, and is not stretched to white."
    f = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=4096, WindowWidth=8192)
    assert 120 <= greys(load_film(f)).max() <= 130


def test_dicom_without_window(tmp_path):
    film = greys(load_film(make_dicom(tmp_path / "a.dcm", RAMP)))
    assert film[0, 0] == 0
    assert film[0, -1] == 255
    assert (np.diff(film[0]) >= 0).all()


@pytest.mark.parametrize(
    "tags, words",
    [
        (dict(PhotometricInterpretation="RGB"), "colour"),
        (dict(NumberOfFrames=3), "several frames"),
        (dict(PixelData=b"\0\0"), "damaged or incomplete"),
    ],
)
def test_dicom_refused(tmp_path, tags, words):
    with pytest.raises(BadFilm, match=words) as e:
        load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    assert "Secret" not in str(e.value)


@pytest.mark.parametrize(
    "tags",
    [
        dict(WindowCenter=None, WindowWidth=None),
        dict(WindowCenter=100),
        dict(WindowCenter=100, WindowWidth=0),
        dict(RescaleSlope=None, RescaleIntercept=None),
        dict(VOILUTSequence=[]),
    ],
)
def test_dicom_with_empty_elements(tmp_path, tags):
    "What is not said is not used: the film is as without these elements."
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP))
    assert load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)) == plain


@pytest.mark.parametrize("bits", [8, 12])
def test_dicom_lookup_table(tmp_path, bits):
    "A table of 4096 entries, with output of 8 or 12 bits, that darkens the lower half."
    from pydicom import Dataset

    item = Dataset()
    table = np.clip(np.arange(4096) - 2048, 0, 2047) * (2**bits - 1) // 2047
    item.LUTDescriptor = [4096, 0, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new(0x00283006, "OW", table.astype("<u2").tobytes())
    film = greys(load_film(make_dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=[item])))
    lower_half_black = np.clip(RAMP[0] - 2048, 0, 2047) * 255 / 2047
    assert np.abs(film[0] - lower_half_black).max() <= 1

    # A narrow film is not stretched to black and white.
    narrow = np.full((64, 256), 3072) + np.arange(256) // 64
    film = greys(load_film(make_dicom(tmp_path / "b.dcm", narrow, VOILUTSequence=[item])))
    assert 120 <= film.min() <= film.max() <= 135


def test_dicom_without_pydicom(tmp_path, monkeypatch):
    f = make_dicom(tmp_path / "a.dcm", RAMP)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadFilm, match=r"rsna_cls\[dicom\]"):
        load_film(f)


def test_dicom_says_nothing(tmp_path, capfd, recwarn):
    f = make_dicom(tmp_path / "a.dcm", RAMP, PatientBirthDate="nonsense")
    capfd.readouterr()  # what was said while writing it
    recwarn.clear()
    load_film(f)
    out = capfd.readouterr()
    assert out.out == out.err == ""
    assert not recwarn.list


def test_silence_lasts_as_long_as_one_thread_reads(monkeypatch, tmp_path):
    "The second thread comes in while the first reads, and leaves after it."
    log = logging.getLogger("pydicom")
    filters = list(warnings.filters)
    came_in = {name: threading.Event() for name in ("first", "second")}
    may_go = {name: threading.Event() for name in ("first", "second")}

    def slow_open(data):
        return data.decode().split()[1]

    def slow_film(name):
        came_in[name].set()
        assert may_go[name].wait(10)
        return Image.new("L", (9, 9))

    def is_slow(data):
        return data.startswith(b"slow")

    monkeypatch.setitem(READERS, "slow", Reader(is_slow, slow_open, slow_film, facts=None))
    for name in came_in:
        (tmp_path / name).write_text(f"slow {name}")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load_film, tmp_path / "first")
        assert came_in["first"].wait(10)
        second = pool.submit(load_film, tmp_path / "second")
        assert came_in["second"].wait(10)
        may_go["first"].set()
        first.result()
        assert log.disabled  # the second still reads
        may_go["second"].set()
        second.result()
    assert not log.disabled
    assert warnings.filters == filters


def test_silence_ends_after_many_threads(tmp_path, recwarn):
    "Good films and bad ones, eight at a time, say nothing and leave the logger as it was."
    files = []
    for i in range(40):
        files.append(make_dicom(tmp_path / f"{i}.dcm", RAMP, PatientBirthDate="nonsense"))
        if i % 3 == 0:
            files[-1].write_bytes(files[-1].read_bytes()[:-1000])
    recwarn.clear()

    def is_read(file):
        try:
            load_film(file)
        except BadFilm:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(is_read, files))
    assert done.count(True) == 26
    assert not recwarn.list
    assert not logging.getLogger("pydicom").disabled


def test_real_dicom_radiographs():
    "A chest and a lower leg, both MONOCHROME1: bones bright, air dark."
    from pydicom.data import get_testdata_file

    chest = greys(load_film(get_testdata_file("RG1_UNCR.dcm")))
    h, w = chest.shape
    spine = chest[h // 4 : h // 2, 45 * w // 100 : 50 * w // 100].mean()
    lung = chest[h // 6 : h // 3, w // 5 : w // 3].mean()
    assert spine > lung + 40

    leg = greys(load_film(get_testdata_file("RG3_UNCR.dcm")))
    w = leg.shape[1]
    bone = leg[:, w // 2].mean()
    air_beside_it = leg[:, 29 * w // 100].mean()
    assert bone > air_beside_it + 60


def test_facts_of_a_dicom_file(tmp_path):
    "Depth and polarity, and nothing of the patient."
    f = make_dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    film, facts = read_film(f)
    assert facts == FileFacts(format="DICOM MONOCHROME1", bits=12, coloured=0.0)
    assert film == load_film(f)


def test_facts_of_a_bad_file(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(BadFilm, match="not a film"):
        read_film(tmp_path / "text.jpg")
    with pytest.raises(BadFilm, match="cannot be opened"):
        read_film(tmp_path / "gone.jpg")


def test_film_and_facts_come_from_one_decoding(tmp_path, monkeypatch):
    "Of a coloured picture both the film and the share of coloured pixels need every pixel."
    decoded = []
    load_prepare = PngImagePlugin.PngImageFile.load_prepare

    def counting(image):
        decoded.append(image)
        load_prepare(image)

    red = np.zeros((30, 40, 3), np.uint8)
    red[:15, :, 0] = 250
    Image.fromarray(red).save(tmp_path / "red.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", counting)
    film, facts = read_film(tmp_path / "red.png")
    assert len(decoded) == 1
    assert facts == FileFacts("PNG RGB", bits=8, coloured=0.5)
    assert film == load_film(tmp_path / "red.png")


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]


def picture_of(mode):
    "A ramp from dark to bright as an image of this mode, 240 px wide and 30 px high."
    ramp = np.tile(np.arange(0, 240, dtype=np.uint8), (30, 1))
    if mode == "I;16":
        return Image.fromarray(ramp.astype(np.uint16) * 250)
    return Image.fromarray(ramp).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_picture_modes(tmp_path, mode):
    picture_of(mode).save(tmp_path / "x.png")
    film = load_film(tmp_path / "x.png")
    assert film.mode == "L"
    assert film.size == (240, 30)
    row = greys(film)[15]
    assert row[:60].mean() < 80
    assert row[-60:].mean() > 150


@pytest.mark.parametrize("mode", [*MODES, "half transparent", "transparent colour", "turned"])
def test_an_image_is_read_as_its_file(tmp_path, mode):
    "The same pixels from a file, from the image Pillow makes of it, and from one never saved."
    how = {}  # more that is written into the file
    if mode == "half transparent":
        img = picture_of("RGB")
        img.putalpha(Image.fromarray(np.tile(np.arange(240, dtype=np.uint8)[::-1], (30, 1))))
    elif mode == "transparent colour":
        img = picture_of("L")
        how["transparency"] = 200  # this grey is to be seen through
        img.info |= how
    elif mode == "turned":
        img = picture_of("L")
        img.getexif()[0x0112] = 6
        how["exif"] = img.getexif()
    else:
        img = picture_of(mode)
    img.save(tmp_path / "x.png", **how)

    film = load_film(tmp_path / "x.png")
    assert as_film(img) == film
    assert as_film(Image.open(tmp_path / "x.png")) == film
    assert as_film(str(tmp_path / "x.png")) == film
    assert as_film(film) == film  # a film stays as it is


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "P"])
def test_an_array_is_read_as_the_picture_it_makes(mode):
    "Of any mode but P: an array has no palette."
    img = picture_of(mode)
    assert as_film(np.asarray(img)) == as_film(img)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_given_may_be_drawn_on_afterwards(mode):
    "A film is an image of its own, whatever it was made of."
    img = picture_of(mode)
    before = img.tobytes()
    film = as_film(img)
    film.paste(255, (0, 0, 240, 30))
    assert img.tobytes() == before

    pixels = np.asarray(as_film(img)).copy()
    film = as_film(pixels)
    film.paste(255, (0, 0, 240, 30))
    assert pixels.tobytes() == as_film(img).tobytes()


@pytest.mark.parametrize("dtype", ["u2", ">u2", "i4", "i8", "f4", "f8", "f2"])
def test_deep_arrays_are_scaled_alike(dtype):
    "Values of any type, also below zero, give the film that 16 bits give."
    ramp = np.tile(np.arange(240), (30, 1))
    film = as_film((ramp * 8).astype("u2"))
    assert as_film((ramp * 8).astype(dtype)) == film
    if np.dtype(dtype).kind != "u":
        assert as_film((ramp * 8 - 1000).astype(dtype)) == film
    assert (greys(film).min(), greys(film).max()) == (0, 255)


@pytest.mark.parametrize(
    "what, words",
    [
        (np.zeros((0, 9), np.uint8), "empty"),
        (np.zeros(9, np.uint8), r"\(9,\)"),
        (np.zeros((5, 9, 9), np.uint8), r"\(5, 9, 9\)"),
        (np.zeros((9, 9, 3)), "8-bit colours"),
        (np.zeros((9, 9), complex), "complex"),
        (np.full((9, 9), np.nan), "NaN"),
        (Image.fromarray(np.full((9, 9), np.inf, np.float32)), "infinite"),
    ],
)
def test_no_film_in_it(what, words):
    with pytest.raises(BadFilm, match=words):
        as_film(what)


def test_a_damaged_image(tmp_path):
    "Pillow opens a file whose pixels end too early, and finds out later."
    noise = np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:2000])
    with pytest.raises(BadFilm, match="image: .*damaged"):
        as_film(Image.open(tmp_path / "x.png"))


def test_nothing_but_pixels_goes_on(tmp_path):
    "What a picture says of itself may be about the patient, or hold for its colours alone."
    exif = Image.Exif()
    exif[0x010E] = "Secret^Name"
    picture_of("L").save(
        tmp_path / "x.jpg", exif=exif, comment="Secret^Name", icc_profile=b"colours"
    )
    assert Image.open(tmp_path / "x.jpg").info["comment"] == b"Secret^Name"
    film = load_film(tmp_path / "x.jpg")
    assert film.info == {}
    film.save(tmp_path / "again.jpg")
    assert b"Secret" not in (tmp_path / "again.jpg").read_bytes()


def test_bad_pictures(tmp_path):
    for name, content, words in [
        ("empty.png", b"", "empty"),
        ("text.jpg", b"hello", "not a film"),
        ("cut.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("cut.dcm", bytes(128) + b"DICM", "damaged|no image"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFilm, match=words):
            load_film(tmp_path / name)
    with pytest.raises(BadFilm, match="cannot be opened"):
        load_film(tmp_path)  # a folder; a locked file takes the same way
