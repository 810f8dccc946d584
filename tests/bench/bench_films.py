"A large course folder for `make bench` to check: films of today's simulator, kept in build."

import hashlib
import shutil
from pathlib import Path

from joblib import Parallel, delayed

HERE = Path(__file__).resolve().parents[2]
SPLITS = {"train": 0.8, "val": 0.15, "test": 0.05}
LABELS = ("abd", "chest")
SIDE = 320  # px of a film's longer side; it is simulated with fewer, which takes less time


def write_film(label: str, seed: int, file: str) -> None:
    "Simulate a film, and write it."
    from PIL import Image

    from rsna_cls import simulate_film

    film = simulate_film(label, seed, size=96).image
    scale = SIDE / max(film.size)
    size = round(film.width * scale), round(film.height * scale)
    film.resize(size, Image.Resampling.LANCZOS).save(file)


def large_course(n: int, folder: Path) -> Path:
    "A course folder of many simulated films, by today's simulator; kept for the next time."
    made_by = digest([*HERE.glob("rsna_cls/sim/*.py"), Path(__file__)])
    course = folder / f"films-{n}-{made_by}"
    if course.exists():
        return course
    for old in folder.glob(f"films-{n}-*"):
        shutil.rmtree(old)
    print(f"Simulating {n} films, once …", flush=True)
    unfinished = folder / f"unfinished-{n}"
    shutil.rmtree(unfinished, ignore_errors=True)
    jobs = []
    for split, share in SPLITS.items():
        for label in LABELS:
            below = unfinished / split / label
            below.mkdir(parents=True)
            for number in range(round(n * share / len(LABELS))):
                jobs.append((label, len(jobs), str(below / f"{number:05}.png")))
    on_all_processors = Parallel(n_jobs=-1, return_as="generator_unordered")
    written = on_all_processors(delayed(write_film)(*job) for job in jobs)
    for done, _ in enumerate(written, 1):
        if done % 500 == 0:
            print(f"  {done} of {n}", flush=True)
    return unfinished.rename(course)


def digest(files: list[Path]) -> str:
    "A short digest of some files."
    content = b"".join(file.read_bytes() for file in sorted(files))
    return hashlib.sha256(content).hexdigest()[:12]
