"Small films of each format and DICOM syntax, made by code: for tests to damage, and for fuzzing."

import struct
import tempfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from conftest import make_dicom

HEIGHT, WIDTH = 24, 32
SMOOTH = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 5).astype(np.uint8)
DEEP = SMOOTH.astype(np.uint16) * 17  # 12 bits
COLOURS = np.dstack([SMOOTH, SMOOTH // 2, SMOOTH // 3])
OPAQUE = np.full_like(SMOOTH, 255)

UNCOMPRESSED = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
}
COMPRESSED = {  # what GDCM calls each syntax, and the bits that a pixel of it has here
    "JPEG baseline": ("JPEGBaselineProcess1", 8),
    "JPEG lossless": ("JPEGLosslessProcess14_1", 12),
    "JPEG-LS": ("JPEGLSLossless", 12),
    "JPEG 2000": ("JPEG2000Lossless", 12),
    "JPEG 2000, lossy": ("JPEG2000", 12),
    "RLE": ("RLELossless", 12),
}


def written(save):
    "The bytes that a function writes into a file."
    file = BytesIO()
    save(file)
    return file.getvalue()


def picture(pixels, format, mode=None, **options):
    "The bytes of a picture file with these pixels."
    img = Image.fromarray(pixels)
    return written(lambda file: (img.convert(mode) if mode else img).save(file, format, **options))


def deep_tiff(pixels, **options):
    "The bytes of a TIFF as tifffile writes it."
    return written(lambda file: tifffile.imwrite(file, pixels, **options))


def png_chunk(name, content):
    "A chunk of a PNG, with its length and its checksum."
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def deep_png(pixels, more=b""):
    "The bytes of a PNG of 16 bits per channel, from pixels (h, w, channels); `more`: chunks."
    height, width, n_channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + more
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def pictures():
    "The bytes of picture files of each kind, by name."
    deep_colours = np.dstack([DEEP] * 3)
    return {
        "grey.png": picture(SMOOTH, "PNG"),
        "bits.png": picture(SMOOTH, "PNG", "1"),
        "palette.png": picture(COLOURS, "PNG", "P"),
        "colour.png": picture(COLOURS, "PNG"),
        "alpha.png": picture(np.dstack([COLOURS, OPAQUE]), "PNG"),
        "clear.png": picture(SMOOTH, "PNG", transparency=9),
        "deep.png": picture(DEEP, "PNG"),
        "deep colour.png": deep_png(deep_colours),
        "deep alpha.png": deep_png(np.dstack([DEEP, DEEP])),
        "grey.jpg": picture(SMOOTH, "JPEG"),
        "colour.jpg": picture(COLOURS, "JPEG"),
        "CMYK.jpg": picture(COLOURS, "JPEG", "CMYK"),
        "progressive.jpg": picture(SMOOTH, "JPEG", progressive=True),
        "grey.tif": picture(SMOOTH, "TIFF"),
        "deflated.tif": picture(DEEP, "TIFF", compression="tiff_adobe_deflate"),
        "LZW.tif": picture(COLOURS, "TIFF", compression="tiff_lzw"),
        "fractions.tif": picture(SMOOTH.astype(np.float32), "TIFF"),
        "fractions of 64 bits.tif": deep_tiff(SMOOTH.astype(float), compression="zlib"),
        "deep colour.tif": deep_tiff(deep_colours, photometric="rgb"),
        "white is zero.tif": deep_tiff(DEEP, photometric="miniswhite"),
        "tiles.tif": deep_tiff(DEEP, tile=(16, 16)),
        "big.tif": deep_tiff(DEEP, bigtiff=True),
        "grey.bmp": picture(SMOOTH, "BMP"),
        "colour.bmp": picture(COLOURS, "BMP"),
        "lossy.webp": picture(COLOURS, "WEBP"),
        "lossless.webp": picture(np.dstack([COLOURS, OPAQUE]), "WEBP", lossless=True),
    }


def dicom(pixels=DEEP, syntax="1.2.840.10008.1.2.1", **tags):
    "The bytes of a DICOM file with these pixels, as `make_dicom` writes it."
    with tempfile.TemporaryDirectory() as folder:
        return make_dicom(Path(folder, "film.dcm"), pixels, syntax, **tags).read_bytes()


def compressed(how):
    "The bytes of a DICOM file, compressed in one of the ways of `COMPRESSED`."
    import gdcm

    name, bits = COMPRESSED[how]
    pixels = SMOOTH if bits == 8 else DEEP
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        allocated = 8 if bits == 8 else 16
        make_dicom(plain, pixels, BitsStored=bits, BitsAllocated=allocated)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return packed.read_bytes()


def lookup_table(entries, bits=12, first=0):
    "A sequence with one lookup table."
    import pydicom

    item = pydicom.Dataset()
    item.LUTDescriptor = [len(entries) % 2**16, first, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def palette(n_entries=256):
    "The tags of a DICOM file whose pixels are numbers of colours, from black to white."
    tags = dict(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8)
    entries = (np.arange(n_entries) * 257).astype("<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [n_entries, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = entries
    return tags


def dicoms():
    "The bytes of DICOM files of each kind, by name."
    files = {f"{name}.dcm": dicom(syntax=syntax) for name, syntax in UNCOMPRESSED.items()}
    files |= {f"{how}.dcm": compressed(how) for how in COMPRESSED}
    files["no preamble.dcm"] = files["explicit.dcm"][132:]
    scale = dict(RescaleSlope=2, RescaleIntercept=-9, WindowCenter=900, WindowWidth=2000)
    files["window.dcm"] = dicom(PhotometricInterpretation="MONOCHROME1", **scale)
    files["tables.dcm"] = dicom(
        ModalityLUTSequence=lookup_table(np.arange(4096)),
        VOILUTSequence=lookup_table(np.arange(0, 4096, 2)),
    )
    rgb = dict(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    grey = np.dstack([SMOOTH] * 3)
    files["colour.dcm"] = dicom(grey, BitsAllocated=8, BitsStored=8, **rgb)
    files["palette.dcm"] = dicom(SMOOTH, **palette())
    files["signed.dcm"] = dicom(DEEP.astype(np.int16) - 2048, PixelRepresentation=1)
    return files


def small_films():
    "The bytes of a file of each kind, by name."
    return pictures() | dicoms()
