"""Draw the home page's figures into nbs/images, from simulated films and networks really trained.

`make figures` runs it: two trainings, a few minutes on a processor. What a picture says is what the
run gave, and its alternative text lies in the PNG as its Description; tests/test_home.py asks
whether the home page says the same. Nothing here comes from a real film.
"""

import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from fastai.vision.all import Learner, no_random
from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo
from scipy.ndimage import binary_erosion, sobel

from rsna_cls import (
    Gate,
    build,
    cam,
    colour_scale,
    dataloaders,
    embedded_films,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    load_film,
    overlay,
    plant_marker,
    predict,
    remake,
    simulate_film,
    wilson,
)

IMAGES = Path(__file__).resolve().parents[1] / "nbs/images"

# Twice as many pixels as the page shows, so that they are sharp on fine screens.
SIZES = {
    "elbow": (1600, 768),
    "lesson_01": (480, 300),
    "lesson_02": (480, 300),
    "lesson_03": (480, 300),
    "lesson_04": (480, 300),
    "lesson_05": (480, 300),
    "lesson_06": (480, 300),
    "lesson_07": (480, 300),
    "lesson_08": (480, 300),
}
STEP = 4  # between the shades that are kept
SEED = 42  # of every training, as in the lessons
WORDS = {"chest": "Chest", "abd": "Abdomen"}

# A viewbox: dark on a page of any colour.
GROUND = "#101418"
PALE = "#9aa4b2"
BRIGHT = "#ffffff"
# Right or wrong, passed or refused: in colours that the colour-blind tell apart.
BLUE = "#6cb4ff"
ORANGE = "#ffb347"


@dataclass
class Figure:
    "A picture with its alternative text."

    image: Image.Image
    alt: str

    def save(self, path: Path) -> None:
        "Write a small PNG that bears its alternative text."
        words = PngInfo()
        words.add_itxt("Description", self.alt)
        # Fewer shades than 256 of each colour: nobody sees it, and the file is far smaller.
        shades = np.asarray(self.image, float)
        coarse = (shades / STEP).round() * STEP
        small = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
        small.save(path, optimize=True, pnginfo=words)


# --- drawing -------------------------------------------------------------------------------------


def card(name: str) -> Image.Image:
    "An empty dark card of the size that a figure has."
    return Image.new("RGB", SIZES[name], GROUND)


def write(
    image: Image.Image,
    words: str,  # letters that Pillow's own font has: no dash, no multiplication sign
    at: tuple[float, float],  # left and baseline (px)
    size: float,  # of the letters (px)
    colour: str = BRIGHT,
    bold: bool = False,
    anchor: str = "ls",
) -> None:
    "Write words on a card, in the font that comes with Pillow."
    if missing(words):
        raise ValueError(f"the font has no {missing(words)}: {words}")
    font = ImageFont.load_default(size)
    weight = size / 45 if bold else 0
    ImageDraw.Draw(image).text(at, words, colour, font, anchor, stroke_width=weight)


def missing(words: str) -> set[str]:
    "The letters that the font does not have, and would draw as boxes."
    font = ImageFont.load_default(20)
    box = bytes(font.getmask("\uffff"))
    return {letter for letter in words if bytes(font.getmask(letter)) == box}


def grey(film: Image.Image | np.ndarray, size: tuple[int, int]) -> Image.Image:
    "A film that fills a place, in the colours of a card."
    film = film if isinstance(film, Image.Image) else Image.fromarray(film.astype(np.uint8))
    return ImageOps.fit(film, size, Image.Resampling.LANCZOS).convert("RGB")


def heated(learn: Learner, film: Image.Image, label: str, size: tuple[int, int]) -> Image.Image:
    "A film under the map of what speaks for a class rather than for the other."
    heat = cam(learn, film, label, difference=True)[0].cpu()
    mixed = overlay(heat, np.asarray(film), colour_scale(heat, signed=False))
    return grey(Image.fromarray((255 * mixed).round().astype(np.uint8)), size)


# --- what is drawn -------------------------------------------------------------------------------


def train(course: Path, size: int, weights: str | None, epochs: int) -> Learner:
    "A network, trained as in the lessons."
    learn = film_learner(dataloaders(course, tfms=film_tfms(), size=size, seed=SEED), weights, SEED)
    fine_tune(learn, epochs, seed=SEED)
    return learn


def train_on_marks(course: Path) -> Learner:
    "A network from random numbers, trained as in lesson 02."
    dls = dataloaders(course, tfms=film_tfms(), size=128, bs=16, seed=SEED)
    learn = film_learner(dls, None, SEED)
    learn.dls.train.rng = Random(SEED)
    with no_random(SEED), learn.no_bar(), learn.no_logging():
        learn.fine_tune(10, 2e-3)
    return learn


def answer(learn: Learner, film: Image.Image) -> tuple[str, int]:
    "What a network calls a film, and how sure it sounds, in per cent."
    row = predict(learn, film).iloc[0]
    return row["prediction"], round(100 * row[row["prediction"]])


def embedded_elbow(height: int) -> Image.Image:
    "The elbow that comes with the course, taken again with more pixels."
    with (embedded_films() / "manifest.csv").open(encoding="utf-8") as lines:
        (row,) = [row for row in csv.DictReader(lines) if row["path"] == "elbow.png"]
    parameters = json.loads(row["parameters"])
    parameters.pop("size")
    return simulate_film("elbow", int(row["seed"]), height, **parameters).image


def wall(
    films: list[Path], stranger: Image.Image, colour: str, size: tuple[int, int]
) -> Image.Image:
    "Training films side by side, and among them one film that is none of them, framed."
    columns = 9
    hole = range(3, 7)  # the rows and columns in which the stranger stands
    width, height = size
    edges_across = np.linspace(0, width, columns + 1).round().astype(int)
    edges_down = np.linspace(0, height, columns + 1).round().astype(int)
    picture = Image.new("RGB", size, GROUND)
    places = [
        (row, column)
        for row in range(columns)
        for column in range(columns)
        if not (row in hole and column in hole)
    ]
    for film, (row, column) in zip(films, places, strict=True):
        left, right = edges_across[column : column + 2]
        top, bottom = edges_down[row : row + 2]
        small = grey(load_film(film), (right - left - 2, bottom - top - 2))
        picture.paste(small, (left + 1, top + 1))
    left, right = edges_across[hole.start], edges_across[hole.stop]
    top, bottom = edges_down[hole.start], edges_down[hole.stop]
    picture.paste(grey(stranger, (right - left - 20, bottom - top - 20)), (left + 10, top + 10))
    frame = (left + 5, top + 5, right - 6, bottom - 6)
    ImageDraw.Draw(picture).rectangle(frame, outline=colour, width=5)
    return picture


def story(learn: Learner, gate: Gate, course: Path) -> Figure:
    "An elbow, what a network of two words calls it, and what the gate says."
    image = card("elbow")
    film = embedded_elbow(1000)
    label, sure = answer(learn, film)
    said = f"“{WORDS[label]}”, {sure} %"
    (is_accepted,) = gate.accepts(film)
    verdict = "“Like these”" if is_accepted else "“Neither”"
    colour_of_gate = BLUE if is_accepted else ORANGE
    training = film_files(course / "train")
    order = np.random.default_rng(SEED).permutation(len(training))
    size = (440, 555)
    known = wall([training[i] for i in order], film, colour_of_gate, size)

    columns = [
        ("You see", "An elbow", BRIGHT, grey(film, size)),
        ("The network says", said, BRIGHT, heated(learn, film, label, size)),
        ("The gate says", verdict, colour_of_gate, known),
    ]
    for number, (who, words, colour, picture) in enumerate(columns):
        left = 60 + number * 520
        write(image, who, (left, 68), 36, PALE)
        write(image, words, (left, 140), 53, colour, bold=True)
        image.paste(picture, (left, 172))

    alt = (
        f"You see an elbow. The network says {said.lower()}: the same film with its heat map. "
        f"The gate says {verdict.lower()}: the elbow in a frame, among the {len(training)} chests "
        "and abdomens that the network learned from."
    )
    return Figure(image, alt)


HALF = (232, 220)  # one of two films side by side on a lesson's card
LEFT, RIGHT_SIDE = 6, 242  # where they begin (px)
FOOT = 272  # baseline of the words below them (px)


def pair(name: str, films: list[Image.Image], words: list[str], colours: list[str]) -> Image.Image:
    "Two films side by side, with a few words below each."
    image = card(name)
    for left, film, said, colour in zip((LEFT, RIGHT_SIDE), films, words, colours, strict=True):
        image.paste(film, (left, 6))
        write(image, said, (left + 4, FOOT), 29, colour, bold=True)
    return image


def first_lesson(learn: Learner, course: Path) -> Figure:
    "A chest and an abdomen that the network has not seen, with answers and maps."
    films = [load_film(film_files(course / "test" / label)[0]) for label in WORDS]
    answers = [answer(learn, film) for film in films]
    words = [f"{WORDS[label]} {sure} %" for label, sure in answers]
    maps = [heated(learn, film, label, HALF) for film, label in zip(films, WORDS, strict=True)]
    alt = f"Two films with heat maps; the network says: {words[0].lower()}, {words[1].lower()}."
    return Figure(pair("lesson_01", maps, words, [BRIGHT, BRIGHT]), alt)


def second_lesson(course: Path) -> Figure:
    "An abdomen without and with a square that stood on every chest of the training."

    def mark(film: Image.Image | Path) -> Image.Image:
        return plant_marker(film, side=0.16, at=(0.1, 0.1))

    with tempfile.TemporaryDirectory() as folder:
        marked = remake(course, Path(folder) / "marked", mark, only="chest")
        learn = train_on_marks(marked)
    plain = load_film(film_files(course / "val" / "abd")[1])
    films = [plain, mark(plain)]
    answers = [answer(learn, film) for film in films]
    words = [f"{WORDS[label]} {sure} %" for label, sure in answers]
    colours = [BRIGHT if label == "abd" else ORANGE for label, _ in answers]
    alt = (
        f"An abdomen, called {words[0].lower()}; the same with a white square in its corner, "
        f"called {words[1].lower()}."
    )
    shown = [grey(film, HALF) for film in films]
    return Figure(pair("lesson_02", shown, words, colours), alt)


def third_lesson() -> Figure:
    "What all right means: the intervals of 10 of 10 and of 100 of 100."
    image = card("lesson_03")
    pen = ImageDraw.Draw(image)
    left, right = 30, 450
    said = []
    for number, n in enumerate((10, 100)):
        low, _ = wilson(n, n)
        base = 66 + 116 * number
        write(image, f"{n} of {n} right", (left, base), 33, BRIGHT, bold=True)
        interval = f"{100 * low:.0f} to 100 %"
        write(image, interval, (right, base), 33, BLUE, bold=True, anchor="rs")
        pen.rectangle((left, base + 24, right, base + 44), fill="#2a313c")
        pen.rectangle((left + low * (right - left), base + 24, right, base + 44), fill=BLUE)
        said.append(f"{n} of {n}, {interval}")
    write(image, "0 %", (left, 276), 27, PALE)
    write(image, "100 %", (right, 276), 27, PALE, anchor="rs")
    return Figure(image, f"How sure a count of films is: {said[0]}; {said[1]}.")


def fourth_lesson(gate: Gate, course: Path) -> Figure:
    "Three films before the gate: those that pass, and those that it refuses."
    films = {
        "chest": load_film(film_files(course / "test" / "chest")[0]),
        "elbow": load_film(course / "elbow.png"),
        "hand": simulate_film("hand", 1, 320, marks=False).image,
    }
    accepted = gate.accepts(list(films.values()))
    image = card("lesson_04")
    pen = ImageDraw.Draw(image)
    said = []
    for number, ((name, film), passes) in enumerate(zip(films.items(), accepted, strict=True)):
        left = 6 + 158 * number
        words, colour = ("passes", BLUE) if passes else ("refused", ORANGE)
        image.paste(grey(np.asarray(film), (152, 220)), (left, 6))
        pen.rectangle((left, 6, left + 151, 225), outline=colour, width=5)
        write(image, words, (left + 4, FOOT), 29, colour, bold=True)
        said.append(f"{name} {words}")
    return Figure(image, f"Three films before the gate: {', '.join(said)}.")


def as_greys(centimetres: np.ndarray) -> np.ndarray:
    "A map of tissue as a film, white where there is most, the rare thickest places left out."
    most = np.percentile(centimetres, 99)
    return 255 * (centimetres / most).clip(0, 1)


def fifth_lesson() -> Figure:
    "A simulated chest: its bones and its soft tissue make the film."
    size = (520, 640)
    shape = size[1], size[0]
    film = simulate_film("chest", 62, size, marks=False, devices=False)
    scene = build("chest", film.params, shape, np.random.default_rng([62, 0, 1]))
    parts = [
        ("bone", as_greys(scene.cm["bone"])),
        ("+ soft tissue", as_greys(scene.cm["soft"])),
        ("= film", np.asarray(film.image)),
    ]
    image = card("lesson_05")
    for number, (words, part) in enumerate(parts):
        left = 6 + 158 * number
        image.paste(grey(part, (152, 220)), (left, 6))
        write(image, words, (left + 4, FOOT), 26 if number == 1 else 29, BRIGHT, bold=True)
    return Figure(image, "A simulated chest: bone plus soft tissue makes the film.")


def sixth_lesson() -> Figure:
    "A chest, and the map that a filter for upright edges makes of it."
    size = (2 * HALF[0], 2 * HALF[1])
    film = simulate_film("chest", 62, size, marks=False, devices=False).image
    greys = np.asarray(film.resize(HALF), float)
    edges = sobel(greys, axis=1)
    strong = np.percentile(np.abs(edges), 99)
    map_of_edges = 255 * (np.abs(edges) / strong).clip(0, 1)
    shown = [grey(film, HALF), grey(map_of_edges, HALF)]
    alt = "A chest; and where it has upright edges, the map that a filter makes of it."
    return Figure(pair("lesson_06", shown, ["film", "edges in it"], [BRIGHT, BRIGHT]), alt)


def seventh_lesson() -> Figure:
    "A chest with an effusion, and the same with a line around the fluid."
    size = (2 * HALF[0], 2 * HALF[1])
    fluid = dict(effusion=[0.0, 0.45], devices=False, marks=False, erect=True)
    film = simulate_film("chest", 62, size, **fluid)
    mask = film.masks["effusion"]
    edge = mask & ~binary_erosion(mask, iterations=6)
    colours = np.asarray(film.image.convert("RGB"))
    outlined = np.where(edge[..., None], ImageColor.getrgb(ORANGE), colours)
    second = Image.fromarray(outlined.astype(np.uint8)).resize(HALF)
    alt = "A chest; and the same with a line around the fluid that a network is to find."
    words = ["effusion?", "effusion"]
    return Figure(pair("lesson_07", [grey(film.image, HALF), second], words, [BRIGHT, ORANGE]), alt)


def eighth_lesson() -> Figure:
    "An abdomen with an invented name in its pixels, and the same with the name covered."
    size = (2 * HALF[0], 2 * HALF[1])
    named = simulate_film("abd", 7, size, marks=False, devices=False).image
    pen = ImageDraw.Draw(named)
    pen.text((16, 10), "DOE^JANE 1952", 255, ImageFont.load_default(52))
    covered = named.copy()
    ImageDraw.Draw(covered).rectangle((0, 0, covered.width, covered.height // 7), fill=0)
    shown = [grey(np.asarray(film), HALF) for film in (named, covered)]
    words = ["name in it", "covered"]
    alt = "An abdomen with an invented name burned into it; the same with the name covered."
    return Figure(pair("lesson_08", shown, words, [ORANGE, BLUE]), alt)


def figures() -> dict[str, Figure]:
    "Every figure of the home page."
    course = embedded_films()
    learn = train(course, size=160, weights="simulated", epochs=1)
    gate = Gate.fit(course)
    return {
        "elbow": story(learn, gate, course),
        "lesson_01": first_lesson(learn, course),
        "lesson_02": second_lesson(course),
        "lesson_03": third_lesson(),
        "lesson_04": fourth_lesson(gate, course),
        "lesson_05": fifth_lesson(),
        "lesson_06": sixth_lesson(),
        "lesson_07": seventh_lesson(),
        "lesson_08": eighth_lesson(),
    }


if __name__ == "__main__":
    for name, figure in figures().items():
        figure.save(IMAGES / f"{name}.png")
        print(f"{name}.png: {figure.alt}")
