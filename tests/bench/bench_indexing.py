"Large folders: which films are there? `Course` beside fastai's `get_image_files`."

from functools import partial
from pathlib import Path

from measuring import OURS, Places, as_given, beside, in_new_python, in_turn, measurement

FASTAI = "fastai"
HERE = str(Path(__file__).resolve().parent)


def folder_of(films: int, places: Places) -> Path:
    "A course folder of tiny files; made once."
    folder = places.scratch / f"{films} files"
    for split, share in (("train", 0.8), ("val", 0.2)):
        for label in ("abd", "chest"):
            below = folder / split / label
            if below.exists():
                continue
            below.mkdir(parents=True)
            for number in range(int(films * share / 2)):
                (below / f"{number:06}.png").write_bytes(b"\x89PNG")
    return folder


def films_by_us(folder: Path):
    from rsna_cls import Course

    return len(Course(folder).films("train", "val"))


def films_by_fastai(folder: Path):
    from fastai.vision.all import get_image_files

    return len(get_image_files(folder, folders=["train", "val"]))


def time_of(films: int, rounds: int, places: Places) -> dict[str, dict]:
    "Both in turn, in this process."
    folder = folder_of(films, places)
    candidates = {
        OURS: lambda: partial(films_by_us, folder),
        FASTAI: lambda: partial(films_by_fastai, folder),
    }
    return in_turn(candidates, rounds, note=counted)


def counted(found: int) -> dict:
    return {"films found": found}


ABOUT = (
    "The list of all films in a folder of tiny files, in two parts and two classes. This library "
    "also sorts them, checks names, and says what it leaves out; fastai lists them."
)


@measurement("Finding 10,000 films", ABOUT, "CPU s", beside(FASTAI))
def finding_10_000_films(places: Places) -> dict[str, dict]:
    return time_of(10_000, 9, places)


@measurement("Finding 100,000 films", ABOUT, "CPU s", beside(FASTAI))
def finding_100_000_films(places: Places) -> dict[str, dict]:
    return time_of(100_000, 3, places)


# A function is called on an empty folder first, so that what it imports does not count.
MEMORY = f"""
import sys
from pathlib import Path
sys.path.insert(0, {HERE!r})
import bench_indexing
from measuring import peak_memory
find = getattr(bench_indexing, sys.argv[1])
find(Path(sys.argv[2]))
before = peak_memory()
find(Path(sys.argv[3]))
print(peak_memory() - before)
"""


def memory_of(function: str, small: Path, large: Path) -> tuple[float, dict]:
    "How much more memory a new process takes for a large folder than for a small one (MB)."
    return float(in_new_python(MEMORY, function, small, large).split()[-1]), {}


@measurement(
    title="Memory to find 100,000 films",
    about="How much more memory a new process takes than for a folder of ten files.",
    unit="MB",
    pairs=beside(FASTAI),
)
def memory_of_100_000_films(places: Places) -> dict[str, dict]:
    folders = [folder_of(films, places) for films in (10, 100_000)]
    candidates = {
        OURS: lambda: partial(memory_of, "films_by_us", *folders),
        FASTAI: lambda: partial(memory_of, "films_by_fastai", *folders),
    }
    return in_turn(candidates, rounds=5, seconds=as_given, warm_up=False)
