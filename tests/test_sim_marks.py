"Marks that are burned into a film: where they are, and where they are not."

import zlib

import numpy as np
import PIL
import pytest
from scipy.ndimage import binary_dilation

from rsna_cls.sim.marks import MARKS, _draw_mark, burn_in

SEEDS = range(30)
SIZES = [(200, 240), (112, 160), (300, 210)]  # width and height (px)
WORDS = ("letter", "text", "panel")


def burnt(kind, seed, size):
    "A film of mid greys, the same with a mark on it, and the mark's mask."
    width, height = size
    film = np.random.default_rng(0).uniform(90, 160, (height, width))
    marked, mask = burn_in(film, kind, np.random.default_rng(seed))
    return film, marked, mask


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", MARKS)
def test_the_film_changes_where_the_mask_is_and_nowhere_else(kind, size):
    for seed in SEEDS:
        film, marked, mask = burnt(kind, seed, size)
        is_changed = marked != film
        assert mask.any()
        assert is_changed[mask].all()
        # The soft edge of a letter reaches a pixel or two beyond its mask.
        assert not is_changed[~binary_dilation(mask, iterations=2)].any()
        assert 0 <= marked.min() <= marked.max() <= 255


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [kind for kind in MARKS if kind != "border"])
def test_no_mark_is_cut_off_at_the_edge(kind, size):
    for seed in SEEDS:
        opacity, _ = _draw_mark(size, kind, np.random.default_rng(seed))
        inner = np.zeros_like(opacity)
        inner[1:-1, 1:-1] = opacity[1:-1, 1:-1]
        assert np.array_equal(opacity, inner), seed


@pytest.mark.parametrize("size", SIZES)
def test_a_border_runs_along_all_four_edges(size):
    for seed in SEEDS:
        opacity, _ = _draw_mark(size, "border", np.random.default_rng(seed))
        line = int(opacity[:, size[0] // 2].sum() / 2)  # thickness: it is met above and below
        assert 1 <= line <= 0.014 * min(size)
        frame = np.ones_like(opacity)
        frame[line:-line, line:-line] = 0
        assert np.array_equal(opacity, frame)


def test_letters_stand_at_their_side():
    "R at the image's left, L at its right; both turn up."
    shares = {"left": [], "right": []}
    for seed in SEEDS:
        opacity, _ = _draw_mark((200, 240), "letter", np.random.default_rng(seed))
        rows, columns = np.nonzero(opacity)
        assert columns.max() < 0.25 * 200 or columns.min() > 0.75 * 200
        side = "left" if columns.max() < 100 else "right"
        box = opacity[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        # The upper right quarter of the letter's box holds the bow of an R and nothing of an L.
        height, width = box.shape
        shares[side].append(box[: height // 2, width // 2 :].mean())
    assert len(shares["left"]) > 5
    assert len(shares["right"]) > 5
    assert min(shares["left"]) > 0.3
    assert max(shares["right"]) < 0.1


def test_greys():
    "Words and circles are white, bars black, arrows and frames black once in three times."

    def greys(kind, seeds):
        return [_draw_mark((60, 60), kind, np.random.default_rng(seed)).grey for seed in seeds]

    for kind in (*WORDS, "circle"):
        assert set(greys(kind, SEEDS)) == {255}
    assert set(greys("bar", SEEDS)) == {0}
    for kind in ("arrow", "border"):
        found = greys(kind, range(300))
        assert set(found) == {0, 255}
        assert 0.25 < found.count(0) / 300 < 0.42


def test_arrows_come_from_all_sides():
    shapes = []
    for seed in SEEDS:
        rows, columns = np.nonzero(_draw_mark((200, 200), "arrow", np.random.default_rng(seed))[0])
        shapes.append(np.ptp(rows) / np.ptp(columns))
    assert max(shapes) > 1.5  # some stand upright
    assert min(shapes) < 1 / 1.5  # some lie


@pytest.mark.parametrize("kind", MARKS)
def test_the_seed_decides(kind):
    marked = [burnt(kind, seed, (200, 240))[1] for seed in SEEDS]
    again = [burnt(kind, seed, (200, 240))[1] for seed in SEEDS]
    assert np.array_equal(marked, again)
    different = {film.tobytes() for film in marked}
    assert len(different) > (1 if kind == "border" else 10)  # a border has no place to choose


@pytest.mark.parametrize("kind", MARKS)
def test_a_larger_film_has_larger_marks(kind):
    "A mark covers about the same share of a film of any size; lines are whole pixels."
    shares = [
        np.mean([_draw_mark(size, kind, np.random.default_rng(seed)).opacity for seed in SEEDS])
        for size in ((200, 240), (600, 720))
    ]
    assert shares[1] == pytest.approx(shares[0], rel=0.35)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'star'. Choose one of letter, text"):
        burn_in(np.zeros((20, 20)), "star", np.random.default_rng(0))


def test_the_film_that_is_given_stays_as_it_was():
    film = np.full((60, 60), 100.0)
    burn_in(film, "border", np.random.default_rng(0))
    assert (film == 100).all()


def test_pillow_draws_words_as_it_did():
    "Films with letters can only be made again if the letters come out the same."
    opacity, _ = _draw_mark((200, 240), "text", np.random.default_rng(34))
    pixels = (255 * opacity).round().astype(np.uint8)
    assert zlib.crc32(pixels.tobytes()) == 895704150, (
        f"Pillow {PIL.__version__} draws a word otherwise than Pillow 11.3, 12.0 and 13.0 do. "
        "Films with letters would no longer be those of the same seed, nor those in data/: "
        "keep to a Pillow that draws as they were drawn (settings.ini), or make data/ again."
    )
