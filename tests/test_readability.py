"The lessons stay easy to read; and what is measured is what a reader reads."

import importlib
import sys

import pytest

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
readability = importlib.import_module("readability")
CODE, LONG = readability.CODE, readability.LONG
measure, sentences_of = readability.measure, readability.sentences_of

HARDEST = 6.0  # Flesch and Kincaid's grade; the aim was 8
MOST_LONG = 0.10  # of a lesson's sentences


@pytest.mark.parametrize("lesson", readability.all_lessons(), ids=lambda lesson: lesson.stem)
def test_a_lesson_is_easy_to_read(lesson):
    said = sentences_of(lesson)
    found = measure(said)
    assert len(said) > 100
    assert found.grade <= HARDEST
    longest = sorted(said, key=lambda sentence: -len(sentence))[:5]
    assert found.share_long <= MOST_LONG, longest


# --- what counts as prose ------------------------------------------------------------------------

LESSON = """<!-- address: badge -->
This is written by a program.
<!-- /address -->

## A heading

A film, and
`film_files(path)` beside it. ![A picture of a chest.](chest.png)

```python
print("Nobody reads this. Or do they?")
```

- one *point*
- another **point**
1. a third

| word | meaning |
|---|---|
| gate | a program that asks |

> **At the viewbox.** Look at
> [the paper](https://example.org/a.b.c). It ends here.

<details><summary>1. A question, in a fold?</summary>

Its answer, e<sup>x</sup>.
</details>

$$I = I_0 e^{-x}$$

The rule $a + b$ is plain. <!-- a remark -->

## Further reading

- A. Author, *A book*."""


def sentences_in(text):
    "The sentences of a Markdown text, without the sign that stands for code in the line."
    paragraphs = [readability.sentences(part) for part in readability.prose(text)]
    said = [sentence.replace(CODE, "") for part in paragraphs for sentence in part]
    return [" ".join(sentence.split()) for sentence in said]


def test_prose_is_what_a_reader_reads_as_sentences():
    assert sentences_in(LESSON) == [
        "A film, and beside it.",
        "one point",
        "another point",
        "a third",
        "At the viewbox.",
        "Look at the paper.",
        "It ends here.",
        "Its answer, ex.",
        "The rule is plain.",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 0.83 (0.82–0.84) of them. Why?", 2),
        ("A threshold, e.g. 0.5, and J. P. Kincaid.", 1),
        ('It says "never wrong." Then it errs.', 2),
        ("It is so. (That is all.) Go on.", 3),
        ("`a` is one. `b` is another.", 2),
        ("First this: then that; and so on.", 1),
        ("Is it? … or not.", 1),
    ],
)
def test_where_a_sentence_ends(text, number):
    assert len(sentences_in(text)) == number


@pytest.mark.parametrize(
    ("word", "number"),
    [("film", 1), ("open", 2), ("abdomen", 3), ("radiologist", 5), ("X-ray", 2), ("0.83", 1)],
)
def test_syllables(word, number):
    assert readability.syllables(word) == number


def test_scores_are_those_of_the_formulas():
    "By hand: 3 and 5 words, which have 4 and 7 syllables."
    found = measure(["The network errs.", "It called the chest abdomen."])
    assert found.words == 8
    assert found.words_per_sentence == 4
    assert found.ease == pytest.approx(206.835 - 1.015 * 4 - 84.6 * 11 / 8)
    assert found.grade == pytest.approx(0.39 * 4 + 11.8 * 11 / 8 - 15.59)


def test_a_sentence_is_long_from_one_word_more():
    assert measure([" ".join(["word"] * LONG)]).share_long == 0
    assert measure([" ".join(["word"] * (LONG + 1)), "Short."]).share_long == 0.5


def test_longer_words_and_sentences_are_harder():
    easy = measure(["It looks at films.", "Then it says what it sees."])
    hard = measure(["Subsequently the algorithm communicates its probabilistic interpretation."])
    assert easy.grade < hard.grade and easy.ease > hard.ease
