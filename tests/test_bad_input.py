"""What is no film, folder, zip, model or table, a case a test; the log ends with what came of each.

Whatever comes in: a named error of this library, in words that help, or it is left out and that is
said. Nothing else may be raised, no words may hold a patient's name, nothing may last or be large.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import textwrap
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from conftest import make_link, need_names
from rsna_cls import (
    BadFilm,
    BadFolder,
    BadModel,
    Course,
    FetchError,
    as_film,
    audit,
    fetch_data,
    film_files,
    film_tensor,
    load_film,
    summary,
)
from small_films import (
    COLOURS,
    COMPRESSED,
    DEEP,
    HEIGHT,
    SMOOTH,
    WIDTH,
    compressed,
    deep_png,
    deep_tiff,
    dicom,
    lookup_table,
    palette,
    picture,
    png_chunk,
    written,
)

LIBRARY = Path(sys.modules["rsna_cls"].__file__).parent
NAMED = (BadFilm, BadFolder, BadModel, FetchError)
SECRET = "Secret"  # begins every name and number of a patient here
SECONDS = 10  # that a case may take


# --- what came of it ------------------------------------------------------------------------------


def is_on_purpose(error):
    "Whether an error was raised by a line of this library that says `raise`."
    place = error.__traceback__
    while place.tb_next:
        place = place.tb_next
    file = Path(place.tb_frame.f_code.co_filename)
    if not file.is_relative_to(LIBRARY):
        return False
    line = file.read_text(encoding="utf-8").splitlines()[place.tb_lineno - 1]
    return line.strip().startswith("raise ")


def in_one_line(words, folder):
    "Words for the table: without the folder of the test, and not too many."
    words = re.sub(r"(\w/?)\1{30,}", r"\1\1\1…", str(words).replace(str(folder), "…"))
    words = " ".join(words.split())
    return words if len(words) <= 160 else f"{words[:159]}…"


def refusal(error, folder):
    "What an error of this library says; any other fails the test."
    assert isinstance(error, (*NAMED, ValueError, TypeError)), repr(error)
    assert is_on_purpose(error), f"not raised on purpose: {error!r}"
    is_alone = error.__cause__ is None and (error.__suppress_context__ or not error.__context__)
    assert is_alone, f"shows another error before it: {error.__context__!r}"
    words = str(error)
    assert len(words) > 10, words
    assert words.encode()  # it can be printed
    assert not re.search(r"\b0x[0-9a-f]{6,}", words), words
    assert SECRET.casefold() not in words.casefold(), words
    return f"{type(error).__name__}: {in_one_line(words, folder)}"


@pytest.fixture
def tried(tmp_path, capfd):
    "Tries something out: what came of it, in one line."

    def attempt(call, is_silent=False):
        capfd.readouterr()
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                value = call()
            except Exception as error:
                result = refusal(error, tmp_path)
            else:
                result = f"read: {described(value)}"
        assert time.perf_counter() - start < SECONDS
        printed = "".join(capfd.readouterr())
        assert SECRET.casefold() not in printed.casefold()
        if is_silent:
            assert not printed
            assert not warned
        left_out = re.search(r"(?:Left out: |left out of the zip: )(.*?)[.)]?$", printed, re.M)
        if left_out and result.startswith("read"):
            result = f"left out: {in_one_line(left_out[1], tmp_path)}"
        return result

    return attempt


def described(value):
    "Something that was read, in a few words."
    if isinstance(value, Image.Image):
        assert value.mode == "L"
        return f"a film of {value.width} × {value.height} pixels"
    if isinstance(value, Course):
        return f"a course of {len(value.films())} films"
    if isinstance(value, Path):
        return f"a course of {len(Course(value, needs=()).films())} films"
    if isinstance(value, pd.DataFrame):
        return f"a table of {len(value)} rows"
    return f"a {type(value).__name__}"


@pytest.fixture
def refused(tried, outcome):
    "Tries something out that has to be refused, or left out, and writes its row."

    def attempt(case, call, is_silent=False):
        result = tried(call, is_silent)
        assert not result.startswith("read"), result
        outcome("bad input", case, result)

    return attempt


@pytest.fixture
def refused_film(refused, tmp_path):
    "Writes bytes into a file, which has to be refused in silence as a film."

    def attempt(case, content, name="film"):
        file = tmp_path / name
        file.write_bytes(content)
        refused(case, lambda: load_film(file), is_silent=True)

    return attempt


# --- pictures -------------------------------------------------------------------------------------

PLAIN = {  # one file of each format
    "PNG": "grey.png",
    "JPEG": "grey.jpg",
    "TIFF": "deflated.tif",
    "BMP": "grey.bmp",
    "WebP": "lossy.webp",
}
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)
DAMAGES = {
    "empty": lambda data: b"",
    "its first 4 bytes": lambda data: data[:4],
    "its first 12 bytes": lambda data: data[:12],
    "cut to a tenth": lambda data: data[: len(data) // 10],
    "cut to a half": lambda data: data[: len(data) // 2],
    "cut to nine tenths": lambda data: data[: 9 * len(data) // 10],
    "another first byte": lambda data: bytes([data[0] ^ 0xFF]) + data[1:],
    "its first 12 bytes, then zeros": lambda data: data[:12] + bytes(len(data)),
    "its bytes backwards": lambda data: data[::-1],
    "as text in base64": lambda data: b"data:image/png;base64," + data.hex().encode(),
}


def noisy(format):
    "The bytes of a picture of noise, which no format makes much shorter."
    options = {"TIFF": dict(compression="tiff_adobe_deflate")}
    return picture(NOISE, format.upper(), **options.get(format, {}))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("format", PLAIN)
def test_a_damaged_picture(refused_film, format, damage):
    suffix = PLAIN[format].rpartition(".")[2]
    refused_film(f"{format}: {damage}", DAMAGES[damage](noisy(format)), f"film.{suffix}")


def png(width=WIDTH, height=HEIGHT, bits=8, kind=0, rest=(0, 0, 0), more=(), rows=None, end=True):
    "The bytes of a PNG with this header; `more`: chunks before its pixels; `rows`: packed."
    if rows is None:
        rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in SMOOTH))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, *rest))]
    chunks += [*more, (b"IDAT", rows)]
    if end:
        chunks.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def changed(data, place, new):
    "The same bytes, but for some."
    return data[:place] + new + data[place + len(new) :]


ZEROS = zlib.compress(bytes(50_000_000))  # 50 kB
PNGS = {
    "the check of its header is wrong": changed(png(), 29, b"\0\0\0\0"),
    "a byte of its pixels is another": changed(noisy("PNG"), 100, b"\0\0\0"),
    "no pixels": png(rows=b""),
    "pixels that end too early": png(rows=zlib.compress(b"\0" * 99)),
    "pixels that are not packed": png(rows=SMOOTH.tobytes()),
    "width 0": png(width=0),
    "height 0": png(height=0),
    "0 × 0": png(0, 0),
    "50,000 × 50,000": png(50_000, 50_000, rows=ZEROS),
    "10,000 × 10,000": png(10_000, 10_000, rows=ZEROS),
    "2,147,483,647 × 1": png(2**31 - 1, 1, rows=ZEROS),
    "4,294,967,295 × 4,294,967,295": png(2**32 - 1, 2**32 - 1),
    "3 bits": png(bits=3),
    "64 bits": png(bits=64),
    "colours of type 5": png(kind=5),
    "filters of type 9 in its rows": png(rows=zlib.compress(b"\x09" * 9999)),
    "a colour for each pixel, and no palette": png(kind=3, rows=zlib.compress(b"\0" * 9)),
    "a text that unpacks to 50 MB": png(more=[(b"zTXt", b"a\0\0" + ZEROS)]),
    "a colour profile that unpacks to 50 MB, cut": png(
        more=[(b"iCCP", b"a\0\0" + ZEROS)], rows=b""
    ),
    "a chunk longer than the file": png()[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT",
    "a chunk without a name": png()[:33] + struct.pack(">I", 0) + bytes(4),
    "clear all over": picture(np.dstack([COLOURS, SMOOTH * 0]), "PNG"),
    "16 bits, clear all over": deep_png(np.dstack([DEEP, DEEP * 0])),
    "16 bits in colour, cut": deep_png(np.dstack([DEEP] * 3))[:-60],
    "16 bits in colour, 6,000 × 6,000": png(6000, 6000, bits=16, kind=2, rows=ZEROS),
    "interlaced, pixels that end too early": png(rest=(0, 0, 1)),
    "a moving picture": written(
        lambda file: Image.fromarray(SMOOTH).save(
            file, "PNG", save_all=True, append_images=[Image.fromarray(SMOOTH // 2)]
        )
    ),
}


@pytest.mark.parametrize("case", PNGS)
def test_png(refused_film, case):
    refused_film(f"PNG: {case}", PNGS[case], "film.png")


def jpeg_header(mode="L", **changes):
    "A JPEG with another frame header: bits, height, width, channels (at the marker of its start)."
    data = picture(SMOOTH, "JPEG", mode)
    place = data.index(b"\xff\xc0")
    marker = changes.get("marker", 0xC0)
    bits, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
    head = struct.pack(
        ">BHHB",
        changes.get("bits", bits),
        changes.get("height", height),
        changes.get("width", width),
        changes.get("channels", channels),
    )
    return changed(changed(data, place, bytes([0xFF, marker])), place + 4, head)


def without_segments(data, marker):
    "A JPEG without its segments of one kind."
    while (place := data.find(bytes([0xFF, marker]))) >= 0:
        (length,) = struct.unpack_from(">H", data, place + 2)
        data = data[:place] + data[place + 2 + length :]
    return data


def progressive(n_scans, side=1000):
    "A JPEG that goes over its pixels many times: the last of its scans again and again."
    data = picture(np.zeros((side, side), np.uint8), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + (data[last:-2]) * n_scans + data[-2:]


JPEGS = {
    "width 0": jpeg_header(width=0),
    "height 0": jpeg_header(height=0),
    "65,500 × 65,500": jpeg_header(width=65_500, height=65_500),
    "9,000 × 9,000": jpeg_header(width=9000, height=9000),
    "12 bits": jpeg_header(bits=12),
    "5 channels": jpeg_header(channels=5),
    "2 channels": jpeg_header(channels=2),
    "channels 0": jpeg_header(channels=0),
    "lossless": jpeg_header(marker=0xC3),
    "a JPEG-LS": jpeg_header(marker=0xF7),
    "hierarchical": jpeg_header(marker=0xC5),
    "no quantization tables": without_segments(picture(SMOOTH, "JPEG"), 0xDB),
    "its start and its end alone": b"\xff\xd8\xff\xd9",
    "no frame": without_segments(picture(SMOOTH, "JPEG"), 0xC0),
    "no end": picture(NOISE, "JPEG")[:-40],
    "a segment longer than the file": b"\xff\xd8\xff\xe0\xff\xff" + bytes(100),
    "10,000 scans": progressive(10_000),
}


@pytest.mark.parametrize("case", JPEGS)
def test_jpeg(refused_film, case):
    refused_film(f"JPEG: {case}", JPEGS[case], "film.jpg")


def tiff(bits=8, data=bytes(64), order="<", **tags):
    "A TIFF of 8 × 8 pixels with these numbered tags (t262=1); None: without this tag."
    known = {256: 8, 257: 8, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: len(data)}
    known |= {int(name[1:]): value for name, value in tags.items()}
    entries = [
        struct.pack(f"{order}HHII", number, 4, 1, value)
        for number, value in sorted(known.items())
        if value is not None
    ]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}I", 8 + len(data)) + data + directory


def tiff_of_many_numbers(kind):
    "A TIFF whose tag announces 100 million numbers."
    data = tiff()
    entry = data.index(struct.pack("<HHI", 258, 4, 1))
    return changed(data, entry, struct.pack("<HHI", 258, kind, 100_000_000))


def pages(n):
    "A TIFF of several pages."
    return written(
        lambda file: Image.fromarray(SMOOTH).save(
            file, "TIFF", save_all=True, append_images=[Image.fromarray(SMOOTH)] * (n - 1)
        )
    )


TIFFS = {
    "its first page lies behind its end": b"II*\0" + struct.pack("<I", 10**9),
    "its first page is its head": b"II*\0" + struct.pack("<I", 0) + bytes(99),
    "no tags": b"II*\0" + struct.pack("<IH", 8, 0) + bytes(4),
    "65,535 tags in 20 bytes": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(20),
    "a tag of 100 million numbers": tiff_of_many_numbers(3),
    "of 64 bits, its first page lies behind its end": b"II+\0\x08\0\0\0" + b"\xff" * 8,
    "width 0": tiff(t256=0),
    "height 0": tiff(t257=0),
    "no width": tiff(t256=None),
    "no height": tiff(t257=None),
    "50,000 × 50,000": tiff(t256=50_000, t257=50_000),
    "9,000 × 9,000": tiff(t256=9000, t257=9000),
    "64 bits, 50,000 × 50,000": tiff(64, t256=50_000, t257=50_000, t339=3),
    "64 bits, 6,000 × 6,000": tiff(64, t256=6000, t257=6000, t339=3),
    "12 bits, white is zero": tiff(12, bytes(96), t262=0),
    "24 bits": tiff(24, bytes(192)),
    "0 bits": tiff(0),
    "no word on what zero is": tiff(t262=None),
    "no word on what zero is, 64 bits": tiff(64, bytes(512), t262=None),
    "a transparency mask": tiff(t262=4),
    "colours of type 999": tiff(t262=999),
    "packed in way 9999": tiff(t259=9999),
    "packed in way 9999, 64 bits": tiff(64, bytes(512), t259=9999),
    "its pixels are said to be JPEG": tiff(t259=7),
    "its pixels are said to be LZW": tiff(data=b"\xff" * 64, t259=5),
    "its pixels are said to be deflated": tiff(data=b"\xff" * 64, t259=8),
    "its pixels are said to be deflated, 64 bits": tiff(64, b"\xff" * 512, t259=8),
    "its pixels lie behind its end": tiff(t273=10**9),
    "no pixels": tiff(t273=None, t279=None),
    "tiles of 65,536 × 65,536": tiff(
        t273=None, t278=None, t322=65_536, t323=65_536, t324=8, t325=64
    ),
    "64 bits, tiles of 65,536 × 65,536": tiff(
        64, bytes(512), t273=None, t278=None, t322=65_536, t323=65_536, t324=8, t325=512
    ),
    "5 channels": deep_tiff(
        np.zeros((9, 9, 5), np.uint16), photometric="minisblack", planarconfig="contig"
    ),
    "7,680 channels of 536 × 32 pixels, in 187 bytes": tiff(1, t256=536, t257=32, t277=7680),
    "32 bits and 7,680 channels": tiff(32, t256=536, t257=32, t277=7680, t339=2),
    "2 pages": pages(2),
    "99 pages": pages(99),
    "a volume": deep_tiff(np.zeros((16, 32, 32)), volumetric=True, tile=(16, 16, 16)),
    "fractions, one of them NaN": deep_tiff(np.where(SMOOTH == 8, np.nan, SMOOTH).astype("f4")),
    "fractions, one of them infinite": deep_tiff(np.where(SMOOTH == 8, np.inf, SMOOTH)),
    "complex numbers": deep_tiff(SMOOTH.astype(complex)),
    "a deflated strip that unpacks to 50 MB": tiff(64, ZEROS, t259=8, t339=3),
    "64 bits, packed by LZMA": deep_tiff(SMOOTH.astype(float), compression="lzma"),
    "64 bits, packed by PackBits": tiff(64, bytes(1024), t259=32773, t339=3),
    "clear all over": picture(np.dstack([COLOURS, SMOOTH * 0]), "TIFF"),
}


@pytest.mark.parametrize("case", TIFFS)
def test_tiff(refused_film, case):
    refused_film(f"TIFF: {case}", TIFFS[case], "film.tif")


def bmp(**changes):
    "A BMP with another header."
    data = picture(COLOURS, "BMP")
    places = dict(start=(10, "<I"), head=(14, "<I"), width=(18, "<i"), height=(22, "<i"))
    places |= dict(planes=(26, "<H"), bits=(28, "<H"), packing=(30, "<I"))
    for name, value in changes.items():
        place, form = places[name]
        data = changed(data, place, struct.pack(form, value))
    return data


BMPS = {
    "width 0": bmp(width=0),
    "height 0": bmp(height=0),
    "60,000 × 60,000": bmp(width=60_000, height=60_000),
    "9,000 × 9,000": bmp(width=9000, height=9000),
    "width −32": bmp(width=-32),
    "3 bits": bmp(bits=3),
    "64 bits": bmp(bits=64),
    "packed in way 99": bmp(packing=99),
    "a header of 9 bytes": bmp(head=9),
    "a header of 999 bytes": bmp(head=999),
    "its pixels lie behind its end": bmp(start=10**9),
    "it is larger than it says": bmp(height=1000),
}


@pytest.mark.parametrize("case", BMPS)
def test_bmp(refused_film, case):
    refused_film(f"BMP: {case}", BMPS[case], "film.bmp")


def webp(*chunks):
    "A WebP of these chunks."
    body = b"WEBP"
    for name, content in chunks:
        body += name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


WEBPS = {
    "no chunks": webp(),
    "an empty picture": webp((b"VP8 ", b"")),
    "an empty picture without loss": webp((b"VP8L", b"")),
    "16,777,216 × 16,777,216, and nothing else": webp((b"VP8X", b"\0\0\0\0" + b"\xff" * 6)),
    "16,383 × 16,383, and nothing else": webp((b"VP8 ", b"\x30\1\0\x9d\1\x2a\xff\x3f\xff\x3f")),
    "a sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "a moving picture": written(
        lambda file: Image.fromarray(COLOURS).save(
            file, "WEBP", save_all=True, append_images=[Image.fromarray(COLOURS // 2)]
        )
    ),
    "clear all over": picture(np.dstack([COLOURS, SMOOTH * 0]), "WEBP", lossless=True),
}


@pytest.mark.parametrize("case", WEBPS)
def test_webp(refused_film, case):
    refused_film(f"WebP: {case}", WEBPS[case], "film.webp")


READ = {  # odd, and read rightly all the same
    "PNG: called .jpg": ("film.jpg", png()),
    "PNG: without its end": ("film.png", png(end=False)),
    "PNG: packing of type 1, which is that of type 0": ("film.png", png(rest=(1, 0, 0))),
    "PNG: 1 × 1": ("film.png", picture(SMOOTH[:1, :1], "PNG")),
    "PNG: behind it another file": ("film.png", png() + b"PK\3\4" + bytes(99)),
    "JPEG: CMYK, as printers have it": ("film.jpg", picture(COLOURS, "JPEG", "CMYK")),
    "JPEG: called .dcm": ("film.dcm", picture(SMOOTH, "JPEG")),
    "TIFF: a palette of colours": ("film.tif", picture(COLOURS, "TIFF", "P")),
    "TIFF: without a suffix": ("film", deep_tiff(DEEP)),
    "TIFF: a strip of 0 bytes, which is whole": ("film.tif", tiff(t279=0)),
    "TIFF: 12 bits": ("film.tif", tiff(12, bytes(96))),
    "BMP: rows from top to bottom": ("film.bmp", bmp(height=-HEIGHT)),
    "WebP: in grey": ("film.webp", picture(SMOOTH, "WEBP")),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_odd_and_read_all_the_same(tried, outcome, tmp_path, case):
    "It shows what it should: a refusal would be wrong."
    name, content = READ[case]
    (tmp_path / name).write_bytes(content)
    result = tried(lambda: load_film(tmp_path / name), is_silent=True)
    assert result.startswith("read: a film")
    outcome("bad input", case, result)


# --- DICOM ----------------------------------------------------------------------------------------

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
LONG_TYPES = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF")  # their length has four bytes
PLACES = {  # of elements: their number, and their type
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "Modality": (0x00080060, "CS"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "PlanarConfiguration": (0x00280006, "US"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "PixelPaddingValue": (0x00280120, "US"),
    "PixelPaddingRangeLimit": (0x00280121, "US"),
    "WindowCenter": (0x00281050, "DS"),
    "WindowWidth": (0x00281051, "DS"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "ModalityLUTSequence": (0x00283000, "SQ"),
    "VOILUTSequence": (0x00283010, "SQ"),
    "Private": (0x00291010, "LO"),
    "FloatPixelData": (0x7FE00008, "OF"),
    "PixelData": (0x7FE00010, "OW"),
}
USUAL = dict(
    SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1",
    SOPInstanceUID="1.2.3",
    Modality="DX",
    PatientName=f"{SECRET}^Name",
    PatientID=f"{SECRET} 4711",
    SamplesPerPixel=1,
    PhotometricInterpretation="MONOCHROME2",
    Rows=HEIGHT,
    Columns=WIDTH,
    BitsAllocated=16,
    BitsStored=12,
    HighBit=11,
    PixelRepresentation=0,
    PixelData=DEEP.astype("<u2").tobytes(),
)


def value_bytes(value):
    "A value of an element as it lies in a file."
    if isinstance(value, int):
        return struct.pack("<H", value)
    value = value.encode() if isinstance(value, str) else value
    return value + b"\0" * (len(value) % 2)


def element(number, kind, value, length=None):
    "The bytes of an element with its type; `length`: what it says, if that is a lie."
    content = value_bytes(value)
    length = len(content) if length is None else length
    kind = kind.encode()
    form = "<HH2s2xI" if kind in LONG_TYPES else "<HH2sH"
    return struct.pack(form, number >> 16, number & 0xFFFF, kind, length) + content


def raw_dicom(syntax=EXPLICIT, kinds=(), lengths=(), preamble=bytes(128) + b"DICM", **changes):
    "The bytes of a DICOM file, element by element, none of which has to be true; None: without it."
    meta = element(0x00020010, "UI", syntax) if syntax else b""
    group_length = element(0x00020000, "UL", struct.pack("<I", len(meta)))
    kinds, lengths = dict(kinds), dict(lengths)
    body = b""
    for name in sorted({*USUAL, *changes}, key=lambda name: PLACES[name][0]):
        value = changes.get(name, USUAL.get(name))
        if value is not None:
            number, kind = PLACES[name]
            body += element(number, kinds.get(name, kind), value, lengths.get(name))
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(body) + packer.flush()
    return preamble + group_length + meta + body


ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
UNDEFINED = 2**32 - 1


def encapsulated(content):
    "Pixels in one piece, as those that are compressed are."
    pieces = ITEM + bytes(4) + ITEM + struct.pack("<I", len(content)) + content
    return pieces + SEQUENCE_END + bytes(4)


def packed_dicom(syntax, content, **changes):
    "A DICOM file whose pixels are said to be compressed."
    return raw_dicom(
        syntax,
        kinds=dict(PixelData="OB"),
        lengths=dict(PixelData=UNDEFINED),
        PixelData=encapsulated(content),
        **changes,
    )


def nested(depth):
    "A lookup table in a sequence in a sequence …"
    inner = b""
    for _ in range(depth):
        start = element(0x00283010, "SQ", b"", length=UNDEFINED)
        item = ITEM + struct.pack("<I", UNDEFINED) + inner + ITEM_END + bytes(4)
        inner = start + item + SEQUENCE_END + bytes(4)
    return inner


def many_items(n):
    "The content of a sequence of empty items."
    return (ITEM + bytes(4)) * n


def table_item(descriptor, data, kind="US"):
    "The content of a sequence with one lookup table, with these bytes."
    inside = element(0x00283002, kind, struct.pack("<3H", *descriptor) if descriptor else b"")
    inside += element(0x00283006, "OW", data)
    return ITEM + struct.pack("<I", len(inside)) + inside


CURVE = np.arange(4096, dtype="<u2").tobytes()
DICOMS = {
    "Rows 0": raw_dicom(Rows=0),
    "Columns 0": raw_dicom(Columns=0),
    "Rows 65,535, and 24 of them there": raw_dicom(Rows=65535),
    "65,535 × 65,535": raw_dicom(Rows=65535, Columns=65535),
    "Rows missing": raw_dicom(Rows=None),
    "Columns missing": raw_dicom(Columns=None),
    "Rows empty": raw_dicom(Rows=""),
    "Rows in letters": raw_dicom(kinds=dict(Rows="LO"), Rows=f"{SECRET} of rows"),
    "Rows of one byte": raw_dicom(Rows=b"\x09", lengths=dict(Rows=1)),
    "Bits Allocated 12": raw_dicom(BitsAllocated=12),
    "Bits Allocated 0": raw_dicom(BitsAllocated=0),
    "Bits Allocated 64, pixels for 16": raw_dicom(BitsAllocated=64),
    "Bits Allocated missing": raw_dicom(BitsAllocated=None),
    "Bits Stored 0": raw_dicom(BitsStored=0),
    "Bits Stored 17 of 16": raw_dicom(BitsStored=17),
    "Bits Stored missing": raw_dicom(BitsStored=None),
    "Pixel Representation 2": raw_dicom(PixelRepresentation=2),
    "Pixel Representation missing": raw_dicom(PixelRepresentation=None),
    "3 channels of grey": raw_dicom(SamplesPerPixel=3),
    "1 channel of colours": raw_dicom(PhotometricInterpretation="RGB"),
    "colours, and no Planar Configuration": raw_dicom(
        PhotometricInterpretation="RGB", SamplesPerPixel=3
    ),
    "no Photometric Interpretation": raw_dicom(PhotometricInterpretation=None),
    "Photometric Interpretation with a name in it": raw_dicom(PhotometricInterpretation=SECRET),
    "Photometric Interpretation HSV": raw_dicom(PhotometricInterpretation="HSV"),
    "9 frames": raw_dicom(NumberOfFrames="9"),
    "frames in letters": raw_dicom(NumberOfFrames=f"{SECRET}9"),
    "pixels too short": raw_dicom(PixelData=DEEP.tobytes()[:-200]),
    "pixels of one byte": raw_dicom(PixelData=b"\0\0"),
    "pixels empty": raw_dicom(PixelData=b""),
    "no pixels": raw_dicom(PixelData=None),
    "a report, or a PDF": raw_dicom(PixelData=None, Rows=None, Columns=None, Modality="SR"),
    "pixels of fractions": raw_dicom(PixelData=None, FloatPixelData=bytes(4 * 24 * 32)),
    "nothing but padding": raw_dicom(PixelPaddingValue=0, PixelPaddingRangeLimit=65535),
    "window width NaN": raw_dicom(WindowCenter="900", WindowWidth="NaN "),
    "window centre infinite": raw_dicom(WindowCenter="inf ", WindowWidth="900"),
    "window with a name in it": raw_dicom(WindowCenter="900", WindowWidth=f"{SECRET}1"),
    "slope NaN": raw_dicom(RescaleSlope="nan ", RescaleIntercept="0 "),
    "slope 1,5 with a comma": raw_dicom(RescaleSlope="1,5 ", RescaleIntercept="0 "),
    "intercept with a name in it": raw_dicom(RescaleSlope="1 ", RescaleIntercept=f"{SECRET}^N"),
    "a table shorter than it says": raw_dicom(
        VOILUTSequence=table_item((4096, 0, 12), CURVE[:900])
    ),
    "a table of 65,536 entries, by its word": raw_dicom(
        VOILUTSequence=table_item((0, 0, 16), CURVE)
    ),
    "a table that says nothing of its size": raw_dicom(
        ModalityLUTSequence=table_item((4096, 0, 12), CURVE).replace(
            element(0x00283002, "US", struct.pack("<3H", 4096, 0, 12)),
            element(0x00283002, "US", struct.pack("<3H", 4096, 0, 12)[:4], length=4) + b"",
        )
    ),
    "a sequence of a million empty items": raw_dicom(VOILUTSequence=many_items(1_000_000)),
    "sequences 1,000 deep": raw_dicom(
        VOILUTSequence=nested(1000)[12:], lengths=dict(VOILUTSequence=UNDEFINED)
    ),
    "a sequence that does not end": raw_dicom(
        VOILUTSequence=ITEM + struct.pack("<I", UNDEFINED), lengths=dict(VOILUTSequence=UNDEFINED)
    ),
    "an element longer than the file": raw_dicom(lengths=dict(Private=60_000), Private="a"),
    "a transfer syntax that nobody knows": raw_dicom("1.2.3.4.5"),
    "a transfer syntax of letters": raw_dicom(f"{SECRET}.1"),
    "said to be JPEG, and not": raw_dicom("1.2.840.10008.1.2.4.50"),
    "said to be JPEG 2000, and not": packed_dicom("1.2.840.10008.1.2.4.90", DEEP.tobytes()),
    "said to be RLE, and not": packed_dicom("1.2.840.10008.1.2.5", DEEP.tobytes()),
    "said to be lossless JPEG, and a PNG": packed_dicom("1.2.840.10008.1.2.4.70", png()),
    "said to be JPEG-LS, and a JPEG": packed_dicom(
        "1.2.840.10008.1.2.4.80", picture(SMOOTH, "JPEG")
    ),
    "said to be MPEG-2": packed_dicom("1.2.840.10008.1.2.4.100", bytes(99)),
    "said to be elsewhere (JPIP)": raw_dicom("1.2.840.10008.1.2.4.94", PixelData=None),
    "said to be HTJ2K": packed_dicom("1.2.840.10008.1.2.4.201", bytes(99)),
    "compressed, and not said how": packed_dicom("", picture(SMOOTH, "JPEG")),
    "compressed pixels of nothing": packed_dicom("1.2.840.10008.1.2.4.50", b""),
    "compressed pixels of garbage": packed_dicom("1.2.840.10008.1.2.4.50", NOISE.tobytes()),
    "a JPEG of another size": packed_dicom(
        "1.2.840.10008.1.2.4.50", picture(NOISE, "JPEG"), BitsAllocated=8, BitsStored=8
    ),
    "a JPEG of 65,500 × 65,500": packed_dicom(
        "1.2.840.10008.1.2.4.50",
        jpeg_header(width=65_500, height=65_500),
        Rows=65_500,
        Columns=65_500,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
    ),
    "a JPEG in 10,000 scans": packed_dicom(
        "1.2.840.10008.1.2.4.50",
        progressive(10_000),
        Rows=1000,
        Columns=1000,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
    ),
    "pixels in 200,000 pieces": raw_dicom(
        "1.2.840.10008.1.2.4.50",
        kinds=dict(PixelData="OB"),
        lengths=dict(PixelData=UNDEFINED),
        PixelData=many_items(200_000) + SEQUENCE_END + bytes(4),
    ),
    "RLE of 99 segments": packed_dicom("1.2.840.10008.1.2.5", struct.pack("<I", 99) + bytes(60)),
    "deflated, and the packed part is garbage": raw_dicom(DEFLATED)[:400] + bytes(99),
    "a colour photograph": dicom(
        np.dstack([SMOOTH, 255 - SMOOTH, SMOOTH * 0]),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
    ),
    "a palette that is missing": raw_dicom(PhotometricInterpretation="PALETTE COLOR"),
    "nothing but its preamble": bytes(128) + b"DICM",
    "elements in a wrong order, cut": raw_dicom()[:132] + raw_dicom()[::-1],
    "an image cut out of its stream (no preamble, no head)": raw_dicom()[400:],
    "a directory (DICOMDIR)": raw_dicom(
        PixelData=None, SOPClassUID="1.2.840.10008.1.3.10", Rows=None
    ),
}


def deflated_zeros(gigabytes):
    "A deflated DICOM file of so many zeros: a thousandth of that."
    packed = raw_dicom(DEFLATED)
    head = packed[: packed.index(DEFLATED.encode()) + len(DEFLATED)]
    # Packed so that the parts do not know of each other: one of them serves as all.
    packer = zlib.compressobj(9, wbits=-15)
    part = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + part * (64 * gigabytes) + packer.flush()


@pytest.mark.parametrize("case", DICOMS)
def test_dicom(refused_film, case):
    pytest.importorskip("pydicom")
    refused_film(f"DICOM: {case}", DICOMS[case], "film.dcm")


def test_a_deflated_dicom_of_4_gb(refused_film):
    pytest.importorskip("pydicom")
    refused_film("DICOM: deflated, 4 GB of zeros", deflated_zeros(4), "film.dcm")


CUTS = (131, 133, 140, 150, 170, 200, 240, 280, 320, 360, 400, 430)


@pytest.mark.parametrize("place", CUTS)
def test_a_dicom_header_that_is_cut(refused_film, place):
    pytest.importorskip("pydicom")
    refused_film(f"DICOM: cut behind byte {place}", raw_dicom()[:place], "film.dcm")


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("how", COMPRESSED)
def test_compressed_dicom_that_is_cut(refused_film, how, share):
    pytest.importorskip("pydicom")
    pytest.importorskip("gdcm")
    data = compressed(how)
    start = data.index(b"\xe0\x7f\x10\x00")  # of the pixels
    cut = data[: start + int(share * (len(data) - start))]
    refused_film(f"DICOM: {how}, {100 * share:g} % of its pixels", cut, "film.dcm")


@pytest.mark.parametrize("how", ["JPEG baseline", "JPEG lossless", "JPEG-LS"])
@pytest.mark.parametrize("byte", [b"\xfa", b"\x00", b"\xff\x00"])
def test_a_byte_too_many_before_the_pixels_of_a_jpeg(refused_film, how, byte):
    "GDCM ends Python at some of these: fuzzing found the first."
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("gdcm")
    dataset = pydicom.dcmread(io.BytesIO(compressed(how)))
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    frame = frame.replace(b"\xff\xda", byte + b"\xff\xda", 1)
    bits = dataset.BitsAllocated
    stored = dict(BitsAllocated=bits, BitsStored=dataset.BitsStored, HighBit=dataset.HighBit)
    data = packed_dicom(str(dataset.file_meta.TransferSyntaxUID), frame, **stored)
    refused_film(f"DICOM: {how}, {byte.hex()} before its pixels", data, "film.dcm")


DICOMS_READ = {  # odd, and read rightly all the same
    "pixels of 4 GB, by its word, and whole": raw_dicom(lengths=dict(PixelData=2**32 - 2)),
    "a table in a table in a table …, 1,000 deep": raw_dicom(VOILUTSequence=nested(1000)),
    "pixels longer than they should be": raw_dicom(PixelData=DEEP.tobytes() + bytes(500)),
    "window width 0": raw_dicom(WindowCenter="900", WindowWidth="0 "),
    "window width −5": raw_dicom(WindowCenter="900", WindowWidth="-5"),
    "slope 0": raw_dicom(RescaleSlope="0 ", RescaleIntercept="5 "),
    "no preamble": raw_dicom(preamble=b""),
    "no transfer syntax": raw_dicom(""),
    "private elements": raw_dicom(Private=f"{SECRET} words"),
    "Rows with another type": raw_dicom(kinds=dict(Rows="SS")),
    "big endian": dicom(syntax=BIG_ENDIAN),
    "a table that says more bits than it has": dicom(
        VOILUTSequence=lookup_table(np.arange(4096), bits=16)
    ),
    "a palette of greys": dicom(SMOOTH, **palette()),
    "a preamble that is the head of a TIFF": raw_dicom(
        preamble=b"II*\0" + bytes(124) + b"DICM",
    ),
}


@pytest.mark.parametrize("case", DICOMS_READ)
def test_dicom_that_is_odd_and_read_all_the_same(tried, outcome, tmp_path, case):
    pytest.importorskip("pydicom")
    (tmp_path / "film.dcm").write_bytes(DICOMS_READ[case])
    result = tried(lambda: load_film(tmp_path / "film.dcm"), is_silent=True)
    assert result == f"read: a film of {WIDTH} × {HEIGHT} pixels"
    outcome("bad input", f"DICOM: {case}", result)


# --- what else is given as a film -----------------------------------------------------------------


def zipped(*members, compression=zipfile.ZIP_STORED):
    "The bytes of a zip with these members: names, and what they hold."
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # two of one name
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


OTHERS = {
    "a GIF": picture(SMOOTH, "GIF"),
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a zip": zipped(("film.png", png())),
    "a Word document": zipped(("[Content_Types].xml", "<Types/>"), ("word/document.xml", "<w/>")),
    "an old Word document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "a file compressed by gzip": gzip.compress(png()),
    "a file compressed by xz": b"\xfd7zXZ\0" + bytes(50),
    "a 7z": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "a JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50),
    "a stream of JPEG 2000": b"\xff\x4f\xff\x51" + bytes(50),
    "a NIfTI": struct.pack("<i", 348) + bytes(340) + b"n+1\0",
    "a text": b"chest, normal\n",
    "a text in UTF-16": "chest, normal".encode("utf-16"),
    "a table": b"file,label\nabd1.png,abd\n",
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "an XML": b'<?xml version="1.0"?><film/>',
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a HEIC": b"\0\0\0\x18ftypheic" + bytes(40),
    "an AVIF": b"\0\0\0\x20ftypavif" + bytes(40),
    "a film that Git LFS has not fetched": b"version https://git-lfs.github.com/spec/v1\noid x",
    "a film that git-annex has not fetched": b"/annex/objects/SHA256E-s9--0.png",
    "an icon": picture(SMOOTH, "ICO"),
    "a PGM": picture(SMOOTH, "PPM"),
    "a JPEG XL": b"\xff\x0a" + bytes(40),
    "a NumPy array": written(lambda file: np.save(file, SMOOTH)),
    "a pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\1K\2e.",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "zeros": bytes(2000),
    "random bytes": np.random.default_rng(1).bytes(2000),
    "a program": b"MZ\x90\0" + bytes(99),
    "a film of nothing but its suffix": b"",
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_kind_of_file(refused_film, case):
    refused_film(f"another file: {case}", OTHERS[case], "film.png")


def make_pipe(path):
    "A pipe, which would keep a reader waiting for ever."
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(path)
    return path


def make_socket(path):
    "A socket."
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("needs sockets with a name")
    with socket.socket(socket.AF_UNIX) as opened, contextlib.chdir(path.parent):
        opened.bind(path.name)
    return path


def make_device(path):
    "A device that never ends."
    if not Path("/dev/zero").exists():
        pytest.skip("needs /dev/zero")
    return Path("/dev/zero")


def make_folder(path):
    "A folder."
    path.mkdir()
    return path


def make_broken_link(path):
    "A link that leads nowhere."
    make_link(path, "gone.png")
    return path


def make_loop(path):
    "A link to itself."
    make_link(path, path.name)
    return path


def make_large(path):
    "A file of 600 MB that takes no room on the disk."
    with path.open("wb") as file:
        file.write(png())
        file.truncate(600_000_000)
    return path


NO_FILES = {
    "a pipe": make_pipe,
    "a socket": make_socket,
    "a device": make_device,
    "a folder": make_folder,
    "a link that leads nowhere": make_broken_link,
    "a link to itself": make_loop,
    "a file of 600 MB": make_large,
}


@pytest.mark.parametrize("case", NO_FILES)
def test_what_is_no_file(refused, tmp_path, case):
    path = NO_FILES[case](tmp_path / "film.png")
    refused(f"no file: {case}", lambda: load_film(path), is_silent=True)


# --- arrays and images ----------------------------------------------------------------------------


def closed_image():
    "An image whose file was closed before it was decoded."
    with Image.open(io.BytesIO(png())) as img:
        pass
    img.fp = None
    return img


ARRAYS = {
    "no dimension": lambda: np.array(5),
    "one dimension": lambda: SMOOTH.ravel(),
    "four dimensions": lambda: SMOOTH[None, None],
    "a batch of films": lambda: np.zeros((5, 9, 9)),
    "channels first": lambda: np.zeros((3, 9, 9), np.uint8),
    "9 channels": lambda: np.zeros((9, 9, 9), np.uint8),
    "no rows": lambda: np.zeros((0, 9)),
    "no columns": lambda: np.zeros((9, 0), np.uint8),
    "no channels": lambda: np.zeros((9, 9, 0)),
    "objects": lambda: SMOOTH.astype(object),
    "texts": lambda: SMOOTH.astype(str),
    "bytes": lambda: SMOOTH.astype("S3"),
    "dates": lambda: SMOOTH.astype("M8[D]"),
    "complex numbers": lambda: SMOOTH.astype(complex),
    "records": lambda: np.zeros((9, 9), [("a", int)]),
    "a NaN": lambda: np.where(SMOOTH == 8, np.nan, SMOOTH),
    "all NaN": lambda: np.full((9, 9), np.nan),
    "infinite": lambda: np.where(SMOOTH == 8, -np.inf, SMOOTH),
    "infinite, of 16 bits": lambda: np.full((9, 9), np.inf, np.float16),
    "a NaN in colours": lambda: np.where(COLOURS == 8, np.nan, COLOURS),
    "masked": lambda: np.ma.masked_less(SMOOTH, 50),
    "clear all over": lambda: np.dstack([COLOURS, SMOOTH * 0]),
    "100,000 × 100,000, of one number": lambda: np.broadcast_to(np.uint8(7), (100_000, 100_000)),
    "10,000 × 10,000 fractions, of one number": lambda: np.broadcast_to(7.0, (10_000, 10_000)),
    "a matrix of one row, 300 million long": lambda: np.broadcast_to(7, (1, 300_000_000)),
    "a list of lists": lambda: SMOOTH.tolist(),
    "a tensor": lambda: __import__("torch").zeros(9, 9),
    "a table": lambda: pd.DataFrame(SMOOTH),
    "nothing (None)": lambda: None,
    "a number": lambda: 7,
    "bytes of a file": png,
    "an opened file": lambda: io.BytesIO(png()),
    "an image without pixels": lambda: Image.new("L", (0, 9)),
    "an image of fractions, one NaN": lambda: Image.fromarray(
        np.where(SMOOTH == 8, np.nan, SMOOTH).astype("f4")
    ),
    "an image whose file was closed": closed_image,
    "an image from a GIF": lambda: Image.open(io.BytesIO(picture(SMOOTH, "GIF"))),
    "an image from a file of 2 pages": lambda: Image.open(io.BytesIO(pages(2))),
    "an image from a file that is cut": lambda: Image.open(io.BytesIO(noisy("PNG")[:2000])),
    "an image clear all over": lambda: Image.new("RGBA", (9, 9), (9, 9, 9, 0)),
    "an image of 9,000 × 9,000": lambda: Image.new("1", (9000, 9000)),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_array_or_image(refused, case):
    given = ARRAYS[case]()
    refused(f"array or image: {case}", lambda: as_film(given), is_silent=True)


# --- paths ----------------------------------------------------------------------------------------

PATHS = {
    "None": None,
    "a number": 5,
    "a fraction": 1.5,
    "bytes": b"film.png",
    "a list": ["film.png"],
    "nothing ('')": "",
    "a zero byte": "a\0b.png",
    "40,000 letters": "a" * 40_000,
    "a path of 4,000 folders": "a/" * 4000 + "b.png",
    "the folder of nobody": "~nobody-of-this-name/film.png",
    "no UTF-8": "\udcff.png",
    "half a letter": "\ud800.png",
    "a variable that is not set": "$NOT_SET_ANYWHERE/film.png",
    "an address": "https://example.org/film.png",
    "blanks": "   ",
}
TAKES_PATHS = {
    "load_film": load_film,
    "Course": Course,
    "film_files": film_files,
    "summary": summary,
    "fetch_data": fetch_data,
    "load_model": lambda path: sys.modules["rsna_cls"].load_model(path),
}


@pytest.mark.parametrize("name", TAKES_PATHS)
@pytest.mark.parametrize("case", PATHS)
def test_what_is_no_path(refused, cache, case, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "fetch_data" and case == "bytes":
        case = "bytes of nothing"
    refused(f"path for {name}: {case}", lambda: TAKES_PATHS[name](PATHS.get(case, b"no.zip")))
    assert not list(tmp_path.glob("*.png"))


# --- folders --------------------------------------------------------------------------------------

FILM = picture(SMOOTH, "PNG")


def fill(top, *places, content=FILM):
    "A folder with a film at each of these places."
    for place in places:
        file = top / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return top


WHOLE = [f"{split}/{label}/1.png" for split in ("train", "val") for label in ("abd", "chest")]


def with_deep_folders(top):
    "A course folder in which folders lie deeper in each other than a path can be long."
    fill(top, *WHOLE)
    back = os.open(".", os.O_RDONLY)
    try:
        os.chdir(top / "train/abd")
        for _ in range(60):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        Path("deep.png").write_bytes(FILM)
    finally:
        os.chdir(back)
        os.close(back)
    return top


def with_empty_folders(top):
    "A course folder with 10,000 empty folders in a class, and no film beside them."
    fill(top, *WHOLE[:2])
    for number in range(10_000):
        (top / f"val/chest/{number}").mkdir(parents=True)
    return top


def without_films(top):
    "The folders of a course folder alone."
    for place in WHOLE:
        (top / place).parent.mkdir(parents=True)
    return top


def two_spellings(top, one, other):
    "A course folder of which a class is written in two ways."
    need_names(one, other)
    return fill(top, *WHOLE, f"train/{one}/1.png", f"train/{other}/1.png")


def file_for_folder(top):
    "A course folder of which a split is a file."
    fill(top, *WHOLE[:2])
    (top / "val").write_bytes(FILM)
    return top


def file_for_class(top):
    "A course folder of which a class is a file."
    fill(top, *WHOLE[:3])
    (top / "val/chest").write_bytes(b"here should be films")
    return top


def link_loop(top):
    "A course folder of which a class is a link to the course folder itself."
    fill(top, *WHOLE[:3])
    make_link(top / "val/chest", Path("../.."))
    return top


COURSES = {
    "an empty folder": lambda top: fill(top) or top.mkdir() or top,
    "a file": lambda top: top.write_bytes(FILM) and top,
    "a zip": lambda top: top.write_bytes(zipped(("train/abd/1.png", FILM))) and top,
    "nothing of this name": lambda top: top,
    "a pipe": make_pipe,
    "a link to itself": make_loop,
    "a link that leads nowhere": make_broken_link,
    "no splits": lambda top: fill(top, "abd/1.png", "chest/1.png"),
    "loose films": lambda top: fill(top, "1.png", "2.png"),
    "one split": lambda top: fill(top, *WHOLE[:2]),
    "one class": lambda top: fill(top, WHOLE[0], WHOLE[2]),
    "splits without classes": lambda top: fill(top, "train/1.png", "val/1.png"),
    "empty classes": without_films,
    "a class that is empty in val": lambda top: fill(top, *WHOLE[:3]),
    "a class that train does not know": lambda top: fill(top, *WHOLE, "val/knee/1.png"),
    "a class that only test knows": lambda top: fill(top, *WHOLE, "test/knee/1.png"),
    "a class called file": lambda top: fill(top, "train/file/1.png", "train/abd/1.png", *WHOLE[2:]),
    "a class called truth": lambda top: fill(top, *WHOLE, "train/truth/1.png", "val/truth/1.png"),
    "a class called NA": lambda top: fill(top, *WHOLE, "train/NA/1.png", "val/NA/1.png"),
    "a class called Unnamed: 0": lambda top: fill(
        top, *WHOLE, "train/Unnamed: 0/1.png", "val/Unnamed: 0/1.png"
    ),
    "a class of a blank": lambda top: fill(top, *WHOLE, "train/ x/1.png", "val/ x/1.png"),
    "a class that cannot be seen": lambda top: fill(top, *WHOLE, "train/\u200b/1.png"),
    "a class with a line break": lambda top: fill(top, *WHOLE, "train/a\nb/1.png"),
    "Abd beside abd": lambda top: two_spellings(top, "abd", "Abd"),
    "thorax written in two ways": lambda top: two_spellings(top, "tho\u0308rax", "thörax"),
    "1 beside 01": lambda top: two_spellings(top, "1", "01"),
    "a split called traning": lambda top: fill(
        top, *[place.replace("train", "traning") for place in WHOLE]
    ),
    "splits called Training and Validation": lambda top: fill(
        top, *[place.replace("train", "Training").replace("val", "Validation") for place in WHOLE]
    ),
    "a split that is a file": file_for_folder,
    "a class that is a file": file_for_class,
    "a class that is a link to all of it": link_loop,
    "10,000 empty folders": with_empty_folders,
    "all its films are hidden": lambda top: fill(
        top, *[place.replace("1.png", ".1.png") for place in WHOLE]
    ),
    "all its films are notes": lambda top: fill(
        top, *[place.replace("1.png", "1.txt") for place in WHOLE], content=b"no film"
    ),
    "all its films are still in a cloud": lambda top: fill(
        top, *[place.replace("1.png", ".1.png.icloud") for place in WHOLE]
    ),
    "its name is no UTF-8": lambda top: fill(named(top.parent, b"\xff"), *WHOLE),
}


def named(folder, name):
    "A folder of this name, of any bytes."
    need_names(name)
    path = folder / os.fsdecode(name)
    path.mkdir()
    return path


@pytest.mark.parametrize("case", COURSES)
def test_course_folder(refused, tmp_path, case):
    path = COURSES[case](tmp_path / "films")
    refused(f"folder: {case}", lambda: Course(path), is_silent=True)


def hundred_links(top):
    "A course folder with a hundred links to one folder."
    fill(top, *WHOLE)
    for number in range(100):
        make_link(top / f"train/abd/l{number}", Path("../chest"))
    return top


def device_as_film(top):
    "A course folder in which a pipe lies among the films."
    fill(top, *WHOLE)
    make_pipe(top / "train/abd/pipe.png")
    return top


def name_without_text(top):
    "A course folder in which the name of a film is no UTF-8."
    fill(top, *WHOLE)
    need_names(b"\xff.png")
    (top / "train/abd" / os.fsdecode(b"\xff.png")).write_bytes(FILM)
    return top


LEAVES_OUT = {
    "a text among its films": lambda top: fill(fill(top, *WHOLE), "val/abd/a.txt", content=b"a"),
    "a zip among its films": lambda top: fill(
        fill(top, *WHOLE), "val/abd/a.zip", content=zipped(("a", b""))
    ),
    "a GIF among its films": lambda top: fill(
        fill(top, *WHOLE), "val/abd/a.gif", content=OTHERS["a GIF"]
    ),
    "an unfinished download": lambda top: fill(top, *WHOLE, "val/abd/a.png.part"),
    "a stand-in from a cloud": lambda top: fill(top, *WHOLE, "val/abd/.a.png.icloud"),
    "a film in a split, but in no class": lambda top: fill(top, *WHOLE, "val/a.png"),
    "films beside the splits": lambda top: fill(top, *WHOLE, "more/knee/a.png"),
    "a course folder in a class": lambda top: fill(
        top, *WHOLE, *[f"train/abd/inner/{place}" for place in WHOLE]
    ),
    "an empty class": lambda top: (fill(top, *WHOLE) / "val/knee").mkdir() or top,
    "a link that leads nowhere": lambda top: (
        make_broken_link(fill(top, *WHOLE) / "val/abd/l") and top
    ),
    "a hundred links to one folder": hundred_links,
    "a pipe among its films": device_as_film,
    "a film whose name is no UTF-8": name_without_text,
    "folders deeper than a path can be": with_deep_folders,
}


@pytest.mark.parametrize("case", LEAVES_OUT)
@pytest.mark.parametrize("name", ["Course", "summary", "audit"])
def test_what_a_course_folder_leaves_out(refused, tmp_path, name, case, monkeypatch):
    path = LEAVES_OUT[case](tmp_path / "films")
    monkeypatch.setattr("rsna_cls.course._said", {})
    functions = dict(summary=summary, audit=audit_and_say)
    functions["Course"] = lambda path: Course(path).say_left_out()
    refused(f"folder for {name}: {case}", lambda: functions[name](path))


def audit_and_say(path):
    "An audit whose row of what is left out is printed, as `Course` prints it."
    table = audit(path)
    for words in table[table["finding"] == "left out"]["detail"]:
        print(f"Left out: {words}.")
    return table


def test_an_audit_names_what_it_cannot_read(outcome, tmp_path):
    "Bad files stop nothing, and no one is passed over."
    path = fill(tmp_path / "films", *WHOLE)
    for number, content in enumerate(PNGS.values()):
        fill(path, f"train/abd/bad{number}.png", content=content)
    table = audit(path)
    found = table[table["finding"] == "unreadable file"]
    assert len(found) == len(PNGS)
    outcome(
        "bad input", "folder for audit: every bad PNG", f"left out: {len(found)} unreadable files"
    )


# --- zips -----------------------------------------------------------------------------------------

COURSE = [(place, FILM) for place in WHOLE]


def with_kind(kind):
    "A zip of a course folder and of something that is no file."
    file = io.BytesIO(zipped(*COURSE))
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo("train/abd/link.png")
        info.create_system = 3
        info.external_attr = kind << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def with_field(data, place, value, form="<H"):
    "A zip of which a field is another in each entry of its directory."
    start = 0
    while (start := data.find(b"PK\1\2", start)) >= 0:
        data = changed(data, start + place, struct.pack(form, value))
        start += 4
    return data


def with_both(data, in_directory, in_file, value):
    "The same in the directory and before each file."
    data = with_field(data, in_directory, value)
    start = 0
    while (start := data.find(b"PK\3\4", start)) >= 0:
        data = changed(data, start + in_file, struct.pack("<H", value))
        start += 4
    return data


def overlapping(n, size):
    "A zip whose directory names one packed file many times."
    packed = zipped(("train/abd/1.png", bytes(size)), compression=zipfile.ZIP_DEFLATED)
    start = packed.index(b"PK\1\2")
    end = packed.rindex(b"PK\5\6")
    entry = packed[start:end]
    entries = b"".join(
        entry.replace(b"train/abd/1.png", b"train/%05d.png" % number) for number in range(n)
    )
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, n, n, len(entries), start, 0)
    return packed[:start] + entries + tail


def of_many(n):
    "A zip of many empty files."
    return zipped(*((f"f{number}.txt", b"") for number in range(n)))


def damaged(place):
    "A zip of a course folder, packed, of which some bytes are others."
    data = zipped(*[(name, picture(NOISE, "PNG")) for name in WHOLE])
    at = int(place * len(data))
    return changed(data, at, bytes(byte ^ 0x55 for byte in data[at : at + 8]))


ZIPS = {
    "empty file": b"",
    "a text": b"no zip",
    "a film": FILM,
    "a RAR": b"Rar!\x1a\7\1\0" + bytes(99),
    "a 7z": OTHERS["a 7z"],
    "a tar": b"train/abd/1.png" + bytes(242) + b"ustar\0" + bytes(900),
    "a film compressed by gzip": gzip.compress(FILM),
    "its first two letters": b"PK",
    "cut to a half": zipped(*COURSE)[: len(zipped(*COURSE)) // 2],
    "without its directory": zipped(*COURSE)[: zipped(*COURSE).index(b"PK\1\2")],
    "without its last byte": zipped(*COURSE)[:-1],
    "without its first 100 bytes": zipped(*COURSE)[100:],
    "damaged near its start": damaged(0.02),
    "damaged in the middle": damaged(0.5),
    "damaged in its directory": damaged(0.99),
    "nothing in it": zipped(),
    "a folder in it, and nothing else": zipped(("films/", b"")),
    "hidden files alone": zipped(("__MACOSX/train/1.png", FILM), (".DS_Store", b"")),
    "tables for films": zipped(*[(name.replace("png", "csv"), b"a,b\n") for name in WHOLE]),
    "films without splits": zipped(("abd/1.png", FILM), ("chest/1.png", FILM)),
    "one split": zipped(*COURSE[:2]),
    "a zip in a zip": zipped(("films.zip", zipped(*COURSE))),
    "names that lead out alone": zipped(("../1.png", FILM), ("/etc/1.png", FILM)),
    "a name that leads out": zipped(*COURSE, ("../../out.png", FILM)),
    "a name with a drive": zipped(*COURSE, ("C:\\out.png", FILM)),
    "an absolute name": zipped(*COURSE, ("/tmp/out.png", FILM)),
    "a link": with_kind(stat.S_IFLNK),
    "a device": with_kind(stat.S_IFCHR),
    "a pipe": with_kind(stat.S_IFIFO),
    "locked with a password": with_both(zipped(*COURSE), 8, 6, 1),
    "Deflate64": with_both(zipped(*COURSE), 10, 8, 9),
    "PPMd": with_both(zipped(*COURSE), 10, 8, 98),
    "a way of packing that nobody knows": with_both(zipped(*COURSE), 10, 8, 777),
    "stored, said to be deflated": with_both(zipped(*COURSE), 10, 8, 8),
    "stored, said to be LZMA": with_both(zipped(*COURSE), 10, 8, 14),
    "stored, said to be bzip2": with_both(zipped(*COURSE), 10, 8, 12),
    "needs version 9.9": with_field(zipped(*COURSE), 6, 99),
    "its films lie behind its end": with_field(zipped(*COURSE), 42, 10**9, "<I"),
    "checks that are wrong": with_field(zipped(*COURSE), 16, 7, "<I"),
    "two films at one place": zipped(*COURSE, (WHOLE[0], picture(NOISE, "PNG"))),
    "two spellings of a class": zipped(*COURSE, ("train/Abd/1.png", FILM)),
    "folders 200 deep": zipped(*COURSE, ("d/" * 200 + "1.png", FILM)),
    "a folder with a name of 300 letters, in one of its like": zipped(
        *COURSE, (f"{'d' * 300}/" * 30 + "1.png", FILM)
    ),
    "a name with a line break for a class": zipped(*COURSE, ("train/a\nb/1.png", FILM)),
    "a class called truth": zipped(*COURSE, ("train/truth/1.png", FILM), ("val/truth/1", FILM)),
    "a name that is no UTF-8": zipped(*COURSE, ("ü.png", FILM)).replace("ü".encode(), b"\xff\xfe"),
    "unpacks to a thousand times as much": zipped(
        *COURSE, ("train/abd/zeros.png", bytes(400_000_000)), compression=zipfile.ZIP_DEFLATED
    ),
    "one packed file named 20,000 times": overlapping(20_000, 1_000_000),
    "one packed file named 300 times": overlapping(300, 1_000_000),
    "20,000 texts": of_many(20_000),
}


@pytest.mark.parametrize("case", ZIPS)
def test_zip(refused, cache, tmp_path, case):
    "And nothing is written but into the cache."
    folder = tmp_path / "given"
    folder.mkdir()
    file = folder / "films.zip"
    file.write_bytes(ZIPS[case])
    refused(f"zip: {case}", lambda: fetch_data(file))
    assert [path.name for path in folder.iterdir()] == ["films.zip"]
    assert {path.name for path in tmp_path.iterdir()} <= {"given", "cache"}
    assert not list(cache.glob(".unfinished-*"))


NAMES = {  # odd names of films, with which they are read all the same
    "of 300 letters": "f" * 300,
    "from right to left": "\u202egnp.1",
    "an emoji": "🩻",
    "a quotation mark and a dollar": "\"$1'",
    "a line break": "a\nb",
}


@pytest.mark.parametrize("case", NAMES)
def test_zip_with_an_odd_name(tried, outcome, cache, tmp_path, case):
    file = tmp_path / "films.zip"
    file.write_bytes(zipped(*COURSE, (f"train/abd/{NAMES[case]}.png", FILM)))
    result = tried(lambda: fetch_data(file))
    assert result == "read: a course of 5 films"
    outcome("bad input", f"zip: the name of a film is {case}", result)


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def saved_model(first_learner, tmp_path_factory):
    "A saved model; do not change it."
    from rsna_cls import save_model

    folder = tmp_path_factory.mktemp("saved") / "model"
    with contextlib.redirect_stdout(io.StringIO()):
        save_model(first_learner, folder)
    return folder


def with_card(**changes):
    "A function that changes what a model's card says."

    def change(model):
        card = json.loads((model / "model.json").read_text(encoding="utf-8"))
        (model / "model.json").write_text(json.dumps(card | changes), encoding="utf-8")

    return change


def with_file(name, content):
    "A function that writes another file of a model; `content`: bytes, or what makes them."

    def change(model):
        before = (model / name).read_bytes()
        (model / name).unlink()
        (model / name).write_bytes(content(before) if callable(content) else content)

    return change


def with_weights(change_tensors):
    "A function that changes the tensors of a model, and the digest on its card."
    from safetensors.torch import load, save

    from rsna_cls import weights_digest

    def change(model):
        tensors = load((model / "model.safetensors").read_bytes())
        change_tensors(tensors)
        (model / "model.safetensors").write_bytes(save(tensors))
        with_card(weights=weights_digest(tensors))(model)

    return change


HEAD = "1.2.weight"  # the tensor of the last layer


def nan_weights(tensors):
    "One weight is no number."
    tensors[HEAD][0, 0] = float("nan")


TENSORS, CARD = "model.safetensors", "model.json"
PICKLE = OTHERS["a pickle"]
MODELS = {
    "no card": lambda model: (model / CARD).unlink(),
    "no weights": lambda model: (model / TENSORS).unlink(),
    "an empty card": with_file(CARD, b""),
    "a card that is a list": with_file(CARD, b"[]"),
    "a card that is cut": with_file(CARD, lambda data: data[:99]),
    "a card 100,000 brackets deep": with_file(CARD, b"[" * 100_000),
    "a card of 20 MB": with_file(CARD, b" " * 20_000_000),
    "a card in UTF-16": with_file(CARD, lambda data: data.decode().encode("utf-16")),
    "a card with NaN": with_file(
        CARD, lambda data: data.replace(b'"scores": null', b'"scores": NaN')
    ),
    "a card of another program": with_card(format="something else"),
    "a card of a later version": with_card(format="rsna_cls model 9"),
    "no classes": with_card(classes=[]),
    "a class called truth": with_card(classes=["abd", "truth"]),
    "3 classes": with_card(classes=["a", "b", "c"]),
    "size 0": with_card(size=0),
    "size of 4,000 digits": with_file(
        CARD, lambda data: data.replace(b'"size": ', b'"size": 1' + b"0" * 4000)
    ),
    "weights that are empty": with_file(TENSORS, b""),
    "weights that are cut": with_file(TENSORS, lambda data: data[:-100]),
    "weights that are a pickle": with_file(TENSORS, PICKLE),
    "weights that announce 2⁶³ bytes": with_file(TENSORS, b"\xff" * 7 + b"\x7f" + bytes(99)),
    "weights with a byte turned over": with_file(
        TENSORS, lambda data: changed(data, len(data) // 2, b"\x55")
    ),
    "weights of which one is NaN": lambda model: with_weights(nan_weights)(model),
    "weights of which one is missing": lambda model: with_weights(
        lambda tensors: tensors.pop(HEAD)
    )(model),
    "weights of whole numbers": lambda model: with_weights(
        lambda tensors: tensors.update({HEAD: tensors[HEAD].int()})
    )(model),
}


@pytest.mark.parametrize("case", MODELS)
def test_model(refused, saved_model, tmp_path, case):
    from rsna_cls import load_model

    model = tmp_path / "model"
    model.mkdir()
    for name in (CARD, TENSORS):
        shutil.copyfile(saved_model / name, model / name)
    MODELS[case](model)
    refused(f"model: {case}", lambda: load_model(model))


MODEL_FILES = {
    "a pickle": ("model.pkl", PICKLE),
    "a checkpoint of PyTorch": ("model.pth", zipped(("archive/data.pkl", PICKLE))),
    "an ONNX": ("model.onnx", b"\x08\x08\x12\x07pytorch"),
    "a film": ("model.zip", FILM),
    "a zip of films": ("model.zip", zipped(*COURSE)),
    "a zip that is cut": ("model.zip", zipped(*COURSE)[:-9]),
    "a zip with two cards": ("model.zip", zipped(("a/model.json", b"{}"), ("b/model.json", b"{}"))),
    "a zip with a locked card": ("model.zip", with_both(zipped((CARD, b"{}")), 8, 6, 1)),
    "a zip whose card has 4 GB": (
        "model.zip",
        zipped((CARD, bytes(20_000_000)), compression=zipfile.ZIP_DEFLATED),
    ),
    "a zip in Deflate64": ("model.zip", with_both(zipped((CARD, b"{}")), 10, 8, 9)),
    "its card alone": ("model.json", b"{}"),
    "an empty file": ("model.zip", b""),
}


@pytest.mark.parametrize("case", MODEL_FILES)
def test_a_file_that_is_no_model(refused, tmp_path, case):
    from rsna_cls import load_model

    name, content = MODEL_FILES[case]
    (tmp_path / name).write_bytes(content)
    refused(f"model: {case}", lambda: load_model(tmp_path / name))


# --- tables, and functions that take films --------------------------------------------------------


def table(**changes):
    "A table of predictions; a column that is changed to None is missing."
    columns = dict(
        file=["a.png", "b.png", "c.png", "d.png"],
        truth=["abd", "abd", "chest", "chest"],
        prediction=["abd", "chest", "chest", "chest"],
        abd=[0.9, 0.4, 0.2, 0.1],
        chest=[0.1, 0.6, 0.8, 0.9],
    )
    return pd.DataFrame({name: value for name, value in (columns | changes).items() if value})


TABLES = {
    "a dict": dict(truth=["abd"]),
    "a list": [1, 2],
    "nothing (None)": None,
    "an array": np.zeros((3, 3)),
    "no rows": table().iloc[:0],
    "no columns": pd.DataFrame(),
    "no truth": table(truth=None),
    "no prediction": table(prediction=None),
    "no probabilities": table(abd=None, chest=None),
    "probabilities of one class alone": table(abd=None),
    "unknown truths alone": table(truth=[None] * 4),
    "a truth that is no class": table(truth=["abd", "abd", "chest", "knee"]),
    "a prediction that is no class": table(prediction=["abd", "abd", "chest", "knee"]),
    "a probability of NaN": table(abd=[np.nan, 0.4, 0.2, 0.1]),
    "an infinite probability": table(abd=[np.inf, 0.4, 0.2, 0.1]),
    "a probability of −1": table(abd=[-1.0, 0.4, 0.2, 0.1]),
    "probabilities that add up to 2": table(abd=[1.9, 1.4, 1.2, 1.1]),
    "probabilities in words": table(abd=["high", "low", "low", "low"]),
    "two columns of one name": pd.concat([table(), table()[["abd"]]], axis=1),
    "each film for two seeds": pd.concat([table(seed=[1] * 4), table(seed=[2] * 4)]),
}


@pytest.mark.parametrize("case", TABLES)
def test_table(refused, case):
    from rsna_cls import score

    refused(f"table for score: {case}", lambda: score(TABLES[case], positive="chest"))


def call(name, *args, **options):
    "A call of a function of the library, by its name, made later."
    import rsna_cls

    return lambda: getattr(rsna_cls, name)(*args, **options)


SCORES = {
    "positive is no class": lambda: call("score", table(), positive="knee"),
    "positive is None": lambda: call("score", table(), positive=None),
    "prevalence 5 (per cent)": lambda: call("score", table(), positive="abd", prevalence=5),
    "prevalence NaN": lambda: call("score", table(), positive="abd", prevalence=float("nan")),
    "prevalence in words": lambda: call("score", table(), positive="abd", prevalence="5 %"),
    "calibrate of no table": lambda: call("calibrate", None),
    "calibrate of no rows": lambda: call("calibrate", table().iloc[:0]),
    "score_seeds of no seeds": lambda: call("score_seeds", table()),
    "show_scores of no table": lambda: call("show_scores", None),
}


@pytest.mark.parametrize("case", SCORES)
def test_score(refused, case):
    refused(f"score: {case}", SCORES[case]())


WITHOUT_LEARNER = {
    "film_tensor": lambda films: film_tensor(films),
    "Gate.fit": lambda films: call_gate_fit(films),
    "show_films": lambda films: call("show_films", films)(),
}
WITH_LEARNER = ("predict", "show_predictions", "cam", "grad_cam", "show_cam", "cam_atlas")


def call_gate_fit(films):
    from rsna_cls import Gate

    return Gate.fit(films)


FILMS = {
    "no films": lambda folder: [],
    "an empty folder": lambda folder: (
        fill(folder / "empty") if make_folder(folder / "empty") else 0
    ),
    "a bad film": lambda folder: [fill(folder, "bad.png", content=b"no film") / "bad.png"],
    "a good film and a bad one": lambda folder: [
        fill(folder, "good.png") / "good.png",
        fill(folder, "bad.dcm", content=raw_dicom(Rows=0)) / "bad.dcm",
    ],
    "a film that is not there": lambda folder: folder / "gone.png",
    "None": lambda folder: None,
    "a number": lambda folder: 5,
    "numbers": lambda folder: [1, 2, 3],
    "a dict": lambda folder: {"film": FILM},
    "bytes": lambda folder: FILM,
    "a table": lambda folder: pd.DataFrame(dict(file=["a.png"])),
}


@pytest.mark.parametrize("name", [*WITHOUT_LEARNER, *WITH_LEARNER])
@pytest.mark.parametrize("case", FILMS)
def test_films_for_a_function(refused, request, tmp_path, name, case):
    films = FILMS[case](tmp_path)
    if name in WITHOUT_LEARNER:
        refused(f"films for {name}: {case}", lambda: WITHOUT_LEARNER[name](films))
    else:
        learn = request.getfixturevalue("first_learner")
        refused(f"films for {name}: {case}", call(name, learn, films))


TAKES_COURSES = ("audit", "duplicates", "same_source", "shortcuts", "dataloaders", "cross_validate")


@pytest.mark.parametrize("name", [*TAKES_COURSES, "baselines", "remake"])
@pytest.mark.parametrize("case", ["no splits", "one class", "empty classes", "a file"])
def test_course_for_a_function(refused, tmp_path, name, case):
    path = COURSES[case](tmp_path / "films")
    more = [tmp_path / "new"] if name == "remake" else []
    refused(f"folder for {name}: {case}", call(name, path, *more))
    assert not (tmp_path / "new").exists()


OPTIONS = {
    "dataloaders, size 7": lambda: call("dataloaders", size=7),
    "dataloaders, size NaN": lambda: call("dataloaders", size=float("nan")),
    "dataloaders, bs 0": lambda: call("dataloaders", bs=0),
    "dataloaders, seed −1": lambda: call("dataloaders", seed=-1),
    "dataloaders, tfms 5": lambda: call("dataloaders", tfms=[5]),
    "cross_validate, 1 fold": lambda: call("cross_validate", folds=1),
    "cross_validate, 10⁹ folds": lambda: call("cross_validate", folds=10**9),
    "cross_validate, no seeds": lambda: call("cross_validate", seeds=[]),
    "cross_validate, −1 epochs": lambda: call("cross_validate", epochs=-1),
    "cross_validate, groups of other films": lambda: call("cross_validate", groups={"a": 1}),
    "baselines, 1 fold": lambda: call("baselines", folds=1),
    "remake, a change that is none": lambda: call("remake", dest="new", change="darker"),
    "remake, a class that is none": lambda: call("remake", dest="new", only="knee"),
    "Course, a split that is none": lambda: call("Course", needs=("training",)),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_option(refused, course, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    made = OPTIONS[case]()
    name, _, _ = case.partition(",")
    function = getattr(sys.modules["rsna_cls"], name)
    options = dict(zip(made.__code__.co_freevars, made.__closure__, strict=True))
    given = options["options"].cell_contents
    refused(f"option: {case}", lambda: function(course, **given))
    assert not (tmp_path / "new").exists()


# --- bounds ---------------------------------------------------------------------------------------

MOST_MEGABYTES = 1000  # that a process takes to read whatever it is
CHILD = """
import resource, sys, time
from pathlib import Path

def megabytes():
    "The most memory that this process has had; what `resource` says may be its parent's."
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1000
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)

import rsna_cls
start = time.perf_counter()
try:
    what = read(sys.argv[1])
except (rsna_cls.BadFilm, rsna_cls.BadFolder, rsna_cls.FetchError) as error:
    what = f"{type(error).__name__}: {str(error).partition(': ')[2]}"
print("RESULT", time.perf_counter() - start, megabytes(), what)
"""
READERS = {
    "load_film": "def read(path): return rsna_cls.load_film(path).size",
    "fetch_data": "def read(path): return rsna_cls.fetch_data(path).name",
    "audit": "def read(path): return len(rsna_cls.audit(path))",
}


def measured(reader, path, films=1):
    "What a process of its own makes of a file, in words; fails where that takes too much."
    if sys.platform == "win32":
        pytest.skip("needs the module resource")
    program = f"{READERS[reader]}\n{textwrap.dedent(CHILD)}"
    child = [sys.executable, "-W", "ignore", "-c", program, str(path)]
    answer = subprocess.run(child, capture_output=True, text=True, timeout=120 + 20 * films)
    assert answer.returncode == 0, answer.stderr[-500:]
    assert not answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if "RESULT" in line]
    seconds, megabytes, what = line.partition("RESULT ")[2].split(maxsplit=2)
    assert float(seconds) < SECONDS * films
    assert float(megabytes) < MOST_MEGABYTES
    return what


def packed_png(width, height, kind, bits=8):
    "A PNG that announces so many pixels, and holds them: all are zero."
    n_channels = {0: 1, 2: 3, 6: 4}[kind]
    row = 1 + width * n_channels * bits // 8
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(row)) for _ in range(height))
    return png(width, height, bits, kind, rows=rows + packer.flush())


def many_elements(n):
    "A DICOM file with as many private elements."
    data = raw_dicom()
    start = data.index(struct.pack("<HH", 0x0028, 0x0002))
    small = struct.pack("<HH2sH", 0x0019, 0x1001, b"LO", 0)
    return data[:start] + small * n + data[start:]


def rle_bomb(megabytes):
    "A DICOM file of 24 × 32 pixels, whose RLE unpacks to 64 times its size."
    segment = b"\x81\0" * (megabytes * 250_000)
    header = struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13)
    return packed_dicom("1.2.840.10008.1.2.5", header + 2 * segment)


BOMBS = {
    "a PNG of 50,000 × 50,000": lambda: png(50_000, 50_000, rows=ZEROS),
    "a PNG of 9,000 × 9,000 that holds them": lambda: packed_png(9000, 9000, 0),
    "the largest PNG in colours with alpha": lambda: packed_png(7700, 7700, 6),
    "the largest PNG of 16 bits in colours with alpha": lambda: packed_png(5400, 5400, 6, 16),
    "a PNG in 800,000 chunks": lambda: png(more=[(b"tEXt", b"a\0")] * 800_000),
    "a JPEG in 10,000 scans": lambda: progressive(10_000, side=3000),
    "a JPEG of 60 million pixels in 40 scans": lambda: progressive(30, side=7700),
    "a TIFF of 1,000 pages in a circle": lambda: pages(1000),
    "a TIFF of 64 bits, of which a strip unpacks to 1 GB": lambda: tiff(
        64, zlib.compress(bytes(2**30), 1), t259=8, t339=3
    ),
    "a TIFF with a tag of 100 million numbers, which are there": lambda: (
        tiff_of_many_numbers(3) + bytes(200_000_000)
    ),
    "a DICOM of 4 GB, deflated": lambda: deflated_zeros(4),
    "a DICOM of 1 million elements": lambda: many_elements(1_000_000),
    "a DICOM whose RLE unpacks to 64 times its size": lambda: rle_bomb(16),
    "a DICOM in 30 million pieces": lambda: raw_dicom(
        "1.2.840.10008.1.2.5",
        kinds=dict(PixelData="OB"),
        lengths=dict(PixelData=UNDEFINED),
        PixelData=many_items(30_000_000) + SEQUENCE_END + bytes(4),
    ),
    "a DICOM of 65,535 × 65,535, with its pixels by its word": lambda: raw_dicom(
        Rows=65535, Columns=65535, lengths=dict(PixelData=2**32 - 2)
    ),
    "a DICOM of 20 million pixels, all different": lambda: dicom(
        np.arange(4400 * 4400, dtype=np.uint32).reshape(4400, 4400) * 200,
        BitsAllocated=32,
        BitsStored=32,
    ),
    "the largest DICOM in colours": lambda: dicom(
        np.full((4470, 4470, 3), 128, np.uint8),
        BitsAllocated=8,
        BitsStored=8,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=0,
    ),
    "the largest DICOM with a sign": lambda: dicom(
        np.arange(7740 * 7740, dtype=np.int32).reshape(7740, 7740) % 4000 - 2000,
        PixelRepresentation=1,
    ),
    "the largest TIFF of fractions": lambda: picture(
        np.arange(6320 * 6320, dtype=np.float32).reshape(6320, 6320), "TIFF"
    ),
    "a BMP of 60,000 × 60,000": lambda: bmp(width=60_000, height=60_000),
}


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb(outcome, tmp_path, case):
    "10 seconds and 1 GB, whatever a file announces or unpacks to."
    pytest.importorskip("pydicom")
    (tmp_path / "film").write_bytes(BOMBS[case]())
    what = measured("load_film", tmp_path / "film")
    outcome("bad input", f"bomb: {case}", what if "BadFilm" in what else f"read: {what}")


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("case", ["zeros", "overlapping", "many"])
def test_a_zip_bomb(outcome, tmp_path, monkeypatch, case):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    zips = {
        "zeros": lambda: zipped(
            ("train/a/1.png", bytes(600_000_000)), compression=zipfile.ZIP_DEFLATED
        ),
        "overlapping": lambda: overlapping(60_000, 10_000_000),
        "many": lambda: of_many(50_000),
    }
    (tmp_path / "films.zip").write_bytes(zips[case]())
    times_10_seconds = 6 if case == "many" else 1  # to write and delete so many files takes that
    what = measured("fetch_data", tmp_path / "films.zip", films=times_10_seconds)
    outcome("bad input", f"bomb: zip, {case}", what)
    assert not list((tmp_path / "cache").rglob("*.png"))


LARGE_SIZE = (6000, 5000)  # rows, columns: 30 million pixels
LARGE = {
    "raw.dcm": lambda pixels, file: file.write_bytes(dicom(pixels)),
    "JPEG2000Lossless.dcm": lambda pixels, file: compress_large(pixels, file),
    "grey.png": lambda pixels, file: Image.fromarray(pixels).save(file, compress_level=1),
    "colour.png": lambda pixels, file: file.write_bytes(deep_png(np.dstack([pixels] * 3))),
    "alpha.png": lambda pixels, file: Image.fromarray(
        np.dstack([pixels >> 4] * 3 + [np.full_like(pixels, 255)]).astype(np.uint8)
    ).save(file, compress_level=1),
    "grey.jpg": lambda pixels, file: Image.fromarray((pixels >> 4).astype(np.uint8)).save(file),
    "deflated.tif": lambda pixels, file: Image.fromarray(pixels).save(
        file, compression="tiff_adobe_deflate"
    ),
    "fractions.tif": lambda pixels, file: tifffile.imwrite(file, pixels.astype(float)),
    "colour.webp": lambda pixels, file: Image.fromarray((pixels >> 4).astype(np.uint8)).save(
        file, method=0
    ),
}


def compress_large(pixels, file):
    "A DICOM file of these pixels, compressed by GDCM as its name says."
    gdcm = pytest.importorskip("gdcm")
    plain = file.with_name("plain.dcm")
    plain.write_bytes(dicom(pixels))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, file.stem)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(file))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


@pytest.fixture(scope="session")
def large_pixels():
    "A film of 30 million pixels of 12 bits: something smooth, and noise."
    rows = np.linspace(0, 7, LARGE_SIZE[0], dtype=np.float32)[:, None]
    columns = np.linspace(0, 9, LARGE_SIZE[1], dtype=np.float32)
    smooth = (np.sin(columns) * np.cos(rows) + 1) * 2000
    noise = np.random.default_rng(0).integers(0, 64, LARGE_SIZE, dtype=np.uint16)
    return smooth.astype(np.uint16) + noise


@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize("name", LARGE)
def test_a_film_of_30_million_pixels(tmp_path, large_pixels, name):
    pytest.importorskip("pydicom")
    LARGE[name](large_pixels, tmp_path / name)
    assert measured("load_film", tmp_path / name) == str(LARGE_SIZE[::-1])


@pytest.mark.slow(seconds=60)
def test_an_audit_of_16_films_of_30_million_pixels(tmp_path, large_pixels):
    "Those that take most: small files, several of which would be read at the same time."
    names = ["alpha.png", "colour.webp", "grey.jpg", "raw.dcm"]
    for name in names:
        LARGE[name](large_pixels, tmp_path / name)
    for number in range(16):
        split = ("train", "val")[number % 2]
        place = tmp_path / "films" / split / ("abd", "chest")[number // 2 % 2]
        place.mkdir(parents=True, exist_ok=True)
        name = names[number // 4]
        os.link(tmp_path / name, place / f"{number}{Path(name).suffix}")
    assert int(measured("audit", tmp_path / "films", films=16)) > 0
