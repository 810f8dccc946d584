"""What the audit finds and what it misses: the sentences of 18_survey, 19_copies and 21_audit.

    RSNA_CLS_DATA=my_films.zip python experiments/audit.py

Marks: new simulated films, sorted into a folder by whether they bear marks; are the marks found?
Copies: each film of a course beside a changed copy of itself, compressed or brightened, turned,
inverted or framed; is the pair found? Patients: films of a course in folders of two, some of which
lie in two parts; are these named? Different films: how many of the pairs that new films make are
taken for one picture, or for one source? Ten minutes on one core.
"""

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from common import (
    CLASSES,
    FIRST_SEED,
    ORIGINAL,
    SIMULATED,
    Question,
    Table,
    course,
    made,
    markdown,
    quiet,
    say,
)
from rsna_cls import Course, audit, duplicates, load_film, shortcuts, simulate_film

MARKS = "marks"
COPIES = "copies"
TURNED_COPIES = "turned copies"
PATIENTS = "patients"
DIFFERENT = "different films"
ORIGINAL_PAIRS = "pairs of original films"
WITH_MARKS, WITHOUT_MARKS = "films with marks", "films without marks"
SIGNS = ("marks in the middle", "marks near the edge", "white frame")  # as `shortcuts` calls them
DUPLICATE = ("same pixels", "near duplicate")
SOURCE = "likely same source"
SIZES = (
    200,
    400,
)  # px, of the longer side of new films: drawn, so that none are cut alike on purpose


class Count(NamedTuple):
    "How much of something was found."

    question: str  # marks, copies of which kind, patients, or pairs of which films
    films: str  # original or simulated
    what: str  # a kind of mark, a change, or a kind of pair
    found: int  # how many of the n
    n: int  # films, or pairs
    likeness: float  # of the least alike pair that was found; nan where there is none
    made: str


COUNTS = Table("audit", Count, key=("question", "films", "what"))
TABLES = (COUNTS,)
QUESTION = Question(__doc__, which=dict(films=[ORIGINAL, SIMULATED]), how=dict(n=240))


# --- marks ----------------------------------------------------------------------------------------


def write_new_films(n: int, home: Path) -> dict[str, list[str]]:
    "A course folder of new films, half chests, in two classes; the marks each film bears."
    rng = np.random.default_rng(0)
    marks = {}
    for kind in CLASSES:
        for i in range(n // 2):
            film = simulate_film(kind, FIRST_SEED + i, int(rng.integers(*SIZES)))
            label = "marked" if film.params["marks"] else "clean"
            place = Path("train") / label / f"{kind}{i}.png"
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            film.image.save(home / place)
            marks[place.as_posix()] = list(film.params["marks"] or [])
    return marks


def count_marks(home: Path, marks: dict[str, list[str]]) -> Iterator[Count]:
    "Films whose marks are found, and films without marks where some are found."
    with quiet():
        findings = shortcuts(home)
    found: set[str] = set()
    for row in findings.itertuples():
        if row.finding.endswith(SIGNS):
            found.update(row.films)

    kinds = sorted({kind for names in marks.values() for kind in names})
    groups = {
        WITH_MARKS: [film for film, names in marks.items() if names],
        WITHOUT_MARKS: [film for film, names in marks.items() if not names],
    }
    for kind in kinds:  # films that bear one mark alone
        groups[kind] = [film for film, names in marks.items() if names == [kind]]
    for what, films in groups.items():
        count = len(found & set(films))
        yield Count(MARKS, SIMULATED, what, count, len(films), np.nan, made())


# --- copies ---------------------------------------------------------------------------------------


def as_jpeg(film: Image.Image) -> Image.Image:
    "A film after lossy compression."
    file = io.BytesIO()
    film.save(file, "JPEG")
    return Image.open(file).convert("L")


def resized(film: Image.Image, factor: float) -> Image.Image:
    "A film of another size."
    width, height = (max(round(side * factor), 1) for side in film.size)
    return film.resize((width, height))


def a_third(film: Image.Image) -> Image.Image:
    "A film of a third of its size."
    return resized(film, 1 / 3)


def enlarged(film: Image.Image) -> Image.Image:
    "A film of 1.7 times its size."
    return resized(film, 1.7)


def brighter(film: Image.Image) -> Image.Image:
    "A film that is 30 greys brighter."
    return film.point(lambda grey: min(grey + 30, 255))


def dimmer(film: Image.Image) -> Image.Image:
    "A film dimmed to 80 %."
    return film.point(lambda grey: 0.8 * grey)


def three_at_once(film: Image.Image) -> Image.Image:
    "A third of its size, brighter, as JPEG."
    return as_jpeg(brighter(a_third(film)))


def other_gamma(film: Image.Image) -> Image.Image:
    "A film whose greys are bent by a gamma of 1.4."
    return film.point(lambda grey: 255 * (grey / 255) ** 1.4)


def on_its_side(film: Image.Image) -> Image.Image:
    "A film turned by a quarter."
    return film.transpose(Image.Transpose.ROTATE_90)


def on_its_head(film: Image.Image) -> Image.Image:
    "A film turned by half."
    return film.transpose(Image.Transpose.ROTATE_180)


def with_border(film: Image.Image, grey: int) -> Image.Image:
    "A film with a border, on each side a tenth of its longer side."
    return ImageOps.expand(film, round(max(film.size) / 10), fill=grey)


def with_black_border(film: Image.Image) -> Image.Image:
    "A film with a black border."
    return with_border(film, 0)


def with_white_border(film: Image.Image) -> Image.Image:
    "A film with a white border."
    return with_border(film, 255)


def turned_inverted_framed(film: Image.Image) -> Image.Image:
    "A film on its side, black for white, with a white border, as JPEG."
    return as_jpeg(with_white_border(ImageOps.invert(on_its_side(film))))


Change = Callable[[Image.Image], Image.Image]
CHANGES: dict[str, Change] = {
    "JPEG": as_jpeg,
    "a third": a_third,
    "1.7 times": enlarged,
    "30 greys brighter": brighter,
    "80 %": dimmer,
    "three at once": three_at_once,
    "gamma 1.4": other_gamma,
}
TURNED: dict[str, Change] = {
    "on its side": on_its_side,
    "on its head": on_its_head,
    "mirrored": ImageOps.mirror,
    "black for white": ImageOps.invert,
    "black border": with_black_border,
    "white border": with_white_border,
    "on its side, black for white, white border, JPEG": turned_inverted_framed,
}
OF_ONE_SOURCE = ("mirrored",)  # of these changes: the picture is another one


def write_copies(path: Path, change: Change, home: Path) -> set[tuple[str, str]]:
    "A folder of a course's films and their changed copies; which film is whose copy."
    folder = Course(path)
    pairs = set()
    for i, file in enumerate(folder.films()):
        film = load_film(file)
        name = f"{folder.label(file)}/{i}.png"
        for split, image in (("train", film), ("val", change(film))):
            place = home / split / name
            place.parent.mkdir(parents=True, exist_ok=True)
            image.save(place)
        pairs.add((f"train/{name}", f"val/{name}"))
    return pairs


def count_copies(question: str, films: str, what: str) -> Count:
    "Films of a course whose changed copy is found."
    change = (CHANGES | TURNED)[what]
    kinds = (SOURCE,) if what in OF_ONE_SOURCE else DUPLICATE
    with tempfile.TemporaryDirectory() as home:
        pairs = write_copies(course(films), change, Path(home))
        with quiet():
            table = duplicates(home)
    found = []
    for row in table.itertuples():
        is_own = tuple(sorted((row.film, row.other))) in pairs
        if is_own and row.kind in kinds:
            found.append(row.likeness)
    least = min(found, default=np.nan)
    return Count(question, films, what, len(found), len(pairs), float(least), made())


# --- patients -------------------------------------------------------------------------------------

TWO_PARTS, ONE_PART = "in two parts", "in one part"
PATIENTS_FOLDER = "a patient's folder in two parts"  # as `audit` calls it


def write_patients(path: Path, home: Path) -> dict[str, set[str]]:
    "Films of a course, two for each patient; which patients lie in two parts, and which in one."
    folder = Course(path)
    patients: dict[str, set[str]] = {TWO_PARTS: set(), ONE_PART: set()}
    for label in folder.classes:
        files = [file for file in folder.films() if folder.label(file) == label]
        for number, pair in enumerate(zip(files[::2], files[1::2], strict=False)):
            patient = f"{label} {number}"
            is_in_two = number % 2 == 1
            patients[TWO_PARTS if is_in_two else ONE_PART].add(patient)
            for split, file in zip(("train", "val" if is_in_two else "train"), pair, strict=True):
                place = home / split / label / patient / f"{file.stem}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                load_film(file).save(place)
    return patients


def count_patients(films: str) -> Iterator[Count]:
    "Patients whose folders are named as lying in two parts, of those that do and of the others."
    with tempfile.TemporaryDirectory() as home:
        patients = write_patients(course(films), Path(home))
        with quiet():
            table = audit(home)
    named = set()
    for row in table.itertuples():
        if row.finding == PATIENTS_FOLDER:
            named |= {Path(film).parent.name for film in row.films}
    for what, these in patients.items():
        yield Count(PATIENTS, films, what, len(these & named), len(these), np.nan, made())


# --- pairs ----------------------------------------------------------------------------------------


def count_pairs(question: str, films: str, path: Path) -> Iterator[Count]:
    "Pairs of films that are taken for one picture, and for one source."
    with quiet():
        table = duplicates(path)
    n = len(Course(path, needs=()).films())
    for what in (*DUPLICATE, SOURCE):
        of_kind = table[table["kind"] == what]
        least = float(of_kind["likeness"].min()) if len(of_kind) else np.nan
        yield Count(question, films, what, len(of_kind), n * (n - 1) // 2, least, made())


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    if SIMULATED in given.films:
        with tempfile.TemporaryDirectory() as home:
            marks = write_new_films(given.n, Path(home))
            COUNTS.keep(given.to, count_marks(Path(home), marks))
            COUNTS.keep(given.to, count_pairs(DIFFERENT, SIMULATED, Path(home)))
        say("new films: done")
    if ORIGINAL in given.films:
        COUNTS.keep(given.to, count_pairs(ORIGINAL_PAIRS, ORIGINAL, course(ORIGINAL)))
    for films in given.films:
        COUNTS.keep(given.to, count_patients(films))
        for question, changes in ((COPIES, CHANGES), (TURNED_COPIES, TURNED)):
            for what in changes:
                row = count_copies(question, films, what)
                COUNTS.keep(given.to, [row])
                say(f"{films}, {what}: {row.found} of {row.n} copies found")


# --- what is quoted -------------------------------------------------------------------------------

PLURALS = {  # the kinds of mark in the order of the sentence
    "letter": "letters",
    "panel": "panel letters",
    "bar": "bars",
    "arrow": "arrows",
    "circle": "circles",
    "text": "small type",
    "border": "frames",
}


def tables(folder: Path) -> dict[str, str]:
    "Copies that were turned, inverted or framed."
    rows = {(row.question, row.films, row.what): row for row in COUNTS.read(folder)}
    lines = []
    for what in TURNED:
        both = [rows[TURNED_COPIES, films, what] for films in (ORIGINAL, SIMULATED)]
        found = [f"{row.found} of {row.n}" for row in both]
        kind = SOURCE if what in OF_ONE_SOURCE else "near duplicate"
        least = np.nanmin([row.likeness for row in both])
        lines.append([what, kind, *found, f"{least:.3f}"])
    columns = ["copy", "kind", "original films", "simulated films", "least likeness"]
    return {"turned": markdown(columns, lines)}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    rows = {(row.question, row.films, row.what): row for row in COUNTS.read(folder)}
    marked = rows[MARKS, SIMULATED, WITH_MARKS]
    clean = rows[MARKS, SIMULATED, WITHOUT_MARKS]
    by_mark = []
    for kind, name in PLURALS.items():
        row = rows.get((MARKS, SIMULATED, kind))
        if row and row.n:
            by_mark.append(f"{name} {row.found} of {row.n}")

    copies = [row for row in rows.values() if row.question == COPIES]
    patients = {}
    for what in (TWO_PARTS, ONE_PART):
        of_both = [rows[PATIENTS, films, what] for films in (ORIGINAL, SIMULATED)]
        patients[what] = sum(row.found for row in of_both), sum(row.n for row in of_both)
    pairs = rows[DIFFERENT, SIMULATED, SOURCE]
    twins = sum(rows[DIFFERENT, SIMULATED, what].found for what in DUPLICATE)
    return {
        "films": str(marked.n + clean.n),
        "marked": f"{marked.found} of the {marked.n}",
        "false_alarms": str(clean.found),
        "clean": str(clean.n),
        "by_mark": ", ".join(by_mark),
        "copied": str(sum(row.n for row in copies if row.what == "JPEG")),
        "copies": f"{sum(row.found for row in copies):,} of {sum(row.n for row in copies):,}",
        "copies_likeness": f"{min(row.likeness for row in copies):.3f}",
        "patients_two": "{} of {}".format(*patients[TWO_PARTS]),
        "patients_one": "{} of the {}".format(*patients[ONE_PART]),
        "pairs": f"{pairs.n:,}",
        "pairs_duplicate": str(twins) if twins else "none",
        "pairs_source": str(pairs.found) if pairs.found else "none",
        "original_source": str(rows[ORIGINAL_PAIRS, ORIGINAL, SOURCE].found),
    }


if __name__ == "__main__":
    main()
