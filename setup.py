"Package metadata stands in settings.ini; this file hands it to setuptools."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
extras = {name: cfg[f"{name}_requirements"].split() for name in ("dicom", "onnx", "dev")}
extras["dev"] += extras["dicom"] + extras["onnx"]

setup(
    name=cfg["name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    license=cfg["license"],
    url=cfg["git_url"],
    keywords=cfg["keywords"].split(),
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=["rsna_cls", "rsna_cls.*"]),
    # rsna_cls/films is a link to data/: the embedded films travel in the wheel under that name
    package_data={"rsna_cls": ["*.pyi", "py.typed", "weights/*", "films/*", "films/*/*/*"]},
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={"nbdev": ["rsna_cls=rsna_cls._modidx:d"]},
    zip_safe=False,
)
