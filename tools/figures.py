"""Draw the home page's figures from simulated films, into nbs/images.

films.png shows some films of each kind, maps.png the maps of a model trained on such films.
`make figures` runs it. Nothing here comes from a real film.
"""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

from rsna_cls import (
    KINDS,
    Picture,
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    show_cam,
    simulate_film,
)

IMAGES = Path(__file__).resolve().parents[1] / "nbs/images"
SIDE = 120  # px of the place for one film
LABEL = 16  # px above it for its name
COLUMNS = 10


def places() -> Iterator[tuple[str, int, int, int]]:
    "Kind, seed, row and column of every film of the contact sheet."
    for row, kind in enumerate(KINDS[:2]):  # chests and abdomens have a row each
        for column in range(COLUMNS):
            yield kind, column + 1, row, column
    for row in (2, 3):  # below them two films of every other kind, one under the other
        for column, kind in enumerate(KINDS[2:]):
            yield kind, row - 1, row, column


def contact_sheet() -> Image.Image:
    "Films of every kind, each kind named."
    sheet = Image.new("L", (COLUMNS * SIDE, 4 * (SIDE + LABEL)), 255)
    pen = ImageDraw.Draw(sheet)
    for kind, seed, row, column in places():
        left = column * SIDE
        top = row * (SIDE + LABEL)
        film = simulate_film(kind, seed, size=(SIDE - 2, SIDE - 2), aspect=1.0)
        sheet.paste(film.image, (left + 1, top + LABEL - 1))
        if row >= 2 or column == 0:
            pen.text((left + 2, top + 2), kind.replace("_", " "), fill=0)
    return sheet


def maps() -> Picture:
    "Class activation maps of two films."
    path = fetch_data("simulated")
    learn = film_learner(dataloaders(path, tfms=film_tfms()))
    fine_tune(learn)
    return show_cam(learn, film_files(path / "test")[1:3], method="cam")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    sheet = contact_sheet().quantize(32, dither=Image.Dither.NONE)
    sheet.save(IMAGES / "films.png", optimize=True)
    (IMAGES / "maps.png").write_bytes(maps().png)
