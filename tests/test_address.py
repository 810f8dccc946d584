"""What is written of the repository's address, how it is set, and what may be released.

Everything happens in copies; the address of this repository is not touched.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
import address
import docs
import release

URL = "https://github.com/Some-1/rsna_cls"
SET = docs.Address(URL, "1.2.3", is_on_index=False)
UNSET = docs.Address(docs.PLACEHOLDER, "1.2.3", is_on_index=False)
TEXTS = {
    "place": {"set": "It is at {url}.", "unset": "It is nowhere yet."},
    "two": {"set": "{owner}\n\n{tag}", "unset": ""},
}


def stamped(text, where=SET, texts=TEXTS):
    return docs.stamped(text, "some.md", "", where, texts)


NEEDED = ("settings.ini", "tools/address.toml", "rsna_cls/__init__.py", "CHANGELOG.md")


@pytest.fixture(scope="module")
def without_address(tmp_path_factory):
    "A copy, without an address, of the repository's files that have to do with one."
    folder = tmp_path_factory.mktemp("without") / "copy"
    for path in [*docs.wanted(), *(HERE / name for name in NEEDED)]:
        copy = folder / path.relative_to(HERE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    settings = folder / "settings.ini"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r"(?m)^index = .*$", "index = no", text), encoding="utf-8")
    address.set_address(docs.PLACEHOLDER, folder)
    return folder


@pytest.fixture
def repository(without_address, tmp_path):
    "The same, to be changed."
    return shutil.copytree(without_address, tmp_path / "copy")


def contents(folder):
    "Every file of a folder, as it is on the disk."
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path, pattern, text):
    "Change a file's lines that match."
    before = path.read_text(encoding="utf-8")
    after = re.sub(pattern, text, before, flags=re.M)
    assert after != before, f"{path.name} has nothing like {pattern}"
    path.write_text(after, encoding="utf-8")


# --- what stands between marks -------------------------------------------------------------------


@pytest.mark.parametrize(
    "marks", [("<!-- address: place -->", "<!-- /address -->"), ("# address: place", "# /address")]
)
def test_what_is_between_marks_follows_the_address(marks):
    before, after = marks
    for old in ("", "old\n", "several\n\nold lines\n"):
        text = f"above\n{before}\n{old}{after}\nbelow\n"
        assert stamped(text) == f"above\n{before}\nIt is at {URL}.\n{after}\nbelow\n"
        assert stamped(text, UNSET) == f"above\n{before}\nIt is nowhere yet.\n{after}\nbelow\n"


def test_text_is_indented_as_its_mark():
    text = "if x:\n    # address: two\n    # /address\n"
    assert stamped(text) == "if x:\n    # address: two\n    Some-1\n\n    v1.2.3\n    # /address\n"


def test_an_empty_text_leaves_an_empty_line():
    assert stamped("# address: two\nold\n# /address", UNSET) == "# address: two\n\n# /address"


def test_a_text_without_marks_stays_as_it_is():
    for text in ("", "a\r\nb", "the # address: place of a house\n", "# addresses\n# address\n"):
        assert stamped(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# address: nobody\n# /address", "line 1: tools/address.toml has no [nobody]"),
        ("\n# address: place\n", "`address: place` is not closed"),
        ("# /address\n", "line 1: /address closes a mark that nobody has opened"),
        ("# address: place\n# address: two\n# /address", "line 2: a second mark"),
        ("<!-- address:place -->\n<!-- /address -->", "line 1: '<!-- address:place -->' is not"),
        ("# address: place\n<!-- / address -->", "line 2: '<!-- / address -->' is not quite"),
        ("#address: place\n# /address", "is not quite a mark"),
        ("# address: place, and more\n# /address", "is not quite a mark"),
    ],
)
def test_bad_marks_are_refused_in_words(text, words):
    with pytest.raises(docs.AddressError, match=re.escape(words)):
        stamped(text)


def test_a_field_that_nobody_knows_is_refused():
    text = "# address: place\n# /address"
    for where in (SET, UNSET):
        with pytest.raises(docs.AddressError, match=r"asks for \{here\}"):
            stamped(text, where, {"place": {"set": "{here}", "unset": "{here}"}})


def test_an_unset_text_cannot_name_the_placeholder():
    for field in ("url", "owner", "install"):
        texts = {"place": {"set": "", "unset": f"Look at {{{field}}}."}}
        with pytest.raises(docs.AddressError, match="an unset address does not have"):
            stamped("# address: place\n# /address", UNSET, texts)


def test_other_braces_stay():
    texts = {"place": {"set": '${{ github.x }} {display-mode:"form"} {n!r}', "unset": ""}}
    assert texts["place"]["set"] in stamped("# address: place\n# /address", texts=texts)


def test_a_text_needs_both_its_forms(repository):
    with open(repository / "tools/address.toml", "a", encoding="utf-8") as toml:
        toml.write('\n[half]\nset = "there"\n')
    with pytest.raises(docs.AddressError, match=r"\[half\] has set; it needs two texts"):
        docs.read_texts(repository)


def test_a_cell_of_a_notebook_is_named(repository):
    lesson = repository / "nbs/lessons/01_first_classifier.ipynb"
    change(lesson, "address: badge", "address: budge")
    with pytest.raises(
        docs.AddressError, match=r"01_first_classifier.ipynb, cell 1, line 1: .*bud"
    ):
        docs.wanted(repository)


def test_only_what_is_on_the_index_is_installed_from_there():
    wheel = f"{URL}/releases/download/v1.2.3/rsna_cls-1.2.3-py3-none-any.whl"
    assert SET.fields["install"] == wheel
    assert docs.Address(URL, "1.2.3", is_on_index=True).fields["install"] == "rsna_cls==1.2.3"


def test_an_environment_in_the_folder_is_left_alone(repository):
    "Whatever it is called: what lies there was written by others."
    (repository / "mine/lib").mkdir(parents=True)
    (repository / "mine/pyvenv.cfg").touch()
    (repository / "mine/lib/other.py").write_text("# address: of a house\n", encoding="utf-8")
    assert docs.stale(repository) == []


# --- the repository with and without an address --------------------------------------------------


def test_set_and_unset_give_the_same_bytes(repository):
    before = contents(repository)
    written = address.set_address(URL, repository)
    assert repository / "settings.ini" in written and repository / "README.md" in written
    after = contents(repository)
    assert {path for path in after if after[path] != before[path]} == set(written)

    assert address.set_address(URL, repository) == []
    address.set_address(docs.PLACEHOLDER, repository)
    assert contents(repository) == before
    address.set_address(URL, repository)
    assert contents(repository) == after


def test_another_address_leaves_nothing_of_the_one_before(repository):
    address.set_address(URL, repository)
    address.set_address("https://github.com/other/copy", repository)
    for path in [*docs.wanted(repository), repository / "settings.ini"]:
        assert "Some-1" not in path.read_text(encoding="utf-8"), path


LEADS_NOWHERE = r"-address-not-set-|colab\.research\.google\.com/github|git clone|github\.com/rsna"


def texts_with_marks(repository):
    "Every file that is written by `make docs`."
    return {path: path.read_text(encoding="utf-8") for path in docs.wanted(repository)}


def test_without_an_address_no_text_leads_anywhere(repository):
    "No Colab badge, no clone, no account that is nobody's."
    for path, text in texts_with_marks(repository).items():
        assert not re.search(LEADS_NOWHERE, text), path


def test_with_an_address_everything_leads_to_the_release(repository):
    address.set_address(URL, repository)
    version = docs.read_settings(repository).version
    at_tag = f"colab.research.google.com/github/Some-1/rsna_cls/blob/v{version}/nbs/lessons"
    lessons = sorted((repository / "nbs/lessons").glob("*.ipynb"))
    assert len(lessons) >= 4
    for lesson in lessons:
        badge, *_ = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
        assert f"{at_tag}/{lesson.name})" in "".join(badge["source"])
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert f"{at_tag}/01_first_classifier.ipynb)" in readme
    assert f"git clone {URL}" in readme
    for path, text in texts_with_marks(repository).items():
        assert "public address" not in text, path
        assert not re.search(r"git\+https|blob/main|@main|archive/", text), path


def test_the_wheel_comes_from_the_release_or_from_the_index(repository):
    address.set_address(URL, repository)
    version = docs.read_settings(repository).version
    lesson = repository / "nbs/lessons/01_first_classifier.ipynb"
    wheel = f"{URL}/releases/download/v{version}/rsna_cls-{version}-py3-none-any.whl"
    for text in (
        lesson.read_text(encoding="utf-8"),
        (repository / "README.md").read_text(encoding="utf-8"),
    ):
        assert wheel in text
    change(repository / "settings.ini", "^index = no$", "index = yes")
    docs.write(repository)
    assert f'library = \\"rsna_cls=={version}\\"' in lesson.read_text(encoding="utf-8")
    assert f"pip install rsna_cls=={version}" in (repository / "README.md").read_text(
        encoding="utf-8"
    )
    for text in (
        lesson.read_text(encoding="utf-8"),
        (repository / "README.md").read_text(encoding="utf-8"),
    ):
        assert wheel not in text


def test_with_an_address_the_style_holds(repository):
    "Also with the longest that there can be."
    address.set_address(f"https://github.com/{'a' * 39}/{'b' * 100}", repository)
    shutil.copy(HERE / "pyproject.toml", repository)
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, "--no-cache", "nbs/lessons"],
            cwd=repository,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


# --- make address --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Some-1/rsna_cls",
        "https://github.com/Some-1/rsna_cls/",
        "https://github.com/Some-1/rsna_cls.git",
        " https://www.github.com/Some-1/rsna_cls\n",
        "https://me:secret@github.com/Some-1/rsna_cls.git",
        "git@github.com:Some-1/rsna_cls.git",
        "ssh://git@github.com/Some-1/rsna_cls.git",
        "ssh://git@github.com:22/Some-1/rsna_cls",
    ],
)
def test_one_address_is_written_in_many_ways(url):
    assert docs.repository(url) == URL


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is no address of a repository on github.com"),
        ("http://github.com/a/b", "should look like https://github.com/OWNER/NAME"),
        ("https://example.org/a/b", "is no address of a repository on github.com"),
        ("https://github.com.example.org/a/b", "is no address of a repository"),
        ("https://github.com/a", "should name an account and a repository"),
        ("https://github.com/a/b/tree/main", "and nothing behind them"),
        ("https://github.com//b", "should name an account and a repository"),
        ("https://github.com/-a/b", "'-a' can be no account"),
        ("https://github.com/a-/b", "'a-' can be no account"),
        ("https://github.com/a--b/c", "single hyphens between them"),
        ("https://github.com/a_b/c", "'a_b' can be no account"),
        (f"https://github.com/{'a' * 40}/c", "at most 39 letters"),
        ("https://github.com/a/b c", "'b c' can be no repository"),
        ("https://github.com/a/..", "'..' can be no repository"),
        ("https://github.com/a/b?x=1", "can be no repository"),
        ("https://github.com/a/b.wiki", "can be no repository"),
        (f"https://github.com/a/{'b' * 101}", "at most 100 letters"),
        (docs.PLACEHOLDER, "'-address-not-set-' can be no account"),
    ],
)
def test_what_is_no_address_is_refused_in_words(url, words):
    with pytest.raises(docs.AddressError, match=re.escape(words)):
        docs.repository(url)


def test_a_password_is_not_repeated():
    with pytest.raises(docs.AddressError) as refused:
        docs.repository("https://me:secret@github.com/only")
    assert "secret" not in str(refused.value)


def test_make_address_says_what_it_wrote(repository, capsys):
    address.main(["git@github.com:Some-1/rsna_cls.git"], repository)
    printed = capsys.readouterr().out
    assert "wrote settings.ini\n" in printed and "wrote README.md\n" in printed
    assert printed.endswith(f"The course's address is {URL}.\n")
    address.main([URL], repository)
    assert "nothing was written" in capsys.readouterr().out
    address.main(["none"], repository)
    assert "has no address now" in capsys.readouterr().out
    assert not docs.read_settings(repository).is_set


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_default_is_the_git_remote(repository, capsys):
    def git(*words):
        subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True)

    git("init", "--quiet")
    with pytest.raises(SystemExit, match="no git remote named origin"):
        address.main([], repository)
    git("remote", "add", "origin", "git@github.com:Some-1/rsna_cls.git")
    address.main([], repository)
    assert docs.read_settings(repository).url == URL


def test_a_refused_address_changes_nothing(repository):
    before = contents(repository)
    with pytest.raises(SystemExit, match="make address: '-a' can be no account"):
        address.main(["https://github.com/-a/b"], repository)
    change(repository / "tools/address.toml", r"^\[badge\]", "[budge]")
    with pytest.raises(SystemExit, match=r"tools/address.toml has no \[badge\]"):
        address.main([URL], repository)
    after = contents(repository)
    changed = {path.name for path in after if after[path] != before[path]}
    assert changed == {"address.toml"}


def test_an_address_that_was_typed_into_settings_is_checked(repository):
    change(repository / "settings.ini", r"^git_url = .*$", f"git_url = {URL}.git")
    with pytest.raises(docs.AddressError, match=f"make address URL={URL}"):
        docs.read_settings(repository)
    change(repository / "settings.ini", r"^git_url = .*$", f"git_url = {URL}")
    change(repository / "settings.ini", r"^index = .*$", "index = maybe")
    with pytest.raises(docs.AddressError, match="index is 'maybe'; write yes or no"):
        docs.read_settings(repository)


# --- what may be released ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def releasable(without_address, tmp_path_factory):
    "A copy of the repository that may be released as v7.0.0."
    folder = shutil.copytree(without_address, tmp_path_factory.mktemp("releasable") / "copy")
    newest = r"\A((?:.*\n)*?)## .*$"
    change(folder / "settings.ini", r"^version = .*$", "version = 7.0.0")
    change(folder / "rsna_cls/__init__.py", r"^__version__ = .*$", '__version__ = "7.0.0"')
    change(folder / "CHANGELOG.md", newest, r"\1## 7.0.0 – 2027-01-31\n\n## 0.1.0 – 2026-11-25")
    citation = folder / "CITATION.cff"
    text = re.sub(r"(?m)^date-released: .*\n", "", citation.read_text(encoding="utf-8"))
    citation.write_text(f"{text}date-released: 2027-01-31\n", encoding="utf-8")
    address.set_address(URL, folder)
    return folder


@pytest.fixture
def ready(releasable, tmp_path):
    "The same, to be changed."
    return shutil.copytree(releasable, tmp_path / "ready")


def test_what_is_ready_may_be_released(ready, capsys):
    assert release.reasons_against("v7.0.0", "Some-1/rsna_cls", ready) == []
    release.main("v7.0.0", "some-1/RSNA_cls", ready)  # the host takes no notice of capitals
    assert capsys.readouterr().out == "index=no\n"


def test_to_the_index_only_when_the_owner_has_said_so(ready, capsys):
    change(ready / "settings.ini", "^index = no$", "index = yes")
    docs.write(ready)
    release.main("v7.0.0", "Some-1/rsna_cls", ready)
    assert capsys.readouterr().out == "index=yes\n"


OTHER = {  # what differs, and the words that say so
    "settings.ini, the version": (
        ("settings.ini", r"^version = .*$", "version = 7.0.1"),
        "The tag is v7.0.0, but the version in settings.ini asks for v7.0.1.",
    ),
    "a version that is no release": (
        ("settings.ini", r"^version = .*$", "version = 7.0.0rc1"),
        "version is 7.0.0rc1; a release's has three numbers",
    ),
    "the package": (
        ("rsna_cls/__init__.py", r"^__version__ = .*$", '__version__ = "7.0.1"'),
        "rsna_cls/__init__.py: the version is 7.0.1, but 7.0.0 in settings.ini.",
    ),
    "the citation": (
        ("CITATION.cff", r"^version: .*$", "version: 6.0.0"),
        "CITATION.cff: the version is 6.0.0, but 7.0.0",
    ),
    "the newest heading": (
        ("CHANGELOG.md", r"^## 7\.0\.0.*\n", ""),
        "CHANGELOG.md: the version is 0.1.0, but 7.0.0",
    ),
    "changes since the last release": (
        ("CHANGELOG.md", r"\A((?:.*\n)*?)## ", r"\1## Unreleased\n\n## "),
        "its newest heading is 'Unreleased'; a release has its version and its date",
    ),
    "no date": (
        ("CHANGELOG.md", r"^## 7\.0\.0.*$", "## 7.0.0 – not released yet"),
        "its newest heading is '7.0.0 – not released yet'; a release has its version and its date",
    ),
    "two dates": (
        ("CITATION.cff", r"^date-released: .*$", "date-released: 2027-01-30"),
        "CITATION.cff: date-released is 2027-01-30; CHANGELOG.md has 2027-01-31.",
    ),
    "no date in the citation": (
        ("CITATION.cff", r"^date-released: .*\n", ""),
        "CITATION.cff: date-released is missing; CHANGELOG.md has 2027-01-31.",
    ),
    "a file that is not fresh": (
        ("README.md", r"^# rsna_cls$", "# rsna_cls!"),
        "Not written anew since something changed: README.md. make docs",
    ),
    "a badge changed by hand": (
        ("nbs/lessons/01_first_classifier.ipynb", "Some-1/rsna_cls/blob", "Other/rsna_cls/blob"),
        "Not written anew since something changed: nbs/lessons/01_first_classifier.ipynb.",
    ),
    "a mark": (
        ("CITATION.cff", r"^# /address$", "# end"),
        "CITATION.cff: `address: citation` is not closed",
    ),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_does_not_agree_is_not_released(ready, what):
    (file, pattern, text), words = OTHER[what]
    change(ready / file, pattern, text)
    reasons = release.reasons_against("v7.0.0", "Some-1/rsna_cls", ready)
    assert any(words in reason for reason in reasons), reasons
    with pytest.raises(SystemExit, match=re.escape(words)):
        release.main("v7.0.0", "Some-1/rsna_cls", ready)


def test_lessons_that_ran_with_another_library_are_not_released(ready):
    copy = ready / "docs/lessons/01_first_classifier.md"
    copy.parent.mkdir(parents=True)
    copy.write_text(f"<!-- library: {docs.library_digest(ready)} -->\n", encoding="utf-8")
    assert release.reasons_against("v7.0.0", "Some-1/rsna_cls", ready) == []
    module = ready / "rsna_cls/film.py"
    module.write_text("x = 1\n", encoding="utf-8")
    [reason] = release.reasons_against("v7.0.0", "Some-1/rsna_cls", ready)
    assert "has changed since these lessons ran: 01_first_classifier. make site" in reason


def test_a_copy_without_an_address_is_not_released(ready):
    address.set_address(docs.PLACEHOLDER, ready)
    [reason] = release.reasons_against("v7.0.0", None, ready)
    assert reason.startswith("The repository has no address yet")


def test_a_fork_is_not_released(ready):
    "Its learners would be sent to the other repository."
    [reason] = release.reasons_against("v7.0.0", "fork/rsna_cls", ready)
    assert "This is https://github.com/fork/rsna_cls, but learners are sent to" in reason


@pytest.mark.parametrize("tag", ["7.0.0", "v7.0.1", "v7.0", "", "main"])
def test_another_tag_is_not_released(ready, tag):
    [reason] = release.reasons_against(tag, "Some-1/rsna_cls", ready)
    assert reason == f"The tag is {tag}, but the version in settings.ini asks for v7.0.0."


def test_missing_files_are_not_released(ready):
    for file in ("CITATION.cff", "CHANGELOG.md"):
        (ready / file).unlink()
    reasons = release.reasons_against("v7.0.0", "Some-1/rsna_cls", ready)
    for file in ("CITATION.cff", "CHANGELOG.md"):
        assert f"{file}: the version is none, but 7.0.0 in settings.ini." in reasons


def test_the_question_needs_nothing_installed(ready):
    "The workflow asks it with a bare Python."
    for name in ("docs", "release"):
        shutil.copy(HERE / f"tools/{name}.py", ready / "tools")
    bare = [sys.executable, "-S", "-E"]  # without what is installed
    command = [*bare, ready / "tools/release.py", "v7.0.0", "Some-1/rsna_cls"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("index=no\n", "")
