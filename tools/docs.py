"""Write what is made from something else: the repository's address in texts, and README.md.

The address, the version and whether the package index is ours stand in settings.ini; what is said
of them, between the marks `address: NAME` and `/address`, in tools/address.toml. README.md follows
nbs/index.ipynb. `python tools/docs.py` writes; `stale()` says what it would change.
"""

import hashlib
import json
import os
import posixpath
import re
import sys
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
HOME = "nbs/index.ipynb"
NOTE = "<!-- made from nbs/index.ipynb by `make docs`: change it there -->"

# An account's name on the code host never begins with a hyphen: nobody can register this one.
PLACEHOLDER = "https://github.com/-address-not-set-/rsna_cls"


class AddressError(ValueError):
    "An address, a mark or a text that cannot be used; says which, and what to do."


# --- the address ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    "Where the course is published, and as what."

    url: str  # of the repository; the placeholder until the owner has set one
    version: str
    is_on_index: bool  # whether the package index has it, under the owner's account

    @property
    def is_set(self) -> bool:
        "Whether there is an address that somebody can open."
        return self.url != PLACEHOLDER

    @property
    def fields(self) -> dict[str, str]:
        "What may stand in braces in tools/address.toml, and its text."
        owner, name = self.url.split("/")[-2:]
        tag = f"v{self.version}"
        file = f"rsna_cls-{self.version}-py3-none-any.whl"
        wheel = f"{self.url}/releases/download/{tag}/{file}"
        return {
            "url": self.url,
            "owner": owner,
            "name": name,
            "version": self.version,
            "tag": tag,
            "file": file,
            "install": f"rsna_cls=={self.version}" if self.is_on_index else wheel,
        }


HOST = "github.com"
FORMS = (  # how an address is written for a browser, for git, and for git over ssh
    rf"https://(?:[^/@]+@)?(?:www\.)?{re.escape(HOST)}/(?P<path>.*)",
    rf"git@{re.escape(HOST)}:(?P<path>.*)",
    rf"ssh://git@{re.escape(HOST)}(?::22)?/(?P<path>.*)",
)
OWNER = r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
NAME = r"[A-Za-z0-9._-]+"
LONGEST_OWNER, LONGEST_NAME = 39, 100  # characters


def repository(url: str) -> str:
    "The address of a repository, `https://github.com/OWNER/NAME`; raises AddressError in words."
    found = [match for form in FORMS if (match := re.fullmatch(form, url.strip()))]
    shown = re.sub(r"//[^/@]*@", "//", url)  # without a password
    if not found:
        raise AddressError(
            f"{shown!r} is no address of a repository on {HOST}. "
            f"It should look like https://{HOST}/OWNER/NAME."
        )
    owner, _, name = found[0]["path"].removesuffix("/").removesuffix(".git").partition("/")
    if not (owner and name) or "/" in name:
        raise AddressError(
            f"{shown!r} should name an account and a repository, and nothing behind them: "
            f"https://{HOST}/OWNER/NAME."
        )
    if not re.fullmatch(OWNER, owner) or len(owner) > LONGEST_OWNER:
        raise AddressError(
            f"{owner!r} can be no account on {HOST}: its name has at most {LONGEST_OWNER} letters "
            "and digits, with single hyphens between them."
        )
    is_reserved = name in (".", "..") or name.lower().endswith((".git", ".wiki"))
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME or is_reserved:
        raise AddressError(
            f"{name!r} can be no repository on {HOST}: its name has at most {LONGEST_NAME} "
            "letters, digits, hyphens, points and underscores."
        )
    return f"https://{HOST}/{owner}/{name}"


def read_settings(root: Path = HERE) -> Address:
    "The address in settings.ini; raises AddressError where it is neither set nor the placeholder."
    config = ConfigParser(interpolation=None)
    config.read(root / "settings.ini", encoding="utf-8")
    settings = config["DEFAULT"]
    url = settings["git_url"]
    if url != PLACEHOLDER and url != repository(url):
        raise AddressError(
            f"settings.ini: git_url is {url!r}; set it with: make address URL={repository(url)}"
        )
    if settings["index"] not in ("yes", "no"):
        raise AddressError(f"settings.ini: index is {settings['index']!r}; write yes or no.")
    return Address(url, settings["version"], settings["index"] == "yes")


# --- what stands between marks -------------------------------------------------------------------

# A mark is a line of its own: an HTML comment in Markdown, a comment in Python, YAML and CFF.
OPENING = re.compile(r"([ \t]*)(?:<!-- address: ([\w-]+) -->|# address: ([\w-]+))")
CLOSING = re.compile(r"[ \t]*(?:<!-- /address -->|# /address)")
LIKE_A_MARK = re.compile(r"[ \t]*(?:<!--|#) ?(?:address:|/ ?address\b)")
FIELD = re.compile(r"(?<![{$])\{([a-z_]+)\}")  # `{{…}}` and `${{…}}` are left alone


def read_texts(root: Path = HERE) -> dict[str, dict[str, str]]:
    "tools/address.toml: name → its text for an address that is set, and for none."
    try:
        texts = tomllib.loads((root / "tools/address.toml").read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise AddressError(f"tools/address.toml: {error}") from None
    for name, forms in texts.items():
        if set(forms) != {"set", "unset"}:
            has = " and ".join(forms) or "nothing"
            raise AddressError(
                f"tools/address.toml: [{name}] has {has}; it needs two texts, set and unset."
            )
    return texts


def text_between(name: str, place: str, lesson: str, address: Address, texts: dict) -> str:
    "What stands between the marks of a name."
    if name not in texts:
        raise AddressError(
            f"{place}: tools/address.toml has no [{name}]. It has {', '.join(texts)}."
        )
    fields = {"version": address.version, "file": address.fields["file"], "lesson": lesson}
    if address.is_set:
        fields |= address.fields

    def fill(match: re.Match) -> str:
        if match[1] not in fields:
            raise AddressError(
                f"tools/address.toml: [{name}] asks for {match[0]}, "
                f"which {'nobody knows' if address.is_set else 'an unset address does not have'}."
            )
        return fields[match[1]]

    return FIELD.sub(fill, texts[name]["set" if address.is_set else "unset"])


def stamped(text: str, place: str, lesson: str, address: Address, texts: dict) -> str:
    "A text in which everything between marks is as tools/address.toml has it."
    lines: list[str] = []
    opened = ""  # the name of the mark that is open
    for number, line in enumerate(text.split("\n"), 1):
        here = f"{place}, line {number}"
        opening = OPENING.fullmatch(line)
        closing = CLOSING.fullmatch(line)
        if LIKE_A_MARK.match(line) and not opening and not closing:
            raise AddressError(
                f"{here}: {line.strip()!r} is not quite a mark. Write `<!-- address: NAME -->` and "
                "`<!-- /address -->`, or `# address: NAME` and `# /address`, each alone in a line."
            )
        if opening and opened:
            raise AddressError(f"{here}: a second mark, but `address: {opened}` is still open.")
        if closing and not opened:
            raise AddressError(f"{here}: /address closes a mark that nobody has opened.")

        if closing:
            opened = ""
        if not opened:  # what stands between marks is written anew, where they open
            lines.append(line)
        if opening:
            indent, *names = opening.groups()
            opened = names[0] or names[1]
            between = text_between(opened, here, lesson, address, texts).strip("\n")
            lines += [indent + one if one else "" for one in between.split("\n")]
    if opened:
        raise AddressError(f"{place}: `address: {opened}` is not closed with /address.")
    return "\n".join(lines)


def stamped_notebook(text: str, place: str, address: Address, texts: dict) -> str:
    "The same for each cell of a notebook."
    notebook = json.loads(text)
    lesson = Path(place).name
    for number, cell in enumerate(notebook["cells"], 1):
        source = stamped("".join(cell["source"]), f"{place}, cell {number}", lesson, address, texts)
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


# --- files ---------------------------------------------------------------------------------------

NOT_OURS = {"build", "dist", "tests", "tools"}  # made by others, or about marks themselves


def files(root: Path) -> Iterator[Path]:
    "Every file that may carry a mark."
    for folder, subfolders, names in os.walk(root):
        if "pyvenv.cfg" in names:  # an environment of somebody's own
            subfolders.clear()
            continue
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name == ".github"
            or not (name.startswith((".", "_")) or name in NOT_OURS or name.endswith("egg-info"))
        )
        for name in sorted(names):
            if Path(name).suffix not in (".png", ".webp", ".safetensors"):
                yield Path(folder) / name


def marked(root: Path = HERE) -> dict[Path, str]:
    "Every file with marks and the text it should have; without README.md, which is made."
    address = read_settings(root)
    texts = read_texts(root)
    found = {}
    for path in files(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path == root / "README.md" or not re.search(r"(<!--|#) ?/? ?address\b", text):
            continue
        place = path.relative_to(root).as_posix()
        if path.suffix == ".ipynb":
            found[path] = stamped_notebook(text, place, address, texts)
        else:
            found[path] = stamped(text, place, "", address, texts)
    return found


# A link or an image that is named from where the page stands, in Markdown or in HTML.
RELATIVE = re.compile(r"""(\]\(|\b(?:href|src)=")(?![a-z]+:|[#/])([^)\s"]+)""")


def readme(home: str) -> str:
    "README.md, one folder above: the Markdown of the home page's notebook, without its marks."
    cells = json.loads(home)["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"^<!-- /?address.*-->\n", "", text, flags=re.M)
    text = RELATIVE.sub(lambda link: link[1] + posixpath.normpath(f"nbs/{link[2]}"), text)
    return f"{NOTE}\n\n{text.strip()}\n"


def wanted(root: Path = HERE) -> dict[Path, str]:
    "Every file this script writes, with the text it should have."
    texts = marked(root)
    home = texts.get(root / HOME) or (root / HOME).read_text(encoding="utf-8")
    return texts | {root / "README.md": readme(home)}


def stale(root: Path = HERE) -> list[Path]:
    "The files that are not as they should be."
    return [path for path, text in wanted(root).items() if not is_fresh(path, text)]


def is_fresh(path: Path, text: str) -> bool:
    "Whether a file is there and has this text."
    return path.exists() and path.read_text(encoding="utf-8") == text


def write(root: Path = HERE) -> list[Path]:
    "Write what is stale; its files."
    texts = wanted(root)
    written = [path for path, text in texts.items() if not is_fresh(path, text)]
    for path in written:
        path.write_text(texts[path], encoding="utf-8", newline="\n")
    return written


# --- what the executed lessons were made with -----------------------------------------------------

DIGEST = re.compile(r"<!-- (code|library): ([0-9a-f]{16}) -->")


def digest(texts: list[bytes]) -> str:
    "Sixteen hexadecimal digits that change when one of the texts does."
    found = hashlib.sha256()
    for text in texts:
        found.update(hashlib.sha256(text).digest())
    return found.hexdigest()[:16]


def library_digest(root: Path = HERE) -> str:
    "Of the library's code, and of the weights and films that come with it."
    code = sorted((root / "rsna_cls").rglob("*.py"))
    sums = [root / "rsna_cls/weights/SHA256SUMS", root / "data/manifest.csv"]
    return digest([file.read_bytes() for file in [*code, *sums] if file.exists()])


def digests_in(copy: Path) -> dict[str, str]:
    "The digests that an executed lesson was written with; empty where there is none."
    if not copy.exists():
        return {}
    return dict(DIGEST.findall(copy.read_text(encoding="utf-8")))


if __name__ == "__main__":
    try:
        for path in write():
            print("wrote", path.relative_to(HERE))
    except AddressError as problem:
        sys.exit(f"make docs: {problem}")
