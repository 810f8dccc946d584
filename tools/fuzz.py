"""Bytes of any kind → `load_film`: a film, or a `BadFilm`, and nothing else. `make fuzz` runs it.

It begins with a small film of each format and DICOM syntax, and changes their bytes for as long as
it is told, guided by which lines that reaches. It ends at the first bytes for which something else
is raised, something is printed, the film is no grey one, or reading takes over 10 seconds or 1 GB;
they lie in build/fuzz then. `--zips` does the same with zips of films → `fetch_data`.

Needs Linux, and the package atheris, which `make fuzz` installs.
"""

import contextlib
import io
import os
import sys
import tempfile
import zipfile
from argparse import ArgumentParser
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests"))

SECONDS = 10  # that reading one file may take
MEGABYTES = 1000  # that it may take
LONGEST = 20_000  # bytes of an input: longer ones take long, and reach nothing new


class Wrong(Exception):
    "Something that may not happen, whatever the bytes are."


@contextlib.contextmanager
def nothing_printed(capture):
    "Raise `Wrong` if anything is printed inside, by Python or a library in C; `capture`: a file."
    os.ftruncate(capture, 0)
    os.lseek(capture, 0, os.SEEK_SET)
    saved = [(stream, os.dup(stream)) for stream in (1, 2)]
    for stream, _ in saved:
        os.dup2(capture, stream)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    finally:
        for stream, copy in saved:
            os.dup2(copy, stream)
            os.close(copy)
    printed = said.getvalue() or os.pread(capture, 200, 0)
    if printed:
        raise Wrong(f"printed: {printed!r}")


def film_target(rsna_cls):
    "What is done with the bytes of a file."
    # A file in memory, which has a path all the same.
    content = os.memfd_create("film")
    capture = os.memfd_create("printed")
    path = f"/proc/self/fd/{content}"

    def read(data):
        os.ftruncate(content, 0)
        os.pwrite(content, data, 0)
        with nothing_printed(capture):
            try:
                film = rsna_cls.load_film(path)
            except rsna_cls.BadFilm:
                return
        if film.mode != "L" or 0 in film.size:
            raise Wrong(f"a film of mode {film.mode} and size {film.size}")

    return read


def zip_target(rsna_cls):
    "What is done with the bytes of a zip."
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    file = folder / "films.zip"

    def fetch(data):
        file.write_bytes(data)
        refused = contextlib.suppress(rsna_cls.BadFolder, rsna_cls.FetchError)
        with contextlib.redirect_stdout(io.StringIO()), refused:
            rsna_cls.fetch_data(file)
        others = {path.name for path in folder.iterdir()} - {"cache", "films.zip"}
        if others:
            raise Wrong(f"wrote outside its cache: {others}")

    return fetch


def film_seeds():
    "The bytes to begin with: films."
    from small_films import small_films

    return list(small_films().values())


def zip_seeds():
    "The bytes to begin with: zips of a small course folder."
    from small_films import SMOOTH, picture

    film = picture(SMOOTH, "PNG")
    seeds = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", compression) as archive:
            for split in ("train", "val"):
                for label in ("abd", "chest"):
                    archive.writestr(f"films/{split}/{label}/1.png", film)
        seeds.append(packed.getvalue())
    return seeds


def read_once(rsna_cls, data):
    "Read the bytes of a film, so that all that is needed is imported."
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        rsna_cls.load_film(file.name)


def main():
    "Fuzz."
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long (default: 600)")
    parser.add_argument("--zips", action="store_true", help="zips for fetch_data, not films")
    parser.add_argument("--folder", type=Path, default=HERE / "build/fuzz", help="where finds go")
    parser.add_argument("--again", type=Path, help="a file that was found: read it once more")
    args = parser.parse_args()

    import atheris

    with atheris.instrument_imports(include=["rsna_cls", "pydicom", "PIL", "zipfile"]):
        import rsna_cls.dicom
        import rsna_cls.fetch
        import rsna_cls.film

        # What they import when it is needed first, which would not be watched.
        for seed in film_seeds():
            read_once(rsna_cls, seed)

    corpus = args.folder / ("zips" if args.zips else "films")
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(zip_seeds() if args.zips else film_seeds()):
        (corpus / f"seed{number:02}").write_bytes(seed)
    what = [str(args.again)] if args.again else [f"-max_total_time={args.seconds}", str(corpus)]
    options = [
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={args.folder}/",
        "-print_final_stats=1",
        *what,
    ]
    target = zip_target(rsna_cls) if args.zips else film_target(rsna_cls)
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
