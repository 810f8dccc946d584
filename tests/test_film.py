"Reading films from pictures good and bad, from images and from arrays; DICOM: test_dicom.py."

import importlib
import logging
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from conftest import RAMP, make_dicom, make_link
from rsna_cls import BadFilm, FileFacts, as_film, load_film, read_film


def greys(film):
    "The pixels of a film (int, shape (h, w))."
    return np.asarray(film).astype(int)


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

    film = importlib.import_module("rsna_cls.film")
    reader = film._Reader(is_slow, slow_open, slow_film, facts=None)
    monkeypatch.setitem(film._READERS, "slow", reader)
    for name in came_in:
        (tmp_path / name).write_text(f"slow {name}", encoding="utf-8")

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


def test_facts_of_a_bad_file(tmp_path):
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    with pytest.raises(BadFilm, match="not a film"):
        read_film(tmp_path / "text.jpg")
    with pytest.raises(BadFilm, match="no file or folder of this name"):
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


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]
KEEPS = {  # the modes that a format keeps without loss
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "tiff": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"],
    "bmp": ["1", "L", "P", "RGB"],
    "webp": ["RGB", "RGBA"],
}
FILES = [(suffix, mode) for suffix, modes in KEEPS.items() for mode in modes]


def picture_of(mode):
    "A ramp from dark to bright as an image of this mode, 240 px wide and 30 px high."
    ramp = np.tile(np.arange(0, 240, dtype=np.uint8), (30, 1))
    deep = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    if mode in deep:
        return Image.fromarray(ramp.astype(deep[mode]) * 250)
    return Image.fromarray(ramp).convert(mode)


def is_deep(mode):
    "Whether an image has more than 8 bits."
    return mode in ("I;16", "I", "F")


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode):
    "Of 8 bits: the greys that were there. Deeper: stretched."
    film = as_film(picture_of(mode))
    assert film.mode == "L"
    assert film.size == (240, 30)
    row = greys(film)[15]
    if mode == "1":
        assert row[:60].mean() < 80 < 150 < row[-60:].mean()
        return
    wanted = np.arange(240)
    if is_deep(mode):
        wanted = np.clip((wanted - 2) / (237 - 2), 0, 1) * 255  # 1 % of 240 is 2
    assert np.abs(row - wanted).max() <= (3 if mode == "P" else 1)


@pytest.mark.parametrize("mode", [*MODES, "RGBX", "RGBa", "La", "PA", "HSV", "YCbCr", "I;16B"])
def test_every_mode_of_pillow_is_read(mode):
    "Also those that no file of these formats has."
    grey = picture_of("L")
    steps = {"RGBa": "RGBA", "La": "LA", "PA": "P", "HSV": "RGB", "RGBX": "RGB", "YCbCr": "RGB"}
    img = grey.convert(steps[mode]).convert(mode) if mode in steps else picture_of("I;16")
    if mode == "I;16B":
        img = Image.frombytes(mode, img.size, np.asarray(img).astype(">u2").tobytes())
    film = greys(as_film(img))
    assert (np.diff(film[15]) >= -3).all()
    assert film[15, -1] > film[15, 0] + 200


def test_lightness_of_lab(tmp_path):
    lab = Image.merge(
        "LAB", [picture_of("L"), Image.new("L", (240, 30), 128)] + [Image.new("L", (240, 30), 128)]
    )
    lab.save(tmp_path / "x.tiff")
    assert (greys(load_film(tmp_path / "x.tiff"))[15] == np.arange(240)).all()
    assert as_film(lab) == load_film(tmp_path / "x.tiff")


@pytest.mark.parametrize("suffix, mode", FILES)
def test_an_image_is_read_as_its_file(tmp_path, suffix, mode):
    "The same pixels from a file, from the image Pillow makes of it, and from one never saved."
    img = picture_of(mode)
    file = tmp_path / f"x.{suffix}"
    img.save(file, **(dict(lossless=True) if suffix == "webp" else {}))
    film = load_film(file)
    assert as_film(img) == film
    assert as_film(Image.open(file)) == film
    loaded = Image.open(file)
    loaded.load()
    assert as_film(loaded) == film
    assert as_film(str(file)) == film
    assert as_film(film) == film  # a film stays as it is


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_what_is_half_transparent_is_dimmed(tmp_path, suffix):
    img = picture_of("L").convert("RGB")
    fading = np.tile(np.arange(240, dtype=np.uint8)[::-1], (30, 1))
    img.putalpha(Image.fromarray(fading))
    img.save(tmp_path / f"x.{suffix}", **(dict(lossless=True) if suffix == "webp" else {}))
    film = load_film(tmp_path / f"x.{suffix}")
    assert np.abs(greys(film)[15] - np.arange(240) * fading[0] / 255).max() <= 1
    assert as_film(img) == film


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_a_colour_that_is_to_be_seen_through_is_black(tmp_path, mode):
    img = picture_of(mode)
    seen_through = {"L": 200, "RGB": (200, 200, 200), "I;16": 200 * 250}
    seen_through["P"] = picture_of("P").getpixel((200, 9))
    img.save(tmp_path / "x.png", transparency=seen_through[mode])
    film = load_film(tmp_path / "x.png")
    assert greys(film)[15, 200] == 0
    assert greys(film)[15, 220] > 150
    assert as_film(Image.open(tmp_path / "x.png")) == film
    img.info["transparency"] = seen_through[mode]
    assert as_film(img) == film


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_exif_says(tmp_path, suffix, orientation):
    "Pillow's own function is the judge."
    noise = np.random.default_rng(0).integers(0, 256, (30, 50), dtype=np.uint8)
    img = Image.fromarray(noise).convert("RGB")
    img.getexif()[0x0112] = orientation
    img.save(tmp_path / f"x.{suffix}", exif=img.getexif())
    film = load_film(tmp_path / f"x.{suffix}")
    turned = ImageOps.exif_transpose(Image.open(tmp_path / f"x.{suffix}")).convert("L")
    assert (greys(film) == greys(turned)).all()
    assert film.size == ((30, 50) if orientation > 4 else (50, 30))
    assert as_film(Image.open(tmp_path / f"x.{suffix}")) == film


@pytest.mark.parametrize("how", ["convert", "copy", "resize", "crop"])
def test_an_image_that_takes_the_tag_along_is_turned(tmp_path, how):
    "As Pillow's own function turns it."
    img = picture_of("L")
    img.getexif()[0x0112] = 6
    img.save(tmp_path / "x.jpg", exif=img.getexif())
    values = dict(convert="RGB", resize=(9, 19), crop=(1, 2, 20, 30))
    opened = Image.open(tmp_path / "x.jpg")
    changed = getattr(opened, how)(*([values[how]] if how in values else []))
    turned = ImageOps.exif_transpose(changed).convert("L")
    assert (greys(as_film(changed)) == greys(turned)).all()


def test_a_tag_that_was_set_on_an_image_by_hand_is_obeyed(tmp_path):
    "The tag is meant for this image, as it is in its file."
    img = picture_of("L")
    img.getexif()[0x0112] = 6
    img.save(tmp_path / "x.png", exif=img.getexif())
    assert as_film(img) == load_film(tmp_path / "x.png")

    # The same where what was taken along is put right by hand.
    changed = Image.open(tmp_path / "x.png").rotate(-90, expand=True)
    changed.getexif()[0x0112] = 1
    assert as_film(changed) == load_film(tmp_path / "x.png")


def test_damaged_exif_does_not_matter(tmp_path):
    picture_of("L").save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff nonsense")
    assert load_film(tmp_path / "x.png") == as_film(picture_of("L"))


def png_of_few_bits(bits, seen_through):
    "A grey PNG (bytes) of 1, 2, 4 or 8 bits: all greys from black to white, 16 px wide."
    levels = np.arange(16) % 2**bits
    as_bits = [format(level, f"0{bits}b") for level in levels]
    row = b"\0" + int("".join(as_bits), 2).to_bytes(16 * bits // 8, "big")
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 16, 4, bits, 0, 0, 0, 0))]
    parts.append((b"tRNS", struct.pack(">H", seen_through)))
    parts.append((b"IDAT", zlib.compress(row * 4)))
    parts.append((b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in parts:
        data += struct.pack(">I", len(content)) + name + content
        data += struct.pack(">I", zlib.crc32(name + content))
    return data


@pytest.mark.parametrize(
    "bits, seen_through",
    [(1, 0), (1, 1), (2, 0), (2, 1), (2, 3), (4, 0), (4, 1), (4, 15), (8, 1), (8, 9), (8, 15)],
)
def test_a_grey_of_few_bits_that_is_to_be_seen_through_is_black(tmp_path, bits, seen_through):
    "Pillow widens the greys to 8 bits, and forgets the one that is to be seen through."
    (tmp_path / "x.png").write_bytes(png_of_few_bits(bits, seen_through))
    levels = np.arange(16) % 2**bits
    wanted = np.where(levels == seen_through, 0, levels * 255 // (2**bits - 1))
    assert (greys(load_film(tmp_path / "x.png"))[2] == wanted).all()
    img = Image.open(tmp_path / "x.png")
    for _ in range(2):  # the image that was given is not decoded by the first time
        assert (greys(as_film(img))[2] == wanted).all()


def test_a_decoded_png_that_does_not_say_any_more_what_is_clear_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(png_of_few_bits(4, 9))
    img = Image.open(tmp_path / "x.png")
    img.load()
    with pytest.raises(BadFilm, match="does not say any more which grey is clear: give the path"):
        as_film(img)


@pytest.mark.parametrize("alpha, is_seen", [(0, True), (255, True), (128, False)])
def test_the_alpha_of_a_bmp_counts_only_where_it_was_written(tmp_path, alpha, is_seen):
    "Programs for screenshots leave that byte empty, and Windows shows such a BMP as it is."
    ramp = np.tile(np.arange(240, dtype=np.uint8), (30, 1))
    pixels = np.dstack([ramp, ramp, ramp, np.full_like(ramp, alpha)]).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    head = struct.pack("<IiiHHIIiiII", 108, 240, -30, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks
    start = struct.pack("<2sIHHI", b"BM", 14 + len(head) + len(pixels), 0, 0, 14 + len(head))
    (tmp_path / "x.bmp").write_bytes(start + head + pixels)
    film = load_film(tmp_path / "x.bmp")
    assert (greys(film) == ramp).all() == is_seen
    assert as_film(Image.open(tmp_path / "x.bmp")) == film


# --- deeper than Pillow's colours -----------------------------------------------------------------


def deep_png(pixels, transparent=None):
    "The bytes of a PNG with 16 bits per channel, from pixels (h, w, 1 to 4): Pillow writes none."
    height, width, n_channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    rows = [b"\0" + row.astype(">u2").tobytes() for row in pixels]
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if transparent:
        chunks.append(chunk(b"tRNS", np.array(transparent, ">u2").tobytes()))
    chunks += [chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def deep_tiff(pixels):
    "The bytes of a TIFF with these pixels (h, w, 2 to 4)."
    has_alpha = pixels.shape[2] in (2, 4)
    written = BytesIO()
    tifffile.imwrite(
        written,
        pixels,
        photometric="rgb" if pixels.shape[2] > 2 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"] if has_alpha else None,
    )
    return written.getvalue()


DEEP = np.tile(np.arange(240, dtype=np.uint16) * 17, (30, 1))  # 12 bits in 16
OPAQUE = np.full_like(DEEP, 65535)


@pytest.mark.parametrize("write", [deep_png, deep_tiff])
@pytest.mark.parametrize("channels", ["grey, alpha", "colour", "colour, alpha"])
def test_colours_of_16_bits_are_read_as_greys_of_16_bits(tmp_path, write, channels):
    "Pillow keeps the upper 8 bits of them: of a film of 12 bits nearly nothing."
    pixels = [DEEP] * (3 if "colour" in channels else 1) + [OPAQUE] * ("alpha" in channels)
    pixels = np.dstack(pixels)
    (tmp_path / "x").write_bytes(write(pixels))
    grey = as_film(DEEP)
    assert greys(grey).max() == 255
    assert load_film(tmp_path / "x") == grey
    assert as_film(pixels) == grey
    if write is deep_png or "colour" in channels:  # Pillow does not open the other one
        img = Image.open(tmp_path / "x")
        assert as_film(img) == grey
        assert as_film(img) == grey  # once more: the image is as it was
        img.load()
        assert img.size == grey.size


def test_colours_of_16_bits_that_pillow_has_cut_are_refused(tmp_path):
    (tmp_path / "x.tiff").write_bytes(deep_tiff(np.dstack([DEEP] * 3)))
    img = Image.open(tmp_path / "x.tiff")
    img.load()
    with pytest.raises(BadFilm, match="kept 8 of them: give the path"):
        as_film(img)


def test_a_deep_colour_that_is_to_be_seen_through(tmp_path):
    pixels = np.dstack([DEEP] * 3)
    (tmp_path / "x.png").write_bytes(deep_png(pixels, transparent=[200 * 17] * 3))
    row = greys(load_film(tmp_path / "x.png"))[15]
    assert row[200] == 0
    assert row[199] > 200


def test_deep_and_turned(tmp_path):
    "torchvision decodes it; the orientation is Pillow's."
    written = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    tifffile.imwrite(
        written, np.dstack([DEEP] * 3), photometric="rgb", extratags=[(274, "H", 1, 6, True)]
    )
    (tmp_path / "x.tiff").write_bytes(written.getvalue())
    assert load_film(tmp_path / "x.tiff") == as_film(DEEP).transpose(Image.Transpose.ROTATE_270)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inks(tmp_path, dtype):
    "Cyan, magenta, yellow and black of 8 and of 16 bits: black where there is much of them."
    full = np.iinfo(dtype).max
    ramp = np.tile(np.linspace(0, full, 240).astype(dtype), (30, 1))
    none = np.zeros_like(ramp)
    for inks in ([full - ramp] * 3 + [none], [none] * 3 + [full - ramp]):
        tifffile.imwrite(tmp_path / "x.tiff", np.dstack(inks), photometric="separated")
        row = greys(load_film(tmp_path / "x.tiff"))[15]
        assert (np.diff(row) >= 0).all()
        assert row[0] < 5
        assert row[-1] > 250


@pytest.mark.parametrize("kind", ["unspecified", "assocalpha", "unassalpha"])
def test_a_fourth_channel_is_what_it_says(tmp_path, kind):
    "Anything; an alpha that the colours were multiplied with; one that they were not."
    half = np.full_like(DEEP, 32768)
    pixels = np.dstack([DEEP] * 3 + [half])
    tifffile.imwrite(tmp_path / "x.tiff", pixels, photometric="rgb", extrasamples=[kind])
    film = load_film(tmp_path / "x.tiff")
    assert as_film(Image.open(tmp_path / "x.tiff")) == film
    faint = np.dstack([DEEP] * 3 + [np.zeros_like(DEEP)])
    tifffile.imwrite(tmp_path / "x.tiff", faint, photometric="rgb", extrasamples=[kind])
    if kind == "unassalpha":
        with pytest.raises(BadFilm, match="transparent all over"):
            load_film(tmp_path / "x.tiff")
    else:
        assert load_film(tmp_path / "x.tiff") == as_film(DEEP)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_a_tiff_that_is_to_be_turned(tmp_path, orientation, dtype):
    "Given as a path or opened by path: Pillow maps that into memory, and mixes the pixels up."
    noise = np.random.default_rng(0).integers(0, 256, (30, 50)).astype(dtype)
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "x.tiff", noise, photometric="minisblack", extratags=[tag])
    turned = Image.fromarray(noise.astype(np.uint8))
    turned.getexif()[0x0112] = orientation
    wanted = greys(as_film(np.asarray(ImageOps.exif_transpose(turned)).astype(dtype)))
    assert (greys(load_film(tmp_path / "x.tiff")) == wanted).all()
    if dtype != np.float64:
        assert (greys(as_film(Image.open(tmp_path / "x.tiff"))) == wanted).all()


TIFFS = {
    "8 bits": np.uint8,
    "8 bits, signed": np.int8,
    "16 bits": np.uint16,
    "16 bits, signed": np.int16,
    "32 bits": np.uint32,
    "32 bits, signed": np.int32,
    "64 bits": np.uint64,
    "fractions of 16 bits": np.float16,
    "fractions of 32 bits": np.float32,
    "fractions of 64 bits": np.float64,
}


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", TIFFS)
def test_numbers_in_a_tiff(tmp_path, kind, order, white_is_zero):
    "Of any depth, sign and byte order; white may be zero, which Pillow heeds up to 8 bits."
    dtype = np.dtype(TIFFS[kind])
    low, high = (-120, 120) if dtype.kind in "if" else (0, 239)
    if dtype == np.uint32:
        low, high = 2**31 - 1000, 2**31 + 1000  # a sign that is none
    values = np.linspace(low, high, 240).round().astype(dtype)
    tifffile.imwrite(
        tmp_path / "x.tiff",
        np.tile(values, (30, 1)),
        photometric="miniswhite" if white_is_zero else "minisblack",
        byteorder=order,
    )
    row = greys(load_film(tmp_path / "x.tiff"))[15]
    if dtype == np.uint8:
        wanted = np.arange(240)
    else:
        wanted = greys(as_film(np.tile(values.astype(float), (30, 1))))[15]
    if white_is_zero:
        wanted = 255 - wanted
    assert np.abs(row - wanted).max() <= 1


def write_tiff(path, bits, data, **tags):
    "A TIFF of 8 × 8 pixels with these numbered tags (t262=1); None: without this tag."
    known = {256: 8, 257: 8, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: len(data)}
    known |= {int(name[1:]): value for name, value in tags.items()}
    entries = [
        struct.pack("<HHII", number, 4, 1, value)
        for number, value in sorted(known.items())
        if value is not None
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    return path


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_a_tiff_that_does_not_say_what_zero_is_is_refused(tmp_path, bits):
    "libtiff takes zero for black then, Pillow and tifffile for white; one rule for all depths."
    data = np.arange(64, dtype=f"<u{bits // 8}").tobytes()
    assert load_film(write_tiff(tmp_path / "x.tif", bits, data)).size == (8, 8)
    file = write_tiff(tmp_path / "x.tif", bits, data, t262=None)
    with pytest.raises(BadFilm, match="does not say whether its bones are bright or dark"):
        load_film(file)
    if bits < 32:  # others Pillow does not open
        with pytest.raises(BadFilm, match="does not say whether its bones are bright or dark"):
            as_film(Image.open(file))


@pytest.mark.parametrize("bits, photometric", [(12, 0), (24, 1)])
def test_a_whole_tiff_of_a_kind_that_is_not_read_is_not_called_damaged(tmp_path, bits, photometric):
    file = write_tiff(tmp_path / "x.tif", bits, bytes(8 * bits), t262=photometric)
    with pytest.raises(BadFilm, match=f"packs numbers of {bits} bits in a way that is not read"):
        load_film(file)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_volume_is_refused(tmp_path, dtype):
    "Its first slice would be taken without a word."
    volume = np.zeros((16, 32, 32), dtype)
    tifffile.imwrite(tmp_path / "x.tif", volume, volumetric=True, tile=(16, 16, 16))
    with pytest.raises(BadFilm, match="16 slices of a volume"):
        load_film(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_several_pages_are_refused(tmp_path, suffix):
    "One of them would be taken without a word; a page of one's choice is an image."
    pages = [picture_of("L"), Image.new("L", (240, 30), 99)]
    file = tmp_path / f"x.{suffix}"
    pages[0].save(file, save_all=True, append_images=pages[1:])
    with pytest.raises(BadFilm, match="holds 2 pages or frames"):
        load_film(file)
    img = Image.open(file)
    with pytest.raises(BadFilm, match="holds 2 pages or frames"):
        as_film(img)
    assert as_film(img.copy()).size == (240, 30)


def test_a_thumbnail_is_no_page(tmp_path):
    "Nor is a mask: scanners and microscopes put them behind the film."
    with tifffile.TiffWriter(tmp_path / "x.tiff") as file:
        file.write(DEEP)
        file.write(DEEP[::4, ::4], subfiletype=1)
    assert load_film(tmp_path / "x.tiff") == as_film(DEEP)


def test_a_photograph_with_a_preview_behind_it(tmp_path):
    picture_of("RGB").save(
        tmp_path / "x.jpg",
        format="MPO",
        save_all=True,
        append_images=[picture_of("L").convert("RGB")],
    )
    assert Image.open(tmp_path / "x.jpg").format == "MPO"
    assert load_film(tmp_path / "x.jpg").size == (240, 30)


def test_transparent_all_over_is_refused(tmp_path):
    "It would be a black film."
    clear = picture_of("RGB")
    clear.putalpha(0)
    clear.save(tmp_path / "x.png")
    (tmp_path / "deep.png").write_bytes(deep_png(np.dstack([DEEP, DEEP * 0])))
    for film in (clear, tmp_path / "x.png", tmp_path / "deep.png"):
        with pytest.raises(BadFilm, match="transparent all over"):
            as_film(film)


# --- arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I;16", "I", "F"])
def test_an_array_is_read_as_the_picture_it_makes(mode):
    "Of any mode whose numbers are greys or red, green, blue."
    img = picture_of(mode)
    assert as_film(np.asarray(img)) == as_film(img)


@pytest.mark.parametrize("dtype", ["u2", ">u2", "i4", "i8", "f4", "f8", "f2"])
def test_deep_arrays_are_scaled_alike(dtype):
    "Values of any type, also below zero, give the film that 16 bits give."
    ramp = np.tile(np.arange(240), (30, 1))
    film = as_film((ramp * 8).astype("u2"))
    assert as_film((ramp * 8).astype(dtype)) == film
    if np.dtype(dtype).kind != "u":
        assert as_film((ramp * 8 - 1000).astype(dtype)) == film
    assert (greys(film).min(), greys(film).max()) == (0, 255)


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_arrays_of_several_channels(dtype, channels):
    pixels = np.dstack([DEEP.astype(dtype)] * channels)
    assert np.abs(greys(as_film(pixels)) - greys(as_film(DEEP))).max() <= (
        1 if dtype == "f4" else 0
    )


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


@pytest.mark.parametrize(
    "what, words",
    [
        (np.zeros((0, 9), np.uint8), "empty"),
        (np.zeros(9, np.uint8), r"\(9,\)"),
        (np.zeros((5, 9, 9), np.uint8), r"\(5, 9, 9\)"),
        (np.zeros((3, 9, 9)), r"shape \(height, width, 3\): this one has the shape \(3, 9, 9\)"),
        (np.zeros((9, 9), complex), "complex"),
        (np.full((9, 9), np.nan), "NaN"),
        (Image.fromarray(np.full((9, 9), np.inf, np.float32)), "infinite"),
        (np.ma.masked_less(np.arange(81).reshape(9, 9), 5), r"masked: .* film.filled\(0\)"),
    ],
)
def test_no_film_in_it(what, words):
    with pytest.raises(BadFilm, match=words):
        as_film(what)


def test_an_image_whose_file_was_closed(tmp_path):
    picture_of("L").save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as img:
        pass
    with pytest.raises(BadFilm, match="its file was closed before its pixels were read"):
        as_film(img)


def test_an_image_without_pixels():
    with pytest.raises(BadFilm, match="there are no pixels in it"):
        as_film(Image.new("L", (0, 9)))


@pytest.mark.parametrize("what", [None, 7, b"x.png", Image.new("L", (9, 9))])
def test_what_is_no_path_is_no_file(what):
    with pytest.raises(BadFilm, match="a file is named by its path"):
        load_film(what)


def test_channels_that_nobody_explains_are_refused(tmp_path):
    pixels = np.zeros((9, 9, 5), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", planarconfig="contig")
    with pytest.raises(BadFilm, match="this TIFF has 5 channels"):
        load_film(tmp_path / "x.tif")


def test_a_masked_array_of_which_nothing_is_masked():
    pixels = np.arange(81, dtype=np.uint8).reshape(9, 9)
    assert as_film(np.ma.masked_array(pixels)) == as_film(pixels)


@pytest.mark.parametrize("suffix, name", [("gif", "GIF"), ("pgm", "PPM"), ("ico", "ICO")])
def test_an_image_of_another_format_is_refused_as_its_file_is(tmp_path, suffix, name):
    "Once converted, it is an image that comes from no file any more."
    picture_of("L").save(tmp_path / f"x.{suffix}")
    with pytest.raises(BadFilm, match="not a film"):
        load_film(tmp_path / f"x.{suffix}")
    img = Image.open(tmp_path / f"x.{suffix}")
    with pytest.raises(BadFilm, match=rf'opened from a {name} file.*give img.convert\("L"\)'):
        as_film(img)
    assert as_film(img.convert("L")).size == img.size


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
        ("empty.png", b"", "empty: if it lies in a cloud storage, it may not be downloaded yet"),
        ("text.jpg", b"hello", "not a film"),
        ("page.png", b"\n <!DOCTYPE html>", "this is a web page.*, and not a film"),
        ("film.gif", b"GIF89a", "this is a GIF, and not a film"),
        ("film.dcm", b"PK\3\4", "this is a zip"),
        ("film.nii.gz", b"\x1f\x8b\x08", "compressed by gzip"),
        ("film.tif", b"version https://git-lfs.github.com/spec/v1", "Git LFS has not fetched"),
        ("annex.png", b"/annex/objects/SHA256E-s9--0.png", "git-annex has not fetched"),
        ("cut.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("cut.dcm", bytes(128) + b"DICM", "damaged|no image"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFilm, match=words):
            load_film(tmp_path / name)
    with pytest.raises(BadFilm, match="this is a folder: give the files in it"):
        load_film(tmp_path)
    with pytest.raises(BadFilm, match="no file or folder of this name"):
        load_film(tmp_path / "gone.png")
    make_link(tmp_path / "loop.png", "loop.png")
    with pytest.raises(BadFilm, match="cannot be opened"):
        load_film(tmp_path / "loop.png")  # a locked file takes the same way


def test_what_is_not_the_file_s_fault_is_not_called_damage(tmp_path, monkeypatch):
    "Too little memory, or a package that is not there."
    picture_of("L").save(tmp_path / "x.png")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((9, 9, 3), np.uint16), photometric="rgb")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tifffile", None)
        with pytest.raises(BadFilm, match="needs the package tifffile"):
            load_film(tmp_path / "x.tif")

    def too_large(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("rsna_cls.film.Image.open", too_large)
    with pytest.raises(BadFilm, match="too large for this computer's memory"):
        load_film(tmp_path / "x.png")


MEMORY = """
import sys
from pathlib import Path
from rsna_cls import load_film

def kilobytes(name):
    (line,) = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1])

load_film(sys.argv[1])  # imports what is needed
before = kilobytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
load_film(sys.argv[2])
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("kind", ["grey.png", "grey.tif", "grey.dcm", "signed.dcm", "colour.tif"])
def test_memory(tmp_path, kind):
    "A large film takes six times what its own pixels take, at most."
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("no /proc here")
    pixels = np.tile(np.arange(4000, dtype=np.uint16), (2500, 1))  # 20 MB
    for name, film in (("small", pixels[:9]), (kind, pixels)):
        file = tmp_path / f"{name}{Path(kind).suffix}"
        if kind == "colour.tif":
            tifffile.imwrite(file, np.dstack([film] * 3), photometric="rgb")
        elif file.suffix == ".dcm":
            make_dicom(file, film, PixelRepresentation=int(kind == "signed.dcm"))
        else:
            Image.fromarray(film).save(file, compress_level=1)
    files = [tmp_path / f"small{Path(kind).suffix}", tmp_path / f"{kind}{Path(kind).suffix}"]
    child = [sys.executable, "-c", MEMORY, *map(str, files)]
    answer = subprocess.run(child, capture_output=True, text=True, check=True)
    channels = 3 if kind == "colour.tif" else 1
    assert int(answer.stdout) * 1024 < 6 * channels * pixels.nbytes
