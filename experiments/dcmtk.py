"""What `load_film` and DCMTK show of the same DICOM files: the greatest difference of any pixel.

    python experiments/dcmtk.py    # a minute; needs DCMTK (Debian: apt install dcmtk)

The files are the test files of pydicom and pydicom-data with one grey image. DCMTK's dcm2pnm (with
JPEG dcmj2pnm, with JPEG-LS dcml2pnm) applies the first lookup table or window of a file. Where a
file has none, it is told the two values that `load_film` takes for black and white. JPEG 2000 it
cannot read; such files are decoded by pydicom first, and compared from there.
"""

import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import apply_rescale
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from common import Question, Table, in_words, listed, made, markdown, pydicom_files, say
from rsna_cls import BadFilm, grey_range, load_film


class Comparison(NamedTuple):
    "One file."

    file: str  # its name
    modality: str  # as in the file: CR, CT …
    photometric: str  # MONOCHROME1 or MONOCHROME2
    bits: int  # stored
    syntax: str  # the transfer syntax
    voi: str  # 'table', 'window' or 'none'
    decoded_by: str  # 'DCMTK', or 'pydicom' before DCMTK
    difference: int  # the greatest of any pixel (grey levels); -1: one of the two refuses it
    made: str


FILES = Table("dcmtk", Comparison, key=("file",))
TABLES = (FILES,)
QUESTION = Question(__doc__, which={})

# What is known of the files that differ by more than one grey level.
REASONS = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "refused: its codestream is cut short by what "
    "pydicom takes for its end",
    "MR_truncated.dcm": "refused: its pixels end too early",
    "rtdose_expb_1frame.dcm": "32 bits in big-endian words of 16, which the two put together in "
    "another order; its little-endian copy (rtdose_1frame.dcm) agrees",
}


# --- DCMTK ----------------------------------------------------------------------------------------


def dcmtk_greys(
    file: Path | str,  # a DICOM file
    *options: str,  # of dcm2pnm
) -> np.ndarray | None:  # int, shape (h, w); None: DCMTK does not read it
    "What DCMTK shows of a DICOM file, without overlays."
    syntax = dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
    program = "dcm2pnm"
    if syntax in JPEGLSTransferSyntaxes:
        program = "dcml2pnm"
    elif syntax in JPEGTransferSyntaxes:
        program = "dcmj2pnm"
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "film.pgm"
        command = [program, "-O", "+op", *options, str(file), str(picture)]
        if subprocess.run(command, capture_output=True).returncode:
            return None
        return np.asarray(Image.open(picture)).astype(int)


def version() -> str:
    "Which DCMTK this is."
    said = subprocess.run(["dcm2pnm", "--version"], capture_output=True, text=True).stdout
    return re.search(r"v([\d.]+)", said).group(1)


# --- files ----------------------------------------------------------------------------------------


def grey_files() -> Iterator[tuple[Path, Any]]:
    "The files with one grey image, and their datasets."
    for file in pydicom_files("*"):
        if file.is_dir():
            continue
        try:
            dataset = dcmread(file)
            frames = int(dataset.get("NumberOfFrames") or 1)
            photometric = str(dataset.PhotometricInterpretation)
            has_pixels = "PixelData" in dataset and "TransferSyntaxUID" in dataset.file_meta
        except Exception:  # it is a picture, or made to be wrong
            continue
        if has_pixels and frames == 1 and photometric.startswith("MONOCHROME"):
            yield file, dataset


def stored_values(file: Path, dataset: Any) -> np.ndarray:
    "The pixels of a file, decoded by pydicom; JPEG Extended, which it refuses, by DCMTK."
    if dataset.file_meta.TransferSyntaxUID != JPEGExtended12Bit:
        return dataset.pixel_array
    with tempfile.TemporaryDirectory() as folder:
        decoded = Path(folder) / "decoded.dcm"
        subprocess.run(["dcmdjpeg", str(file), str(decoded)], check=True, capture_output=True)
        return dcmread(decoded).pixel_array


def window_of(file: Path, dataset: Any) -> tuple[str, list[str]]:
    "What says which values are black and white, and dcm2pnm's options for it."
    if dataset.get("VOILUTSequence"):
        return "table", ["+Wl", "1"]
    if dataset.get("WindowCenter") is not None:
        return "window", ["+Wi", "1"]
    try:
        stored = stored_values(file, dataset)
    except Exception:  # damaged
        return "none", []
    is_film = stored != dataset.get("PixelPaddingValue")
    black, white = grey_range(apply_rescale(stored, dataset)[is_film])
    center = (black + white + 1) / 2  # as PS3.3 C.11.2.1.2 has it for LINEAR
    width = white - black + 1
    return "none", ["+Ww", str(center), str(width)]


def write_uncompressed(dataset: Any, file: Path) -> None:
    "Write a DICOM file with the pixels as pydicom decodes them."
    pixels = dataset.pixel_array
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].is_undefined_length = False
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(file)


def difference(file: Path, dataset: Any, options: list[str]) -> int:
    "The greatest difference of any pixel (grey levels), or -1."
    try:
        film = np.asarray(load_film(file)).astype(int)
    except BadFilm:
        return -1
    with tempfile.TemporaryDirectory() as folder:
        readable = file
        if dataset.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes:
            readable = Path(folder) / "decoded.dcm"
            write_uncompressed(dataset, readable)
        shown = dcmtk_greys(readable, *options)
    return -1 if shown is None else int(np.abs(film - shown).max())


def compared(file: Path, dataset: Any) -> Comparison:
    "One file, read twice."
    syntax = dataset.file_meta.TransferSyntaxUID
    voi, options = window_of(file, dataset)
    return Comparison(
        file=file.name,
        modality=dataset.get("Modality", "none"),
        photometric=str(dataset.PhotometricInterpretation),
        bits=int(dataset.BitsStored),
        syntax=syntax.name,
        voi=voi,
        decoded_by="pydicom" if syntax in JPEG2000TransferSyntaxes else "DCMTK",
        difference=difference(file, dataset, options),
        made=f"{made()}, DCMTK {version()}",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    if shutil.which("dcm2pnm") is None:
        raise SystemExit("DCMTK is missing (Debian: apt install dcmtk)")
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file, dataset in grey_files():
            rows.append(compared(file, dataset))
            say(f"{rows[-1].file}: {rows[-1].difference}")
    FILES.keep(given.to, rows)


# --- what is quoted -------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, str]:
    "Agreement by transfer syntax."
    frame = FILES.frame(folder)
    frame["films"] = frame["modality"].isin(["CR", "DX", "RG"])
    frame["agrees"] = frame["difference"].between(0, 1)
    rows = []
    for (syntax, decoder), group in frame.groupby(["syntax", "decoded_by"]):
        others = [REASONS[name] for name in group["file"][~group["agrees"]]]
        rows.append(
            [
                syntax if decoder == "DCMTK" else f"{syntax}; decoded by pydicom for both",
                len(group),
                group["films"].sum(),
                group["agrees"].sum(),
                group["difference"][group["agrees"]].max(),
                "; ".join(others),
            ]
        )
    columns = [
        "transfer syntax",
        "files",
        "of them radiographs",
        "agree",
        "greatest difference (grey levels)",
        "the others",
    ]
    return {"agreement": markdown(columns, rows)}


def numbers(folder: Path) -> dict[str, str]:
    "How many files, and how many agree."
    rows = FILES.read(folder)
    return {
        "files": str(len(rows)),
        "agreeing": str(sum(0 <= row.difference <= 1 for row in rows)),
        "refused": in_words(sum(row.difference < 0 for row in rows)),
        "with_voi": str(sum(row.voi != "none" for row in rows)),
        "versions": listed(sorted({row.made.partition(", ")[2] for row in rows})),
    }


if __name__ == "__main__":
    main()
