"""Small film files of all kinds, and what the library makes of them.

    python film_golden.py FOLDER [more files or folders …]

writes into FOLDER the files, `golden.json` with the library's answer to each, and for each JPEG
what Pillow decodes. Further files are only named there, and read where they lie.
"""

import hashlib
import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from rsna_cls.film import BadFilm, load_film
from rsna_cls.survey import without_border

SEED = 20240229
rng = np.random.default_rng(SEED)
files: dict[str, bytes] = {}


def smooth(height: int, width: int, top: int = 255) -> np.ndarray:
    "A picture that is neither flat nor noise, from 0 to `top`, shape (height, width)."
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / 5.3) + np.cos(y / 7.1) + rng.normal(0, 0.3, (height, width))
    shares = np.clip((waves + 2.5) / 5, 0, 1)
    return np.round(shares * top).astype(int)


# ---- PNG


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    "A chunk of a PNG file."
    if crc is None:
        crc = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
WHOLE = ((0, 0, 1, 1),)
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def packed_row(row: np.ndarray, depth: int) -> bytes:
    "The samples of a row as they lie in a PNG file."
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


def filtered(row: bytes, above: bytes, kind: int, step: int) -> bytes:
    "A row after the filter of some kind."
    out = bytearray()
    for i, value in enumerate(row):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        p = a + b - c
        nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        guess = (0, a, b, (a + b) // 2, nearest)[kind]
        out.append((value - guess) % 256)
    return bytes(out)


def png_pixels(samples: np.ndarray, kind: int, depth: int, interlaced: bool) -> bytes:
    "The pixels of a PNG file before they are packed, with all filters in turn."
    step = max(depth * CHANNELS[kind] // 8, 1)
    raw = bytearray()
    for top, left, row_step, column_step in ADAM7 if interlaced else WHOLE:
        part = samples[top::row_step, left::column_step]
        if 0 in part.shape:
            continue
        above = bytes(len(packed_row(part[0].ravel(), depth)))
        for y, row in enumerate(part):
            plain = packed_row(row.ravel(), depth)
            raw += bytes([y % 5]) + filtered(plain, above, y % 5, step)
            above = plain
    return bytes(raw)


def png(
    samples: np.ndarray,
    kind: int,
    depth: int,
    extra: bytes = b"",
    interlaced: bool = False,
    after: bytes = b"",
    cut: int = 0,
) -> bytes:
    "A PNG file; `extra`: chunks before the pixels, `after`: behind them."
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    packed = zlib.compress(png_pixels(samples, kind, depth, interlaced))
    half = len(packed) // 2
    pixels = chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", packed[half : len(packed) - cut])
    return SIGNATURE + chunk(b"IHDR", header) + extra + pixels + after + chunk(b"IEND", b"")


def exif(number: int, order: str = "<") -> bytes:
    "EXIF data that hold an orientation."
    start = b"II*\0" if order == "<" else b"MM\0*"
    tag = struct.pack(order + "HHIHH", 0x0112, 3, 1, number, 0)
    return start + struct.pack(order + "IH", 8, 1) + tag + struct.pack(order + "I", 0)


def add_pngs() -> None:
    "PNG files of all kinds, depths and tricks."
    sizes = [(37, 53), (16, 16), (1, 1), (61, 9)]
    for kind, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for i, (height, width) in enumerate(sizes):
                channels = CHANNELS[kind]
                samples = np.dstack([smooth(height, width, 2**depth - 1) for _ in range(channels)])
                name = f"png_{kind}_{depth}_{height}x{width}"
                files[f"{name}.png"] = png(samples, kind, depth)
                files[f"{name}_adam7.png"] = png(samples, kind, depth, interlaced=True)
                if kind in (0, 2) and i == 0:
                    clear = samples[3, 4].astype(">u2").tobytes()
                    files[f"{name}_clear.png"] = png(samples, kind, depth, chunk(b"tRNS", clear))
                if kind in (4, 6) and i == 0:
                    samples[:, :, -1] = 0
                    files[f"{name}_empty.png"] = png(samples, kind, depth)
    for depth in (1, 2, 4, 8):
        samples = smooth(31, 22, 2**depth - 1)[:, :, None]
        palette = rng.integers(0, 256, 3 * 2**depth, np.uint8).tobytes()
        colours = chunk(b"PLTE", palette)
        alphas = rng.integers(0, 256, 2**depth, np.uint8).tobytes()
        files[f"png_3_{depth}.png"] = png(samples, 3, depth, colours)
        files[f"png_3_{depth}_adam7.png"] = png(samples, 3, depth, colours, interlaced=True)
        files[f"png_3_{depth}_alphas.png"] = png(
            samples, 3, depth, colours + chunk(b"tRNS", alphas)
        )
        files[f"png_3_{depth}_one_clear.png"] = png(
            samples, 3, depth, colours + chunk(b"tRNS", b"\xff\0")
        )
        files[f"png_3_{depth}_short.png"] = png(samples, 3, depth, chunk(b"PLTE", palette[:-3]))
    one_grey = np.full((20, 20, 1), 7)
    files["png_flat.png"] = png(one_grey, 0, 8)
    files["png_flat_16.png"] = png(one_grey, 0, 16)
    files["png_flat_clear.png"] = png(one_grey, 0, 8, chunk(b"tRNS", b"\0\7"))
    two_greys = one_grey.copy()
    two_greys[0, 0] = 900
    files["png_nearly_flat_16.png"] = png(two_greys, 0, 16)

    picture = smooth(12, 17)[:, :, None]
    xmp = b'<x tiff:Orientation="6"/>'
    profile = b"\nexif\n   %d\n" % len(exif(3)) + exif(3).hex().encode() + b"\n"
    for number in range(10):
        files[f"png_exif_{number}.png"] = png(picture, 0, 8, chunk(b"eXIf", exif(number)))
        files[f"png_exif_be_{number}.png"] = png(
            picture, 0, 16, after=chunk(b"eXIf", exif(number, ">"))
        )
    files["png_exif_broken.png"] = png(picture, 0, 8, chunk(b"eXIf", b"II*\0\0\0\0\xff"))
    files["png_exif_nonsense.png"] = png(picture, 0, 8, chunk(b"eXIf", b"nonsense"))
    files["png_xmp.png"] = png(picture, 0, 8, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    files["png_xmp_packed.png"] = png(
        picture, 0, 8, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))
    )
    files["png_profile.png"] = png(
        picture, 0, 8, chunk(b"tEXt", b"Raw profile type exif\0" + profile)
    )
    files["png_profile_packed.png"] = png(
        picture, 0, 8, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    )
    files["png_named.jpg"] = png(picture, 0, 8)


def add_bad_pngs() -> None:
    "PNG files that are damaged, or lie."
    picture = smooth(40, 50)[:, :, None]
    whole = png(picture, 0, 8)
    header = whole[8:33]
    packed = zlib.compress(png_pixels(picture, 0, 8, False))
    end = chunk(b"IEND", b"")
    files["bad_png_cut.png"] = whole[:-400]
    files["bad_png_no_end.png"] = whole[:-12]
    files["bad_png_few_pixels.png"] = png(picture, 0, 8, cut=50)
    files["bad_png_no_checksum.png"] = png(picture, 0, 8, cut=4)
    files["bad_png_header_crc.png"] = whole[:29] + b"\0\0\0\0" + whole[33:]
    files["bad_png_pixel_crc.png"] = SIGNATURE + header + chunk(b"IDAT", packed, 1) + end
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0x55
    files["bad_png_pixels.png"] = SIGNATURE + header + chunk(b"IDAT", bytes(damaged)) + end
    sum_is_wrong = packed[:-1] + bytes([packed[-1] ^ 1])
    files["bad_png_adler.png"] = SIGNATURE + header + chunk(b"IDAT", sum_is_wrong) + end
    files["bad_png_no_pixels.png"] = SIGNATURE + header + end
    filter_9 = bytearray(png_pixels(picture, 0, 8, False))
    filter_9[51 * 20] = 9
    files["bad_png_filter.png"] = (
        SIGNATURE + header + chunk(b"IDAT", zlib.compress(bytes(filter_9))) + end
    )
    large = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    files["bad_png_large.png"] = SIGNATURE + chunk(b"IHDR", large) + chunk(b"IDAT", packed) + end
    deep = struct.pack(">IIBBBBB", 7_000, 6_000, 16, 2, 0, 0, 0)
    files["bad_png_deep.png"] = SIGNATURE + chunk(b"IHDR", deep) + chunk(b"IDAT", packed) + end
    for place, value in {16: 0, 24: 3, 25: 5, 26: 1}.items():
        fields = bytearray(whole[16:29])
        if place == 16:
            fields[:4] = bytes(4)
        else:
            fields[place - 16] = value
        files[f"bad_png_header_{place}.png"] = (
            SIGNATURE + chunk(b"IHDR", bytes(fields)) + whole[33:]
        )
    animated = chunk(b"acTL", struct.pack(">II", 2, 0))
    files["bad_png_animated.png"] = png(picture, 0, 8, animated)
    bomb = struct.pack(">IIBBBBB", 50, 40, 8, 0, 0, 0, 0)
    zeros = zlib.compress(bytes(2**27))
    files["png_bomb.png"] = SIGNATURE + chunk(b"IHDR", bomb) + chunk(b"IDAT", zeros) + end


# ---- JPEG


def jpeg(picture: np.ndarray, **options: object) -> bytes:
    "A JPEG of uint8, shape (h, w) or (h, w, 3)."
    file = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(file, "JPEG", **options)
    return file.getvalue()


def add_jpegs() -> None:
    "JPEG files, whole and not."
    grey = smooth(45, 67)
    colour = np.dstack([smooth(33, 50) for _ in range(3)])
    files["jpeg_grey.jpg"] = jpeg(grey)
    files["jpeg_colour.jpg"] = jpeg(colour, quality=95)
    files["jpeg_progressive.jpg"] = jpeg(colour, progressive=True)
    files["jpeg_named.png"] = jpeg(grey)
    for number in range(1, 9):
        for order in "<>":
            data = b"Exif\0\0" + exif(number, order)
            name = f"jpeg_exif_{number}_{'le' if order == '<' else 'be'}.jpg"
            files[name] = jpeg(grey, exif=data)
    files["jpeg_xmp.jpg"] = jpeg(grey, xmp=b"<tiff:Orientation>8</tiff:Orientation>")
    files["jpeg_comment.jpg"] = jpeg(grey, comment=b"a comment")
    whole = jpeg(grey)
    files["bad_jpeg_cut.jpg"] = whole[: len(whole) // 2]
    files["bad_jpeg_head.jpg"] = whole[:60]
    files["bad_jpeg_no_end.jpg"] = whole[:-2]
    files["bad_jpeg_scans.jpg"] = whole + b"\xff\xda" * 60
    start = whole.index(b"\xff\xc0")
    size = struct.pack(">HH", 60_000, 60_000)
    files["bad_jpeg_large.jpg"] = whole[: start + 5] + size + whole[start + 9 :]
    files["bad_jpeg_12_bits.jpg"] = whole[: start + 4] + b"\x0c" + whole[start + 5 :]
    cmyk = io.BytesIO()
    Image.fromarray(colour.astype(np.uint8)).convert("CMYK").save(cmyk, "JPEG")
    files["other_cmyk.jpg"] = cmyk.getvalue()


APP0, APP14, COMMENT = 0xE0, 0xEE, 0xFE  # second bytes of markers
START_OF_SCAN = 0xDA


def key_of(data: bytes) -> str:
    "What tells a JPEG from others: a hash of all but its notes (EXIF, profiles, comments)."
    kept = data[:2]
    place = 2
    marker = 0
    while marker != START_OF_SCAN:
        marker = data[place + 1]
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        is_note = marker == COMMENT or (marker >> 4 == 0xE and marker not in (APP0, APP14))
        if not is_note:
            kept += data[place:end]
        place = end
    kept += data[place : data.index(b"\xff\xd9", place) + 2]
    return hashlib.sha256(kept).hexdigest()


def jpegs_in(data: bytes) -> list[bytes]:
    "A file that is a JPEG, or the JPEG in a DICOM file; none where there is none."
    if data.startswith(b"\xff\xd8\xff"):
        return [data]
    place = data.find(b"\xff\xd8\xff")
    return [data[place:]] if b"DICM" in data[:132] and place > 0 else []


# ---- DICOM


def dicom(
    values: np.ndarray,  # integers, shape (h, w) or (h, w, 3)
    allocated: int = 16,
    stored: int | None = None,
    signed: bool = False,
    syntax: str = ExplicitVRLittleEndian,
    pixels: bytes | None = None,
    **elements: object,
) -> bytes:
    "A DICOM file."
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.PatientName = "Nobody"
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 1 if values.ndim == 2 else 3
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    dataset.BitsAllocated = allocated
    dataset.BitsStored = stored or allocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    kind = "i" if signed else "u"
    if pixels is None:
        pixels = values.astype(f"{order}{kind}{allocated // 8}").tobytes()
        pixels += b"\0" * (len(pixels) % 2)
    dataset.PixelData = pixels
    is_compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    dataset["PixelData"].VR = "OB" if is_compressed else "OW"
    dataset["PixelData"].is_undefined_length = is_compressed
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    file = io.BytesIO()
    is_implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(
        file, implicit_vr=is_implicit, little_endian=order == "<", enforce_file_format=True
    )
    return file.getvalue()


def table(entries: np.ndarray, first: int, bits: int, is_bytes: bool = False) -> Sequence:
    "A sequence with one lookup table."
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries) % 2**16, first, bits])
    data = entries.astype("u1" if is_bytes else "<u2").tobytes()
    item.add_new(0x00283006, "OW", data + b"\0" * (len(data) % 2))
    return Sequence([item])


def add_dicoms() -> None:
    "DICOM files of all kinds that are not compressed."
    deep = smooth(33, 47, 4095)
    flat8 = smooth(21, 31)
    syntaxes = {
        "implicit": ImplicitVRLittleEndian,
        "explicit": ExplicitVRLittleEndian,
        "big": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
    }
    for name, syntax in syntaxes.items():
        files[f"dicom_{name}_16.dcm"] = dicom(deep, stored=12, syntax=syntax)
        files[f"dicom_{name}_8.dcm"] = dicom(flat8, allocated=8, syntax=syntax)
        files[f"dicom_{name}_signed.dcm"] = dicom(
            deep - 2048, stored=12, signed=True, syntax=syntax
        )
        if name != "big":
            files[f"dicom_{name}_voi.dcm"] = dicom(
                deep,
                stored=12,
                syntax=syntax,
                VOILUTSequence=table(np.arange(256) ** 2 // 255, 500, 8),
            )
    whole = files["dicom_implicit_16.dcm"]
    files["dicom_no_preamble.dcm"] = whole[132:]
    for name in ("implicit", "explicit"):
        data = files[f"dicom_{name}_16.dcm"]
        (length,) = struct.unpack_from("<I", data, 140)
        files[f"dicom_no_meta_{name}.dcm"] = data[144 + length :]
    overlay = deep | (rng.integers(0, 16, deep.shape) << 12)
    files["dicom_overlay_bits.dcm"] = dicom(overlay, stored=12)
    files["dicom_high_bit.dcm"] = dicom(deep << 4, stored=12, HighBit=15)
    files["dicom_high_bit_signed.dcm"] = dicom(
        (deep - 2048) << 4, stored=12, signed=True, HighBit=15
    )
    files["dicom_32.dcm"] = dicom(smooth(20, 30, 3_000_000), allocated=32)
    files["dicom_32_signed.dcm"] = dicom(
        smooth(20, 30, 3_000_000) - 10**6, allocated=32, signed=True
    )
    files["dicom_32_few.dcm"] = dicom(deep, allocated=32, stored=32)
    files["dicom_8_of_6.dcm"] = dicom(smooth(9, 9, 63), allocated=8, stored=6)
    files["dicom_odd.dcm"] = dicom(smooth(5, 5), allocated=8)
    files["dicom_one_grey.dcm"] = dicom(np.full((9, 9), 77), WindowCenter=5, WindowWidth=3)

    tags = {
        "mono1": dict(PhotometricInterpretation="MONOCHROME1"),
        "mono1_identity": dict(
            PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY"
        ),
        "inverse": dict(PresentationLUTShape="INVERSE"),
        "small_letters": dict(PhotometricInterpretation="monochrome1 "),
        "scale": dict(
            RescaleSlope="0.37", RescaleIntercept="-100.5", WindowCenter=600, WindowWidth=900
        ),
        "slope_0": dict(RescaleSlope=0, RescaleIntercept=-3),
        "negative_slope": dict(RescaleSlope=-1, RescaleIntercept=4095),
        "window": dict(WindowCenter=1800, WindowWidth=1500),
        "windows": dict(WindowCenter=[1800, 900], WindowWidth=[0.5, 700]),
        "window_more": dict(WindowCenter=[1800, 900], WindowWidth=2000),
        "exact": dict(WindowCenter=1800.5, WindowWidth=1500, VOILUTFunction="LINEAR_EXACT"),
        "sigmoid": dict(WindowCenter=1800, WindowWidth=1200, VOILUTFunction="sigmoid"),
        "width_1": dict(WindowCenter=1800, WindowWidth=1),
        "width_1_exact": dict(WindowCenter=1800, WindowWidth=1, VOILUTFunction="LINEAR_EXACT"),
        "width_0": dict(WindowCenter=1800, WindowWidth=0),
        "fractions": dict(
            RescaleSlope="0.0001", WindowCenter=0.2, WindowWidth=0.3, RescaleIntercept="0"
        ),
        "hides_all": dict(WindowCenter=50_000, WindowWidth=100),
        "hides_all_mono1": dict(
            WindowCenter=-5000, WindowWidth=100, PhotometricInterpretation="MONOCHROME1"
        ),
        "modality": dict(
            ModalityLUTSequence=table(np.sqrt(np.arange(4096) * 40).astype(int), 0, 12),
            WindowCenter=200,
            WindowWidth=300,
        ),
        "voi": dict(VOILUTSequence=table((np.arange(2000) * 2), 700, 12)),
        "voi_negative": dict(
            RescaleIntercept=-2000, VOILUTSequence=table((np.arange(3000) * 1), -1500, 12)
        ),
        "voi_bytes": dict(VOILUTSequence=table(np.arange(255), 100, 8, is_bytes=True)),
        "voi_flat": dict(VOILUTSequence=table(np.full(99, 5), 0, 8), WindowCenter=9),
        "voi_depth": dict(VOILUTSequence=table(np.arange(1024), 0, 16)),
        "voi_short": dict(VOILUTSequence=table(np.arange(64), 0, 8)),
        "padding": dict(PixelPaddingValue=int(deep[0, 0])),
        "padding_range": dict(PixelPaddingValue=3000, PixelPaddingRangeLimit=4095),
        "no_samples": dict(SamplesPerPixel=None),
        "one_frame": dict(NumberOfFrames=1),
        "no_high_bit": dict(HighBit=None),
    }
    for name, elements in tags.items():
        files[f"dicom_{name}.dcm"] = dicom(deep, stored=12, **elements)
    files["dicom_padding_signed.dcm"] = dicom(
        deep - 2048, signed=True, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-2048
    )

    scale = Dataset()
    scale.RescaleSlope, scale.RescaleIntercept = "2", "-50"
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 4000, 3000
    group = Dataset()
    group.PixelValueTransformationSequence = Sequence([scale])
    group.FrameVOILUTSequence = Sequence([window])
    for name, syntax in syntaxes.items():
        files[f"dicom_groups_{name}.dcm"] = dicom(
            deep, stored=12, syntax=syntax, SharedFunctionalGroupsSequence=Sequence([group])
        )
    grey = np.dstack([smooth(20, 20)] * 3)
    files["dicom_rgb.dcm"] = dicom(grey + np.array([0, 3, 1]), allocated=8)
    planes = np.ascontiguousarray(np.moveaxis(grey, 2, 0)).astype(np.uint8).tobytes()
    files["dicom_rgb_planar.dcm"] = dicom(
        grey, allocated=8, PlanarConfiguration=1, PixelData=planes
    )
    files["bad_dicom_colour.dcm"] = dicom(
        np.dstack([smooth(20, 20) for _ in range(3)]), allocated=8
    )


def add_bad_dicoms() -> None:
    "DICOM files that cannot be read."
    deep = smooth(33, 47, 4095)
    tags = {
        "no_photometric": dict(PhotometricInterpretation=None),
        "unknown": dict(PhotometricInterpretation="HSV"),
        "frames": dict(NumberOfFrames=3),
        "samples": dict(SamplesPerPixel=3),
        "no_rows": dict(Rows=None),
        "zero_rows": dict(Rows=0),
        "no_stored": dict(BitsStored=None),
        "too_many_bits": dict(BitsStored=17),
        "no_sign": dict(PixelRepresentation=None),
        "allocated": dict(BitsAllocated=12),
        "short": dict(Rows=34),
        "two_images": dict(Rows=16),
        "large": dict(Rows=30_000, Columns=30_000),
        "all_padding": dict(PixelPaddingValue=0, PixelPaddingRangeLimit=4095),
        "no_pixels": dict(PixelData=None),
        "no_image": dict(PixelData=None, Rows=None),
        "high_bit": dict(HighBit=16),
        "table_short": dict(VOILUTSequence=table(np.arange(9), 0, 8)),
    }
    for name, elements in tags.items():
        if name == "table_short":
            elements["VOILUTSequence"][0][0x00283002].value = [99, 0, 12]
        files[f"bad_dicom_{name}.dcm"] = dicom(deep, stored=12, **elements)
    whole = files["dicom_explicit_16.dcm"]
    files["bad_dicom_cut.dcm"] = whole[:-100]
    files["bad_dicom_head.dcm"] = whole[:300]
    files["bad_dicom_word.dcm"] = dicom(deep, stored=12).replace(b"MONOCHROME2 ", b"\xff" * 12)
    floats = dicom(deep, stored=12, PixelData=None, FloatPixelData=bytes(4 * deep.size))
    files["bad_dicom_float.dcm"] = floats
    deflated = files["dicom_deflated_16.dcm"]
    files["bad_dicom_deflated.dcm"] = deflated[:-200]
    many = smooth(300, 300, 2**31 - 1)
    files["bad_dicom_levels.dcm"] = dicom(many * 2 + rng.integers(0, 2, many.shape), allocated=32)


def add_compressed_dicoms() -> None:
    "DICOM files with compressed pixels."
    for allocated, stored in ((8, 8), (16, 12)):
        values = smooth(23, 34, 2**stored - 1)
        values[5:9] = 0
        native = dicom(values, allocated=allocated, stored=stored)
        files[f"dicom_rle_{allocated}.dcm"] = recoded(native, RLELossless)
    rle = files["dicom_rle_16.dcm"]
    files["bad_dicom_rle_cut.dcm"] = rle[:-60]
    # The number of parts stands behind an item with one offset and the head of the next one.
    place = rle.index(b"\xfe\xff\x00\xe0\4\0\0\0") + 20
    files["bad_dicom_rle_parts.dcm"] = rle[:place] + b"\x01" + rle[place + 1 :]
    signed = dicom(smooth(23, 34, 4095) - 2048, stored=12, signed=True)
    files["dicom_rle_signed.dcm"] = recoded(signed, RLELossless)
    grey = np.dstack([smooth(20, 20)] * 3)
    files["dicom_rle_rgb.dcm"] = recoded(dicom(grey, allocated=8), RLELossless)

    picture = smooth(40, 50)
    coded = jpeg(picture)
    pixels = encapsulate([coded])
    options = dict(allocated=8, syntax=JPEGBaseline8Bit, pixels=pixels)
    files["dicom_jpeg.dcm"] = dicom(picture, **options)
    files["dicom_jpeg_mono1.dcm"] = dicom(
        picture, PhotometricInterpretation="MONOCHROME1", **options
    )
    files["bad_dicom_jpeg_rows.dcm"] = dicom(picture, Rows=41, **options)
    two = encapsulate([coded, coded])
    files["bad_dicom_jpeg_two.dcm"] = dicom(picture, **{**options, "pixels": two})
    j2k = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(j2k, "JPEG2000", irreversible=False)
    pixels = encapsulate([j2k.getvalue()])
    files["other_dicom_jpeg_2000.dcm"] = dicom(
        picture, allocated=8, syntax=JPEG2000Lossless, pixels=pixels
    )


def recoded(data: bytes, syntax: str) -> bytes:
    "A DICOM file with its pixels compressed by pydicom."
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(data))
    dataset.compress(syntax, generate_instance_uid=False)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


# ---- Lossless JPEG, coded here: the library decodes it with GDCM


def lossless(values: np.ndarray, bits: int, predictor: int, restart: int = 0) -> bytes:
    "A grey JPEG in lossless coding; `restart`: rows from one restart to the next, 0 for none."
    height, width = values.shape
    lengths = [0] * 16
    lengths[4] = 17  # 17 codes of 5 bits, in the order of their symbols
    table_ = bytes([0, *lengths, *range(17)])

    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    out = b"\xff\xd8" + segment(0xC4, table_)
    out += segment(0xC3, struct.pack(">BHHB", bits, height, width, 1) + bytes([1, 0x11, 0]))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart * width))
    out += segment(0xDA, bytes([1, 1, 0, predictor, 0, 0]))
    text = ""
    n_restarts = 0
    for y in range(height):
        is_first = y == 0 or (restart > 0 and y % restart == 0)
        if is_first and y > 0:
            out += stuffed(text) + bytes([0xFF, 0xD0 + n_restarts % 8])
            n_restarts += 1
            text = ""
        for x in range(width):
            a = int(values[y, x - 1]) if x else 0
            b = int(values[y - 1, x]) if y else 0
            c = int(values[y - 1, x - 1]) if x and y else 0
            if is_first:
                guess = a if x else 2 ** (bits - 1)
            elif x == 0:
                guess = b
            else:
                guess = (
                    0,
                    a,
                    b,
                    c,
                    a + b - c,
                    a + ((b - c) >> 1),
                    b + ((a - c) >> 1),
                    (a + b) >> 1,
                )[predictor]
            difference = (int(values[y, x]) - guess) & 0xFFFF
            if difference > 2**15:
                difference -= 2**16
            size = abs(difference).bit_length()
            text += f"{size:05b}"
            if 0 < size < 16:
                rest = difference if difference > 0 else difference + 2**size - 1
                text += f"{rest:0{size}b}"
    return out + stuffed(text) + b"\xff\xd9"


def stuffed(text: str) -> bytes:
    "Bits as bytes, with a zero behind each byte of ones."
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    return data.replace(b"\xff", b"\xff\0")


def add_lossless() -> None:
    "DICOM files with pixels in lossless JPEG."
    for bits in (8, 12, 16):
        for predictor in range(1, 8):
            values = smooth(19, 27, 2**bits - 1)
            values[3, 4:9] = [0, 2**bits - 1, 0, 2**bits - 1, 5]
            allocated = 8 if bits == 8 else 16
            restart = 4 if predictor == 1 else 0
            pixels = encapsulate([lossless(values, bits, predictor, restart)])
            syntax = "1.2.840.10008.1.2.4.70" if predictor == 1 else "1.2.840.10008.1.2.4.57"
            files[f"dicom_lossless_{bits}_{predictor}.dcm"] = dicom(
                values, allocated=allocated, stored=bits, syntax=syntax, pixels=pixels
            )
    values = smooth(19, 27, 4095)
    coded = lossless(values, 12, 1)
    pixels = encapsulate([coded[:-300] + b"\xff\xd9"])
    files["other_dicom_lossless_cut.dcm"] = dicom(
        values, stored=12, syntax="1.2.840.10008.1.2.4.70", pixels=pixels
    )
    signed = dicom(
        values,
        stored=12,
        signed=True,
        syntax="1.2.840.10008.1.2.4.70",
        pixels=encapsulate([lossless(values, 12, 1)]),
    )
    files["dicom_lossless_signed.dcm"] = signed


# ---- Other files


def add_others() -> None:
    "Files that are no films, or films that only the library reads."
    files["bad_empty.png"] = b""
    files["bad_html.png"] = b"<!DOCTYPE html><html>not found</html>"
    files["bad_text.dcm"] = b"this is no film at all, but a text"
    files["bad_random.png"] = rng.integers(0, 256, 5000, np.uint8).tobytes()
    files["bad_random_png.png"] = SIGNATURE + files["bad_random.png"]
    files["bad_random_jpeg.jpg"] = b"\xff\xd8\xff" + files["bad_random.png"]
    files["bad_random_dicom.dcm"] = bytes(128) + b"DICM" + files["bad_random.png"]
    files["bad_zeros.png"] = bytes(3000)
    files["bad_zip.png"] = b"PK\3\4" + bytes(100)
    files["bad_pdf.png"] = b"%PDF-1.7" + bytes(100)
    files["bad_gzip.png"] = b"\x1f\x8b\x08" + bytes(100)
    picture = Image.fromarray(smooth(20, 30).astype(np.uint8))
    for name in ("TIFF", "BMP", "WEBP", "GIF"):
        file = io.BytesIO()
        picture.save(file, name)
        files[f"other_{name.lower()}.png"] = file.getvalue()
    films = {"one_pixel": (1, 1), "line": (1, 300), "column": (300, 1), "plain": (90, 70)}
    for name, (height, width) in films.items():
        files[f"size_{name}.png"] = png(smooth(height, width)[:, :, None], 0, 8)
    for i in range(12):
        height, width = rng.integers(20, 200, 2)
        bordered = smooth(height, width) // 2 + 60
        above, below, left, right = rng.integers(0, 30, 4)
        noise = rng.integers(0, 5 + 2 * i, bordered.shape)
        bordered[:above] = noise[:above]
        bordered[height - below :] = 240 + noise[height - below :] // 4
        bordered[:, :left] = noise[:, :left]
        bordered[:, width - right :] = noise[:, width - right :]
        files[f"border_{i}.png"] = png(np.clip(bordered, 0, 255)[:, :, None], 0, 8)


# ---- The library's answers


def in_words(film: Image.Image) -> dict:
    "A film as JSON: its size and a hash of its greys."
    greys = film.tobytes()
    return {
        "width": film.width,
        "height": film.height,
        "sha256": hashlib.sha256(greys).hexdigest(),
    }


SIZES = ((32, 32), (224, 224), (50, 300), (7, 3))


def answer(path: Path) -> dict:
    "What the library makes of a file."
    try:
        film = load_film(path)
    except BadFilm as error:
        return {"error": error.reason}
    plain = ImageOps.autocontrast(without_border(film), cutoff=1)
    done = {
        "film": in_words(film),
        "border": in_words(without_border(film)),
        "plain": in_words(plain),
        "turns": [in_words(film.rotate(angle, expand=True)) for angle in (90, 180, 270)],
        "mirror": in_words(ImageOps.mirror(film)),
        "invert": in_words(ImageOps.invert(film)),
        "sizes": [],
    }
    for size in SIZES:
        resized = film.resize(size, Image.Resampling.BILINEAR)
        done["sizes"].append(in_words(resized))
    if film.width * film.height < 10_000:
        done["film"]["greys"] = list(film.tobytes())
    return done


def main() -> None:
    "Write all files, and the answers."
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for add in (
        add_pngs,
        add_bad_pngs,
        add_jpegs,
        add_dicoms,
        add_bad_dicoms,
        add_compressed_dicoms,
        add_lossless,
        add_others,
    ):
        add()
    paths = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    for further in map(Path, sys.argv[2:]):
        found = sorted(further.rglob("*")) if further.is_dir() else [further]
        paths += [path for path in found if path.is_file()]

    answers = {}
    decoded = {}
    for path in paths:
        answers[str(path.resolve())] = answer(path)
        for coded in jpegs_in(path.read_bytes()):
            try:
                picture = Image.open(io.BytesIO(coded)).convert("RGB")
                key = key_of(coded)
            except Exception:
                continue
            (folder / f"{key}.rgb").write_bytes(picture.tobytes())
            decoded[key] = [picture.width, picture.height]
    golden = {"answers": answers, "decoded": decoded, "sizes": SIZES}
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")


if __name__ == "__main__":
    main()
