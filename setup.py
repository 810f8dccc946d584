"Package metadata stands in settings.ini; this file hands it to setuptools."

import csv
import re
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
config = ConfigParser(interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
names = ("dicom", "onnx", "accelerate", "dev")
extras = {name: cfg[f"{name}_requirements"].split() for name in names}
extras["dev"] += extras["dicom"] + extras["onnx"] + extras["accelerate"]

url = cfg["git_url"]
is_published = "/-address-not-set-/" not in url  # else the package says of no place that it is ours
at_tag = f"{url}/blob/v{cfg['version']}"


def description() -> str:
    "README.md; once it is published its links lead from anywhere to the files of this version."
    text = (here / "README.md").read_text(encoding="utf-8")
    if not is_published:
        return text

    def from_anywhere(link: re.Match) -> str:
        is_picture = link[2].endswith((".png", ".svg", ".gif"))
        return f"{link[1]}{at_tag}/{link[2]}{'?raw=true' if is_picture else ''}"

    relative = r"""(\]\(|(?:href|src)=")(?!https?:|#)([^)"]+)"""  # in Markdown or in HTML
    return re.sub(relative, from_anywhere, text)


class WithFilms(build_py):
    "Puts the films of data/ into the package, where one that is installed looks for them."

    def run(self) -> None:
        "Build the package, films and all. One installed in its place finds them in data/."
        super().run()
        if not self.editable_mode:
            self.add_films(Path(self.build_lib) / "rsna_cls/films")

    def add_films(self, folder: Path) -> None:
        "Copy the films, their table and their card; raises `SystemExit` where one is missing."
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier build
        names = ["README.md", "manifest.csv"]
        try:
            with open(here / "data/manifest.csv", encoding="utf-8", newline="") as table:
                names += [row["path"] for row in csv.DictReader(table)]
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here / "data" / name, folder / name)
        except FileNotFoundError as error:
            missing = f"{error.filename} is missing"
            raise SystemExit(f"Nothing was built: of the films, {missing}.") from None


setup(
    name=cfg["name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=description(),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    license_expression=cfg["license"],
    license_files=["LICENSE", "LICENSE-CONTENT"],
    url=url if is_published else None,
    project_urls={"Changelog": f"{at_tag}/CHANGELOG.md"} if is_published else {},
    keywords=cfg["keywords"].split(),
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=["rsna_cls", "rsna_cls.*"]),
    package_data={"rsna_cls": ["*.pyi", "py.typed", "weights/*", "template/*"]},
    cmdclass={"build_py": WithFilms},
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "nbdev": ["rsna_cls=rsna_cls._modidx:d"],
        "console_scripts": cfg["console_scripts"].split(),
    },
    zip_safe=False,
)
