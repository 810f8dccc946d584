"""May this be released? `python tools/release.py TAG OWNER/NAME` says why not, or `index=yes|no`.

The release workflow asks before anything else is done, with the tag that was pushed and the
repository it was pushed to. `index=yes`: the release goes to the package index, too.
"""

import re
import sys
from datetime import date
from pathlib import Path

import docs
from docs import HERE, AddressError

VERSION = r"\d+\.\d+\.\d+"
DATE = r"\d{4}-\d\d-\d\d"


def found_in(path: Path, pattern: str) -> str:
    "What the brackets of a pattern find first in a file; empty where there is nothing."
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    match = re.search(pattern, text, re.M)
    return match[1] if match else ""


def about_address(address: docs.Address, repository: str | None) -> list[str]:
    "What speaks against a release with this address."
    if not address.is_set:
        return [
            "The repository has no address yet, so that learners could fetch nothing. "
            f"Set it: make address URL=https://{docs.HOST}/OWNER/NAME"
        ]
    here = f"https://{docs.HOST}/{repository}"
    if repository is not None and here.lower() != address.url.lower():
        return [f"This is {here}, but learners are sent to {address.url}, as settings.ini says."]
    return []


def about_version(version: str, tag: str | None, root: Path) -> list[str]:
    "What speaks against a release with this version, the one of settings.ini."
    reasons = []
    if not re.fullmatch(VERSION, version):
        reasons.append(f"settings.ini: version is {version}; a release's has three numbers: 1.2.3.")
    if tag is not None and tag != f"v{version}":
        reasons.append(f"The tag is {tag}, but the version in settings.ini asks for v{version}.")

    written = {
        "rsna_cls/__init__.py": r'^__version__ = "(.*)"$',
        "CITATION.cff": r"^version: [\"']?([^\"'\n]*)",
        "CHANGELOG.md": r"^## (\S+)",  # the newest heading
    }
    for file, pattern in written.items():
        other = found_in(root / file, pattern) or "none"
        if other != version:
            reasons.append(f"{file}: the version is {other}, but {version} in settings.ini.")
    return reasons


def is_date(text: str) -> bool:
    "Whether a text is a day of the calendar: 2026-12-31."
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def about_date(root: Path) -> list[str]:
    "What speaks against a release on the dates that are written."
    heading = found_in(root / "CHANGELOG.md", r"^## (.*)$")  # the newest
    changed = heading.partition(" – ")[2]
    cited = found_in(root / "CITATION.cff", rf"^date-released: [\"']?({DATE})")
    if not is_date(changed):
        return [
            f"CHANGELOG.md: its newest heading is {heading!r}; "
            "a release has its version and its date there: 1.2.3 – 2026-12-31."
        ]
    if cited != changed:
        return [f"CITATION.cff: date-released is {cited or 'missing'}; CHANGELOG.md has {changed}."]
    return []


def about_lessons(root: Path) -> list[str]:
    "What speaks against a release with these executed lessons."
    wanted = docs.library_digest(root)
    copies = sorted((root / "docs/lessons").glob("*.md"))
    old = [copy.stem for copy in copies if docs.digests_in(copy).get("library") != wanted]
    if not old:
        return []
    return [f"The library has changed since these lessons ran: {', '.join(old)}. make site"]


def reasons_against(
    tag: str | None = None, repository: str | None = None, root: Path = HERE
) -> list[str]:
    "Everything that speaks against a release, in words; an empty list where nothing does."
    try:
        address = docs.read_settings(root)
        stale = [path.relative_to(root).as_posix() for path in docs.stale(root)]
    except AddressError as problem:
        return [str(problem)]
    reasons = about_address(address, repository)
    reasons += about_version(address.version, tag, root)
    reasons += about_date(root)
    reasons += about_lessons(root)
    if stale:
        reasons.append(f"Not written anew since something changed: {', '.join(stale)}. make docs")
    return reasons


def main(tag: str | None = None, repository: str | None = None, root: Path = HERE) -> None:
    "The command line."
    reasons = reasons_against(tag, repository, root)
    if reasons:
        sys.exit("This may not be released:\n" + "\n".join(f"- {reason}" for reason in reasons))
    print(f"index={'yes' if docs.read_settings(root).is_on_index else 'no'}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
