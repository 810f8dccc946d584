"Pictures, and the text that stands for them."

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rsna_cls import BadFilm, as_film, show_films, simulate_film, thumbnail

RAMP = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
DEEP = RAMP.astype(np.uint16) * 20  # 12 of 16 bits


@pytest.mark.parametrize("films", [[], ()])
def test_no_films_are_refused_in_words(films):
    with pytest.raises(ValueError, match="there are no films here: give a list"):
        show_films(films)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_thumbnail_leaves_the_film_as_it_was(mode):
    film = Image.new(mode, (3000, 1500))
    before = film.tobytes()
    assert thumbnail(film).shape == (512, 1024)
    assert film.size == (3000, 1500)
    assert film.mode == mode
    assert film.tobytes() == before


def test_films_in_every_form_are_drawn_alike(tmp_path):
    film = Image.fromarray(RAMP)
    film.save(tmp_path / "film.png")
    greys = RAMP.astype(float)
    forms = [film, RAMP, greys, tmp_path / "film.png", str(tmp_path / "film.png")]
    pictures = {show_films([form], ["a ramp"]).png for form in forms}
    assert len(pictures) == 1


@pytest.mark.parametrize("deep", [DEEP, DEEP.astype(float), Image.fromarray(DEEP)])
def test_what_is_deeper_than_8_bits_is_drawn_as_a_film(deep):
    assert show_films([deep]).png == show_films([as_film(DEEP)]).png


def test_greys_that_were_calculated_are_not_stretched():
    dark = np.full((30, 40), 20.0)
    dark[0, 0] = 0.5
    assert show_films([dark]).png == show_films([np.round(dark).astype(np.uint8)]).png


def test_one_film_a_folder_and_a_generator(tmp_path):
    film = Image.fromarray(RAMP)
    for name in ("a.png", "b.png"):
        film.save(tmp_path / name)
    one = show_films([film]).png
    for form in (tmp_path / "a.png", str(tmp_path / "a.png"), film, RAMP, RAMP.astype(float)):
        assert show_films(form).png == one
    two = show_films([film, film])
    assert two.alt == "2 films"
    for form in (tmp_path, str(tmp_path), [tmp_path], (film for _ in range(2))):
        assert show_films(form).png == two.png


def test_one_simulated_film():
    film = simulate_film("knee", 0, size=64)
    shown = show_films(film, outline=["bone"])
    assert shown.png == show_films([film], outline=["bone"]).png
    assert shown.alt == "1 film. Outlined: bone."


@pytest.mark.parametrize("none", [9, [9], None, [None], np.zeros((5, 9, 9)), [np.zeros((0, 9))]])
def test_what_is_no_film_is_refused_in_words(none):
    with pytest.raises(BadFilm, match="a film is|empty"):
        show_films(none)


def test_a_film_that_is_none_is_named(tmp_path):
    with pytest.raises(BadFilm, match="gone.png"):
        show_films([tmp_path / "gone.png"])


def test_titles_may_be_fewer_than_films_or_more():
    films = [Image.new("L", (20, 30))] * 3
    assert show_films(films, ["one"]).alt == "3 films: one"
    assert show_films(films).alt == "3 films"
    assert show_films(films, ["one", "two", "three", "four"]).alt == "3 films: one; two; three"
    assert (
        show_films(films, ["one", "two", "three", "four"]).png
        == show_films(films, ["one", "two", "three"]).png
    )


def test_drawing_needs_no_torch():
    code = "import sys, rsna_cls.figure; assert not {'torch', 'fastai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
