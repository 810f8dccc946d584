"""Measure how hard the lessons are to read: `python tools/readability.py`.

Prose is what a reader reads as sentences: the Markdown cells, but for

- code, in fences and in the line, and formulas
- headings, tables, pictures, and lines between two parts
- HTML: comments, tags, and the title of a fold (`<summary>`); what the fold holds is prose
- what `make address` writes (between `<!-- address: … -->` and `<!-- /address -->`)
- the section *Further reading*, and the addresses of links; their text is prose

The end of a paragraph, or of a point of a list, ends a sentence, and so do `.`, `!`, `?` and `…`
where a new sentence can begin. A colon or a semicolon does not.

The two scores are Flesch's, which know only lengths:

    ease  = 206.835 − 1.015 · words / sentences − 84.6 · syllables / words
    grade = 0.39 · words / sentences + 11.8 · syllables / words − 15.59

R. Flesch, *J Appl Psychol* 1948, https://doi.org/10.1037/h0057532 (ease: 60 to 70 is plain);
J. P. Kincaid and others, *Research Branch Report* 8-75, 1975 (grade: years of school in the USA).
Syllables are counted by textstat: by the CMU's dictionary of pronunciations, which comes with it,
where that has the word, and by rules of hyphenation elsewhere. A number counts as one syllable.
Neither score says whether a sentence is clear.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import textstat

from lessons import all_lessons

LONG = 25  # words; a sentence of more is long

NOT_PROSE = [
    r"^```.*?^```[^\n]*$",  # a fence
    r"<!-- address: (?:(?!-->).)*-->.*?<!-- /address -->",
    r"<!--.*?-->",
    r"<summary>.*?</summary>",
    r"\$\$.*?\$\$",
    r"\$(?=\S)[^$\n]*?\S\$",  # a formula in the line
    r"^#+ [^\n]*$",
    r"^\|[^\n]*$",  # a row of a table
    r"^ *-{3,} *$",
    r"!\[[^\]]*\]\([^)]*\)",  # a picture
    r"<[^>\n]+>",  # a tag
]

CODE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for code in the line: no word

# A sentence ends here if what comes next can begin one: a capital, a number, code, after marks.
END = re.compile(rf"""[.!?…][”"'’)\]]*\s+(?=[“"'‘(\[]*[A-Z0-9{CODE}])""")
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|vs|etc|cf|ca|Dr|Fig|No|[A-Z])\.")
WORD = re.compile(r"[^\W_]+(?:[.,’'–−-][^\W_]+)*")


@dataclass
class Readability:
    "How hard a text is to read."

    words: int
    words_per_sentence: float
    share_long: float  # of the sentences, those of more than LONG words
    ease: float  # Flesch's, higher is easier
    grade: float  # Flesch and Kincaid's, lower is easier


def without_further_reading(text: str) -> str:
    "A cell's text up to its list of further reading."
    return re.split(r"^## Further reading", text, flags=re.MULTILINE)[0]


def prose(markdown: str) -> list[str]:
    "The paragraphs of a Markdown text, and the points of its lists, as a reader reads them."
    text = without_further_reading(markdown)
    for pattern in NOT_PROSE:
        text = re.sub(
            pattern, "\n" if pattern.startswith("^") else "", text, flags=re.DOTALL | re.MULTILINE
        )
    text = re.sub(r"`[^`\n]+`", CODE, text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)  # a link: its text alone

    # A quotation's mark falls away; a point of a list becomes a paragraph of its own.
    text = re.sub(r"^> ?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ *(?:[-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"\*+", "", text)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [part for part in paragraphs if WORD.search(part)]


def sentences(paragraph: str) -> list[str]:
    "The sentences of a paragraph."
    text = ABBREVIATIONS.sub(lambda found: found[0].replace(".", "\N{ONE DOT LEADER}"), paragraph)
    ends = [found.end() for found in END.finditer(text)]
    parts = [text[i:j].strip() for i, j in zip([0, *ends], [*ends, None], strict=True)]
    return [part for part in parts if WORD.search(part)]


@cache
def syllables(word: str) -> int:
    "How many syllables a word has; of one with hyphens, its parts together."
    return sum(max(1, textstat.syllable_count(part)) for part in re.split(r"[–−-]", word))


def sentences_of(lesson: Path) -> list[str]:
    "All sentences of a lesson."
    cells = nbformat.read(lesson, as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [sentence for text in texts for part in prose(text) for sentence in sentences(part)]


def measure(said: list[str]) -> Readability:
    "The scores of a list of sentences."
    words = [WORD.findall(sentence) for sentence in said]
    n = sum(len(sentence) for sentence in words)
    length = n / len(words)
    syllables_a_word = sum(syllables(word) for sentence in words for word in sentence) / n
    return Readability(
        words=n,
        words_per_sentence=length,
        share_long=sum(len(sentence) > LONG for sentence in words) / len(words),
        ease=206.835 - 1.015 * length - 84.6 * syllables_a_word,
        grade=0.39 * length + 11.8 * syllables_a_word - 15.59,
    )


def main() -> None:
    "Print a row for each lesson."
    print("lesson                    words  words a sentence  over 25 words  ease  grade")
    for lesson in all_lessons():
        found = measure(sentences_of(lesson))
        print(
            f"{lesson.stem:24} {found.words:6} {found.words_per_sentence:17.1f} "
            f"{found.share_long:14.1%} {found.ease:5.1f} {found.grade:6.1f}"
        )


if __name__ == "__main__":
    main()
