"Pictures, and the text that stands for them."

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rsna_cls import BadFilm, show_films, thumbnail


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
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    film = Image.fromarray(ramp)
    film.save(tmp_path / "film.png")
    forms = [film, ramp, tmp_path / "film.png", str(tmp_path / "film.png")]
    pictures = {show_films([form], ["a ramp"]).png for form in forms}
    assert len(pictures) == 1


def test_a_film_that_is_none_is_named(tmp_path):
    with pytest.raises(BadFilm, match="gone.png"):
        show_films([tmp_path / "gone.png"])


def test_titles_may_be_fewer_than_films_or_more():
    films = [Image.new("L", (20, 30))] * 3
    assert show_films(films, ["one"]).alt == "3 films: one"
    assert (
        show_films(films, ["one", "two", "three", "four"]).png
        == show_films(films, ["one", "two", "three"]).png
    )


def test_drawing_needs_no_torch():
    code = "import sys, rsna_cls.figure; assert not {'torch', 'fastai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
