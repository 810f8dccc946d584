"""Draw the home page's figures from simulated films: nbs/images/films.png (some of each kind) and nbs/images/maps.png (maps of a model trained on them).

`make figures` runs it. Nothing here comes from a real film."""

from pathlib import Path

from PIL import Image, ImageDraw

from rsna_cls import (
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    show_cam,
    simulate_film,
)
from rsna_cls.simulate import KINDS

IMAGES = Path(__file__).resolve().parents[1] / "nbs/images"


def contact_sheet(kinds=KINDS, side=120, columns=10) -> Image.Image:
    "Chests and abdomens in two rows of their own, then two films of every other kind, each kind named."
    sheet = Image.new("L", (columns * side, 4 * (side + 16)), 255)
    cells = [(k, s) for k in kinds[:2] for s in range(columns)] + [
        (k, s) for s in (0, 1) for k in kinds[2:]
    ]
    for i, (kind, seed) in enumerate(cells):
        row, column = (
            (i // columns, i % columns)
            if i < 2 * columns
            else (2 + (i - 2 * columns) // columns, i % columns)
        )
        film = simulate_film(kind, seed + 1, size=(side - 2, side - 2), aspect=1.0).image
        sheet.paste(film, (column * side + 1, row * (side + 16) + 15))
        if row >= 2 or column == 0:
            ImageDraw.Draw(sheet).text(
                (column * side + 2, row * (side + 16) + 2), kind.replace("_", " "), fill=0
            )
    return sheet


def maps():
    "Class activation maps of two chests and two abdomens."
    path = fetch_data("simulated")
    learn = film_learner(dataloaders(path, tfms=film_tfms()))
    fine_tune(learn)
    return show_cam(learn, film_files(path / "test")[1:3], method="cam")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    contact_sheet().quantize(32, dither=Image.Dither.NONE).save(IMAGES / "films.png", optimize=True)
    (IMAGES / "maps.png").write_bytes(maps().png)
