"""Which films are simulated? A blind reading of original and simulated films, shuffled.

    python -W ignore experiments/blind.py    # half a minute; needs the original films, and readers

It writes sheets of six films, and what a reader is told, into build/experiments/blind, one folder
for each edition of the simulator and each class. A reader gets the sheets and instructions.md
alone, without the key, and writes a CSV with a line for each film. These are put beside the sheets
(reading_1.csv, reading_2.csv …), and the same command counts how many films were named rightly, and
by which signs. Sheets show original films: they stay out of the repository.
"""

import csv
import itertools
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from common import CLASSES, ORIGINAL, TRIALS, Question, Table, made, markdown, per_cent, say
from likeness import EDITIONS, original_films, simulated_films

SIDE = 300  # px: the longer side of each film
ACROSS, DOWN = 3, 2  # films on a sheet
ON_SHEET = ACROSS * DOWN
NAMES = {"chest": "chest", "abd": "abdominal"}
MARGIN, CAPTION = 12, 26  # px
FOLDER = TRIALS / "blind"
SIGNS = {  # what may give a film away
    "bones": "ribs, spine, shoulders, pelvis: form, edge, inner structure",
    "heart": "heart, mediastinum, vessels at the root of the lungs",
    "lungs": "vessels and grey of the lungs, diaphragm",
    "gas": "stomach and bowel: gas, folds, stool",
    "organs": "outlines of organs and muscles, fat between them",
    "body": "skin, breasts, arms, neck; build and position",
    "texture": "noise, sharpness, contrast, greys",
    "frame": "edges, collimation, letters, marks, devices",
}


class Reading(NamedTuple):
    "What one reader said of one kind of film."

    edition: str  # of the simulator
    kind: str  # 'chest' or 'abd'
    reader: int  # 1 …
    simulated: int  # films that are
    called_simulated: int  # of these
    originals: int  # films that are
    called_original: int  # of these
    signs: str  # of films rightly called simulated: how often each sign was named
    made: str


READINGS = Table("blind", Reading, key=("edition", "kind", "reader"))
TABLES = (READINGS,)


# --- sheets ---------------------------------------------------------------------------------------


def sheet_of(films: Sequence[tuple[int, Image.Image]]) -> Image.Image:
    "A few films side by side, each with its number below."
    width = ACROSS * (SIDE + MARGIN) + MARGIN
    height = DOWN * (SIDE + CAPTION + MARGIN) + MARGIN
    sheet = Image.new("L", (width, height), 128)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    for place, (number, film) in enumerate(films):
        x = MARGIN + (place % ACROSS) * (SIDE + MARGIN)
        y = MARGIN + (place // ACROSS) * (SIDE + CAPTION + MARGIN)
        shown = ImageOps.contain(film, (SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(shown, (x + (SIDE - shown.width) // 2, y + (SIDE - shown.height) // 2))
        draw.text((x + SIDE / 2, y + SIDE + 4), str(number), fill=255, font=font, anchor="mt")
    return sheet


INSTRUCTIONS = """# A reading

Each sheet shows six {kind} radiographs, numbered. Some were taken of patients and printed in
articles; others were computed. Nobody tells you how many are which. Look at every film, decide, and
say what decided it. Write a CSV, one line for each film, with this header:

    number,verdict,sign,words

- verdict: `original` or `simulated`
- sign: the one thing that decided it, one of
{signs}
- words: what you saw, in one short sentence without commas
"""


def prepare(edition: str, kind: str, count: int, seed: int) -> None:
    "Write the sheets of one class, the instructions, and the key."
    rng = np.random.default_rng([seed, list(EDITIONS).index(edition), CLASSES.index(kind)])
    films = [(ORIGINAL, film) for film in original_films(kind)]
    films += [(edition, film) for film in simulated_films(edition, kind, count)]
    shuffled = [films[place] for place in rng.permutation(len(films))]

    folder = FOLDER / edition / kind
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    numbered = [(number, film) for number, (_, film) in enumerate(shuffled, 1)]
    for first in range(0, len(films), ON_SHEET):
        sheet = sheet_of(numbered[first : first + ON_SHEET])
        sheet.save(folder / f"sheet_{first // ON_SHEET + 1:02}.png")
    signs = "\n".join(f"  - `{name}`: {words}" for name, words in SIGNS.items())
    told = INSTRUCTIONS.format(kind=NAMES[kind], signs=signs)
    (folder / "instructions.md").write_text(told, encoding="utf-8")
    sources = [source for source, _ in shuffled]
    key = pd.DataFrame({"number": range(1, len(films) + 1), "source": sources})
    key.to_csv(key_of(edition, kind), index=False)
    say(f"{folder}: {len(films)} films")


def key_of(edition: str, kind: str) -> Path:
    "The file that says where each film is from; not among what a reader gets."
    return FOLDER / f"key_{edition}_{kind}.csv"


# --- answers --------------------------------------------------------------------------------------


ANSWER = ("number", "verdict", "sign")  # columns that are read; `words` are for people
VERDICTS = ("original", "simulated")


class Answer(NamedTuple):
    "What a reader said of a film."

    number: int
    is_simulated: bool
    sign: str  # one of `SIGNS`


def read_answers(file: Path, numbers: set[int]) -> list[Answer]:
    "The answers of one reader; ends the program where one is missing, or is none."
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    answers = []
    for row in rows:
        number, verdict, sign = ((row.get(name) or "").strip() for name in ANSWER)
        if not number.isdigit() or verdict not in VERDICTS or sign not in SIGNS:
            raise SystemExit(f"{file.name}, film {number!r}: what is {verdict!r}, {sign!r}?")
        answers.append(Answer(int(number), verdict == "simulated", sign))
    if sorted(answer.number for answer in answers) != sorted(numbers):
        raise SystemExit(f"{file.name} does not have each of the {len(numbers)} films once.")
    return answers


def read_key(file: Path) -> dict[int, str]:
    "Number → where the film is from: 'original' or an edition."
    return pd.read_csv(file, index_col="number")["source"].to_dict()


def reading(edition: str, kind: str, reader: int) -> Reading:
    "What a reader's answers are worth."
    key = read_key(key_of(edition, kind))
    answers = read_answers(FOLDER / edition / kind / f"reading_{reader}.csv", set(key))
    of_simulated = [answer for answer in answers if key[answer.number] != ORIGINAL]
    of_originals = [answer for answer in answers if key[answer.number] == ORIGINAL]
    found = [answer for answer in of_simulated if answer.is_simulated]
    signs = Counter(answer.sign for answer in found)
    return Reading(
        edition=edition,
        kind=kind,
        reader=reader,
        simulated=len(of_simulated),
        called_simulated=len(found),
        originals=len(of_originals),
        called_original=sum(not answer.is_simulated for answer in of_originals),
        signs=", ".join(f"{name} {times}" for name, times in signs.most_common()),
        made=made(),
    )


QUESTION = Question(
    __doc__, which=dict(editions=list(EDITIONS), kinds=CLASSES), how=dict(films=50, seed=0)
)


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    for edition, kind in itertools.product(given.editions, given.kinds):
        folder = FOLDER / edition / kind
        if not key_of(edition, kind).exists():
            prepare(edition, kind, given.films, given.seed)
        simulated = list(read_key(key_of(edition, kind)).values()).count(edition)
        if simulated != given.films:
            raise SystemExit(
                f"{folder} holds sheets of another reading, with {simulated} simulated films. "
                f"Move it away, with {key_of(edition, kind).name}, or ask for --films {simulated}."
            )
        for file in sorted(folder.glob("reading_[0-9]*.csv")):
            row = reading(edition, kind, int(file.stem.removeprefix("reading_")))
            READINGS.keep(given.to, [row])
            found = f"{row.called_simulated} of {row.simulated} simulated films found"
            right = f"{row.called_original} of {row.originals} original films recognised"
            say(f"{edition}, {kind}, reader {row.reader}: {found}, {right}")


# --- what is quoted -------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, str]:
    "What each reader found."
    columns = ["simulator", "films", "reader", "simulated found", "originals recognised", "signs"]
    lines = []
    for row in READINGS.read(folder):
        found = f"{row.called_simulated} of {row.simulated}"
        right = f"{row.called_original} of {row.originals}"
        lines.append(
            [
                f"{row.edition} edition",
                NAMES[row.kind],
                row.reader,
                f"{found} ({per_cent(row.called_simulated, row.simulated)})",
                f"{right} ({per_cent(row.called_original, row.originals)})",
                row.signs,
            ]
        )
    return {"readings": markdown(columns, lines)}


def numbers(folder: Path) -> dict[str, str]:
    "None: the table says it all."
    return {}


if __name__ == "__main__":
    main()
