"Starting up: how long the imports take, each in a process of its own."

from functools import partial

from measuring import Places, in_new_python, in_turn, measurement, wall_seconds

FASTAI = "fastai"
OURS = {  # name on the page → what a new Python runs
    "the package": "import rsna_cls",
    "load_film": "from rsna_cls import load_film",
    "fetch_data": "from rsna_cls import fetch_data",
    "film_learner": "from rsna_cls import film_learner",
}
LINES = OURS | {FASTAI: "import fastai.vision.all"}


@measurement(
    title="Starting Python with the library",
    about="A new Python that runs one line, such as `from rsna_cls import load_film`, beside one "
    "that runs `import fastai.vision.all`, on which the library stands. The files have been read "
    "before.",
    unit="s",
    pairs=tuple((name, FASTAI) for name in OURS),
)
def importing(places: Places) -> dict[str, dict]:
    candidates = {name: partial(partial, in_new_python, line) for name, line in LINES.items()}
    return in_turn(candidates, rounds=5, seconds=wall_seconds)
