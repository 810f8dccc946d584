"""How far does the audit reach: 100,000 films, and beside CleanVision?

    python experiments/large.py

Index and audit: folders of small films that are all different and have no borders, of one size; a
second audit is of larger ones that were each cut to a size of its own, so that those of the smaller
folders may be panels of one figure (and of the larger ones too many share a side for that). Each is
measured in a process of its own. Speed: processor time of the audit and of CleanVision, in
turn, three times, on simulated films of 384 px, of which 2,000 are drawn and the others are these,
turned and moved a little. Faults: what the two find of what was planted into a folder, and what
they say of films without a fault, where a find that hangs on marks, or on the simulator's films
being grey, is not counted. Two hours on one core, most of it for drawing films, which are kept in
build/experiments/large_films, and for the largest folders. It needs 2 GB of disk meanwhile. The
figure is nbs/images/large.png; `--draw` alone draws it anew.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from common import CLASSES, HERE, RESULTS, TRIALS, Question, Table, made, quiet, say
from rsna_cls import load_film, simulate_film
from rsna_cls.figure import new_figure, picture

FIGURE = HERE.parent / "nbs/images/large.png"
INDEX, AUDIT, AUDIT_CUT, SPEED, FAULTS = "index", "audit", "audit, cut", "speed", "faults"
OURS, PEER = "audit", "CleanVision"
SMALL_FILMS = (1_000, 3_000, 10_000, 30_000, 100_000)  # in the folders of index and audit
SMALL_SIZE = (96, 80)  # px
CUT_SIDES = (100, 500)  # px: of films that have a size of their own
CUT_FILMS = 10_000  # in a folder of these at most: more share their sides with too many
LARGE_FILMS = (2_000, 10_000)  # in those of both tools
LARGE_SIZE = 384  # px, of the longer side
DRAWN = 2_000  # of these films
FIRST_SEED = 6_000_000
FILMS = TRIALS / "large_films"
PARTS = ("train", "train", "train", "val", "test")  # in turn
ROUNDS = 3  # of two tools that are compared


class Run(NamedTuple):
    "What one process took for one folder."

    task: str  # index; audit; audit, cut; speed
    tool: str  # audit (this library) or CleanVision
    n: int  # films in the folder
    round: int  # from 1
    cpu: float  # seconds of a processor, after the imports
    seconds: float  # that passed
    bare: float  # memory after the imports (MB)
    peak: float  # memory at most (MB)
    unsought: int  # films of which an audit sought no panels: too many share a side with them
    made: str


class Found(NamedTuple):
    "What a tool found of one kind of fault."

    fault: str  # what was planted
    tool: str  # audit (this library) or CleanVision
    found: int  # in how many films
    n: int  # of how many
    made: str


RUNS = Table("large", Run, key=("task", "tool", "n", "round"))
FOUND = Table("audit_peers", Found, key=("fault", "tool"))
TABLES = (RUNS, FOUND)
QUESTION = Question(
    __doc__,
    which=dict(
        tasks=[INDEX, AUDIT, AUDIT_CUT, SPEED, FAULTS],
        n=[*SMALL_FILMS],
        films=[*LARGE_FILMS],
    ),
)


# --- films ----------------------------------------------------------------------------------------


def save(film: Image.Image, place: Path) -> None:
    "Write a film, its folder first."
    place.parent.mkdir(parents=True, exist_ok=True)
    film.save(place, quality=92)  # a PNG takes no notice of it


def write_small_films(n: int, home: Path, is_cut: bool = False) -> None:
    "A course folder of small films without a meaning, five of each patient; perhaps cut by hand."
    rng = np.random.default_rng(0)
    for i in range(n):
        coarse = rng.integers(0, 256, (10, 12), dtype=np.uint8)
        size = tuple(map(int, rng.integers(*CUT_SIDES, 2))) if is_cut else SMALL_SIZE
        film = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        patient = f"patient{i // 10}"
        save(film, home / PARTS[i // 10 % 5] / CLASSES[i % 2] / patient / f"{i}.png")


def drawn_films() -> list[Path]:
    "The simulated films, half PNG and half JPEG; drawn, if they are not there yet."
    files = []
    for i in range(DRAWN):
        kind = CLASSES[i % 2]
        file = FILMS / f"{kind}{i}.{'png' if i // 10 % 2 else 'jpg'}"
        if not file.exists():
            unfinished = file.with_stem(f"unfinished{i}")
            save(simulate_film(kind, FIRST_SEED + i, LARGE_SIZE).image, unfinished)
            unfinished.replace(file)
        files.append(file)
    return files


def exposed_again(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    "A film turned by more than a few degrees, enlarged, and moved: another film to any search."
    angle = float(rng.choice([-1, 1]) * rng.uniform(5, 12))
    turned = film.rotate(angle, Image.Resampling.BILINEAR)
    share = rng.uniform(0.8, 0.95)
    width, height = (round(side * share) for side in film.size)
    left = int(rng.integers(film.width - width + 1))
    top = int(rng.integers(film.height - height + 1))
    return turned.crop((left, top, left + width, top + height)).resize(film.size)


def write_large_films(n: int, home: Path) -> None:
    "A course folder of simulated films: those that are drawn, and the others from these."
    rng = np.random.default_rng(0)
    drawn = drawn_films()
    for i in range(n):
        file = drawn[i % DRAWN]
        place = home / PARTS[i // 2 % 5] / CLASSES[i % 2] / f"{i}{file.suffix}"
        if i < DRAWN:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
        else:
            save(exposed_again(load_film(file), rng), place)


# --- time and memory ------------------------------------------------------------------------------

MEASURED = """
import contextlib, io, json, re, resource, sys, time

def cpu():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)

def peak():
    try:
        with open("/proc/self/status") as status:  # of this process, not of the one it came from
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

IMPORTS
unsought = 0
bare, before, start = peak(), cpu(), time.monotonic()
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    TASK
taken, cpu_taken, most = time.monotonic() - start, cpu() - before, peak()
AFTER
print(json.dumps(dict(cpu=cpu_taken, seconds=taken, bare=bare, peak=most, unsought=unsought)))
"""
IMPORTS = {
    (INDEX, OURS): "from rsna_cls import Course",
    (AUDIT, OURS): "from rsna_cls.audit import audit",
    (AUDIT_CUT, OURS): "from rsna_cls.audit import audit",
    (SPEED, OURS): "from rsna_cls.audit import audit",
    (SPEED, PEER): "from cleanvision import Imagelab",
}
WORK = {
    (INDEX, OURS): (
        "course = Course(sys.argv[1]); labels = [course.label(film) for film in course.films()]"
    ),
    (AUDIT, OURS): "table = audit(sys.argv[1])",
    (AUDIT_CUT, OURS): "table = audit(sys.argv[1])",
    (SPEED, OURS): "table = audit(sys.argv[1])",
    (SPEED, PEER): "Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=1)",
}
COUNT_UNSOUGHT = """
for detail in table.loc[table["finding"] == "same source not sought", "detail"]:
    unsought = int(re.match("[0-9]+", detail)[0])
"""
ONE_THREAD = dict(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


def measure(task: str, tool: str, n: int, number: int, home: Path) -> Run:
    "Time and memory of a task in a process of its own."
    program = MEASURED.replace("IMPORTS", IMPORTS[task, tool]).replace("TASK", WORK[task, tool])
    is_audit = task != INDEX and tool == OURS
    program = program.replace("AFTER", COUNT_UNSOUGHT if is_audit else "")
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(home)],
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
    )
    run = Run(task, tool, n, number, **json.loads(told.stdout.splitlines()[-1]), made=made())
    say(f"{task}, {tool}, {n:,} films: {run.cpu:.1f} s, {run.bare:.0f} to {run.peak:.0f} MB")
    return run


def measure_missing(
    to: Path,
    pairs: Sequence[tuple[str, str]],  # tasks and tools
    n: int,
    write: Callable[[int, Path], None],  # makes the folder
    rounds: int = 1,
) -> None:
    "Measure what is not in the CSV yet, on one folder of films."
    done = RUNS.done(to)
    # One run alone may be of a slow minute: tools that are compared take turns.
    keys = [(*pair, n, number) for number in range(1, rounds + 1) for pair in pairs]
    missing = [key for key in keys if key not in done]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as home:
        write(n, Path(home))
        for key in missing:
            RUNS.keep(to, [measure(*key, Path(home))])


# --- faults ---------------------------------------------------------------------------------------

Change = Callable[[Image.Image], Image.Image]
PLANTED = 10  # films for each fault
DUPLICATES = {"same pixels", "near duplicate", "likely same source"}
ODD = {"odd film"}
MARKS = {"marks in the middle", "marks near the edge"}


def jpeg(film: Image.Image) -> Image.Image:
    "A film after lossy compression."
    file = io.BytesIO()
    film.save(file, "JPEG", quality=50)
    return Image.open(file).convert("L")


def with_bar(film: Image.Image) -> Image.Image:
    "A chest with a white bar drawn on a lung."
    marked = film.copy()
    place = (0.25 * film.width, 0.35 * film.height, 0.38 * film.width, 0.37 * film.height)
    ImageDraw.Draw(marked).rectangle(place, fill=255)
    return marked


def coloured(film: Image.Image) -> Image.Image:
    "A film with a red label."
    marked = film.convert("RGB")
    ImageDraw.Draw(marked).rectangle((9, 9, 40, 20), fill=(200, 0, 0))
    return marked


def resized(width: int, height: int) -> Change:
    "What gives films this size."
    return lambda film: film.resize((width, height))


class Fault(NamedTuple):
    "A change that makes a fault of a film, and under which name each tool would tell of it."

    change: Change
    ours: set[str]  # findings
    peers: set[str]  # CleanVision's kinds of issue; none where it does not ask
    is_copy: bool = False  # beside the film itself: found, where both are named together
    n: int = PLANTED  # in how many films


COPIES = {"exact_duplicates", "near_duplicates"}
KINDS_OF_FAULT = {
    "same file twice": Fault(lambda film: film, DUPLICATES, COPIES, True),
    "copy as JPEG": Fault(jpeg, DUPLICATES, COPIES, True),
    "copy of a third of the size": Fault(resized(128, 125), DUPLICATES, COPIES, True),
    "copy 30 greys brighter": Fault(
        lambda film: film.point(lambda grey: min(grey + 30, 255)), DUPLICATES, COPIES, True
    ),
    "copy on its side": Fault(
        lambda film: film.transpose(Image.Transpose.ROTATE_90), DUPLICATES, COPIES, True
    ),
    "copy on its head": Fault(
        lambda film: film.transpose(Image.Transpose.ROTATE_180), DUPLICATES, COPIES, True
    ),
    "mirrored copy": Fault(ImageOps.mirror, DUPLICATES, COPIES, True),
    "copy black for white": Fault(ImageOps.invert, DUPLICATES, COPIES, True),
    "copy with a black frame": Fault(
        lambda film: ImageOps.expand(film, 38, 0), DUPLICATES, COPIES, True
    ),
    "copy with a white frame": Fault(
        lambda film: ImageOps.expand(film, 38, 255), DUPLICATES, COPIES, True
    ),
    "copy cut by a sliver": Fault(lambda film: ImageOps.crop(film, 3), DUPLICATES, COPIES, True),
    "black for white": Fault(ImageOps.invert, ODD, set()),
    "blank": Fault(lambda film: Image.new("L", film.size, 90), ODD, {"low_information"}),
    "tiny": Fault(resized(48, 40), ODD, {"odd_size"}),
    "huge": Fault(resized(3000, 2900), ODD, {"odd_size"}),
    "a narrow strip": Fault(resized(384, 90), ODD, {"odd_aspect_ratio"}),
    "dark": Fault(lambda film: film.point(lambda grey: grey // 8), ODD, {"dark"}),
    "light": Fault(lambda film: film.point(lambda grey: 225 + grey // 9), ODD, {"light"}),
    "blurred": Fault(lambda film: film.filter(ImageFilter.GaussianBlur(6)), ODD, {"blurry"}),
    # Many: a third of all films bear some mark.
    "a bar drawn on films of one class": Fault(with_bar, MARKS, set(), n=6 * PLANTED),
    "a red label on films of one class": Fault(coloured, {"colour"}, set()),
}
UNREADABLE, NOTHING = "cut short", "films without a fault"


def write_faults(home: Path) -> dict[str, list[tuple[str, str]]]:
    "A course folder with planted faults: of each fault its films, and the film each was made of."
    files = iter(drawn_films())
    planted: dict[str, list[tuple[str, str]]] = {}

    def place_of(file: Path, name: str) -> Path:
        part = PARTS[int("".join(filter(str.isdigit, file.stem))) // 2 % 5]
        return home / part / file.stem.rstrip("0123456789") / f"{name}.png"

    # Two of the films have to look as a film of their class should.
    for number, file in zip(range(20 * PLANTED), files, strict=False):
        save(load_film(file), place_of(file, f"good{number}"))
    for fault, kind in KINDS_OF_FAULT.items():
        planted[fault] = []
        wanted = CLASSES[0] if "of one class" in fault else ""
        for number in range(kind.n):
            file = next(file for file in files if file.stem.startswith(wanted))
            film = load_film(file)
            faulty = place_of(file, f"{fault} {number}")
            original = place_of(file, f"{fault} {number} original")
            save(kind.change(film), faulty)
            if kind.is_copy:
                save(film, original)
            names = [path.relative_to(home).as_posix() for path in (faulty, original)]
            planted[fault].append((names[0], names[1]))
    planted[UNREADABLE] = []
    for number in range(PLANTED):
        file = next(file for file in files if file.suffix == ".png")
        cut = place_of(file, f"cut {number}")
        cut.write_bytes(file.read_bytes()[:3000])
        planted[UNREADABLE].append((cut.relative_to(home).as_posix(), ""))
    return planted


Told = list[tuple[str, set[str]]]  # a kind of finding, and the films that it names together


def told_by_us(home: Path) -> Told:
    "What the audit says of single films, and of sets of them."
    from rsna_cls import audit

    told = []
    for row in audit(home).itertuples():
        if not row.finding.startswith("shortcut"):
            told.append((row.finding.split(": ")[-1], set(row.films)))
    return told


def told_by_peer(home: Path) -> Told:
    "What CleanVision says of single films, and of sets of them."
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(home))
    lab.find_issues(n_jobs=1, verbose=False)
    told = []
    for column in lab.issues.filter(regex="^is_"):
        kind = column.removeprefix("is_").removesuffix("_issue")
        # To be grey is no fault of a radiograph, as it is to CleanVision.
        if kind not in {"grayscale", *COPIES}:
            files = lab.issues.index[lab.issues[column].astype(bool)]
            told += [(kind, {Path(file).relative_to(home).as_posix()}) for file in files]
    for kind in COPIES:
        for files in lab.info[kind]["sets"]:
            told.append((kind, {Path(file).relative_to(home).as_posix() for file in files}))
    return told


def count_faults(home: Path) -> Iterator[Found]:
    "In how many films each tool found what was planted, and in how many it found too much."
    planted = write_faults(home)
    good = {path.relative_to(home).as_posix() for path in home.glob("*/*/good*")}
    by_us = told_by_us(home)
    # CleanVision 0.3.7 ends with an error at the first file that was cut short.
    for film, _ in planted[UNREADABLE]:
        (home / film).unlink()
    for tool, told in ((OURS, by_us), (PEER, told_by_peer(home))):
        for fault, films in planted.items():
            if fault == UNREADABLE:
                kinds = {"unreadable file"} if tool == OURS else set()
            else:
                kind = KINDS_OF_FAULT[fault]
                kinds = kind.ours if tool == OURS else kind.peers
            count = 0
            for faulty, original in films:
                is_copy = fault in KINDS_OF_FAULT and KINDS_OF_FAULT[fault].is_copy
                together = {faulty, original} if is_copy else {faulty}
                count += any(kind in kinds and together <= named for kind, named in told)
            yield Found(fault, tool, count, len(films), made())
        # Some of these do bear marks.
        blamed = {film for kind, named in told if kind not in MARKS for film in named & good}
        yield Found(NOTHING, tool, len(blamed), len(good), made())


# --- all of it ------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--draw" in arguments:
        draw(RUNS.frame(RESULTS), FIGURE)
        return
    given = QUESTION.options(arguments)
    for n in given.n:
        tasks = [(task, OURS) for task in (INDEX, AUDIT) if task in given.tasks]
        measure_missing(given.to, tasks, n, write_small_films)
        if AUDIT_CUT in given.tasks and n <= CUT_FILMS:
            write_cut = partial(write_small_films, is_cut=True)
            measure_missing(given.to, [(AUDIT_CUT, OURS)], n, write_cut)
    if FAULTS in given.tasks:
        with tempfile.TemporaryDirectory() as home:
            with quiet():
                counts = list(count_faults(Path(home).resolve()))
            FOUND.keep(given.to, counts)
        say("faults: done")
    if SPEED in given.tasks:
        for n in given.films:
            tools = [(SPEED, OURS), (SPEED, PEER)]
            measure_missing(given.to, tools, n, write_large_films, ROUNDS)
    if RUNS.file(given.to).exists():
        to = FIGURE if given.to == RESULTS else given.to / FIGURE.name
        draw(RUNS.frame(given.to), to)


# --- the figure -----------------------------------------------------------------------------------

LINES = {  # colour, marker and words
    AUDIT_CUT: ("tab:red", "^", "audit, each film of its own size"),
    AUDIT: ("tab:blue", "o", "audit, films of one size"),
    INDEX: ("0.4", "s", "list of the films"),
}
PANELS = {"cpu": "processor time (s)", "peak": "memory at most (MB)"}


def draw(runs: pd.DataFrame, to: Path) -> None:
    "Processor time and memory against the number of films."
    fig, axs = new_figure(1, len(PANELS), (3.4, 3.0))
    for ax, (column, title) in zip(axs.flat, PANELS.items(), strict=True):
        for task, (colour, marker, words) in LINES.items():
            line = runs[runs["task"] == task].sort_values("n")
            ax.plot(line["n"], line[column], color=colour, marker=marker, markersize=4, label=words)
        ax.set(xscale="log", yscale="log", xlabel="films", title=title)
        ax.set_xticks([*SMALL_FILMS], [f"{n // 1000:,}k" for n in SMALL_FILMS])
        ax.yaxis.set_major_formatter("{x:,g}")
        ax.minorticks_off()
        ax.grid(color="0.9")
    lines, names = axs.flat[0].get_legend_handles_labels()
    fig.legend(lines, names, loc="outside lower center", ncols=2, frameon=False)
    to.write_bytes(picture(fig, "").png)


# --- what is quoted -------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted: none."
    return {}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    runs = RUNS.frame(folder)
    largest = runs[runs["n"] == max(SMALL_FILMS)].set_index("task")
    found = {"n": f"{max(SMALL_FILMS):,}", "many": f"{max(LARGE_FILMS):,}"}
    for task, name in ((INDEX, "index"), (AUDIT, "audit")):
        found[f"{name}_seconds"] = f"{largest.loc[task, 'cpu']:,.0f}"
        found[f"{name}_megabytes"] = f"{largest.loc[task, 'peak']:,.0f}"
    speed = runs[runs["task"] == SPEED].pivot(index=["n", "round"], columns="tool", values="cpu")
    ratios = (speed[OURS] / speed[PEER]).groupby("n")
    for n, of_rounds in ratios:
        found[f"ratio_{n}"] = f"{of_rounds.median():.2f}"
        found[f"ratios_{n}"] = f"{of_rounds.min():.2f}–{of_rounds.max():.2f}"
    found_by = FOUND.frame(folder)
    good = found_by[found_by["fault"] == NOTHING]
    counts = found_by.set_index(["fault", "tool"])["found"].unstack()
    faults = counts.drop(index=NOTHING)
    # Some faults CleanVision does not ask about: to miss these is no mistake of it.
    is_asked = [
        fault in KINDS_OF_FAULT and bool(KINDS_OF_FAULT[fault].peers) for fault in faults.index
    ]
    asked = faults[is_asked]
    return found | {
        "faults_of_both": str(len(asked)),
        "ours_alone": str(int((faults.loc[~np.array(is_asked), OURS] > 0).sum())),
        "good": str(good["n"].iloc[0]),
        "found_by_us": str(int((asked[OURS] > asked[PEER]).sum())),
        "found_by_peer": str(int((asked[OURS] < asked[PEER]).sum())),
        "false_by_us": str(int(counts.loc[NOTHING, OURS])),
        "false_by_peer": str(int(counts.loc[NOTHING, PEER])),
    }


if __name__ == "__main__":
    main()
