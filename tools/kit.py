"""Write build/kit/rsna_cls-VERSION-kit.zip: the course in one file, for a room without network.

`make kit` runs it. docs/site/kit.md says how to use a kit, and is its README. A wheel is in the kit
if it is the same file for every computer: its name ends in `none-any.whl`. What is compiled is
fetched for the room's computers, as the README says; `--compiled` adds what fits this computer. It
never adds PyTorch, which most rooms want without the gigabytes for a graphics card.

The lessons' results are those of docs/lessons, which `make site` brings up to date.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from argparse import ArgumentParser
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lessons import all_lessons, copy_of, stale
from ready import write_ready_page
from versions import CannotBegin, build_wheel
from website import TRY, Site, is_elsewhere, problems, text_of

HERE = Path(__file__).resolve().parents[1]
COPIES = [copy_of(lesson) for lesson in all_lessons()]  # the lessons that have run
README = HERE / "docs/site/kit.md"

# A lesson is opened in JupyterLab, which the library itself does not need.
TO_READ_IN = ["jupyterlab"]

# Never in a kit: PyTorch, and what it asks for on Linux for the sake of a graphics card.
TORCH = ("torch", "torchvision")
FOR_GRAPHICS_CARDS = ("cuda-", "nvidia-", "triton")

# Installed here with compiled parts, but there is a wheel for every computer besides.
ALSO_PURE = {
    "charset-normalizer",
    "debugpy",
    "fonttools",
    "plum-dispatch",
    "wcwidth",
    "websockets",
    "wrapt",
}

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the time of every file in a zip: the same kit, the same bytes


class KitError(ValueError):
    "Why there is no kit, in words."


def settings() -> dict[str, str]:
    "What settings.ini says."
    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini", encoding="utf-8")
    return dict(config["DEFAULT"])


# --- which packages ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Package:
    "A package that the room's computers need, in the version that is installed here."

    name: str
    version: str
    is_pure: bool  # whether there is a wheel of it for every computer

    @property
    def pin(self) -> str:
        "How a list of requirements names it."
        return f"{self.name}=={self.version}"


def installed(name: str) -> Distribution:
    "A package of this environment."
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise KitError(
            f"{name} is not installed here, and a kit has the versions of this environment: "
            "remove the folder .venv and try again."
        ) from None


def is_pure(found: Distribution) -> bool:
    "Whether the wheel that a package was installed from is the same for every computer."
    wheels = [file for file in found.files or [] if file.name == "WHEEL"]
    said = wheels[0].read_text(encoding="utf-8") if wheels else ""
    tags = re.findall(r"^Tag: (.*)$", said, re.MULTILINE)
    return any(re.fullmatch(r"(py2\.)?py3-none-any", tag) for tag in tags)


def asked_for(found: Distribution, extras: set[str]) -> Iterator[Requirement]:
    "What a package asks for on this system, with these extras."
    for line in found.requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def needed_packages(requirements: list[str]) -> list[Package]:
    "These packages and all that they need in turn, those for graphics cards left out."
    waiting = [Requirement(requirement) for requirement in requirements]
    seen = set()
    packages = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        step = (name, frozenset(requirement.extras))
        if step in seen or name.startswith(FOR_GRAPHICS_CARDS):
            continue
        seen.add(step)
        found = installed(name)
        packages[name] = Package(name, found.version, name in ALSO_PURE or is_pure(found))
        waiting += asked_for(found, requirement.extras)
    return sorted(packages.values(), key=lambda package: package.name)


def all_packages() -> list[Package]:
    "What the library, its reader of DICOM files and JupyterLab need."
    said = settings()
    library = said["requirements"].split() + said["dicom_requirements"].split()
    return needed_packages(library + TO_READ_IN)


def untested(packages: list[Package], constraints: str) -> list[str]:
    "Packages that have another version here than in a file of constraints, in words."
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", constraints, re.MULTILINE))
    tested = {canonicalize_name(name): version for name, version in pins.items()}
    return [
        f"{package.pin}, tested: {tested[package.name]}"
        for package in packages
        if tested.get(package.name, package.version) != package.version
    ]


# --- wheels --------------------------------------------------------------------------------------


def fetch_wheels(packages: list[Package], folder: Path, *platform: str) -> None:
    "Download the wheels of these packages, for this computer or as options of pip's say."
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--retries=1", f"--dest={folder}", *platform]
    command += [package.pin for package in packages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = said[-1].removeprefix("ERROR: ") if said else f"pip failed ({done.returncode})"
        raise KitError(
            f"Not all of the {len(packages)} wheels that the kit needs could be fetched "
            f"({reason}): is the package index within reach?"
        )


def add_wheels(packages: list[Package], kit: Path, with_compiled: bool) -> str:
    "Put the library's wheel and the others into a kit; the name of the library's."
    folder = kit / "wheels"
    folder.mkdir()
    pure = [package for package in packages if package.is_pure]
    fetch_wheels(pure, folder, "--platform=any", "--implementation=py", "--abi=none")
    if with_compiled:
        compiled = [p for p in packages if not p.is_pure and p.name not in TORCH]
        fetch_wheels(compiled, folder)
    with TemporaryDirectory(prefix="wheel-") as scratch:
        return Path(shutil.move(build_wheel(Path(scratch)), folder)).name


def add_lists(packages: list[Package], library: str, kit: Path) -> None:
    "Write what pip is given where there is a network: what is needed, and in which versions."
    versions = "".join(f"{package.pin}\n" for package in packages)
    (kit / "versions.txt").write_text(versions, encoding="utf-8", newline="\n")
    # The library is named as a file: an index may have something else under its name.
    lines = ["--only-binary :all:", "--find-links wheels", "--constraint versions.txt"]
    lines += [f"./wheels/{library}[dicom]", *TO_READ_IN]
    text = "# What the computers in the room need: see README.html, step 1.\n"
    (kit / "requirements.txt").write_text(
        text + "\n".join(lines) + "\n", encoding="utf-8", newline="\n"
    )


# --- the lessons as pages ------------------------------------------------------------------------

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>
body {{ max-width: 46em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }}
body {{ font: 17px/1.6 system-ui, sans-serif; }}
a {{ color: #0b57a4; }}
img {{ max-width: 100%; height: auto; }}
pre {{ padding: 0.8em; background: #f2f2f2; white-space: pre-wrap; overflow-wrap: anywhere; }}
code {{ font-size: 0.9em; }}
table {{ display: block; overflow-x: auto; border-collapse: collapse; }}
th, td {{ padding: 0.3em 0.8em; border: 1px solid #bbb; text-align: left; vertical-align: top; }}
nav {{ padding: 0.2em 1em; border: 1px solid #bbb; }}
summary {{ cursor: pointer; }}
</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
HEADER = '<p><a href="../README.html">All lessons, and how to run them</a></p>'
FOOTER = """
<hr/>
<p><strong>Not for clinical use.</strong> The films on this page are simulated. rsna_cls {version},
by its developers. This course is an independent project: it is no product of the Radiological
Society of North America (RSNA), and the RSNA has neither reviewed nor endorsed it. It succeeds
<em>Image Classification for Beginners</em> by Walter F. Wiggins, Kirti Magudia and M. Travis Caton
(RSNA 2020). Text and films: Creative Commons Attribution 4.0 (CC BY 4.0). Code: MIT.</p>
"""


def fragment(html: str) -> BeautifulSoup:
    "A piece of a page."
    return BeautifulSoup(html, "html.parser")


def from_markdown(text: str) -> BeautifulSoup:
    "A text in Markdown as a piece of a page."
    page = fragment(markdown2html(text))
    for pilcrow in page.find_all(class_="anchor-link"):  # nbconvert adds them
        pilcrow.decompose()
    return page


def embed_pictures(page: BeautifulSoup, folder: Path) -> None:
    "Put the pictures of a lesson into its page."
    for image in page.find_all("img"):
        file = folder / image["src"]
        if not file.is_file():
            raise KitError(f"A lesson shows {image['src']}, which is not there: make site")
        picture = file.read_bytes()
        image["src"] = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


def lead_to_pages(page: BeautifulSoup) -> None:
    "Lead links to lessons' pages and notebooks; one to another file of ours becomes its words."
    names = {copy.name: f"{copy.stem}.html" for copy in COPIES}
    for lesson in all_lessons():
        names[f"../../nbs/lessons/{lesson.name}"] = f"../lessons/{lesson.name}"
    for link in page.find_all("a", href=True):
        place = urlsplit(link["href"])
        if is_elsewhere(link["href"]) or not place.path:
            continue
        if place.path in names:
            link["href"] = place._replace(path=names[place.path]).geturl()
        else:
            link.unwrap()


def lesson_page(copy: Path) -> str:
    "A lesson as it looks when it has run (docs/lessons), as one HTML file for the folder `read`."
    page = from_markdown(text_of(copy))
    title = page.h1.get_text()
    embed_pictures(page, copy.parent)
    lead_to_pages(page)
    content = f"{HEADER}\n{page}\n{FOOTER.format(version=settings()['version'])}"
    return PAGE.format(title=f"{title} – rsna_cls", content=content)


# --- the page that is opened first ---------------------------------------------------------------


def first_page(text: str, files: dict[str, str]) -> str:
    "The README as a page that leads to the kit's other pages; `files`: a page and its title."
    page = from_markdown(text)

    # Where a sentence names a page, it leads there.
    for code in page.find_all("code"):
        if code.get_text() in files and not code.find_parent("pre"):
            code.wrap(page.new_tag("a", href=code.get_text()))

    items = "".join(f'<li><a href="{file}">{title}</a></li>\n' for file, title in files.items())
    nav = f'<nav aria-label="Pages"><p>Open a page:</p>\n<ul>\n{items}</ul></nav>\n'
    page.h1.insert_after(fragment(nav))
    return PAGE.format(title=page.h1.get_text(), content=page)


# --- the zip -------------------------------------------------------------------------------------


def files_of(kit: Path) -> list[Path]:
    "The files of a kit, in the order of their names."
    files = [path for path in kit.rglob("*") if path.is_file()]
    return sorted(files, key=lambda file: file.relative_to(kit).as_posix())


def add_sums(kit: Path) -> None:
    "Write the checksums of all files of a kit, as `sha256sum` reads them."
    lines = []
    for file in files_of(kit):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{digest}  {file.relative_to(kit).as_posix()}\n")
    (kit / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")


def write_zip(kit: Path, file: Path) -> None:
    "Write a folder as a zip, whole or not at all; the same files make the same bytes."
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for path in files_of(kit):
                info = zipfile.ZipInfo(path.relative_to(kit.parent).as_posix(), LONG_AGO)
                info.external_attr = 0o100644 << 16  # a plain file, which everybody may read
                info.create_system = 3  # as on Linux, wherever it is written
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


# --- all of it -----------------------------------------------------------------------------------


def kit_name(with_compiled: bool) -> str:
    "What a kit is called, and the folder in it."
    name = f"rsna_cls-{settings()['version']}-kit"
    if not with_compiled:
        return name
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return f"{name}-{sysconfig.get_platform()}-{python}"


def add_pages(kit: Path) -> None:
    "Write the pages of a kit: the lessons that have run, the one to try, the first."
    (kit / "read").mkdir()
    titles = {TRY: "Chest or abdomen? A page that answers"}
    for copy in COPIES:
        page = kit / "read" / f"{copy.stem}.html"
        page.write_text(lesson_page(copy), encoding="utf-8", newline="\n")
        titles[f"read/{page.name}"] = from_markdown(text_of(copy)).h1.get_text()
    with redirect_stdout(StringIO()):  # it says where it wrote the page: soon nothing is there
        write_ready_page(kit / TRY)

    text = README.read_text(encoding="utf-8")
    (kit / "README.md").write_text(text, encoding="utf-8", newline="\n")
    (kit / "README.html").write_text(first_page(text, titles), encoding="utf-8", newline="\n")
    found = problems(Site(kit))
    if found:
        raise KitError("The kit's pages have faults:\n" + "\n".join(found))


def add_copies(kit: Path) -> None:
    "Put what lies in the repository into a kit: lessons, films, licences."
    (kit / "lessons").mkdir()
    for lesson in all_lessons():
        shutil.copyfile(lesson, kit / "lessons" / lesson.name)
    shutil.copytree(HERE / "data", kit / "films")
    for name in ("LICENSE", "LICENSE-CONTENT"):
        shutil.copyfile(HERE / name, kit / name)


def make_kit(
    folder: Path,  # where the zip goes
    with_compiled: bool = False,  # whether it also has the compiled wheels for this computer
) -> Path:
    "Write a kit; its zip. Raises `KitError` in words, and then leaves none."
    name = kit_name(with_compiled)
    packages = all_packages()
    # Files in a wheel have times too.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # the first of January 1980
    with TemporaryDirectory(prefix="kit-") as scratch:
        kit = Path(scratch) / name
        kit.mkdir()
        add_copies(kit)
        library = add_wheels(packages, kit, with_compiled)
        add_lists(packages, library, kit)
        add_pages(kit)
        add_sums(kit)
        write_zip(kit, folder / f"{name}.zip")
    return folder / f"{name}.zip"


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=HERE / "build/kit")
    parser.add_argument("--compiled", action="store_true", help="add the wheels for this computer")
    given = parser.parse_args()
    try:
        constraints = (HERE / "tests/constraints.txt").read_text(encoding="utf-8")
        other = untested(all_packages(), constraints)
        if other:
            sys.exit(f"The tests ran with other versions than these: {'; '.join(other)}.")
        if stale():
            sys.exit("Lessons have changed since they ran: make site")
        print("Making the kit: two or three minutes …", flush=True)
        kit = make_kit(given.folder.resolve(), given.compiled)
    except (KitError, CannotBegin) as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit("Stopped before the end: no kit was written.")
    print(f"{kit}: {kit.stat().st_size / 1e6:.0f} MB")
    print(f"its SHA-256: {hashlib.sha256(kit.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
