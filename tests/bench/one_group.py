"""Make the measurements of one group, in this process alone; `make bench` starts it.

python tests/bench/one_group.py maps results.json --library . --course data --films … --scratch …
"""

import importlib
import json
import os
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from measuring import Measurement, Places, take

GROUPS = {  # module in this folder, without "bench_" → what the page calls it
    "recipe": "Training",
    "maps": "Heat maps",
    "simulator": "Simulated films",
    "audits": "Checking a data set",
    "loaders": "Films for training",
    "indexing": "Large folders",
    "reading": "Reading a film",
    "imports": "Starting up",
    "saved_page": "The saved page",
}


def measurements_of(group: str) -> list[Measurement]:
    "The measurements of a group, in the order in which they stand in its module."
    module = importlib.import_module(f"bench_{group}")
    return [value for value in vars(module).values() if isinstance(value, Measurement)]


def in_short(result: dict) -> str:
    "A measurement's ratios in one line."
    said = []
    for ratio in result["ratios"]:
        value = ratio.get("not_measured") or f"{ratio['median']:.2f}"
        said.append(f"{ratio['ours']} / {ratio['peer']}: {value}")
    return "; ".join(said)


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("file", type=Path, help="JSON to write, again after each measurement")
    for name in ("library", "course", "films", "scratch"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()

    import rsna_cls

    found = Path(rsna_cls.__file__).resolve()
    if not found.is_relative_to(args.library.resolve()):
        sys.exit("another rsna_cls would be measured than the one that was asked for")

    places = Places(args.course, args.films, args.scratch)
    results = []
    for question in measurements_of(args.group):
        started = time.perf_counter()
        result = take(question, places)
        result["seconds"] = round(time.perf_counter() - started, 1)
        results.append(result)
        unfinished = args.file.with_suffix(".part")
        unfinished.write_text(json.dumps(results), encoding="utf-8")
        os.replace(unfinished, args.file)
        print(f"  {question.title} ({result['seconds']:.0f} s): {in_short(result)}", flush=True)


if __name__ == "__main__":
    main()
