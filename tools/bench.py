"""Measure speed and memory beside other libraries; write build/bench/<commit>.json and a page.

`make bench` runs it; tests/bench says how it measures, and what. `--commit REVISION` measures the
library of another commit with today's measurements, `--against FILE` sets what was measured before
beside it, and `--measured FILE` writes the page of a JSON without measuring.
"""

import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from argparse import ArgumentParser
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
BENCH = HERE / "tests/bench"
sys.path.insert(0, str(BENCH))

bench_films = importlib.import_module("bench_films")
write_page = importlib.import_module("bench_report").write_page
none_of = importlib.import_module("measuring").none_of
one_group = importlib.import_module("one_group")
GROUPS, measurements_of = one_group.GROUPS, one_group.measurements_of

SCHEMA = 2  # of the JSON: another number when what stands in it means something else
FOLDER = HERE / "build/bench"
SECONDS = 2400  # that a group of measurements may take
NEED_FILMS = {"recipe", "audits"}  # groups that look at the large course folder
THREADS = 1  # of each process: threads that wait for each other burn processor time
PACKAGES = (  # whose versions are written down
    "torch",
    "torchvision",
    "fastai",
    "numpy",
    "pillow",
    "pydicom",
    "python-gdcm",
    "captum",
    "torchcam",
    "grad-cam",
    "cleanvision",
    "playwright",
)


# --- the machine and the commit ------------------------------------------------------------------


def versions() -> dict[str, str | None]:
    "Versions of Python and of the packages that take part; None: not installed."
    found: dict[str, str | None] = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def machine() -> dict:
    "The processor; nothing that says whose machine it is."
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", facts.read_text(encoding="utf-8"), re.M)
        name = named[1] if named else name
    return dict(
        processor=name,
        cores=os.cpu_count(),
        system=platform.system(),
        load_before=round(os.getloadavg()[0], 1),
    )


def git(*words: str) -> str | None:
    "What git says; None: there is no git, or this is no repository."
    try:
        done = subprocess.run(
            ["git", *words], cwd=HERE, capture_output=True, encoding="utf-8", timeout=60
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def state_of(revision: str | None) -> dict:
    "Which commit is measured, and whether files have changed since."
    name = git("rev-parse", "--verify", "--quiet", f"{revision or 'HEAD'}^{{commit}}")
    is_a_commit = name is not None and re.fullmatch("[0-9a-f]{40,64}", name)
    if revision and not is_a_commit:
        sys.exit(f"there is no commit {revision!r} here")
    return dict(
        commit=name,
        is_changed=revision is None and git("status", "--porcelain") != "",
    )


def short_name(state: dict) -> str:
    "What the files of a measured state are called."
    is_a_commit = state["commit"] and not state["is_changed"]
    return state["commit"][:12] if is_a_commit else "working"


def measuring_files() -> list[Path]:
    "The programs that decide what is measured, and how."
    groups = [f"bench_{group}.py" for group in GROUPS]
    return [BENCH / name for name in ("measuring.py", "one_group.py", "bench_films.py", *groups)]


def library_of(revision: str | None, scratch: Path) -> Path:
    "The folder of the library that is measured: this one, or that of a commit, unpacked."
    if revision is None:
        return HERE
    command = ["git", "archive", "--format=tar", revision]
    packed = subprocess.run(command, cwd=HERE, check=True, capture_output=True).stdout
    folder = scratch / "library"
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


# --- measuring -----------------------------------------------------------------------------------


def measure_group(group: str, library: Path, films: Path, scratch: Path) -> list[dict]:
    "The results of a group, which has a process of its own; those it did not reach say so."
    out = scratch / f"{group}.json"
    working = scratch / group
    working.mkdir()
    command = [sys.executable, "-W", "ignore", BENCH / "one_group.py", group, out]
    command += ["--library", library, "--course", HERE / "data"]
    command += ["--films", films, "--scratch", working]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = os.environ | threads | {"PYTHONPATH": str(library), "TMPDIR": str(working)}
    environment.pop("RSNA_CLS_DATA", None)

    # Not from this folder, which would come before the library that was asked for.
    process = subprocess.Popen(command, env=environment, cwd=working, start_new_session=True)
    try:
        status = process.wait(timeout=SECONDS)
        why = f"the measurement ended with {status}"
    except subprocess.TimeoutExpired:
        why = f"it took more than {SECONDS // 60} minutes"
    finally:
        # With the browser and the processes that it started; they may be there when it is not.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(working, ignore_errors=True)
    results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    return complete(group, results, why)


def complete(group: str, results: list[dict], why: str) -> list[dict]:
    "Results of a group, and a reason in place of each that is missing."
    found = {result["name"]: result for result in results}
    return [
        dict(group=group) | found.get(question.name, none_of(question, why))
        for question in measurements_of(group)
    ]


def measure(revision: str | None, groups: list[str], n_films: int, folder: Path) -> dict:
    "Everything that is written into the JSON."
    started = time.perf_counter()
    state = state_of(revision)
    record = dict(
        schema=SCHEMA,
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        **state,
        measurements_digest=bench_films.digest(measuring_files()),
        films=n_films,
        threads=THREADS,
        machine=machine(),
        versions=versions(),
        measurements=[],
    )
    films = folder
    if NEED_FILMS & set(groups):
        films = bench_films.large_course(n_films, folder)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        scratch = Path(temporary)
        # By its full name: a branch may move meanwhile.
        library = library_of(state["commit"] if revision else None, scratch)
        for number, group in enumerate(groups, 1):
            minutes = (time.perf_counter() - started) / 60
            print(f"{number}/{len(groups)} {GROUPS[group]} ({minutes:.0f} min) …", flush=True)
            record["measurements"] += measure_group(group, library, films, scratch)
    if revision is None:
        record["is_changed"] = record["is_changed"] or state_of(None) != state
    record["seconds"] = round(time.perf_counter() - started)
    return record


def read_record(file: Path) -> dict:
    "What was measured before."
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{file} cannot be read: {error}")
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        sys.exit(f"{file} was not written by this version of make bench: measure that commit anew")
    return record


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commit", metavar="REVISION", help="measure the library of this commit")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with this JSON")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="measure nothing: this JSON")
    parser.add_argument("--long", action="store_true", help="10,000 films to check, not 2,000")
    parser.add_argument("--only", help=f"some groups, with commas between: {', '.join(GROUPS)}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where JSON and page go")
    args = parser.parse_args()
    groups = args.only.split(",") if args.only else list(GROUPS)
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"there is no group {', '.join(sorted(unknown))}: there are {', '.join(GROUPS)}")
    before = read_record(args.against) if args.against else None

    # Whoever ends this program ends what it has started, too.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.measured:
        record = read_record(args.measured)
        name = args.measured.stem
    else:
        record = measure(args.commit, groups, 10_000 if args.long else 2_000, args.folder)
        name = "-".join([short_name(record), *(groups if args.only else [])])
        file = args.folder / f"{name}.json"
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"Measured in {record['seconds'] / 60:.0f} minutes: {file}")
    if before:
        name += f"-against-{args.against.stem}"
    page = write_page(record, before, args.folder / f"{name}.html")
    shutil.copy(page, args.folder / "index.html")
    print(f"To read: {page}")
    failed = [result["title"] for result in record["measurements"] if has_failed(result)]
    if failed:
        sys.exit(f"These failed, and have no number: {', '.join(failed)}")


def has_failed(result: dict) -> bool:
    "Whether something was not measured although all it needs is here."
    reasons = [found.get("not_measured", "") for found in result["candidates"].values()]
    return any(words.startswith(("it ", "the measurement ended")) for words in reasons)


if __name__ == "__main__":
    main()
