"""How `make bench` measures: candidates take turns in one process, and each round has its ratio.

A machine's speed drifts, and other programs share it. What takes turns is slowed alike, so the
ratio of two candidates in one round says more than two times of two runs. Its median over the
rounds is what is quoted, with a range that holds the true median with a certainty of 93 % or more.

Why none of the tools that others use: pyperf and pytest-benchmark measure one candidate to its end
before the next begins, and compare times of different minutes; asv can take turns between commits
(`--interleave-processes`), in a process each, but knows of no peer within one; none takes ratios
round by round, or shows what the time bought (accuracy, findings) beside it. They are better at
microseconds, which nothing here is about.

This module needs the standard library alone: the program that starts measurements reads it, too.
"""

import contextlib
import io
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

UNITS = {  # of a number → what it is a number of
    "CPU s": "processor time",
    "s": "time",
    "MB": "memory",
}
OURS = "rsna_cls"
LONGEST = 600  # seconds that a new Python may take


@dataclass(frozen=True)
class Places:
    "Where a measurement finds and leaves its files."

    course: Path  # the course folder that comes with the library
    films: Path  # a large course folder of simulated films
    scratch: Path  # an empty folder, which is deleted afterwards


@dataclass(frozen=True)
class Measurement:
    "One question, and the function that measures the answer."

    name: str  # in the JSON
    title: str  # on the page
    about: str  # what is done, for a reader who does not know the library
    unit: str  # one of `UNITS`
    pairs: tuple[tuple[str, str], ...]  # candidates whose ratio is taken: ours, and a peer
    take: Callable[[Places], dict[str, dict]]  # what `in_turn` returns

    @property
    def candidates(self) -> list[str]:
        "The names of all that take part, in order and once each."
        return list(dict.fromkeys(name for pair in self.pairs for name in pair))


class NotMeasured(Exception):
    "Something that a measurement needs is not here; says what."


def beside(*peers: str) -> tuple[tuple[str, str], ...]:
    "Pairs of this library and each of some peers."
    return tuple((OURS, peer) for peer in peers)


def measurement(title: str, about: str, unit: str, pairs: tuple[tuple[str, str], ...]) -> Callable:
    "A decorator that makes a `Measurement` of a function of `Places`."

    def of(take: Callable[[Places], dict[str, dict]]) -> Measurement:
        return Measurement(take.__name__, title, about, unit, pairs, take)

    return of


# --- one call ------------------------------------------------------------------------------------


def cpu_seconds(candidate: Callable[[], Any]) -> tuple[float, Any]:
    "Processor time of a call, that of its threads and ended processes included; and its result."
    before = _processor_time()
    result = candidate()
    return _processor_time() - before, result


def _processor_time() -> float:
    "Processor time of this process and of those it started that have ended (s)."
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def wall_seconds(candidate: Callable[[], Any]) -> tuple[float, Any]:
    "Time on the clock of a call; and its result."
    started = time.perf_counter()
    result = candidate()
    return time.perf_counter() - started, result


def as_given(candidate: Callable[[], tuple[float, Any]]) -> tuple[float, Any]:
    "For candidates that measure themselves: their number and their result."
    return candidate()


def peak_memory() -> float:
    "The most memory that this process has had so far (MB)."
    status = Path("/proc/self/status")
    if status.exists():  # Linux; what `getrusage` says there includes the process that started this
        kilobytes = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if kilobytes:
            return int(kilobytes[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


@contextlib.contextmanager
def silence():
    "Nothing is printed inside."
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


# --- rounds --------------------------------------------------------------------------------------


def in_turn(
    candidates: dict[str, Callable[[], Callable]],  # name → function that makes what is measured
    rounds: int,
    seconds: Callable = cpu_seconds,  # or `wall_seconds`, or `as_given`
    warm_up: bool = True,  # is each called once before the first round?
    note: Callable[[Any], dict] | None = None,  # facts about a result, found outside of the time
) -> dict[str, dict]:  # name → rounds and notes, or why it was not measured
    "Numbers of the candidates, which take turns; another one begins each round."
    ready: dict[str, Callable] = {}
    found: dict[str, dict] = {}
    for name, prepare in candidates.items():
        try:
            with silence():
                ready[name] = prepare()
                if warm_up:
                    ready[name]()
            found[name] = dict(rounds=[], notes={})
        except Exception as error:
            ready.pop(name, None)
            found[name] = dict(not_measured=reason(error))

    for number in range(rounds):
        names = list(ready)
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            try:
                with silence():
                    value, result = seconds(ready[name])
                    notes = note(result) if note else {}
            except Exception as error:
                ready.pop(name)
                found[name] = dict(not_measured=reason(error))
                continue
            found[name]["rounds"].append(value)
            for fact, said in notes.items():
                found[name]["notes"].setdefault(fact, []).append(said)
    return found


def in_new_python(code: str, *words: object) -> str:
    "What a new Python prints that runs some code; raises `NotMeasured` if it fails."
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=LONGEST)
    if done.returncode:
        print(done.stderr, file=sys.__stderr__)
        last_line = (done.stderr.strip().splitlines() or [""])[-1]
        raise NotMeasured(missing_name(last_line) or f"it ended with {done.returncode}")
    return done.stdout


def missing_name(words: str) -> str:
    "What an older commit lacks, if an error's words are about that."
    missing = re.search(rf"cannot import name '(\w+)' from '{OURS}", words)
    return f"not there: this commit has no {missing[1]}" if missing else ""


def reason(error: Exception) -> str:
    "Why something was not measured; nothing that may name a person, a place or this machine."
    if isinstance(error, ImportError) and error.name:
        package = error.name.split(".")[0]
        if package != OURS:
            return f"{package} is not installed"
        return missing_name(str(error)) or f"not there: this commit has no {error.name}"
    if isinstance(error, NotMeasured):  # in words of ours
        return str(error)
    print(repr(error), file=sys.__stderr__)  # all of it, for whoever measures
    return f"it failed ({type(error).__name__})"


# --- what the rounds come to ---------------------------------------------------------------------


CERTAINTY = 0.93  # that the true median lies in the range, if rounds do not hang together
FEWEST = 5  # rounds with which it can be had


def left_out(n: int) -> int:
    """How many of the lowest, and of the highest, of n rounds lie outside of the range.

    A round is as likely below the true median as above. So the range from the second lowest to the
    second highest misses it only if all but one round, or all, fall on one side; and so on."""
    outside = 0
    missed = 2 / 2**n
    while outside < (n - 1) // 2:
        missed += 2 * comb(n, outside + 1) / 2**n
        if missed > 1 - CERTAINTY:
            break
        outside += 1
    return outside


def spread(rounds: list[float]) -> dict:
    "The rounds, their median and the range in which the true one lies, and how many there are."
    in_order = sorted(rounds)
    outside = left_out(len(rounds))
    return dict(
        rounds=rounds,
        median=statistics.median(rounds),
        low=in_order[outside],
        high=in_order[-1 - outside],
        n=len(rounds),
    )


def ratio(ours: str, peer: str, candidates: dict[str, dict]) -> dict:
    "The ratio of two candidates, round by round; or why there is none."
    named = dict(ours=ours, peer=peer)
    for name in (ours, peer):
        if "not_measured" in candidates[name]:
            return named | dict(not_measured=candidates[name]["not_measured"])
    both = zip(candidates[ours]["rounds"], candidates[peer]["rounds"], strict=True)
    return named | spread([a / b for a, b in both])


def result_of(question: Measurement, found: dict[str, dict]) -> dict:
    "What is written of a measurement: `found` is what `in_turn` returned."
    candidates = {}
    for name in question.candidates:
        rounds = found[name].get("rounds")
        notes = dict(notes=found[name].get("notes", {}))
        candidates[name] = spread(rounds) | notes if rounds else found[name]
    return dict(
        name=question.name,
        title=question.title,
        about=question.about,
        unit=question.unit,
        candidates=candidates,
        ratios=[ratio(ours, peer, candidates) for ours, peer in question.pairs],
    )


def none_of(question: Measurement, why: str) -> dict:
    "What is written of a measurement that could not be made."
    return result_of(question, {name: dict(not_measured=why) for name in question.candidates})


def take(question: Measurement, places: Places) -> dict:
    "Measure; whatever goes wrong is written down as the reason why there is no number."
    try:
        return result_of(question, question.take(places))
    except Exception as error:
        return none_of(question, reason(error))
