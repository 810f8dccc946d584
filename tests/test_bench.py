"`make bench`: how it measures, what it writes down, and what its page says."

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
bench = importlib.import_module("bench")
measuring = importlib.import_module("measuring")
report = importlib.import_module("bench_report")

PLACES = measuring.Places(Path("course"), Path("films"), Path("scratch"))


def rounds_of(*values):
    "A candidate that takes these many seconds, round by round."
    left = list(values)
    return lambda: lambda: (left.pop(0), {})


def given(candidates, rounds, **more):
    "`in_turn` with candidates that say themselves how long they took."
    return measuring.in_turn(candidates, rounds, seconds=measuring.as_given, warm_up=False, **more)


# --- measuring -----------------------------------------------------------------------------------


def test_candidates_take_turns_and_another_one_begins_each_round():
    calls = []

    def candidate(name):
        return lambda: lambda: calls.append(name)

    found = measuring.in_turn({name: candidate(name) for name in "abc"}, rounds=3)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"  # the first three warm up
    assert [len(found[name]["rounds"]) for name in "abc"] == [3, 3, 3]


def test_ratios_are_taken_round_by_round():
    "A machine that is ten times slower in one round changes nothing."
    found = given({"ours": rounds_of(1, 10, 2), "peer": rounds_of(2, 20, 4)}, 3)
    ratio = measuring.ratio("ours", "peer", found)
    assert ratio["rounds"] == [0.5, 0.5, 0.5]
    assert (ratio["low"], ratio["median"], ratio["high"], ratio["n"]) == (0.5, 0.5, 0.5, 3)


@pytest.mark.parametrize(
    ("n", "outside"),  # the binomial table: 2/32; 2 (1 + 9)/512; 2 (1 + 15 + 105 + 455)/32768
    [(1, 0), (3, 0), (5, 0), (9, 1), (15, 3)],
)
def test_the_range_of_a_median(n, outside):
    spread = measuring.spread([float(value) for value in range(n, 0, -1)])
    assert (spread["low"], spread["median"]) == (1 + outside, (n + 1) / 2)
    assert (spread["high"], spread["n"]) == (n - outside, n)


@pytest.mark.parametrize("n", [5, 9, 15])
def test_chance_is_hardly_ever_taken_for_a_difference(n):
    "Candidates that are the same, on a machine that is not: 10 % up or down."
    rng = np.random.default_rng(0)
    trials = 1000
    told, changed = 0, 0
    for _ in range(trials):
        now, then = (
            dict(ours="us", peer="them") | measuring.spread(rng.lognormal(0, 0.1, n).tolist())
            for _ in range(2)
        )
        words = report.sentence(now, "s")
        told += "about as much" not in words and "cannot be told apart" not in words
        changed += report.change(now, then)["verdict"] != "noise"
    assert told / trials < 0.08
    assert changed / trials < 0.03


def test_what_is_missing_or_fails_is_said_and_is_no_number():
    def without_package():
        import a_package_that_nobody_has  # noqa: F401

    def without_name():
        from rsna_cls import a_name_of_the_future  # noqa: F401

    def failing_later():
        left = [1.0]
        return lambda: (left.pop(), {})

    found = given(
        {
            "fine": rounds_of(1, 1),
            "no package": without_package,
            "older": without_name,
            "later": failing_later,
        },
        2,
    )
    reasons = {name: facts.get("not_measured") for name, facts in found.items()}
    assert reasons == {
        "fine": None,
        "no package": "a_package_that_nobody_has is not installed",
        "older": "not there: this commit has no a_name_of_the_future",
        "later": "it failed (IndexError)",
    }
    for name in ("no package", "older", "later"):
        for pair in (("fine", name), (name, "fine")):
            ratio = measuring.ratio(*pair, found)
            assert ratio["not_measured"] == reasons[name]
            assert "median" not in ratio


def test_a_new_python_that_lacks_a_name_says_so():
    with pytest.raises(measuring.NotMeasured, match="^not there: this commit has no nothing_such$"):
        measuring.in_new_python("from rsna_cls import nothing_such")
    assert measuring.in_new_python("import sys; print(sys.argv[1])", 7) == "7\n"


def test_results_are_noted_outside_of_the_time():
    found = given({"a": rounds_of(1, 2)}, 2, note=lambda result: {"right": len(result)})
    assert found["a"]["notes"] == {"right": [0, 0]}


@pytest.mark.parametrize(
    "words",
    ["cannot open '/srv/doe'", "/data/John Doe/films/a.png", "doeshost:22", r"\\server\doe\a"],
)
def test_no_name_of_a_person_or_machine_is_written_down(words):
    assert measuring.reason(OSError(words)) == "it failed (OSError)"
    assert measuring.reason(measuring.NotMeasured("it needs Chromium")) == "it needs Chromium"
    with pytest.raises(measuring.NotMeasured, match="^it ended with 1$"):
        measuring.in_new_python(f"raise OSError({words!r})")


def test_memory_is_in_megabytes():
    assert 5 < measuring.peak_memory() < 100_000


def test_every_measurement_can_be_made_and_told_from_the_others():
    names = [q.name for group in bench.GROUPS for q in bench.measurements_of(group)]
    assert len(names) == len(set(names)) > 15
    modules = {path.stem.removeprefix("bench_") for path in bench.BENCH.glob("bench_*.py")}
    assert modules - {"films", "report"} == set(bench.GROUPS)
    for group in bench.GROUPS:
        assert bench.measurements_of(group)
        for question in bench.measurements_of(group):
            assert question.unit in measuring.UNITS
            assert question.about.endswith(".")


def test_what_a_group_did_not_reach_is_not_measured():
    first, *others = bench.measurements_of("maps")
    found = [dict(name=first.name, ratios=[], candidates={})]
    results = bench.complete("maps", found, "it took more than 40 minutes")
    assert [result["name"] for result in results] == [first.name, *(q.name for q in others)]
    for result in results[1:]:
        for ratio in result["ratios"]:
            assert ratio["not_measured"] == "it took more than 40 minutes"


# --- which library -------------------------------------------------------------------------------


@pytest.fixture
def repository():
    "Skips where this is no git repository, as in the kit."
    if bench.git("rev-parse", "HEAD") is None:
        pytest.skip("needs git, and a repository")


def test_a_commit_is_unpacked_and_nothing_here_is_touched(repository, tmp_path):
    folder = bench.library_of("HEAD", tmp_path)
    for name in ("rsna_cls/__init__.py", "data/manifest.csv"):
        committed = subprocess.check_output(["git", "show", f"HEAD:{name}"], cwd=HERE)
        assert (folder / name).read_bytes() == committed
    assert bench.library_of(None, tmp_path) == HERE


def test_a_commit_that_is_not_there_is_refused(repository):
    with pytest.raises(SystemExit, match="there is no commit 'no-such-thing' here"):
        bench.state_of("no-such-thing")
    state = bench.state_of("HEAD")
    assert re.fullmatch("[0-9a-f]{12}", bench.short_name(state))
    assert bench.short_name(state | dict(is_changed=True)) == "working"


def test_another_library_than_the_one_asked_for_is_not_measured(tmp_path):
    command = [sys.executable, bench.BENCH / "one_group.py", "maps", tmp_path / "out.json"]
    for name in ("library", "course", "films", "scratch"):
        command += [f"--{name}", tmp_path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "another rsna_cls would be measured" in done.stderr


# --- a made-up record ----------------------------------------------------------------------------

MAPS = measuring.Measurement(
    "maps", "Heat maps", "Maps are made.", "CPU s", measuring.beside("captum", "torch-cam"), None
)
START = measuring.Measurement(
    "start", "Starting", "Python starts.", "s", (("the package", "fastai"),), None
)


def record_of(ours, changed=False, digest="d1", captum=True):
    "A record with two measurements: rsna_cls takes `ours` times as long as captum."
    scatter = (0.9, 1.0, 1.1, 1.0, 1.0)
    found = {
        "rsna_cls": dict(rounds=[ours * s for s in scatter], notes={"right": [9] * 5}),
        "captum": dict(rounds=[1.0] * 5, notes={}),
        "torch-cam": dict(rounds=[0.5] * 5, notes={}),
    }
    if not captum:
        found["captum"] = dict(not_measured="captum is not installed")
    start = {
        "the package": dict(rounds=[0.1] * 5, notes={}),
        "fastai": dict(rounds=[4.0] * 5, notes={}),
    }
    results = [measuring.result_of(MAPS, found), measuring.result_of(START, start)]
    record = dict(
        schema=bench.SCHEMA,
        date="2026-11-28T12:00+00:00",
        commit="0123456789abcdef",
        is_changed=changed,
        measurements_digest=digest,
        films=2000,
        threads=1,
        machine=dict(processor="<a> processor", cores=2, system="Linux", load_before=0.1),
        versions={"Python": "3.12.1", "captum": None},
        measurements=[dict(group=g) | r for g, r in zip(("maps", "imports"), results, strict=True)],
        seconds=600,
    )
    return json.loads(json.dumps(record))  # as it is read from a file


def page(record, before=None):
    return BeautifulSoup(report.page_of(record, before), "html.parser")


def words_of(element):
    return " ".join(element.get_text(" ").split())


# --- the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "median", "high", "words"),
    [
        (0.92, 0.95, 1.1, "us takes about as much processor time as them."),
        (0.4, 0.95, 1.6, "us and them cannot be told apart in so few rounds (5)."),
        (1.005, 1.01, 1.015, "us takes about as much processor time as them."),
        (0.1, 0.12, 0.13, "us takes 12 % of the processor time of them."),
        (0.001, 0.002, 0.003, "us takes 0.2 % of the processor time of them."),
        (0.6, 0.7, 0.8, "us takes 30 % less processor time than them."),
        (1.2, 1.25, 1.3, "us takes 25 % more processor time than them."),
        (2.9, 3.04, 3.2, "us takes 3.0 times the processor time of them."),
    ],
)
def test_a_ratio_in_words(low, median, high, words):
    ratio = dict(ours="us", peer="them", low=low, median=median, high=high, n=5)
    assert report.sentence(ratio, "CPU s") == words
    assert report.sentence(ratio | dict(n=3), "CPU s") == "Too few rounds to say (3)."


def test_ratios_come_first_each_with_a_sentence():
    soup = page(record_of(0.3))
    headings = [heading["id"] for heading in soup.find_all("h2")]
    assert headings[:2] == ["ratios", "details"]
    rows = [words_of(row) for row in soup.select("table.ratios tbody tr")]
    assert rows == [
        "Heat maps 0.30 (0.27–0.33) rsna_cls takes 30 % of the processor time of captum.",
        "Heat maps 0.60 (0.54–0.66) rsna_cls takes 40 % less processor time than torch-cam.",
        "Starting 0.025 (0.025–0.025) the package takes 2 % of the time of fastai.",
    ]
    assert "A ratio below 1: rsna_cls takes less than the other." in words_of(soup)
    assert "<a> processor" in words_of(soup)


def test_every_figure_says_what_it_shows():
    soup = page(record_of(0.3))
    alt = [svg["aria-label"] for svg in soup.find_all("svg", role="img")]
    assert alt == [
        "Ratios on a scale on which 1 is the peer. Heat maps, beside captum: 0.30; "
        "Heat maps, beside torch-cam: 0.60.",
        "Heat maps, CPU s: rsna_cls 0.30; captum 1.00; torch-cam 0.50.",
        "Ratios on a scale on which 1 is the peer. the package, beside fastai: 0.025.",
        "Starting, CPU s: the package 0.10; fastai 4.00.".replace("CPU s", "s"),
    ]


def test_the_page_stands_alone_and_its_figures_follow_its_colours():
    text = report.page_of(record_of(0.3), record_of(0.4))
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|<script|url\(["']?http""", text)
    for code in (report.INK, *report.COLOURS.values()):
        assert code not in text
    soup = BeautifulSoup(text, "html.parser")
    names = [element["id"] for element in soup.find_all(id=True)]
    assert len(names) == len(set(names))
    for name in re.findall(r'(?:url\(#|href="#)([^")]+)', text):
        assert name in names


def test_raw_rounds_and_notes_are_on_the_page():
    soup = page(record_of(0.3))
    folded = words_of(soup.find("details"))
    assert "0.27 0.30 0.33 0.30" in folded
    assert "rsna_cls: right: 9" in words_of(soup)


def test_a_missing_peer_is_shown_as_not_measured():
    soup = page(record_of(0.3, captum=False))
    row = words_of(soup.select("table.ratios tbody tr")[0])
    assert row == "Heat maps – not measured: captum is not installed"
    figures = [svg["aria-label"] for svg in soup.find_all("svg")]
    assert "Heat maps, beside captum: not measured" in figures[0]
    assert "captum not measured" in figures[1]
    assert "not measured: captum is not installed" in words_of(soup.find("details"))


def test_a_page_without_any_number():
    record = record_of(0.3)
    record["measurements"] = [dict(group="maps") | measuring.none_of(MAPS, "no reason")]
    assert "not measured: no reason" in words_of(page(record))


# --- two commits ---------------------------------------------------------------------------------


def spread(low, median, high):
    return dict(ours="us", peer="them", rounds=[median], low=low, median=median, high=high, n=5)


@pytest.mark.parametrize(
    ("now", "then", "verdict", "words"),
    [
        ((0.9, 1.0, 1.1), (1.05, 1.2, 1.3), "noise", "within the noise"),
        ((0.9, 1.0, 1.1), (1.1, 1.2, 1.3), "noise", "within the noise"),
        ((0.9, 1.0, 1.1), (1.2, 1.25, 1.3), "less", "20 % less than then"),
        ((1.2, 1.25, 1.3), (0.9, 1.0, 1.1), "more", "25 % more than then"),
        ((2.9, 3.0, 3.1), (0.9, 1.0, 1.1), "more", "3.0 times as much as then"),
        ((1.0, 1.0, 1.0), (1.01, 1.01, 1.01), "noise", "within the noise"),
    ],
)
def test_a_change_is_told_from_noise(now, then, verdict, words):
    change = report.change(spread(*now), spread(*then))
    assert (change["verdict"], change["words"]) == (verdict, words)
    few = report.change(spread(*now) | dict(n=3), spread(*then))
    assert few == dict(verdict="unknown", words="too few rounds to say")


def test_what_was_not_measured_has_not_changed():
    absent = dict(not_measured="not there: this commit has no cam")
    here = spread(1, 1, 1)
    assert report.change(here, None)["verdict"] == "unknown"
    assert report.change(here, absent)["words"] == "then not there: this commit has no cam"
    assert report.change(absent, here)["words"] == "now not there: this commit has no cam"


def test_two_commits_side_by_side():
    soup = page(record_of(0.3, changed=True), record_of(0.6))
    rows = [words_of(row) for row in soup.select("#change ~ table.ratios")[0].select("tbody tr")]
    assert rows[0] == (
        "Heat maps rsna_cls / captum 0.60 (0.54–0.66) 0.30 (0.27–0.33) 50 % less than then"
    )
    assert rows[2].endswith("within the noise")
    assert "2 less, 0 more, 1 within the noise." in words_of(soup)
    assert "most of the machine's speed cancels out" in words_of(soup)
    assert "(then 0.60)" in soup.find("svg")["aria-label"]
    assert not soup.select(".doubt")


def test_what_makes_a_comparison_doubtful_is_said():
    then = record_of(0.3, digest="d0") | dict(films=10_000, versions={"Python": "3.11.1"})
    then["machine"]["cores"] = 16
    doubts = " ".join(words_of(doubt) for doubt in page(record_of(0.3), then).select(".doubt"))
    assert "The measurements themselves have changed" in doubts
    assert "2,000 films now, and had 10,000 then" in doubts
    assert "Other versions: Python 3.11.1 → 3.12.1." in doubts
    assert "Another machine (cores): 16 then, 2 now." in doubts


def test_a_failure_ends_with_its_name_and_a_missing_peer_does_not():
    def result(why):
        return dict(title="Maps", candidates={"a": dict(rounds=[1.0]), "b": dict(not_measured=why)})

    assert bench.has_failed(result("it failed (OSError)"))
    assert bench.has_failed(result("it took more than 40 minutes"))
    assert bench.has_failed(result("the measurement ended with -9"))
    assert not bench.has_failed(result("captum is not installed"))
    assert not bench.has_failed(result("not there: this commit has no cam"))
    assert not bench.has_failed(dict(title="Maps", candidates={"a": dict(rounds=[1.0])}))


@pytest.mark.parametrize("revision", ["^HEAD", "HEAD..HEAD", "no such commit", "--all"])
def test_a_revision_that_is_no_commit_is_refused(revision):
    with pytest.raises(SystemExit, match="there is no commit"):
        bench.state_of(revision)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 0}'])
def test_a_foreign_json_is_refused(content, tmp_path):
    file = tmp_path / "old.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match="old.json"):
        bench.read_record(file)


# --- all of it -----------------------------------------------------------------------------------


def run_tool(folder, *words):
    "Run the tool; what it prints."
    command = [sys.executable, "-W", "ignore", HERE / "tools/bench.py", "--folder", folder, *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_schema(record):
    "What other programs may rely on."
    assert record["schema"] == bench.SCHEMA
    assert {"commit", "is_changed", "date", "threads", "films", "seconds"} <= set(record)
    assert set(record["machine"]) == {"processor", "cores", "system", "load_before"}
    assert {"Python", "torch", "fastai", *bench.PACKAGES} == set(record["versions"])
    for result in record["measurements"]:
        assert result["unit"] in measuring.UNITS
        for found in [*result["candidates"].values(), *result["ratios"]]:
            if "not_measured" in found:
                assert found["not_measured"] and "median" not in found
                continue
            assert found["n"] == len(found["rounds"]) > 0
            assert 0 < found["low"] <= found["median"] <= found["high"]


@pytest.mark.slow(seconds=30)
def test_json_and_page_are_written_and_name_nobody(tmp_path):
    said = run_tool(tmp_path, "--only", "reading")
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    check_schema(record)
    assert [result["name"] for result in record["measurements"]] == [
        question.name for question in bench.measurements_of("reading")
    ]
    png = record["measurements"][0]
    assert "median" in png["ratios"][0], png
    assert str(file) in said
    for name in (file.name, "index.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        for folder in (HERE, tmp_path):
            assert str(folder) not in text

    # Against itself, nothing has changed.
    run_tool(tmp_path, "--measured", file, "--against", file)
    soup = BeautifulSoup((tmp_path / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert "0 less, 0 more" in words_of(soup)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    "given, options",
    [
        ("COMMIT=HEAD~1", '--commit "$COMMIT"'),
        ("AGAINST=x.json", '--against "$AGAINST"'),
        ("MEASURED=x.json", '--measured "$MEASURED"'),
        ("LONG=yes", "--long"),
        ("LONG=no", ""),
    ],
)
def test_make_hands_over_what_is_asked_for(given, options):
    said = subprocess.run(
        ["make", "-n", "bench", given], cwd=HERE, capture_output=True, encoding="utf-8"
    ).stdout
    command = next(line for line in said.splitlines() if "tools/bench.py" in line)
    assert command.partition("tools/bench.py")[2].strip() == options
