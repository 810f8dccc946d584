"What DICOM files show: step by step, and beside DCMTK, a program that shares no line with pydicom."

import shutil
import subprocess
import sys
from io import BytesIO
from itertools import cycle
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from conftest import HERE, RAMP, make_dicom
from rsna_cls import BadFilm, FileFacts, film_format, load_film, read_film

sys.path.insert(0, str(HERE / "experiments"))
import dcmtk

needs_dcmtk = pytest.mark.skipif(
    shutil.which("dcm2pnm") is None, reason="needs DCMTK: apt install dcmtk"
)
UNCOMPRESSED = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def greys(file):
    "The pixels of the film in a file (int, shape (h, w))."
    return np.asarray(load_film(file)).astype(int)


def difference(one, other):
    "The greatest difference of two films in any pixel (grey levels)."
    assert one.shape == other.shape
    return int(np.abs(one - other).max())


# --- beside DCMTK ---------------------------------------------------------------------------------


def table(entries, bits, first=0, how="words", syntax=ExplicitVRLittleEndian, is_signed=False):
    "A sequence with one lookup table; `how`: 'words', 'packed' bytes or 'numbers'."
    item = pydicom.Dataset()
    n_entries = len(entries) % 2**16  # 0 stands for 65,536
    item.add_new("LUTDescriptor", "SS" if is_signed else "US", [n_entries, first, bits])
    words = np.asarray(entries)
    if how == "packed":
        low, high = words[::2], words[1::2]
        words = low + 256 * np.pad(high, (0, len(low) - len(high)))
    if how == "numbers":
        item.add_new("LUTData", "US", [int(word) for word in words])
    else:
        order = "<" if UID(syntax).is_little_endian else ">"
        item.add_new("LUTData", "OW", words.astype(f"{order}u2").tobytes())
    return [item]


def curve(n, bits):
    "A rising table of n entries, dark for long and then steep, up to the brightest that there is."
    return (np.linspace(0, 1, n) ** 2 * (2**bits - 1)).round().astype(int)


# Each returns tags, for values from `low` to `high`; DCMTK's option is 'window' or 'table'.
VOI = {
    "window": lambda low, high, **_: dict(
        WindowCenter=round(low + 0.6 * (high - low), 1), WindowWidth=round(0.5 * (high - low))
    ),
    "second window": lambda low, high, **_: dict(
        WindowCenter=[round((low + high) / 2), 7], WindowWidth=[round(high - low), 3]
    ),
    "step": lambda low, high, **_: dict(WindowCenter=round((low + high) / 2), WindowWidth=1),
    "sigmoid": lambda low, high, **_: dict(
        WindowCenter=round((low + high) / 2),
        WindowWidth=round(0.4 * (high - low)),
        VOILUTFunction="SIGMOID",
    ),
    "table of 12 bits": lambda low, high, **how: dict(
        VOILUTSequence=table(curve(min(high - low + 1, 4096), 12), 12, low, **how)
    ),
    "table of 16 bits": lambda low, high, **how: dict(
        VOILUTSequence=table(curve(1000, 16), 16, low + 9, how="numbers", **how)
    ),
    "table of bytes": lambda low, high, **how: dict(
        VOILUTSequence=table(curve(255, 8), 8, low, how="packed", **how)
    ),
    "table of bytes in words": lambda low, high, **how: dict(
        VOILUTSequence=table(curve(256, 8), 8, low, **how)
    ),
}
MODALITY = {
    "as stored": None,
    "rising": (2, -1024),
    "falling": (-1, 4095),
    "falling below zero": (-3, 100),
    "table": "table",
}


@needs_dcmtk
@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("modality", MODALITY)
@pytest.mark.parametrize("voi", VOI)
def test_agrees_with_dcmtk(tmp_path, modality, voi):
    "In every uncompressed syntax, with depths, signs and polarities in turn."
    depths = cycle([8, 10, 12, 14, 16])
    signs = cycle([0, 1, 1, 0, 0, 1, 0])
    polarities = cycle(["MONOCHROME1", "MONOCHROME2", "MONOCHROME2"])
    turn = 3 * list(VOI).index(voi) + 5 * list(MODALITY).index(modality)
    for wheel in (depths, signs, polarities):
        for _ in range(turn):
            next(wheel)

    worst = {}
    for name, syntax in UNCOMPRESSED.items():
        bits, is_signed, polarity = next(depths), next(signs), next(polarities)
        low = -(2 ** (bits - 1)) if is_signed else 0
        high = low + 2**bits - 1
        pixels = np.linspace(low, high, 64 * 64).round().reshape(64, 64)
        tags = dict(BitsStored=bits, PixelRepresentation=is_signed)
        tags["PhotometricInterpretation"] = polarity

        scale = MODALITY[modality]
        if scale == "table":
            n_entries = min(2**bits, 2000)
            entries = curve(n_entries, 12)
            tags["ModalityLUTSequence"] = table(entries, 12, low, "words", syntax, is_signed)
            low, high = 0, 4095
        elif scale:
            slope, intercept = scale
            tags |= dict(RescaleSlope=slope, RescaleIntercept=intercept)
            low, high = sorted((low * slope + intercept, high * slope + intercept))
        if "table" in voi and not -(2**15) <= low < 2**15:
            continue  # such a value cannot stand in the table's descriptor
        tags |= VOI[voi](low, high, syntax=syntax, is_signed=low < 0)

        file = make_dicom(tmp_path / f"{name}.dcm", pixels, syntax, **tags)
        shown = dcmtk.dcmtk_greys(file, "+Wl" if "table" in voi else "+Wi", "1")
        assert len(np.unique(shown)) > 1
        worst[name, bits, is_signed, polarity] = difference(greys(file), shown)
    assert worst
    assert max(worst.values()) <= 1, worst


@needs_dcmtk
@pytest.mark.slow(seconds=25)
def test_real_files_agree_with_dcmtk(tmp_path):
    "All test files of pydicom and pydicom-data with one grey image, but those with a known reason."
    dcmtk.main(["--to", str(tmp_path)])
    rows = {row.file: row for row in dcmtk.FILES.read(tmp_path)}
    differing = {name for name, row in rows.items() if not 0 <= row.difference <= 1}
    assert differing == set(dcmtk.REASONS)
    assert set(rows) == {row.file for row in dcmtk.FILES.read(HERE / "experiments/results")}


COMPRESSED = {
    "JPEG baseline": (8, ["dcmcjpeg", "+eb", "+q", "100"], 3),
    "JPEG extended": (12, ["dcmcjpeg", "+ee", "+q", "100"], 3),
    "JPEG lossless": (12, ["dcmcjpeg", "+el"], 0),
    "JPEG lossless, first order": (16, ["dcmcjpeg", "+e1"], 0),
    "JPEG-LS": (12, ["dcmcjpls", "+el"], 0),
    "JPEG-LS, near lossless": (12, ["dcmcjpls", "+en", "+md", "2"], 1),
    "RLE": (16, ["dcmcrle"], 0),
}


@needs_dcmtk
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("how", COMPRESSED)
def test_compressed_by_dcmtk(tmp_path, how, polarity, capfd):
    "The film is that of the uncompressed file; lossy ones come near."
    bits, command, tolerance = COMPRESSED[how]
    smooth = np.add.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 96)) / 2
    pixels = (smooth * (2**bits - 1)).round()
    middle = 2 ** (bits - 1)
    file = make_dicom(
        tmp_path / "plain.dcm",
        pixels,
        BitsStored=bits,
        BitsAllocated=8 if bits == 8 else 16,
        PhotometricInterpretation=polarity,
        WindowCenter=middle,
        WindowWidth=2 * middle,
    )
    subprocess.run([*command, str(file), str(tmp_path / "packed.dcm")], check=True)
    packed = pydicom.dcmread(tmp_path / "packed.dcm")
    assert packed.file_meta.TransferSyntaxUID.is_compressed
    capfd.readouterr()
    assert difference(greys(tmp_path / "packed.dcm"), greys(file)) <= tolerance
    assert capfd.readouterr().err == ""


@needs_dcmtk
@pytest.mark.parametrize("command", [["dcmcrle"], ["dcmcjpls", "+el"], ["dcmcjpeg", "+el"]])
@pytest.mark.parametrize("is_signed, high_bit", [(1, 11), (0, 15), (1, 15)])
def test_signs_and_high_bits_survive_compression(tmp_path, command, is_signed, high_bit):
    "12 bits in 16, with a sign, and at the upper end of the word."
    values = np.arange(4096).reshape(64, 64) - 2048 * is_signed
    tags = dict(PixelRepresentation=is_signed, WindowCenter=500, WindowWidth=3000)
    plain = greys(make_dicom(tmp_path / "a.dcm", values, **tags))
    shifted = values << (high_bit - 11)
    file = make_dicom(tmp_path / "b.dcm", shifted, HighBit=high_bit, **tags)
    assert difference(greys(file), plain) == 0
    subprocess.run([*command, str(file), str(tmp_path / "packed.dcm")], check=True)
    assert difference(greys(tmp_path / "packed.dcm"), plain) == 0


@pytest.mark.parametrize("film", ["RG1", "RG3"])
def test_real_radiographs_in_every_encoding(film):
    "A chest and a lower leg, MONOCHROME1: bones bright, and the same in every encoding."
    pairs = {"J2KR": "UNCR", "J2KI": "UNCI"}  # reversible, and not
    for packed, plain in pairs.items():
        one = greys(get_testdata_file(f"{film}_{packed}.dcm"))
        other = greys(get_testdata_file(f"{film}_{plain}.dcm"))
        assert difference(one, other) <= 1
        height, width = one.shape
        if film == "RG1":
            spine = one[height // 4 : height // 2, 45 * width // 100 : 50 * width // 100]
            lung = one[height // 6 : height // 3, width // 5 : width // 3]
            assert spine.mean() > lung.mean() + 40
        else:
            bone = one[:, width // 2]
            air_beside_it = one[:, 29 * width // 100]
            assert bone.mean() > air_beside_it.mean() + 60


# --- step by step ---------------------------------------------------------------------------------


def test_order_of_steps(tmp_path):
    "Rescale, then window, then one inversion: the window is in rescaled units."
    tags = dict(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=2000)
    film = greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    black_at_0_white_at_2000 = np.clip((2 * RAMP - 1000) / 2000, 0, 1) * 255
    assert difference(film, black_at_0_white_at_2000) <= 1
    tags["PhotometricInterpretation"] = "MONOCHROME1"
    inverted = greys(make_dicom(tmp_path / "b.dcm", RAMP, **tags))
    assert (inverted == 255 - film).all()


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("voi", [{}, dict(WindowCenter=2048, WindowWidth=4096)])
def test_a_falling_scale_turns_the_film_round(tmp_path, polarity, voi):
    "What is stored as 4,080 is the smallest value: black, in MONOCHROME1 white."
    tags = dict(RescaleSlope=-1, RescaleIntercept=4095, PhotometricInterpretation=polarity, **voi)
    row = greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags))[0]
    assert (np.diff(row) >= 0).all() if polarity == "MONOCHROME1" else (np.diff(row) <= 0).all()
    assert {row[0], row[-1]} == {0, 255} or np.ptp(row) >= 254


@pytest.mark.parametrize(
    "tags",
    [
        dict(RescaleSlope=-1, RescaleIntercept=None),  # the one without the other
        dict(RescaleSlope=0, RescaleIntercept=0),  # a scale that leaves nothing
        dict(RescaleSlope=None, RescaleIntercept=5),
    ],
)
def test_half_a_scale(tmp_path, tags):
    "Polarity follows the slope; nothing else can be read off it without a window."
    row = greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags))[0]
    rises = (tags["RescaleSlope"] or 1) > 0
    assert (np.diff(row) >= 0).all() if rises else (np.diff(row) <= 0).all()


def test_window_wider_than_the_film(tmp_path):
    "The film fills half of the window, and is not stretched to white."
    file = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=4096, WindowWidth=8192)
    assert 120 <= greys(file).max() <= 130


def test_no_window(tmp_path):
    row = greys(make_dicom(tmp_path / "a.dcm", RAMP))[0]
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row) >= 0).all()


def test_linear_exact(tmp_path):
    "PS3.3 C.11.2.1.3.2; DCMTK 3.6.7 takes it for LINEAR."
    tags = dict(WindowCenter=100, WindowWidth=10, VOILUTFunction="LINEAR_EXACT")
    pixels = np.array([[94, 95, 100, 105, 106]])
    assert list(greys(make_dicom(tmp_path / "a.dcm", pixels, **tags))[0]) == [0, 0, 128, 255, 255]
    tags["WindowWidth"] = 0.5  # less than 1 is allowed here
    assert list(greys(make_dicom(tmp_path / "b.dcm", pixels, **tags))[0]) == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(
    "tags",
    [
        dict(WindowCenter=None, WindowWidth=None),
        dict(WindowCenter=100),
        dict(WindowCenter=100, WindowWidth=0),
        dict(WindowCenter=100, WindowWidth=-50),
        dict(WindowCenter=100, WindowWidth=0.5),
        dict(RescaleSlope=None, RescaleIntercept=None),
        dict(VOILUTSequence=[]),
        dict(VOILUTSequence=[pydicom.Dataset()]),
        dict(VOILUTSequence=table([2048], 12)),  # one grey for everything
        dict(VOILUTSequence=table([], 12)),
        dict(ModalityLUTSequence=[pydicom.Dataset()]),
        dict(PixelPaddingValue=None),
        dict(PresentationLUTShape=""),
    ],
)
def test_what_is_not_said_or_forbidden_is_not_used(tmp_path, tags):
    "The film is as without these elements."
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP))
    assert load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)) == plain


@needs_dcmtk
@pytest.mark.parametrize(
    "tags",
    [
        dict(ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=50, ShutterRightVerticalEdge=90),
        dict(PixelAspectRatio=[1, 2]),
        dict(PixelSpacing=[0.1, 0.2]),
        dict(PresentationIntentType="FOR PROCESSING"),
        dict(PhotometricInterpretation="monochrome1"),
        dict(PixelData=RAMP.astype("u2").tobytes() + bytes(512)),
        dict(NumberOfFrames=0),
        dict(VOILUTFunction="linear"),
        dict(VOILUTFunction="CUBIC"),
        dict(VOILUTFunction=" "),
        dict(WindowCenter=[1000, 7], WindowWidth="3000"),
        dict(WindowCenter="1000", WindowWidth=[3000, 9, 8]),
    ],
)
def test_what_is_not_followed_is_not_followed_by_dcmtk_either(tmp_path, tags):
    "Shutters, the shape of pixels, purpose; and what is spelt carelessly is read by both."
    tags = dict(WindowCenter=2048, WindowWidth=4096) | tags
    file = make_dicom(tmp_path / "a.dcm", RAMP, **tags)
    assert difference(greys(file), dcmtk.dcmtk_greys(file, "+Wi", "1")) <= 1


@needs_dcmtk
def test_an_overlay_of_its_own_is_not_drawn(tmp_path):
    file = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=2048, WindowWidth=4096)
    plain = load_film(file)
    dataset = pydicom.dcmread(file)
    rows, columns = RAMP.shape
    for element, kind, value in [
        (0x0010, "US", rows),
        (0x0011, "US", columns),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", bytes([255] * (rows * columns // 8))),
    ]:
        dataset.add_new((0x6000, element), kind, value)
    dataset.save_as(file)
    assert load_film(file) == plain


@pytest.mark.parametrize(
    "centers, widths",
    [
        (["", 2000], ["", 1000]),
        ([7, 2000], ["", 1000]),
        (["", 2000, 9], [3, 1000, 9]),
        ([7, 2000], [0, 1000]),
        ([2000, 7], [1000]),
    ],
)
def test_the_first_window_that_says_something_counts(tmp_path, centers, widths):
    "One without a centre, without a width or with a width that is forbidden says nothing."
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=2000, WindowWidth=1000))
    tags = dict(WindowCenter=centers, WindowWidth=widths)
    assert load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)) == plain


@pytest.mark.parametrize("width", [0.5, 1])
@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT"])
def test_a_window_of_fractions(tmp_path, width, function):
    "Values from 0 to 1: LINEAR counts in whole numbers, and would make all but one of them white."
    tags = dict(RescaleSlope=1 / 4096, RescaleIntercept=0, VOILUTFunction=function)
    tags |= dict(WindowCenter=0.5, WindowWidth=width)
    film = greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    shares = np.clip((RAMP / 4096 - 0.5) / width + 0.5, 0, 1)
    assert np.abs(film - 255 * shares).max() <= 1


def test_a_window_of_one_step_among_whole_numbers_is_a_step(tmp_path):
    tags = dict(RescaleSlope=2, RescaleIntercept=0, WindowCenter=4000, WindowWidth=1)
    assert set(np.unique(greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags)))) == {0, 255}


@pytest.mark.parametrize("voi", ["window", "table"])
def test_a_few_pixels_do_not_hide_that_a_window_hides_all(tmp_path, voi):
    pixels = RAMP + 10
    pixels[:2, :2] = 0
    tags = {
        "window": dict(WindowCenter=5, WindowWidth=2),
        "table": dict(VOILUTSequence=table([0] + [255] * 9, 8)),
    }[voi]
    plain = load_film(make_dicom(tmp_path / "a.dcm", pixels))
    assert load_film(make_dicom(tmp_path / "b.dcm", pixels, **tags)) == plain


@pytest.mark.parametrize("name", ["PixelPaddingValue", "BitsStored", "Rows", "RescaleSlope"])
def test_of_several_numbers_where_there_is_one_the_first_counts(tmp_path, name):
    "As in DCMTK; the pixels are whole."
    tags = dict(PixelPaddingValue=0, BitsStored=12, Rows=64, RescaleSlope=-1, RescaleIntercept=4095)
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    setattr(dataset, name, [tags[name], 5])
    dataset.save_as(tmp_path / "b.dcm")
    assert load_film(tmp_path / "b.dcm") == plain


def test_codes_are_read_in_small_letters_too(tmp_path):
    tags = dict(PresentationLUTShape="INVERSE", WindowCenter=2048, WindowWidth=4096)
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    tags["PresentationLUTShape"] = "Inverse "
    assert load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)) == plain


@pytest.mark.parametrize("center", [-20000, 20000])
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID"])
def test_a_window_that_hides_all_is_not_used(tmp_path, center, polarity, function):
    "Its centre was meant in another unit: the percentiles show the film."
    tags = dict(PhotometricInterpretation=polarity)
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    tags |= dict(WindowCenter=center, WindowWidth=100, VOILUTFunction=function)
    assert load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags)) == plain


def test_a_film_of_one_grey_stays_one(tmp_path):
    blank = np.full((9, 9), 3000)
    tags = dict(WindowCenter=1000, WindowWidth=100)
    assert set(greys(make_dicom(tmp_path / "a.dcm", blank, **tags)).ravel()) == {255}
    assert set(greys(make_dicom(tmp_path / "b.dcm", blank)).ravel()) == {0}


# --- lookup tables --------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [12, 16])
def test_a_table_with_fewer_greys_than_declared(tmp_path, declared):
    "Entries of 12 bits declared as 16, as from Agfa (dicom-rs#825): not a black film."
    entries = np.arange(4096)
    file = make_dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=table(entries, declared))
    assert difference(greys(file), (RAMP * 255 / 4095).round()) == 0


@needs_dcmtk
@pytest.mark.parametrize("bits, top", [(12, 2000), (12, 2047), (12, 2048), (12, 1500), (8, 100)])
def test_a_table_that_does_not_reach_white(tmp_path, bits, top):
    "Its declared depth holds, as in DCMTK."
    sequence = table(np.arange(4096) * top // 4095, bits)
    file = make_dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=sequence)
    assert difference(greys(file), dcmtk.dcmtk_greys(file, "+Wl", "1")) <= 1


@pytest.mark.parametrize("how", ["words", "packed", "numbers"])
@pytest.mark.parametrize("syntax", UNCOMPRESSED.values(), ids=list(UNCOMPRESSED))
@pytest.mark.parametrize("n_entries", [255, 256])
def test_a_table_of_bytes(tmp_path, how, syntax, n_entries):
    "One in a word or two, in either byte order, odd or even."
    pixels = np.tile(np.arange(256), (8, 1))
    file = make_dicom(
        tmp_path / "a.dcm",
        pixels,
        syntax,
        BitsAllocated=8,
        BitsStored=8,
        VOILUTSequence=table(np.arange(n_entries), 8, how=how, syntax=syntax),
    )
    assert difference(greys(file), np.minimum(pixels, n_entries - 1)) == 0


@pytest.mark.parametrize("spelling", ["US", "SS"])
@pytest.mark.parametrize("syntax", UNCOMPRESSED.values(), ids=list(UNCOMPRESSED))
@pytest.mark.parametrize("first, offset", [(-1000, -1000), (40000, 40000)])
def test_the_first_value_of_a_table_is_signed_as_its_input(
    tmp_path, spelling, syntax, first, offset
):
    "Whatever the type of the element: by PS3.3 C.11.2.1.1 the step before decides."
    tags = dict(RescaleSlope=1, RescaleIntercept=offset)
    sequence = table(np.arange(4096), 12, 0, syntax=syntax)
    descriptor = sequence[0]["LUTDescriptor"]
    descriptor.VR = spelling
    as_it_is_written = np.array([first % 2**16], "u2").view("i2" if spelling == "SS" else "u2")
    descriptor.value = [4096, int(as_it_is_written[0]), 12]
    file = make_dicom(tmp_path / "a.dcm", RAMP, syntax, VOILUTSequence=sequence, **tags)
    assert difference(greys(file), (RAMP * 255 / 4095).round()) == 0


def test_a_table_takes_the_place_of_a_window_and_a_second_table(tmp_path):
    falling = table(np.arange(4096)[::-1], 12)
    tags = dict(VOILUTSequence=falling + table(np.zeros(4096), 12))
    tags |= dict(WindowCenter=100, WindowWidth=20)
    film = greys(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    assert difference(film, 255 - RAMP * 255 / 4095) <= 1


def test_a_narrow_film_is_not_stretched_by_a_table(tmp_path):
    narrow = np.full((64, 256), 2048) + np.arange(256) // 64
    file = make_dicom(tmp_path / "a.dcm", narrow, VOILUTSequence=table(np.arange(4096), 12))
    assert set(greys(file).ravel()) <= {127, 128}


@pytest.mark.parametrize(
    "descriptor, words",
    [([5000, 0, 12], "lookup table is shorter than it says"), ([4096, 0], "size of its lookup")],
)
@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_that_is_not_what_it_says_is_refused(tmp_path, name, descriptor, words):
    sequence = table(np.arange(4096), 12)
    sequence[0].LUTDescriptor = descriptor
    file = make_dicom(tmp_path / "a.dcm", RAMP, **{name: sequence})
    with pytest.raises(BadFilm, match=words):
        load_film(file)


# --- padding --------------------------------------------------------------------------------------

PADDED = [
    # stored padding, its limit, what stands in the header as written
    (4095, None),
    (4090, 4095),
    (4095, 4090),
]


@pytest.mark.parametrize("value, limit", PADDED)
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("voi", [{}, dict(WindowCenter=1000, WindowWidth=2000)])
def test_padding_is_black_and_decides_nothing(tmp_path, value, limit, polarity, voi):
    "The film beside it has the greys that it has by itself; the rim is black."
    film = np.tile(np.linspace(0, 2000, 200).round(), (50, 1))
    rim = np.full((50, 100), 4095)
    tags = dict(PhotometricInterpretation=polarity, **voi)
    alone = greys(make_dicom(tmp_path / "a.dcm", film, **tags))
    tags["PixelPaddingValue"] = value
    if limit is not None:
        tags["PixelPaddingRangeLimit"] = limit
    padded = greys(make_dicom(tmp_path / "b.dcm", np.hstack([film, rim]), **tags))
    assert (padded[:, 200:] == 0).all()
    assert (padded[:, :200] == alone).all()


def test_padding_of_signed_pixels(tmp_path):
    "−2000 of 12 bits in 16, also where the header spells it as 63536."
    film = np.tile(np.arange(-1000, 1000, 10), (50, 1))
    rim = np.full((50, 40), -2000)
    tags = dict(PixelRepresentation=1, RescaleSlope=1, RescaleIntercept=0)
    alone = greys(make_dicom(tmp_path / "a.dcm", film, **tags))
    for number, value in enumerate((-2000, 63536)):
        dataset = pydicom.Dataset()
        dataset.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
        file = make_dicom(tmp_path / f"{number}.dcm", np.hstack([film, rim]), **tags)
        whole = pydicom.dcmread(file)
        whole["PixelPaddingValue"] = dataset["PixelPaddingValue"]
        whole.save_as(file)
        padded = greys(file)
        assert (padded[:, 200:] == 0).all()
        assert (padded[:, :200] == alone).all()


def test_nothing_but_padding_is_refused(tmp_path):
    file = make_dicom(tmp_path / "a.dcm", np.full((9, 9), 7), PixelPaddingValue=7)
    with pytest.raises(BadFilm, match="nothing but padding"):
        load_film(file)


# --- polarity -------------------------------------------------------------------------------------


@needs_dcmtk
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
def test_one_inversion(tmp_path, photometric, shape):
    "Also where photometric interpretation and presentation shape say it both, or disagree."
    tags = dict(WindowCenter=2048, WindowWidth=4096, PhotometricInterpretation=photometric)
    if shape:
        tags["PresentationLUTShape"] = shape
    file = make_dicom(tmp_path / "a.dcm", RAMP, **tags)
    assert difference(greys(file), dcmtk.dcmtk_greys(file, "+Wi", "1")) <= 1


# --- files as they come ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNCOMPRESSED)
@pytest.mark.parametrize("ending", [".dcm", ".IMA", ""])
def test_without_preamble(tmp_path, name, ending):
    "As cut out of a network stream: the first element comes at once."
    file = make_dicom(tmp_path / "a.dcm", RAMP, UNCOMPRESSED[name])
    data = file.read_bytes()
    bare = tmp_path / f"bare{ending}"
    bare.write_bytes(data[132:])
    assert film_format(bare) == "DICOM"
    assert load_film(bare) == load_film(file)


@pytest.mark.parametrize("name", ["implicit", "explicit", "big endian"])
@pytest.mark.parametrize("has_preamble", [True, False])
def test_without_transfer_syntax(tmp_path, name, has_preamble):
    "How the elements are spelt tells."
    file = make_dicom(tmp_path / "a.dcm", RAMP, UNCOMPRESSED[name])
    dataset = pydicom.dcmread(file)
    _, is_little_endian = dataset.original_encoding
    del dataset.file_meta
    written = BytesIO()
    is_implicit = name == "implicit"
    pydicom.dcmwrite(written, dataset, implicit_vr=is_implicit, little_endian=is_little_endian)
    elements = written.getvalue().removeprefix(bytes(128) + b"DICM")
    version_alone = (
        b"\x02\x00\x00\x00UL\x04\x00\x0e\x00\x00\x00"
        b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
    )
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(bytes(128) + b"DICM" + version_alone if has_preamble else b"")
    with bare.open("ab") as stream:
        stream.write(elements)
    assert "TransferSyntaxUID" not in pydicom.dcmread(bare, force=True).file_meta
    assert load_film(bare) == load_film(file)


def test_a_preamble_that_is_the_head_of_a_tiff(tmp_path):
    "Dual-personality files begin as a TIFF does (PS3.10, 7.1)."
    file = make_dicom(tmp_path / "a.dcm", RAMP)
    data = file.read_bytes()
    (tmp_path / "b.dcm").write_bytes(b"II*\0" + data[4:])
    assert load_film(tmp_path / "b.dcm") == load_film(file)


@pytest.mark.parametrize("high_bit", [11, 13, 15])
def test_bits_beside_the_stored_ones_do_not_count(tmp_path, high_bit):
    "Stored at the upper end of the word, and with an overlay in the bits that are left over."
    plain = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=2048, WindowWidth=4096)
    shift = high_bit - 11
    overlay = (RAMP % 32 == 0) << (12 if shift == 0 else 0)
    shifted = (RAMP << shift) | overlay
    tags = dict(WindowCenter=2048, WindowWidth=4096, HighBit=high_bit)
    assert difference(greys(make_dicom(tmp_path / "b.dcm", shifted, **tags)), greys(plain)) == 0


def test_pixels_of_32_bits(tmp_path):
    deep = RAMP * 100000
    plain = greys(make_dicom(tmp_path / "a.dcm", RAMP))
    file = make_dicom(tmp_path / "b.dcm", deep, BitsAllocated=32, BitsStored=32)
    assert difference(greys(file), plain) == 0


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_a_scanned_film_stored_in_colour(tmp_path, photometric):
    "Secondary capture: three channels that are one grey are a film; a photograph is none."
    ramp = np.tile(np.arange(200), (60, 1))
    channels = [ramp] * 3 if photometric == "RGB" else [ramp, ramp * 0 + 128, ramp * 0 + 128]
    tags = dict(
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        PhotometricInterpretation=photometric,
    )
    film = greys(make_dicom(tmp_path / "a.dcm", np.dstack(channels), **tags))
    assert difference(film, ramp) <= 1
    coloured = np.dstack([ramp, ramp[:, ::-1], ramp])
    with pytest.raises(BadFilm, match="in colour, not a radiograph"):
        load_film(make_dicom(tmp_path / "b.dcm", coloured, **tags))


@needs_dcmtk
@pytest.mark.parametrize(
    "photometric, plane",
    [("RGB", 0), ("RGB", 1), ("YBR_FULL", 0), ("YBR_FULL", 1), ("YBR_FULL_422", 0)],
)
def test_channels_may_lie_pixel_by_pixel_or_plane_by_plane(tmp_path, photometric, plane):
    "As DCMTK shows them."
    ramp = np.tile(np.arange(200), (60, 1))
    grey = np.full_like(ramp, 128)
    channels = [ramp] * 3 if photometric == "RGB" else [ramp, grey, grey]
    pixels = np.stack(channels, axis=0 if plane else 2)
    if photometric == "YBR_FULL_422":  # two pixels share their colour
        pixels = np.dstack([ramp[:, ::2], ramp[:, 1::2], grey[:, ::2], grey[:, ::2]])
    file = make_dicom(
        tmp_path / "a.dcm",
        pixels,
        Rows=60,
        Columns=200,
        SamplesPerPixel=3,
        PlanarConfiguration=plane,
        BitsAllocated=8,
        BitsStored=8,
        PhotometricInterpretation=photometric,
    )
    red = dcmtk.dcmtk_greys(file)[:, :, 0]  # as green, and as blue
    assert difference(greys(file), red) <= 1


def palettes(entries, bits, kind="<u2"):
    "The elements of a grey palette."
    tags = {}
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        tags[f"{name}Descriptor"] = [len(entries), 0, bits]
        tags[f"{name}Data"] = entries.astype(kind).tobytes()
    return tags


@needs_dcmtk
@pytest.mark.parametrize("bits, kind", [(16, "<u2"), (8, "<u2"), (8, "u1")])
def test_a_palette_of_greys(tmp_path, bits, kind):
    "Entries of 16 bits, of 8 bits in words of 16, and packed."
    indices = np.tile(np.arange(200), (60, 1))
    entries = np.arange(256)[::-1] * (257 if bits == 16 else 1)
    tags = dict(BitsAllocated=8, BitsStored=8, PhotometricInterpretation="PALETTE COLOR")
    file = make_dicom(tmp_path / "a.dcm", indices, **tags, **palettes(entries, bits, kind))
    assert difference(greys(file), 255 - indices) == 0
    red = dcmtk.dcmtk_greys(file)[:, :, 0]  # as green, and as blue
    assert difference(greys(file), red) <= 1


def test_a_palette_with_fewer_greys_than_declared_is_not_black(tmp_path):
    indices = np.tile(np.arange(200), (60, 1))
    tags = dict(BitsAllocated=8, BitsStored=8, PhotometricInterpretation="PALETTE COLOR")
    file = make_dicom(tmp_path / "a.dcm", indices, **tags, **palettes(np.arange(256), 16))
    assert difference(greys(file), indices) == 0


def test_a_palette_that_is_missing(tmp_path):
    indices = np.tile(np.arange(200), (60, 1))
    tags = dict(BitsAllocated=8, BitsStored=8, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(BadFilm, match="its table of colours is missing"):
        load_film(make_dicom(tmp_path / "a.dcm", indices, **tags))


@pytest.mark.parametrize("group", ["Shared", "PerFrame"])
def test_scale_and_window_in_functional_groups(tmp_path, group):
    "Where enhanced kinds of files keep them (PS3.3 C.7.6.16)."
    tags = dict(RescaleSlope=-1, RescaleIntercept=4095)
    window = dict(WindowCenter=1000, WindowWidth=2000)
    plain = load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags, **window))
    scale_item = pydicom.Dataset()
    window_item = pydicom.Dataset()
    for item, elements in ((scale_item, tags), (window_item, window)):
        for name, value in elements.items():
            setattr(item, name, value)
    groups = pydicom.Dataset()
    groups.PixelValueTransformationSequence = [scale_item]
    groups.FrameVOILUTSequence = [window_item]
    sequence = {f"{group}FunctionalGroupsSequence": [groups]}
    file = make_dicom(tmp_path / "b.dcm", RAMP, NumberOfFrames=1, **sequence)
    assert load_film(file) == plain


def test_colours_of_16_bits_are_not_stretched(tmp_path):
    ramp = np.tile(np.arange(10000, 20000, 100), (60, 1))
    tags = dict(
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        BitsStored=16,
        PhotometricInterpretation="RGB",
    )
    film = greys(make_dicom(tmp_path / "a.dcm", np.dstack([ramp] * 3), **tags))
    assert difference(film, (ramp * 255 / 65535).round()) == 0


def test_the_colour_of_a_file_is_told(tmp_path):
    "5 % of the pixels are red, as in a film with a coloured mark."
    channels = np.full((20, 20, 3), 90)
    channels[0, :, 0] = 250
    tags = dict(SamplesPerPixel=3, PlanarConfiguration=0, BitsAllocated=8, BitsStored=8)
    file = make_dicom(tmp_path / "a.dcm", channels, PhotometricInterpretation="RGB", **tags)
    assert read_film(file).facts == FileFacts("DICOM RGB", bits=8, coloured=0.05)


def test_facts(tmp_path):
    "Depth and polarity, and nothing of the patient."
    file = make_dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    film, facts = read_film(file)
    assert facts == FileFacts(format="DICOM MONOCHROME1", bits=12, coloured=0.0)
    assert film == load_film(file)
    raw = make_dicom(tmp_path / "b.dcm", RAMP, PresentationIntentType="FOR PROCESSING")
    assert read_film(raw).facts.format == "DICOM MONOCHROME2, raw"


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags, words",
    [
        (dict(PhotometricInterpretation="RGB"), "in colour, and has another number of channels"),
        (dict(PhotometricInterpretation=None), "whether its bones are bright or dark"),
        (dict(PhotometricInterpretation="GREY"), "of a kind that is not read"),
        (dict(PhotometricInterpretation="HSV", SamplesPerPixel=3), "of a kind that is not read"),
        (dict(NumberOfFrames=3), "several frames"),
        (dict(PixelData=b"\0\0"), "its pixels end too early"),
        (dict(PixelData=RAMP[:-1].astype("u2").tobytes()), "its pixels end too early"),
        (dict(PixelData=2 * RAMP.astype("u2").tobytes()), "pixels are those of several images"),
        (dict(PixelData=b""), "holds no image"),
        (dict(Rows=0), "Rows cannot be true"),
        (dict(BitsAllocated=12), "Bits Allocated cannot be true"),
        (dict(BitsAllocated=8), "Bits Stored cannot be true"),
        (dict(PixelRepresentation=2), "Pixel Representation cannot be true"),
        (dict(SamplesPerPixel=3), "grey, and has another number of channels"),
    ],
)
def test_refused(tmp_path, tags, words):
    pixels = RAMP.astype("u2")
    tags.setdefault("PixelData", pixels.tobytes())
    with pytest.raises(BadFilm, match=words) as e:
        load_film(make_dicom(tmp_path / "a.dcm", pixels, **tags))
    assert "Secret" not in str(e.value)


def test_a_palette_in_segments_is_refused_in_true_words(tmp_path):
    tags = dict(PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"Segmented{colour}PaletteColorLookupTableData"] = bytes(8)
    with pytest.raises(BadFilm, match="its table of colours is written in segments"):
        load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))


@pytest.mark.parametrize("name", ["Window Center", "Rescale Slope"])
@pytest.mark.parametrize("text", [b"Secret 1", b"  1,5   ", b"1,5\\ 1.5", b"infinity"])
def test_a_number_that_is_none_is_refused(tmp_path, name, text):
    "Not quoted, either: it may be anything."
    tags = dict(WindowCenter=2000, WindowWidth=1000, RescaleSlope=1, RescaleIntercept=0)
    tags[name.replace(" ", "")] = "4321.125"
    file = make_dicom(tmp_path / "a.dcm", RAMP, **tags)
    file.write_bytes(file.read_bytes().replace(b"4321.125", text))
    with pytest.raises(BadFilm, match=f"its {name} is no number") as e:
        load_film(file)
    assert "Secret" not in str(e.value)


@pytest.mark.parametrize(
    "name", ["Rows", "Columns", "Bits Allocated", "Bits Stored", "Pixel Representation"]
)
def test_what_must_be_there(tmp_path, name):
    "pydicom and DCMTK refuse such a file, too: two programs might guess differently."
    file = make_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(file)
    del dataset[name.replace(" ", "")]
    dataset.save_as(file)
    with pytest.raises(BadFilm, match=f"lacks {name}"):
        load_film(file)


def test_pixels_of_fractions_are_refused(tmp_path):
    file = make_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(file)
    del dataset.PixelData
    dataset.add_new("FloatPixelData", "OF", (RAMP / 4095).astype("<f4").tobytes())
    dataset.save_as(file)
    with pytest.raises(BadFilm, match="its pixels are fractions"):
        load_film(file)


def test_no_image_in_it(tmp_path):
    file = make_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(file)
    del dataset.PixelData
    dataset.save_as(file)
    with pytest.raises(BadFilm, match="holds no image"):
        load_film(file)


def test_compressed_in_a_way_that_is_not_read(tmp_path, monkeypatch):
    "The words differ: a decoder can be installed, or there is none, or the file is damaged."
    file = Path(get_testdata_file("RG3_J2KR.dcm"))
    jpeg_2000 = b"1.2.840.10008.1.2.4.90"
    for syntax, words in [
        (b"1.2.840.10008.1.2.4.80", "compressed pixels are damaged"),  # JPEG-LS, it says
        (b"1.2.840.10008.1.2.4.53", r"coded in a way that is not read \(JPEG .*Process 6 and 8"),
        (b"1.2.840.10008.1.2.4.99", "coded in a way that is not read: export it uncompressed"),
        (b"1.2.840.99999.1.2.4.90", "coded in a way that is not read: export it uncompressed"),
    ]:
        (tmp_path / "a.dcm").write_bytes(file.read_bytes().replace(jpeg_2000, syntax))
        with pytest.raises(BadFilm, match=words):
            load_film(tmp_path / "a.dcm")

    from pydicom.pixels import get_decoder

    decoder = get_decoder(UID(jpeg_2000.decode()))
    monkeypatch.setattr(decoder, "_available", {})
    monkeypatch.setattr(decoder, "_unavailable", {"other": ("a package that is not in the extra",)})
    with pytest.raises(BadFilm, match=r"not read \(JPEG 2000 .*\): export it uncompressed"):
        load_film(file)
    monkeypatch.setattr(decoder, "_unavailable", {"gdcm": ("gdcm>=3.0.10",)})
    with pytest.raises(BadFilm, match=r"JPEG 2000 .*rsna_cls\[dicom\]"):
        load_film(file)


def test_jpeg_of_12_bits_without_gdcm(tmp_path, monkeypatch):
    "pydicom has Pillow for JPEG Extended, which does not decode 12 bits: this film is not damaged."
    from pydicom.pixels import get_decoder

    decoder = get_decoder(UID("1.2.840.10008.1.2.4.51"))
    monkeypatch.setattr(decoder, "_available", {"pillow": decoder._available["pillow"]})
    monkeypatch.setattr(decoder, "_unavailable", {"gdcm": ("gdcm>=3.0.10",)})
    monkeypatch.setitem(sys.modules, "gdcm", None)
    file = Path(get_testdata_file("JPGExtended.dcm"))
    with pytest.raises(BadFilm, match=r"JPEG Extended .*is not installed: .*rsna_cls\[dicom\]"):
        load_film(file)

    # With 8 bits Pillow is what decodes, and a film that it cannot decode is damaged.
    dataset = pydicom.dcmread(file)
    dataset.BitsStored = 8
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadFilm, match="compressed pixels are damaged"):
        load_film(tmp_path / "a.dcm")


def test_compressed_and_does_not_say_how(tmp_path):
    dataset = pydicom.dcmread(get_testdata_file("RG3_J2KR.dcm"))
    del dataset.file_meta.TransferSyntaxUID
    file = tmp_path / "a.dcm"
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
    with pytest.raises(BadFilm, match="does not say how"):
        load_film(file)


def test_without_pydicom(tmp_path, monkeypatch):
    file = make_dicom(tmp_path / "a.dcm", RAMP)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadFilm, match=r"rsna_cls\[dicom\]"):
        load_film(file)


def test_says_nothing(tmp_path, capfd, recwarn):
    file = make_dicom(tmp_path / "a.dcm", RAMP, PatientBirthDate="nonsense")
    capfd.readouterr()  # what was said while writing it
    recwarn.clear()
    load_film(file)
    out = capfd.readouterr()
    assert out.out == out.err == ""
    assert not recwarn.list


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", ["RG3_J2KR.dcm", "JPGExtended.dcm", "MR_small_RLE.dcm"])
def test_cut_short(tmp_path, name, cut):
    "A file that ends too early is refused, or has lost nothing that shows."
    file = Path(get_testdata_file(name))
    data = file.read_bytes()
    short = tmp_path / "short.dcm"
    short.write_bytes(data[: int(cut * len(data))])
    try:
        film = load_film(short)
    except BadFilm:
        return
    assert film == load_film(file)


DAMAGES = {
    # file: (place after the start of the compressed pixels, another byte there)
    "JPEGLSNearLossless_08.dcm": [(6, 123), (8, 99), (10, 255), (11, 3)],  # depth, size, channels
    "JPEG-LL.dcm": [(15, 79), (24, 255), (8, 1)],  # a marker, a Huffman table, the size
    "JPGExtended.dcm": [(16, 255), (6, 99), (10, 9)],  # the quantization table, depth, size
    "MR_small_jp2klossless.dcm": [(11, 9), (42, 99)],  # size, depth
}


def test_a_byte_that_fills_up_a_jpeg(tmp_path):
    "Any number of FF may stand before a marker (ISO 10918-1, B.1.1.2)."
    file = Path(get_testdata_file("JPEG-LL.dcm"))
    dataset = pydicom.dcmread(file)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame[:2] + b"\xff" + frame[2:]])
    dataset.save_as(tmp_path / "a.dcm")
    assert load_film(tmp_path / "a.dcm") == load_film(file)


def test_damaged_compressed_pixels_are_refused_before_gdcm_sees_them(tmp_path):
    "It would not raise an error, but end Python: so another Python reads these files."
    start = {"MR_small_jp2klossless.dcm": b"\xff\x4f\xff\x51"}
    files = []
    for name, damages in DAMAGES.items():
        data = Path(get_testdata_file(name)).read_bytes()
        pixels = data.index(start.get(name, b"\xff\xd8\xff"), data.index(b"\xe0\x7f\x10\x00"))
        for place, byte in damages:
            assert data[pixels + place] != byte
            damaged = bytearray(data)
            damaged[pixels + place] = byte
            files.append(tmp_path / f"{place}_{name}")
            files[-1].write_bytes(damaged)

    code = """
import sys
from rsna_cls import BadFilm, load_film
for file in sys.argv[1:]:
    try:
        load_film(file)
    except BadFilm as refusal:
        assert "damaged" in refusal.reason, refusal
        print("refused")
"""
    answer = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == ["refused"] * len(files)
