"Films that are there twice, however they were changed, and films of one source."

import importlib
import io
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageOps

from conftest import make_link
from rsna_cls import audit, duplicates, harmonise, load_film, remake, same_source
from textures import EMBEDDED, brighter, films_of, framed, rows, scaled, severities, texture, write

room = importlib.import_module("rsna_cls.copies")


# --- the real films -------------------------------------------------------------------------------


@pytest.mark.slow(seconds=5)
def test_sources_of_real_films(real):
    groups = same_source(real)
    panels = [
        ("train/abd/abd14", "train/abd/abd15"),
        ("train/abd/abd16", "train/abd/abd17"),
        ("train/abd/abd3", "train/abd/abd4"),
        ("val/abd/abd0", "val/abd/abd1"),
    ]
    for first, second in panels:
        assert groups[f"{first}.png"] == groups[f"{second}.png"], (first, second)
    pairs = duplicates(real)
    assert pairs["same_split"].all()
    assert pairs["same_class"].all()
    assert len(pairs) <= 12
    assert not pairs["film"].str.contains("chest").any()  # 39 films of 39 patients


# --- duplicates -----------------------------------------------------------------------------------


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path, n=4)
    assert not len(duplicates(path))
    shutil.copy(path / "train/a/0.png", path / "train/b/0.png")
    assert duplicates(path)["kind"].tolist() == ["same pixels"]


def save_all_three(film, file):
    brighter(film.resize((170, 190))).save(file.with_suffix(".jpg"), quality=60)


CHANGES = {
    "as JPEG": lambda film, file: film.save(file.with_suffix(".jpg"), quality=40),
    "half": lambda film, file: scaled(film, 0.5).save(file),
    "double": lambda film, file: scaled(film, 2).save(file),
    "brighter": lambda film, file: brighter(film).save(file),
    "all three": save_all_three,
}


@pytest.mark.slow(seconds=2)
def test_near_duplicates_across_parts(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    planted = {}
    for number, (change, save_changed) in enumerate(CHANGES.items()):
        for name in ("chest", "abd"):
            source = f"train/{name}/{name}{4 * number + 3}.png"
            save_changed(load_film(path / source), path / "test" / name / f"{change}.png")
            planted[source] = f"test/{name}/{change}"
    found = rows(audit(path), "near duplicate")
    pairs = {}
    for first, second in found["films"]:
        pairs[first] = second.rsplit(".", 1)[0]
    assert pairs == planted
    assert set(found["severity"]) == {"high"}
    assert found["detail"].str.startswith("across parts").all()


def test_across_classes_is_the_worst(tmp_path):
    path = write(tmp_path, n=5)
    shutil.copy(path / "train/a/2.png", path / "train/b/again.png")
    row = rows(audit(path), "same pixels").iloc[0]
    assert row["severity"] == "high"
    assert row["films"] == ["train/a/2.png", "train/b/again.png"]
    assert "classes" in row["detail"]


@pytest.mark.slow(seconds=2)
def test_mirrored_and_other_films_are_no_duplicates(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    for number in range(0, 30, 3):
        film = load_film(path / f"train/chest/chest{number}.png")
        ImageOps.mirror(film).save(path / f"val/chest/mirror{number}.png")
    pairs = duplicates(path)
    certain = pairs[pairs["kind"] != "likely same source"]
    assert certain[["film", "other"]].values.tolist() == [["val/abd/abd3.png", "val/abd/abd4.png"]]


def alike_by_brute_force(pictures, is_inner):
    "All pairs of a picture and a later one that are alike in some way: each is asked in each way."
    upright = [room._prints_of_waves(room._waves(pictures[[i]]))[0] for i in range(len(pictures))]
    found = set()
    for number, turn in enumerate(room._TURNS):
        turned = room._prints_of_waves(room._waves(turn.of(pictures)))
        pairs = []
        for first in range(len(pictures)):
            for second in range(first + 1, len(pictures)):
                bits = (upright[first] != turned[second]).sum()
                if min(bits, 255 - bits) <= room._SOURCE_BITS:
                    pairs.append((first, second))
        likeness = room._likeness(pictures, turn, np.array(pairs).reshape(-1, 2))
        for (first, second), alike in zip(pairs, likeness, strict=True):
            is_changed = number > 0 or alike < 0 or is_inner[second]
            least = room._CHANGED_LIKENESS if is_changed else room._SOURCE_LIKENESS
            if abs(alike) >= least:
                found.add((first, second, number))
    return found


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("block", [(512, 2048), (7, 11)])
def test_alike_pairs_are_those_of_brute_force(monkeypatch, block):
    "Among films, turned and changed films, films without borders, noise, and nothing."
    monkeypatch.setattr(room, "_BLOCK", block)
    squares = np.stack(
        [room.small_square(load_film(file)) for file in sorted(EMBEDDED.glob("*/*/*.png"))[::4]]
    )
    rng = np.random.default_rng(0)
    versions = [squares, 255 - squares[:5], rng.integers(0, 256, (5, 64, 64), np.uint8)]
    versions += [turn.of(squares[:3]) // 2 + 30 for turn in room._TURNS]
    noisy = squares[5:10] + rng.normal(0, 12, (5, 64, 64))
    versions += [noisy.clip(0, 255).astype(np.uint8), np.full((2, 64, 64), 7, np.uint8)]
    pictures = np.concatenate(versions)
    films = np.arange(len(pictures))
    is_inner = films >= 40
    wanted = alike_by_brute_force(pictures, is_inner)
    assert {turn for _, _, turn in wanted} == set(range(8))

    views = room._Views(list(pictures), films, is_inner)
    least = np.where(is_inner, room._CHANGED_LIKENESS, room._SOURCE_LIKENESS)
    possible = list(room._possible_pairs(room._profiles(pictures), least))
    pairs = np.concatenate(possible)
    assert len(np.unique(pairs, axis=0)) == len(pairs) < 0.2 * len(films) ** 2 / 2
    found = set()
    for number, close in enumerate(room._close_pairs(room._fingerprints(pictures), possible)):
        table = room._alike_when_turned(views, close, number, [[]] * len(pictures))
        found |= {(first, second, number) for first, second in table[["first", "second"]].values}
    assert found == wanted


@pytest.mark.parametrize("n, side", [(400, 600), (400, 200), (50, 5), (9, 300), (1, 10)])
def test_films_cut_alike_are_those_of_brute_force(n, side):
    rng = np.random.default_rng(n)
    films = pd.DataFrame(rng.integers(200, 200 + side, (n, 2)), columns=["width", "height"])
    sizes = films.to_numpy()
    is_equal = np.abs(sizes[:, None] - sizes) <= room._CUT_EQUAL
    shorter, longer = np.minimum(sizes[:, None], sizes), np.maximum(sizes[:, None], sizes)
    is_near = 100 * shorter >= room._CUT_OTHER * longer
    alike = is_equal & is_near[:, :, ::-1]  # by which side
    rare = alike.sum(axis=1).max(axis=1) <= room._SIZE_RARE
    assert (room._is_rare(sizes) == rare).all()
    wanted = []
    for first in range(n):
        for second in range(first + 1, n):
            if rare[first] and rare[second] and alike[first, second].any():
                wanted.append([first, second])
    assert room._cut_alike(films).tolist() == wanted
    assert side != 200 or 0 < rare.sum() < n
    assert n != 400 or len(wanted) > 10


def test_a_folder_without_pairs_has_the_same_columns(tmp_path):
    none = duplicates(write(tmp_path, n=3))
    some = duplicates(EMBEDDED)
    assert not len(none)
    assert list(none) == list(some)


# --- copies that were changed ---------------------------------------------------------------------


def compressed(film, quality):
    file = io.BytesIO()
    film.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("L")


def labelled(film):
    "A film with a black border that bears words."
    film = framed(film, 0)
    ImageDraw.Draw(film).text((5, 3), "L 12", fill=255)
    return film


def turned(film, way):
    return film.transpose(Image.Transpose[way])


SAME_EXPOSURE = {
    "black border": lambda film: framed(film, 0),
    "white border": lambda film: framed(film, 255),
    "grey border, as JPEG": lambda film: compressed(framed(film, 128), 50),
    "narrow border": lambda film: framed(film, 255, (0.02,) * 4),
    "wide border": lambda film: framed(film, 0, (0.4,) * 4),
    "border on the left": lambda film: framed(film, 0, (0.15, 0, 0, 0)),
    "border above": lambda film: framed(film, 255, (0, 0.2, 0, 0)),
    "two borders": lambda film: framed(framed(film, 0, (0.05,) * 4), 255, (0.05,) * 4),
    "border with words": labelled,
    "padded to a square": harmonise,
    "smaller, with a border": lambda film: framed(scaled(film, 0.5), 255),
    "brighter, with a border": lambda film: framed(brighter(film), 0),
    "black for white": ImageOps.invert,
    "black for white, with a border": lambda film: framed(ImageOps.invert(film), 0),
    "on its side": lambda film: turned(film, "ROTATE_90"),
    "on its head": lambda film: turned(film, "ROTATE_180"),
    "on its other side, as JPEG": lambda film: compressed(turned(film, "ROTATE_270"), 60),
    "on its side, with a border": lambda film: framed(turned(film, "ROTATE_90"), 255),
    "cut by a sliver": lambda film: ImageOps.crop(film, 2),
}

MIRRORED = {
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "mirrored, on its side": lambda film: turned(film, "TRANSPOSE"),
    "mirrored, with a border": lambda film: framed(ImageOps.mirror(film), 255),
}


@pytest.fixture(scope="module")
def pairs_of_copies(tmp_path_factory):
    "The pairs found between eight films and their copies, and how many other pairs were found."
    path = tmp_path_factory.mktemp("copies")
    for label in ("chest", "abd"):
        for number in (2, 5, 9, 12):
            film = load_film(EMBEDDED / f"train/{label}/{label}{number}.png")
            (path / "train" / label).mkdir(parents=True, exist_ok=True)
            film.save(path / "train" / label / f"{number}.png")
            for change, make in (SAME_EXPOSURE | MIRRORED).items():
                file = path / "val" / label / f"{number}-{change}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                make(film).save(file)
    own = {}
    others = []
    for pair in alike(duplicates(path)).itertuples():
        number, _, change = Path(pair.other).stem.partition("-")
        if Path(pair.film).stem.partition("-")[0] != number or not pair.same_class:
            others.append((pair.film, pair.other, pair.kind))
        elif pair.film.startswith("train"):
            own.setdefault(change, []).append(pair)
    return own, others


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("change", SAME_EXPOSURE)
def test_a_changed_copy_is_a_duplicate(pairs_of_copies, change):
    found = pairs_of_copies[0].get(change, [])
    assert [pair.kind for pair in found] == ["near duplicate"] * 8


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("change", MIRRORED)
def test_a_mirrored_copy_is_of_one_source(pairs_of_copies, change):
    found = pairs_of_copies[0].get(change, [])
    assert [pair.kind for pair in found] == ["likely same source"] * 8
    assert all("mirrored" in pair.change for pair in found)


@pytest.mark.slow(seconds=20)
def test_no_two_films_are_alike_because_of_their_borders(pairs_of_copies):
    "Among 8 films in 24 versions each."
    assert pairs_of_copies[1] == []


def alike(pairs):
    "The pairs that look alike, without those that may be panels of one figure: these fit less."
    return pairs[pairs["likeness"] >= room._SOURCE_LIKENESS]


@pytest.mark.slow(seconds=20)
def test_different_films_in_the_same_frame_are_different(tmp_path):
    "A frame makes all films alike that bear it."
    for file in sorted(EMBEDDED.glob("*/*/*.png")):
        film = load_film(file)
        for number, frame in enumerate([(0.4,) * 4, (0.1,) * 4]):
            place = (
                tmp_path / "train" / f"{file.parent.name}" / f"{number}{file.parts[-3]}{file.name}"
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            framed(film, 255, frame).save(place)
    twins = {f"{number}valabd{film}.png" for number in (0, 1) for film in (3, 4)}  # of one film
    for pair in alike(duplicates(tmp_path)).itertuples():
        names = {Path(pair.film).name, Path(pair.other).name}
        assert names <= twins or len({name[1:] for name in names}) == 1


def test_the_change_is_told(tmp_path):
    path = write(tmp_path, n=4)
    film = load_film(path / "train/a/0.png")
    framed(ImageOps.invert(turned(film, "ROTATE_90")), 255).save(path / "train/b/copy.png")
    told = "turned by 90°, black for white, another border"
    assert duplicates(path)["change"].tolist() == [told]
    detail = rows(audit(path), "near duplicate")["detail"].iloc[0]
    assert detail.startswith(f"across classes; {told}; likeness ")


def test_copies_of_a_copy_are_all_paired(tmp_path):
    "What is found for a film holds for those with the same pixels."
    path = write(tmp_path, n=4)
    film = load_film(path / "train/a/0.png")
    film.save(path / "train/b/twin.png")
    for name in ("first", "second"):
        framed(film, 0).save(path / f"train/b/{name}.png")
    found = duplicates(path)
    assert found["kind"].value_counts().to_dict() == {"same pixels": 2, "near duplicate": 4}
    assert len(found[["film", "other"]].drop_duplicates()) == 6


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_film_linked_twice_is_there_twice(tmp_path, link):
    path = write(tmp_path, n=4, parts=("train", "val"))
    source, place = path / "train/a/0.png", path / "val/a/linked.png"
    if link == "hard":
        place.hardlink_to(source)
    else:
        make_link(place, source)
    row = rows(audit(path), "same pixels").iloc[0]
    assert row["films"] == ["train/a/0.png", "val/a/linked.png"]
    assert row["severity"] == "high"


@pytest.mark.parametrize(
    "pixels", [np.zeros((70, 80)), np.full((1, 1), 9), np.tile([0, 255], (9, 4))]
)
def test_films_that_show_nothing_are_no_pairs(tmp_path, pixels):
    "Blank, a single pixel, stripes that vanish in a thumbnail: no crash, and no false pair."
    path = write(tmp_path, n=3)
    Image.fromarray(pixels.astype(np.uint8)).save(path / "train/a/nothing.png")
    Image.fromarray(pixels.astype(np.uint8)).save(path / "train/b/nothing.png")
    assert set(duplicates(path)["kind"]) <= {"same pixels"}
    audit(path)


def test_only_blank_films(tmp_path):
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (80, 90), 40 * number).save(tmp_path / f"train/{name}/{number}.png")
    assert not len(duplicates(tmp_path))
    assert len(rows(audit(tmp_path), "odd film")) == 6


# --- groups ---------------------------------------------------------------------------------------


def test_groups_cover_every_film_and_can_be_corrected(tmp_path):
    path = write(tmp_path, parts=("train", "val"), n=4)
    shutil.copy(path / "train/a/0.png", path / "val/a/9.png")
    shutil.copy(path / "train/a/0.png", path / "train/a/8.png")
    groups = same_source(path)
    assert len(groups) == 18
    assert groups.nunique() == 16
    assert groups.index.is_unique
    for film in ("val/a/9.png", "train/a/8.png", "train/a/0.png"):
        assert groups[film] == "train/a/0.png"
    groups["val/a/1.png"] = groups["val/a/2.png"]
    assert groups.nunique() == 15


@pytest.mark.slow(seconds=2)
def test_panels_of_one_figure(tmp_path):
    "Two crops of one film at one rare height are one source; a usual height tells nothing."

    def shape(name, rng):
        return int(rng.integers(150, 400)), int(rng.integers(150, 400))

    path = write(tmp_path, n=20, shape=shape)
    film = texture(np.random.default_rng(7), (261, 260), 6)
    for x in (0, 11):
        film.crop((x, 0, x + 240 - x // 2, 261)).save(path / f"train/a/panel{x}.png")
    assert same_source(path)["train/a/panel11.png"] == "train/a/panel0.png"
    for number in range(9):
        usual = texture(np.random.default_rng(50 + number), (261, 240))
        usual.save(path / f"train/b/usual{number}.png")
        other = texture(np.random.default_rng(70 + number), (261, 235))
        other.save(path / f"train/b/other{number}.png")
    assert same_source(path)["train/a/panel11.png"] == "train/a/panel11.png"


def test_all_films_from_one_source(tmp_path):
    "Ten copies of one film: one group, nothing to hold out, and still a report."
    film = texture(np.random.default_rng(0))
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(5):
            film.save(tmp_path / "train" / name / f"{number}.png")
    table = audit(tmp_path)
    assert same_source(tmp_path).nunique() == 1
    assert len(films_of(table, "same pixels")[0]) == 10
    assert not table["accuracy"].notna().any()


@pytest.mark.slow(seconds=4)
def test_what_resizing_hides_is_told(tmp_path):
    "After `harmonise` all sizes are one: no panel can be told by how it was cut."

    def shape(name, rng):
        return int(rng.integers(150, 400)), int(rng.integers(150, 400))

    path = write(tmp_path / "films", n=8, shape=shape)
    assert not len(rows(audit(path), "same source not sought"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_source(path)

    changed = remake(path, tmp_path / "changed", harmonise)
    assert severities(audit(changed), "same source not sought") == ["medium"]
    assert "16 of 16 films" in rows(audit(changed), "same source not sought")["detail"].iloc[0]
    with pytest.warns(UserWarning, match="as they came"):
        same_source(changed)
