"Course folders of films that have nothing in common, and what tests read off an audit."

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import ndimage

from rsna_cls import embedded_films

EMBEDDED = embedded_films()


def rows(table, finding):
    return table[table["finding"] == finding]


def films_of(table, finding):
    "The films of each row of a finding."
    return rows(table, finding)["films"].tolist()


def severities(table, finding):
    return rows(table, finding)["severity"].tolist()


def texture(rng, shape=(150, 130), blur=4):
    "A film like no other: blurred noise."
    noise = ndimage.gaussian_filter(rng.normal(size=shape), blur)
    greys = 20 + 215 * (noise - noise.min()) / np.ptp(noise)
    return Image.fromarray(greys.astype(np.uint8))


def usual_shape(name, rng):
    return (150, 130)


def write(path, names=("a", "b"), n=12, parts=("train",), seed=0, shape=usual_shape):
    "A course folder of textures: nothing tells the classes apart."
    rng = np.random.default_rng(seed)
    for part in parts:
        for name in names:
            (path / part / name).mkdir(parents=True)
            for number in range(n):
                texture(rng, shape(name, rng)).save(path / part / name / f"{number}.png")
    return path


def put(film, *places):
    "Save a film in several places."
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        film.save(place)


def brighter(film):
    return Image.fromarray((np.asarray(film).astype(int) + 25).clip(0, 255).astype(np.uint8))


def scaled(film, factor):
    return film.resize((int(film.width * factor), int(film.height * factor)))


def framed(film, grey, sides=(0.1, 0.1, 0.1, 0.1)):
    "A film with a border: left, top, right and bottom as shares of its longer side."
    widths = tuple(round(share * max(film.size)) for share in sides)
    return ImageOps.expand(film, widths, fill=grey)


def dicom_file():
    "A DICOM file with a patient in its header, if pydicom's test data are installed."
    pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    try:
        file = get_testdata_file("RG1_UNCR.dcm")
    except Exception:
        file = None
    if not file:
        pytest.skip("needs pydicom-data")
    return file
