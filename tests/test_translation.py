"The outline of lesson 1 in other languages: its catalogues are whole, and the way works."

import importlib
import shutil
import sys

import pytest
from babel.messages.pofile import read_po

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
translate = importlib.import_module("translate")


def catalogue(file):
    "A catalogue, read."
    with file.open("rb") as opened:
        return read_po(opened)


def sentences(catalogue):
    "The sentences of a catalogue, and what they are in its language."
    return {message.id: message.string for message in catalogue if message.id}


def test_the_outline_has_promise_and_sections():
    text = translate.outline()
    assert text.startswith("# 1 · Your first classifier")
    assert "- The whole game, first" in text
    assert "Questions" not in text


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("language", translate.languages())
def test_every_sentence_is_translated(language, tmp_path):
    "If the lesson has changed: make translation TO=…, and translate what is new."
    locale = shutil.copytree(translate.LOCALE, tmp_path / "locale")
    translate.write_catalogues(language, locale)
    for file in (locale / language).rglob("*.po"):
        committed = translate.LOCALE / file.relative_to(locale)
        assert sentences(catalogue(file)) == sentences(catalogue(committed))
        for message in catalogue(file):
            assert message.string, message.id
            assert not message.fuzzy, message.id


@pytest.mark.slow(seconds=5)
def test_a_new_language_begins_with_empty_catalogues(tmp_path):
    translate.write_catalogues("fr", tmp_path)
    found = sentences(catalogue(tmp_path / "fr/LC_MESSAGES/01_first_classifier.po"))
    assert len(found) > 15
    assert set(found.values()) == {""}


@pytest.mark.parametrize("language", ["", "en_US:en", "German", "../de"])
def test_what_is_no_language_is_refused(language, tmp_path):
    with pytest.raises(ValueError, match="is no language"):
        translate.write_catalogues(language, tmp_path)
    assert list(tmp_path.iterdir()) == []
