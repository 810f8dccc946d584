"Reading a film: `load_film` beside Pillow and pydicom alone."

from functools import partial

from measuring import OURS, NotMeasured, Places, beside, in_turn, measurement

PILLOW = "Pillow"
PYDICOM = "pydicom"
RADIOGRAPHS = ("RG1_UNCR.dcm", "RG3_UNCR.dcm")  # of pydicom's public test files
COMPRESSED = ("RG1_J2KR.dcm", "RG3_J2KR.dcm")  # the same, in JPEG 2000


def each(read, files: list) -> None:
    "Read every file."
    for file in files:
        read(file)


def ours(files: list):
    from rsna_cls import load_film

    return partial(each, load_film, files)


def pillow(files: list):
    from PIL import Image

    def read(file):
        with Image.open(file) as image:
            return image.convert("L")

    return partial(each, read, files)


def pydicom(files: list):
    from pydicom import dcmread

    def read(file):
        return dcmread(file).pixel_array

    return partial(each, read, files)


@measurement(
    title="Reading PNG films",
    about="The 65 training films that come with the course, as 8-bit grey pictures. This library "
    "also looks at the file's header, size and orientation before it opens it.",
    unit="CPU s",
    pairs=beside(PILLOW),
)
def png_films(places: Places) -> dict[str, dict]:
    files = sorted((places.course / "train").glob("*/*.png"))
    return in_turn({OURS: partial(ours, files), PILLOW: partial(pillow, files)}, rounds=15)


def dicom_files(names: tuple[str, ...]) -> list:
    "Public radiographs, from the package pydicom-data."
    from pydicom.data import get_testdata_file

    files = [get_testdata_file(name, download=False) for name in names]
    if None in files:
        raise NotMeasured("the package pydicom-data is not installed")
    return files


ABOUT_DICOM = (
    "Two public radiographs of about 1800 × 1900 pixels. pydicom gives the numbers of the file; "
    "this library makes a grey picture of them, with bones bright."
)


@measurement("Reading DICOM films", ABOUT_DICOM, "CPU s", beside(PYDICOM))
def dicom_films(places: Places) -> dict[str, dict]:
    files = dicom_files(RADIOGRAPHS)
    return in_turn({OURS: partial(ours, files), PYDICOM: partial(pydicom, files)}, rounds=9)


@measurement("Reading JPEG 2000 DICOM films", ABOUT_DICOM, "CPU s", beside(PYDICOM))
def compressed_dicom_films(places: Places) -> dict[str, dict]:
    files = dicom_files(COMPRESSED)
    return in_turn({OURS: partial(ours, files), PYDICOM: partial(pydicom, files)}, rounds=5)
