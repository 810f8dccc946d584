"The plans for a day of teaching, and the bank of questions."

import re
from pathlib import Path

import pytest

from rsna_cls import paired_difference, wilson

TEXT = (Path(__file__).resolve().parents[1] / "docs/teaching.md").read_text(encoding="utf-8")
PLANS, BANK = TEXT.split("## A bank of questions")
QUESTIONS = re.findall(r"^\*\*(\d+)\.\*\* (.*?)(?=^\*\*\d+\.\*\* |^### |\Z)", BANK, re.M | re.S)


@pytest.mark.parametrize(
    ("title", "minutes"), [("45 minutes", 45), ("Half", 210), ("One day", 420)]
)
def test_the_minutes_of_a_plan_add_up(title, minutes):
    (plan,) = re.findall(rf"^## {title}.*?(?=^## |\Z)", PLANS, re.M | re.S)
    spans = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+)–(\d+) \|", plan, re.M)]
    assert len(spans) >= 7
    ends = [end for _, end in spans]
    assert [start for start, _ in spans] == [0, *ends[:-1]]
    assert ends[-1] == minutes


def test_every_question_has_an_answer():
    assert [int(number) for number, _ in QUESTIONS] == list(range(1, len(QUESTIONS) + 1))
    assert len(QUESTIONS) >= 30
    for number, text in QUESTIONS:
        assert text.count("<details><summary>Answer</summary>\n\n") == 1, number
        assert text.count("</details>") == 1, number


def test_choices_have_an_answer_that_is_a_choice():
    for number, text in QUESTIONS:
        asked, answer = text.split("<details>")
        choices = set(re.findall(r"\((\w)\) ", asked))
        named = set(re.findall(r"\(([a-d])\)", answer))
        assert named <= choices, number
        assert bool(named) == bool(choices), number


def test_plans_name_questions_that_there_are():
    named = re.findall(r"(?:bank|without talking)[^|]*?: ([\d, and]+)", PLANS)
    assert len(named) == 4
    for numbers in named:
        for number in re.findall(r"\d+", numbers):
            assert 1 <= int(number) <= len(QUESTIONS)


LESSON_OF = {}
for part in re.split(r"^### ", BANK, flags=re.M)[1:]:
    for number in re.findall(r"^\*\*(\d+)\.\*\*", part, re.M):
        LESSON_OF[number] = part[0]


def test_a_plan_asks_about_the_lessons_it_has():
    for plan in re.split(r"^## ", PLANS, flags=re.M)[1:]:
        taught = re.findall(r"^\| .* \| ([1-7])[^|]* \|$", plan, re.M)
        if plan.startswith("45"):
            taught = ["1"]
        if plan.startswith("A second meeting"):
            taught = ["8"]
        for numbers in re.findall(r"(?:bank|without talking)[^|]*?: ([\d, and]+)", plan):
            for number in re.findall(r"\d+", numbers):
                assert LESSON_OF[number] in taught, number


def answer(number):
    "What stands in the bank as the answer to a question."
    return dict(QUESTIONS)[str(number)].split("</summary>")[1]


def test_numbers_are_right():
    def interval(k, n):
        return " to ".join(f"{100 * end:.0f}" for end in wilson(k, n))

    assert interval(10, 10) == "72 to 100"
    assert f"compatible with {interval(12, 12)} %" in answer(46)
    assert f"43 of 46 with {interval(43, 46)} %" in answer(46)
    assert f"22 of 25 is {22 / 25:.2f}, with an interval from {interval(22, 25)} %" in answer(43)
    assert "(c), by Wilson's" in answer(6)
    assert f"{0.8**10:.2f}" in answer(6)
    assert f"({interval(9, 9)} %)" in answer(7)
    fewest = next(n for n in range(1, 400) if wilson(n, n)[0] >= 0.95)
    assert f"(c) {fewest} " in dict(QUESTIONS)["16"]
    assert f"{100 * 90 / (90 + 990):.1f} %" in answer(19)
    ours = [15 * [True] + [True] * 3 + [False, False], 15 * [True] + [False] * 3 + [True, False]]
    found = paired_difference(*ours)
    assert f"in {100 * found['p']:.0f} of 100 readings" in answer(30)
    ends = f"from {found['low']:.2f} to {found['high']:.2f}".replace("-", "−")
    assert ends in answer(30)
    assert f"28 of 40 has an interval from {interval(28, 40)} %" in answer(20)
