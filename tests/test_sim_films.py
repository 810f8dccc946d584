"Simulated films, and the embedded ones: they are what their card and manifest say."

import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from conftest import HERE
from rsna_cls import (
    KINDS,
    SimulatedFilm,
    build,
    simulate_dataset,
    simulate_film,
    simulate_films,
)
from rsna_cls.sim import draw_params, finish
from rsna_cls.sim import films as film_making

DATA = HERE / "data"


def manifest(folder):
    "The rows of a course folder's manifest."
    with open(folder / "manifest.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ROWS = manifest(DATA)


def films(split=None):
    "The rows of films in a split, or in any."
    rows = [row for row in ROWS if row["path"].count("/") == 2]
    return [row for row in rows if split is None or row["path"].startswith(f"{split}/")]


# --- the embedded films -------------------------------------------------------------------------


def test_the_manifest_lists_every_film():
    on_disk = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.png")}
    assert on_disk == {row["path"] for row in ROWS}
    assert len(ROWS) == 89
    for row in ROWS:
        content = (DATA / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"], row["path"]
    assert sum((DATA / row["path"]).stat().st_size for row in ROWS) < 6e6


def test_about_the_original_s_size():
    assert [len(films(split)) for split in ("train", "val", "test")] == [65, 10, 4]
    surprises = {row["kind"] for row in ROWS if "/" not in row["path"]}
    assert "elbow" in surprises and len(surprises) >= 6


def check_regeneration(row, worst=1):
    "A film made again differs from the kept one by a grey level or none."
    film = simulate_film(row["kind"], int(row["seed"]), **json.loads(row["parameters"]))
    again = np.asarray(film.image).astype(int)
    kept = np.asarray(Image.open(DATA / row["path"])).astype(int)
    assert again.shape == kept.shape, row["path"]
    assert np.abs(again - kept).max() <= worst, row["path"]


SAMPLE = [ROWS[0], *ROWS[20:65:15], *films("test"), *ROWS[-4:]]


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row["path"])
def test_a_sample_is_made_again(row):
    check_regeneration(row)


def test_another_film_is_noticed():
    with pytest.raises(AssertionError):
        check_regeneration({**ROWS[0], "seed": ROWS[1]["seed"]})


class TestTheCardTellsTheTruth:
    "A duplicate, marks on abdomens only, sizes that give the class away, and nothing else."

    card = (DATA / "README.md").read_text(encoding="utf-8")
    parameters = {row["path"]: json.loads(row["parameters"]) for row in films()}

    def test_duplicate(self):
        copies = Counter(row["sha256"] for row in ROWS)
        twins = [row["path"] for row in ROWS if copies[row["sha256"]] > 1]
        assert twins == ["val/abd/abd3.png", "val/abd/abd4.png"]
        assert all(f"`{twin}`" in self.card for twin in twins)

    def test_marks(self):
        marked = [path.split("/")[1] for path, p in self.parameters.items() if p["marks"]]
        abdomens = [path for path in self.parameters if "/abd/" in path]
        assert set(marked) == {"abd"}
        assert f"{len(marked)} of the {len(abdomens)} abdomens" in self.card

    def test_sizes(self):
        chests = {tuple(p["size"]) for path, p in self.parameters.items() if "/chest/" in path}
        abdomens = {tuple(p["size"]) for path, p in self.parameters.items() if "/abd/" in path}
        assert chests == {(384, 384)}
        assert (384, 384) not in abdomens
        longer_sides = [max(size) for size in abdomens]
        assert f"from {min(longer_sides)} to {max(longer_sides)}" in self.card


# --- a course folder ----------------------------------------------------------------------------

NONE = dict(train=(0, 0), val=(0, 0), test=(0, 0), surprises=())


def test_a_set_without_the_flaws(tmp_path):
    counts = NONE | dict(train=(2, 2), val=(2, 2))
    simulate_dataset(tmp_path / "fair", **counts, seed=1, flaws=False)
    rows = manifest(tmp_path / "fair")
    assert len({row["sha256"] for row in rows}) == len(rows) == 8
    with pytest.raises(ValueError, match="not empty"):
        simulate_dataset(tmp_path / "fair")


def test_a_plan_does_not_change_with_what_is_counted_as_an_iterator(tmp_path):
    counts = NONE | dict(train=(1, 1), surprises=["elbow"])
    for name, form in (("tuples", tuple), ("iterators", iter)):
        given = {key: form(value) for key, value in counts.items()}
        simulate_dataset(tmp_path / name, **given, seed=3)
    assert manifest(tmp_path / "tuples") == manifest(tmp_path / "iterators")


def test_surprises_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="No such kind of film: 'leg'.*elbow"):
        simulate_dataset(tmp_path / "new", surprises=["hand", "leg"])
    with pytest.raises(ValueError, match="only once: hand"):
        simulate_dataset(tmp_path / "new", surprises=["hand", "elbow", "hand"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dict(train=3), "train cannot be 3: it must be a list of whole numbers"),
        (dict(train=(-1, 1)), r"train cannot be \[-1, 1\]"),
        (dict(val=(1.5, 1)), r"val cannot be \[1.5, 1\]"),
        (dict(test="11"), "test cannot be "),
        (dict(test=b"11"), "test cannot be "),
        (dict(test=np.array(1)), "test cannot be "),
        (dict(test=[True]), "test cannot be "),
        (dict(train=[1] * 13), "train cannot be .*The order of the kinds is chest, abd, elbow"),
        (dict(surprises="elbow"), r"surprises cannot be 'elbow': it must be a list .*\['elbow'"),
        (dict(surprises=1), "surprises cannot be 1"),
        (dict(surprises=np.array("elbow")), "surprises cannot be "),
        (dict(seed=-1), "seed cannot be -1: it must be a whole number, 0 or more"),
        (dict(seed=1.5), "seed cannot be 1.5"),
        (dict(flaws="no"), "flaws cannot be 'no': it must be True or False"),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path, given, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        simulate_dataset(tmp_path / "new", **(NONE | given))
    assert not (tmp_path / "new").exists()


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "films"
    file.write_text("mine", encoding="utf-8")
    for dest, words in [(file, "films is .*no folder"), (file / "below", "films is no folder")]:
        with pytest.raises(ValueError, match=words):
            simulate_dataset(dest, **NONE)
    assert file.read_text(encoding="utf-8") == "mine"


# --- one film -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_film_of_every_kind(kind):
    film = simulate_film(kind, 5, 64)
    greys = np.asarray(film.image)
    assert film.image.mode == "L" and max(film.image.size) == 64
    assert np.ptp(greys) > 100
    assert film.masks["soft_tissue"].any()
    assert all(mask.shape == greys.shape and mask.dtype == bool for mask in film.masks.values())
    assert all(mask.any() for mask in film.masks.values())
    assert "domes" not in film.masks


@pytest.mark.parametrize("size", [0, -1, -224, (0, 224), (224, 0), (224, -1), 1, (1, 1)])
def test_a_size_that_is_too_small(size):
    with pytest.raises(ValueError, match="too small"):
        simulate_film("elbow", 0, size=size)


NO_SIZES = [224.0, 0.5, (224.0, 100), (224,), (1, 2, 3), "224", b"22", np.array(224), None, []]


@pytest.mark.parametrize("size", NO_SIZES)
def test_a_size_that_is_none(size):
    with pytest.raises(ValueError, match=r"whole number.*\(width, height\)") as error:
        simulate_film("elbow", 0, size=size)
    assert repr(size) in str(error.value)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_size_is_small_and_possible(size):
    film = simulate_film("elbow", 0, size=size, aspect=1.0)
    assert film.image.size == (size, size)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_that_is_none(seed):
    with pytest.raises(ValueError, match="seed cannot be .*: it must be a whole number, 0 or more"):
        simulate_film("elbow", seed)


def test_sizes_of_numpy_are_sizes():
    assert simulate_film("elbow", 0, size=np.int64(32)).image.size[1] == 32
    assert simulate_film("elbow", 0, size=np.array([20, 32])).image.size == (20, 32)


def test_a_film_as_wide_as_it_is_asked_for():
    assert simulate_film("elbow", 0, size=60, aspect=0.5).image.size == (30, 60)
    assert simulate_film("elbow", 0, size=60, aspect=2.0).image.size == (60, 30)


def test_the_parts_of_a_film_are_independent():
    "Other marks, another dose, another tube voltage: the patient stays where he is."
    plain = simulate_film("abd", 3, 64, marks=False)
    for changes in (dict(marks=["arrow", "letter"]), dict(marks=False, dose=1e4, kvp=120)):
        other = simulate_film("abd", 3, 64, **changes)
        for name, mask in plain.masks.items():
            assert np.array_equal(mask, other.masks[name]), name


def test_build_and_finish_make_the_film():
    "What simulate_film does can be done by hand, and again with the same scene."
    streams = [np.random.default_rng([7, KINDS.index("chest"), use]) for use in range(4)]
    params = draw_params("chest", streams[0]) | dict(marks=["text"], mirrored=True)
    film = simulate_film("chest", 7, (50, 64), marks=["text"], mirrored=True)
    scene = build("chest", params, (64, 50), streams[1])
    names = list(scene.masks)
    by_hand = finish(scene, params, *streams[2:])
    assert isinstance(by_hand, SimulatedFilm)
    assert by_hand.params == film.params
    assert np.array_equal(np.asarray(by_hand.image), np.asarray(film.image))
    assert list(by_hand.masks) == list(film.masks)
    assert all(np.array_equal(by_hand.masks[name], film.masks[name]) for name in film.masks)
    assert list(scene.masks) == names  # it is not used up


def test_a_mirrored_film_is_the_film_in_a_mirror():
    film = simulate_film("hip", 3, 64, marks=False)
    mirrored = simulate_film("hip", 3, 64, marks=False, mirrored=True)
    assert np.array_equal(np.asarray(film.image), np.asarray(mirrored.image)[:, ::-1])
    for name, mask in film.masks.items():
        assert np.array_equal(mask, mirrored.masks[name][:, ::-1]), name


def test_a_shutter_blackens_what_is_covered():
    covered = dict(marks=False, collimation=[0.3, 0, 0, 0])
    dimmed = np.asarray(simulate_film("abd", 3, 64, **covered, shutter=False).image)
    blackened = np.asarray(simulate_film("abd", 3, 64, **covered, shutter=True).image)
    assert blackened[:10].max() == 0 < dimmed[:10].max()
    assert np.array_equal(blackened[30:], dimmed[30:])


@pytest.fixture(scope="module")
def masks():
    "The masks of a frontal chest."
    return simulate_film("chest", 1, 160, marks=False).masks


@pytest.mark.parametrize("name", ["heart", "mediastinum"])
def test_lungs_are_outlined_without(masks, name):
    assert not (masks["lungs"] & masks[name]).any()


@pytest.mark.parametrize("name", ["vessels", "hila"])
def test_inside_the_lungs(masks, name):
    assert not (masks[name] & ~masks["lungs"]).any()


def test_the_diaphragm_lies_below_the_lungs(masks):
    diaphragm, lungs = (np.nonzero(masks[name])[0] for name in ("diaphragm", "lungs"))
    assert np.median(diaphragm) > np.median(lungs)


def test_from_the_side_lungs_stay_whole():
    lateral = simulate_film("lateral_chest", 1, 96, marks=False).masks
    assert (lateral["lungs"] & lateral["heart"]).any()


# --- many films, each made by one of several processes --------------------------------------------


@pytest.fixture
def few_are_many(monkeypatch):
    "Six films are enough for other processes to make them."
    monkeypatch.setattr(film_making, "_WORTH_PROCESSES", 6)
    monkeypatch.setattr(film_making, "cpu_count", lambda: 2)


SMALL = dict(train=(2, 2), val=(1, 1), test=(1, 1), surprises=(), seed=3, flaws=True)


def test_a_folder_does_not_depend_on_who_makes_it(tmp_path, monkeypatch):
    "To the last byte, the order in the manifest included."
    alone = simulate_dataset(tmp_path / "alone", **SMALL)
    monkeypatch.setattr(film_making, "_WORTH_PROCESSES", 6)
    monkeypatch.setattr(film_making, "cpu_count", lambda: 2)
    together = simulate_dataset(tmp_path / "together", **SMALL)
    files = [file.relative_to(alone) for file in sorted(alone.rglob("*")) if file.is_file()]
    assert len(files) > 6
    assert files == [f.relative_to(together) for f in sorted(together.rglob("*")) if f.is_file()]
    for file in files:
        assert (alone / file).read_bytes() == (together / file).read_bytes(), file


def test_films_come_in_the_order_of_their_seeds(few_are_many):
    "However long each took."
    sizes = dict(size=64, marks=False, devices=False)
    made = simulate_films("hand", range(8), **sizes)
    for seed, film in enumerate(made):
        same = simulate_film("hand", seed, **sizes)
        assert film.params == same.params
        assert film.image.tobytes() == same.image.tobytes()
        assert sorted(film.masks) == sorted(same.masks)


@pytest.mark.parametrize("seeds", ["12", b"12", bytearray(b"12"), 3, None, np.array(3)])
def test_seeds_are_a_list(seeds):
    with pytest.raises(ValueError, match="must be a list of whole numbers"):
        simulate_films("hand", seeds, 16)


@pytest.mark.parametrize("seeds", [(), (1, 2)])
@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("leg", {}, "No such kind of film: 'leg'. Choose one of chest"),
        ("hand", dict(colour="red"), "No such parameter: colour. Choose among"),
        ("hand", dict(seed=1), "No such parameter: seed. Choose among"),
        ("hand", dict(dose=-1), "dose cannot be -1: it must be"),
        ("hand", dict(age=7), "age cannot be 7"),
        ("hand", dict(size="16"), "The size of a film is a whole number.* It cannot be '16'"),
        ("hand", dict(size=0), "A film of 0 × 0 pixels cannot be made"),
    ],
)
def test_what_no_film_can_be_is_refused_without_any(kind, given, words, seeds):
    "An empty list would hide the mistake until there are films."
    with pytest.raises(ValueError, match=f"^{words}"):
        simulate_films(kind, seeds, **given)


def test_nothing_is_made_before_all_seeds_are_known_to_be_seeds(monkeypatch):
    monkeypatch.setattr(film_making, "simulate_film", None)
    with pytest.raises(ValueError, match="^seed cannot be -1"):
        simulate_films("hand", [1, -1], 16)


def test_an_age_that_some_films_have_is_refused_for_the_others_alone():
    "It is drawn with the seed."
    ages = [simulate_film("chest", seed, 16).params["age"] for seed in range(20)]
    children = [seed for seed, age in enumerate(ages) if age == 0.5]
    assert 0 < len(children) < 20
    films = simulate_films("chest", children, 16, age=0.5)
    assert [film.params["age"] for film in films] == [0.5] * len(children)
    with pytest.raises(ValueError, match="age cannot be 0.5: on this film it is"):
        simulate_films("chest", range(20), 16, age=0.5)


@pytest.mark.parametrize("form", [tuple, list, iter, np.array])
def test_all_films_have_the_size_that_is_asked_for(form):
    "An iterator gives it only once."
    films = simulate_films("hand", [1, 2, 3], form([20, 16]))
    assert [film.image.size for film in films] == [(20, 16)] * 3


def test_seeds_may_come_one_by_one():
    films = simulate_films("hand", (seed for seed in (1, 2)), 16)
    again = simulate_films("hand", np.array([1, 2]), 16)
    assert [film.params for film in films] == [film.params for film in again]


def test_what_goes_wrong_in_another_process_is_said(few_are_many, tmp_path):
    "In the same words; and of the folder nothing is left."
    with pytest.raises(ValueError, match="pixels cannot be made: size=2 is too small"):
        simulate_films("hand", range(8), size=2)  # enough for a square film, and for no hand
    # The others are still being written when the first turns out to be wrong
    films = [film_making.PlannedFilm(f"{n}.png", "hand", n, dict(size=64)) for n in range(40)]
    wrong = film_making.PlannedFilm("wrong.png", "hand", 9, dict(size=64, dose=-1))
    with pytest.raises(ValueError, match="dose"):
        film_making.write_films(tmp_path / "course", [wrong, *films])
    time.sleep(1)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_ended_from_outside_is_explained(few_are_many, monkeypatch, tmp_path):
    "As the system ends one when memory runs out. Of the folder nothing is left."
    own = os.getpid()

    def die(kind, seed, size, **overrides):
        assert os.getpid() != own
        os._exit(9)

    monkeypatch.setattr(film_making, "simulate_film", die)
    words = "^One of the 2 processes .* most likely because memory ran out.* fewer than 6 at a time"
    with pytest.raises(RuntimeError, match=words):
        simulate_films("hand", range(8), size=64)

    def die_too(folder, planned):
        die(planned.kind, planned.seed, **planned.options)

    monkeypatch.setattr(film_making, "_write_film", die_too)
    films = [film_making.PlannedFilm(f"{n}.png", "hand", n, dict(size=64)) for n in range(8)]
    with pytest.raises(RuntimeError, match=words):
        film_making.write_films(tmp_path / "course", films)
    assert list(tmp_path.iterdir()) == []


def test_a_script_needs_no_guard(tmp_path):
    "New processes do not run the script again, as multiprocessing's own would on Windows."
    script = tmp_path / "script.py"
    script.write_text(
        "import rsna_cls\n"
        "from rsna_cls.sim import films\n"
        "films._WORTH_PROCESSES, films.cpu_count = 6, lambda: 2\n"
        "print('begin')\n"
        "made = rsna_cls.simulate_films('hand', range(6), size=64)\n"
        "print(len(made), 'films')\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\r", "\n").split("\n")
    assert said.count("begin") == said.count("6 films") == 1
    assert done.stderr == ""
