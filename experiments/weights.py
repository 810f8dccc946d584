"""What the embedded weights are worth by themselves: the rows of their model card.

    RSNA_CLS_DATA=my_films.zip python experiments/weights.py
    python experiments/weights.py --films simulated --weights my_weights.safetensors

The layer that names kinds is asked about the original films, of which none was learned from, and
about new simulated ones. The two original test films are asked at one size only, which was chosen
beforehand. Two minutes on one core. The card's table takes lesson 01's recipe from recipe.csv.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

import recipe
from common import (
    CLASSES,
    ORIGINAL,
    SIMULATED,
    Question,
    Table,
    course,
    devices,
    made,
    markdown,
    new_films,
    per_cent,
    say,
    share,
)
from rsna_cls import (
    EMBEDDED_WEIGHTS,
    KINDS,
    Course,
    film_tensor,
    pretrained_resnet18,
    read_tensors,
)

SIZES = [96, 128, 160, 192, 224]  # px
CHOSEN_SIZE = 128  # px, for the films of test/
NEW_SIZES = (128, 224)  # px, for new films
BATCH = 16
WITHOUT_TEST, EVERYTHING, NEW = "train and val", "train, val and test", "new"
TWO, ANY = "chest or abd", "any kind"


class Answers(NamedTuple):
    "What the layer that names kinds says about some films at one size."

    films: str  # original or simulated
    part: str  # which of these films
    allowed: str  # the answers to choose from: two classes, or any kind
    size: int  # px
    right: int  # films called right
    n: int  # films
    wrong: str  # which original films are called wrong, where only two answers are allowed
    made: str


RUNS = Table("weights", Answers, key=("films", "part", "allowed", "size"))
TABLES = (RUNS, *recipe.TABLES)
QUESTION = Question(
    __doc__,
    which=dict(films=[ORIGINAL, SIMULATED], sizes=SIZES),
    how=dict(n=40, weights=str(EMBEDDED_WEIGHTS["simulated"])),
)


def network(weights: Path) -> nn.Module:
    "The ResNet18 with the layer that names kinds."
    last_layer = {}
    for name, tensor in read_tensors(weights).items():
        if name.startswith("fc."):
            last_layer[name.removeprefix("fc.")] = tensor.float()
    if not last_layer:
        raise SystemExit(f"{weights} has no layer that names kinds")
    net = pretrained_resnet18(weights).eval()
    net.fc = nn.Linear(512, len(last_layer["bias"]))
    net.fc.load_state_dict(last_layer)
    return net


@torch.no_grad()
def scores(net: nn.Module, films: list, size: int) -> Tensor:
    "The scores of films at a size, shape (n, kinds)."
    batches = [films[i : i + BATCH] for i in range(0, len(films), BATCH)]
    return torch.cat([net(film_tensor(batch, size)) for batch in batches])


def answers(net: nn.Module, films: list, size: int) -> dict[str, list[str]]:
    "A kind for each film: of two, and of all (or a detail of one)."
    found = scores(net, films, size)
    names = [*KINDS, "detail"]
    of_two = found[:, : len(CLASSES)].argmax(1).tolist()
    of_all = found.argmax(1).tolist()
    return {TWO: [names[i] for i in of_two], ANY: [names[i] for i in of_all]}


def ask_originals(net: nn.Module, size: int, part: str) -> Iterator[Answers]:
    "Original films: of two answers, and of all; of test/ only whether it is one of two."
    folder = Course(course(ORIGINAL))
    splits = ("train", "val", "test") if part == EVERYTHING else ("train", "val")
    files = folder.films(*splits)
    truths = [folder.label(file) for file in files]
    for allowed, said in answers(net, files, size).items():
        if (part, allowed) == (EVERYTHING, ANY):
            continue
        wrong = []
        for file, truth, answer in zip(files, truths, said, strict=True):
            if answer != truth:
                wrong.append(file.relative_to(folder.path).with_suffix("").as_posix())
        named = " ".join(wrong) if allowed == TWO else ""
        right = len(files) - len(wrong)
        yield Answers(ORIGINAL, part, allowed, size, right, len(files), named, made())


def ask_new(net: nn.Module, size: int, n: int) -> Answers:
    "New simulated films, half of either class, chest or abdomen."
    films, truths = [], []
    for kind in CLASSES:
        films += [film.image for film in new_films(kind, n // 2)]
        truths += [kind] * (n // 2)
    said = answers(net, films, size)[TWO]
    right = sum(answer == truth for answer, truth in zip(said, truths, strict=True))
    return Answers(SIMULATED, NEW, TWO, size, right, len(films), "", made())


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    net = network(Path(given.weights))
    for films in given.films:
        for size in given.sizes:
            if films == ORIGINAL:
                RUNS.keep(given.to, ask_originals(net, size, WITHOUT_TEST))
                if size == CHOSEN_SIZE:
                    RUNS.keep(given.to, ask_originals(net, size, EVERYTHING))
            elif size in NEW_SIZES:
                RUNS.keep(given.to, [ask_new(net, size, given.n)])
            say(f"{films}, {size} px: done")


# --- what is quoted -------------------------------------------------------------------------------


def find(runs: list[Answers], *key: str) -> list[Answers]:
    "The runs of some films, part and allowed answers, by size."
    return [run for run in runs if (run.films, run.part, run.allowed) == key]


def counts(runs: list[Answers]) -> str:
    "How many were right at each size, of how many."
    return f"{' / '.join(str(run.right) for run in runs)} of {runs[0].n}"


def sizes(runs: list[Answers]) -> str:
    "The sizes."
    return f"{' / '.join(str(run.size) for run in runs)} px"


def with_interval(run: Answers) -> str:
    "How many of how many, as a share, with its interval."
    return f"{run.right} of {run.n} = {run.right / run.n:.3f} ({share(run.right, run.n, 3)})"


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    runs = RUNS.read(folder)
    of_recipe = recipe.numbers(folder)
    two = find(runs, ORIGINAL, WITHOUT_TEST, TWO)
    any_kind = find(runs, ORIGINAL, WITHOUT_TEST, ANY)
    (everything,) = find(runs, ORIGINAL, EVERYTHING, TWO)
    new = find(runs, SIMULATED, NEW, TWO)
    training = f"original training films, seeds {of_recipe['seeds']}"
    rows = [
        [
            f"chest or abdomen, original films without the two test films, `fc`, at {sizes(two)}",
            counts(two),
        ],
        [
            f"lesson 01's recipe on the {training}",
            f"validation {of_recipe['simulated_val_original']}, "
            f"test {of_recipe['simulated_test_original']}; of {of_recipe['new_chests']} new "
            f"simulated chests {of_recipe['simulated_chests_original']}, of abdomens "
            f"{of_recipe['simulated_abdomens_original']}",
        ],
        [
            f"chest or abdomen, `fc`, with the test films, at {everything.size} px, the size "
            "chosen beforehand",
            f"{with_interval(everything)}; wrong: {', '.join(everything.wrong.split()) or 'none'}",
        ],
        [
            f"without the test films, any of the 13 answers allowed, {sizes(any_kind)}",
            counts(any_kind),
        ],
        [
            f"chest or abdomen, new simulated films, {sizes(new)}",
            f"{counts(new)} (of one size: {share(new[0].right, new[0].n, 3)})",
        ],
    ]
    return {"card": markdown(["question", "answer"], rows)}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    (everything,) = find(RUNS.read(folder), ORIGINAL, EVERYTHING, TWO)
    return {
        "right": str(everything.right),
        "n": str(everything.n),
        "interval": per_cent(everything.right, everything.n),
        "size": str(everything.size),
        "device": devices(run.made for run in RUNS.read(folder)),
    }


if __name__ == "__main__":
    main()
