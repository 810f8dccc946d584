"""What lesson 05 says of beams, films and masks, computed again: the numbers of its sentences.

    python experiments/beam.py    # seconds

The patient is the lesson's, number 62 at 320 pixels.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common import Question, Table, made, say
from rsna_cls import KEV, MU, simulate_film, transmission


class Quantity(NamedTuple):
    "One number."

    name: str  # of the number, as quotes.toml has it
    value: float  # in its unit
    unit: str  # of the value
    made: str


VALUES = Table("beam", Quantity, key=("name",))
TABLES = (VALUES,)
QUESTION = Question(__doc__, which={}, how=dict(patient=62, size=320))


def stopped(material: str, kev: int) -> float:
    "What a centimetre of a material stops at an energy, in per cent."
    return 100 * (1 - np.exp(-MU[material][list(KEV).index(kev)]))


def takes(kvp: float, **more: float) -> float:
    "What a chest with something in it takes of the beam behind the same chest, in per cent."
    chest = {"soft": 8, "lung": 15}
    return 100 * (1 - transmission({**chest, **more}, kvp) / transmission(chest, kvp))


def of_beams() -> Iterator[tuple[str, float, str]]:
    "Numbers that follow from the coefficients."
    yield "behind_10_cm", 1000 * transmission({"soft": 10}, kvp=60), "of 1,000 photons"
    yield "behind_abdomen", 1000 * transmission({"soft": 20}, kvp=75), "of 1,000 photons"
    for material in ("bone", "soft", "fat"):
        for kev in (40, 100):
            yield f"{material}_{kev}", stopped(material, kev), "%"
    for kvp in (65, 140):
        yield f"rib_{kvp}", takes(kvp, bone=1), "%"
        yield f"fluid_{kvp}", takes(kvp, soft=12, lung=11), "%"
    among_fat = transmission({"soft": 20}, kvp=75) / transmission({"soft": 15, "fat": 5}, kvp=75)
    yield "kidney", 100 * (1 - among_fat), "%"


def lost(film: Any) -> float:
    "How much of the patient is pure black or white, in per cent."
    greys = np.asarray(film.image)[film.masks["soft_tissue"]]
    return 100 * float(np.isin(greys, (0, 255)).mean())


def width(film: Any, name: str) -> int:
    "The width of a mask (px)."
    columns = np.nonzero(film.masks[name].any(axis=0))[0]
    return int(np.ptp(columns))


def domes(film: Any) -> float:
    "How far down the film the domes lie, in per cent."
    return 100 * float(np.nonzero(film.masks["diaphragm"])[0].mean()) / film.image.height


def of_films(patient: int, size: int) -> Iterator[tuple[str, float, str]]:
    "Numbers that are read off films."

    def take(**changes: Any) -> Any:
        return simulate_film("chest", patient, size, marks=False, devices=False, **changes)

    hard = dict(window=2.0, latitude=0.0)
    yield "lost_hard", lost(take(**hard)), "%"
    yield "lost_evened", lost(take(**hard | dict(latitude=0.4))), "%"
    yield "dome_rise", domes(take(inspiration=1.0)) - domes(take(inspiration=0.1)), "% of the film"

    film = take()
    height_of_film, width_of_film = film.masks["lungs"].shape
    down, across = np.mgrid[-1 : 1 : height_of_film * 1j, -1 : 1 : width_of_film * 1j]
    blob = np.exp(-4 * (down**2 + across**2))
    yield "lungs_area", 100 * film.masks["lungs"].mean(), "% of the film"
    yield "heart_area", 100 * film.masks["heart"].mean(), "% of the film"
    yield "heart_blob", 100 * blob[film.masks["heart"]].sum() / blob.sum(), "% of the blob"

    positions = dict(
        pa=dict(view="PA"),
        ap=dict(view="AP"),
        inspiration=dict(inspiration=1.0),
        expiration=dict(inspiration=0.0),
    )
    for name, changes in positions.items():
        film = take(**changes)
        yield f"ratio_{name}", width(film, "heart") / width(film, "lungs"), "heart / lungs"


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    rows = []
    for name, value, unit in [*of_beams(), *of_films(given.patient, given.size)]:
        rows.append(Quantity(name, float(value), unit, made()))
        say(f"{name}: {value:.3g} {unit}")
    VALUES.keep(given.to, rows)


# --- what is quoted -------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted: none."
    return {}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote: whole numbers, ratios with two digits."
    by_name = {}
    for row in VALUES.read(folder):
        digits = 2 if row.unit == "heart / lungs" else 0
        by_name[row.name] = f"{row.value:.{digits}f}"
    return by_name


if __name__ == "__main__":
    main()
