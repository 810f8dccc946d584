"""Say where this course is published: settings.ini, and everything that is written from it.

`make address URL=https://github.com/OWNER/NAME` sets the address, `make address` takes that of the
git remote `origin`, and `make address URL=none` takes it back.
"""

import re
import subprocess
import sys
from pathlib import Path

import docs
from docs import HERE, HOST, PLACEHOLDER, AddressError, repository


def origin(root: Path = HERE) -> str:
    "The address of the git remote `origin`; raises AddressError where there is none."
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        git = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        git = None
    if git is None or git.returncode:
        raise AddressError(
            "This folder has no git remote named origin to take the address from. "
            f"Give it: make address URL=https://{HOST}/OWNER/NAME"
        )
    return git.stdout.strip()


def set_address(url: str, root: Path = HERE) -> list[Path]:
    "Write an address into settings.ini and everywhere it is named; the files that were written."
    settings = root / "settings.ini"
    before = settings.read_text(encoding="utf-8")
    after = re.sub(r"^git_url = .*$", f"git_url = {url}", before, flags=re.M)
    if after == before:
        return docs.write(root)
    settings.write_text(after, encoding="utf-8", newline="\n")
    try:
        return [settings, *docs.write(root)]
    except AddressError:  # a mark or a text is wrong: all as it was
        settings.write_text(before, encoding="utf-8", newline="\n")
        raise


def main(words: list[str], root: Path = HERE) -> None:
    "The command line: an address, `none`, or nothing."
    try:
        given = words[0] if words else origin(root)
        url = PLACEHOLDER if given == "none" else repository(given)
        written = set_address(url, root)
    except AddressError as problem:
        sys.exit(f"make address: {problem}")

    for path in written:
        print("wrote", path.relative_to(root))
    if url == PLACEHOLDER:
        print("The course has no address now, and its texts say so.")
    else:
        print(f"The course's address is {url}.")
    if not written:
        print("It was so already: nothing was written.")


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word])
