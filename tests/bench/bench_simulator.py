"The simulator: films in a second, and memory. No other library makes such films."

import multiprocessing
import time
from functools import partial
from pathlib import Path

from measuring import (
    OURS,
    Places,
    as_given,
    beside,
    in_new_python,
    in_turn,
    measurement,
    peak_memory,
)

YARDSTICK = "a fixed sum"
IMPORTS = "its imports alone"
FILMS = 16  # in a round
PROCESSES = 2


def simulate(number: int, size: int) -> tuple[float, float]:
    "Processor time of one simulated film (s), and the most memory that its process has had (MB)."
    from rsna_cls import simulate_film

    started = time.process_time()
    simulate_film(("chest", "abd")[number % 2], number, size=size)
    return time.process_time() - started, peak_memory()


def yardstick(number: int, size: int) -> tuple[float, float]:
    "The same of a calculation that no commit changes: images blurred, and Fourier transforms."
    import numpy as np
    from scipy.ndimage import gaussian_filter

    started = time.process_time()
    image = np.random.default_rng(number).random((size, size))
    for _ in range(3):
        image = gaussian_filter(image, 6)
        image = np.abs(np.fft.ifft2(np.fft.fft2(image)))
    return time.process_time() - started, peak_memory()


def many(pool, task) -> tuple[float, dict]:
    "Processor time of one of many calls, and what else there is to know of them."
    started = time.perf_counter()
    made = pool.map(task, range(FILMS), chunksize=2)
    wall = time.perf_counter() - started
    seconds, memory = zip(*made, strict=True)
    facts = {
        f"films per second, {PROCESSES} processes": FILMS / wall,
        "most memory of a process (MB)": max(memory),
    }
    return sum(seconds) / FILMS, facts


def without_facts(pool, task) -> tuple[float, dict]:
    "Processor time alone: the processes are those that make films, too."
    seconds, _ = many(pool, task)
    return seconds, {}


def films_of(size: int) -> dict[str, dict]:
    "Simulated chests and abdomens, made in processes whose start is not counted."
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        candidates = {
            OURS: lambda: partial(many, pool, partial(simulate, size=size)),
            YARDSTICK: lambda: partial(without_facts, pool, partial(yardstick, size=512)),
        }
        return in_turn(candidates, rounds=5, seconds=as_given, note=dict)


ABOUT = (
    "Chests and abdomens in turn, made by two processes at a time; the time is that of one film. "
    "No peer makes such films: they stand beside a fixed sum (an image of 512 pixels, blurred and "
    "Fourier transformed three times), so that two commits can be compared on any machine."
)


@measurement("A simulated film, 128 pixels", ABOUT, "CPU s", beside(YARDSTICK))
def simulated_film_128(places: Places) -> dict[str, dict]:
    return films_of(128)


@measurement("A simulated film, 224 pixels", ABOUT, "CPU s", beside(YARDSTICK))
def simulated_film_224(places: Places) -> dict[str, dict]:
    return films_of(224)


HERE = str(Path(__file__).resolve().parent)
MEMORY = f"""
import sys
sys.path.insert(0, {HERE!r})
from measuring import peak_memory
from rsna_cls import simulate_film
for number in range(int(sys.argv[1])):
    simulate_film(("chest", "abd")[number % 2], number, size=224)
print(peak_memory())
"""


def memory_of(films: int) -> tuple[float, dict]:
    "The most memory that a new process takes which makes some films (MB)."
    return float(in_new_python(MEMORY, films)), {}


@measurement(
    title="Memory of the simulator",
    about="The most memory that a process has which makes four films of 224 pixels, beside one "
    "that only loads the library.",
    unit="MB",
    pairs=beside(IMPORTS),
)
def simulator_memory(places: Places) -> dict[str, dict]:
    candidates = {
        OURS: lambda: partial(memory_of, 4),
        IMPORTS: lambda: partial(memory_of, 0),
    }
    return in_turn(candidates, rounds=5, seconds=as_given, warm_up=False)
