"What the code host runs: pinned, with few rights, and made of commands that are here."

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from configparser import ConfigParser
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from conftest import HERE

FOLDER = HERE / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
TRIGGERS = True  # YAML 1.1 takes the word `on` for this

# What each job may do beyond nothing.
RIGHTS = {
    "canary.links": {"contents": "read"},
    "canary.newest": {"contents": "read"},
    "canary.versions": {"contents": "read"},
    "colab.colab": {"contents": "read"},
    "release.check": {"contents": "read"},
    "release.test": {"contents": "read"},
    "release.attest": {"attestations": "write", "id-token": "write"},
    "release.publish": {"contents": "write"},
    "release.index": {"id-token": "write"},
    "site.address": {"contents": "read"},
    "site.build": {"contents": "read"},
    "site.deploy": {"id-token": "write", "pages": "write"},
    "test.lint": {"contents": "read"},
    "test.linux": {"contents": "read"},
    "test.systems": {"contents": "read"},
    "test.wheel": {"contents": "read"},
}

# Programs that are on the host's machines, or that a step before installs.
PROGRAMS = {
    "actionlint",
    "echo",
    "gh",
    "grep",
    "make",
    "python",
    "python3",
    "sudo",
    "test",
    "zizmor",
}


runs_scripts = pytest.mark.skipif(os.name == "nt", reason="the scripts are for bash")


class Job(NamedTuple):
    "A job of a workflow, and what it is called here: `test.linux`."

    name: str
    body: dict


class Step(NamedTuple):
    "A step of a job, and where it is: `test.linux: Run every check`."

    name: str
    body: dict


JOBS = [
    Job(f"{workflow}.{name}", body)
    for workflow, content in WORKFLOWS.items()
    for name, body in content["jobs"].items()
]
STEPS = [
    Step(f"{job.name}: {step.get('name')}", step)
    for job in JOBS
    for step in job.body.get("steps", [])
]
SCRIPTS = [step for step in STEPS if "run" in step.body]


def names(cases):
    return [case.name for case in cases]


def before(name):
    "The jobs that must have passed before this one starts, those of a called workflow included."
    workflow = name.partition(".")[0]
    jobs = dict(JOBS)
    needs = jobs[name].get("needs", [])
    found = set()
    for other in [needs] if isinstance(needs, str) else needs:
        found |= {f"{workflow}.{other}"} | before(f"{workflow}.{other}")
        called = jobs[f"{workflow}.{other}"].get("uses", "")
        found |= {
            job.name for job in JOBS if called and job.name.startswith(Path(called).stem + ".")
        }
    return found


def commands(script):
    "The commands of a shell script, as lists of words, without the shell's own words."
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|"):
                if words:
                    yield words
                words = []
            elif words or word not in ("if", "then", "else", "fi"):
                words.append(word)


def test_the_workflows_are_these():
    assert set(WORKFLOWS) == {"canary", "colab", "release", "site", "test"}
    assert sorted(names(JOBS)) == sorted(RIGHTS)
    assert len(SCRIPTS) >= 10


def test_commands_are_found():
    script = 'if grep -q "a b" x; then\n  echo "c" >> "$OUT"\nfi\nmake test \\\n  A=\n'
    assert list(commands(script)) == [
        ["grep", "-q", "a b", "x"],
        ["echo", "c", ">>", "$OUT"],
        ["make", "test", "A="],
    ]


# --- what they run -------------------------------------------------------------------------------


def actions():
    "Every line that says `uses:`, with its workflow."
    for name, text in TEXTS.items():
        for line in text.splitlines():
            if re.match(r"\s*(- )?uses:", line):
                yield name, line


def test_actions_are_pinned():
    "By their full hash, with the version beside it; a workflow of ours by its file."
    found = list(actions())
    assert len(found) == sum("uses" in case.body for case in [*STEPS, *JOBS])
    for name, line in found:
        used, _, comment = line.partition("uses:")[2].partition("#")
        if used.strip().startswith("./"):
            assert (HERE / used.strip()).is_file(), line
            continue
        assert re.fullmatch(r" [\w-]+/[\w-]+@[0-9a-f]{40} ", used), f"{name}: {line}"
        assert re.fullmatch(r" v\d+\.\d+\.\d+", comment), f"{name}: {line}"


def test_an_action_has_one_version():
    pins = {}
    for _, line in actions():
        action, _, pin = line.partition("uses:")[2].strip().partition("@")
        pins.setdefault(action, set()).add(pin)
    assert {action: pin for action, pin in pins.items() if len(pin) > 1} == {}


@pytest.mark.parametrize("job", JOBS, ids=names(JOBS))
def test_machines_are_fixed(job):
    "Only the canary asks for what is newest: a machine's image changes under its `latest` label."
    machines = [job.body.get("runs-on", "")]
    machines += job.body.get("strategy", {}).get("matrix", {}).get("system", [])
    if job.name != "canary.newest":
        assert not [machine for machine in machines if "latest" in machine]


def targets():
    "The targets of the Makefile."
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    return re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()


@pytest.mark.parametrize("step", SCRIPTS, ids=names(SCRIPTS))
def test_commands_exist(step):
    "Each target in the Makefile, each file in the repository, each program on the machine."
    for program, *words in commands(step.body["run"]):
        if "=" in program:  # a variable of the shell
            continue
        assert program in PROGRAMS, program
        if program == "make":
            wanted = [word for word in words if "=" not in word]
            assert wanted and set(wanted) <= set(targets()), words
        if program.startswith("python") and words[0] != "-m":
            assert (HERE / words[0]).is_file(), words[0]


@pytest.mark.parametrize("step", SCRIPTS, ids=names(SCRIPTS))
def test_packages_are_pinned(step):
    "What a step installs has its version in the step or in tests/constraints.txt."
    constraints = (HERE / "tests/constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==", constraints, re.M))
    for _, *words in commands(step.body["run"]):
        if words[:2] == ["-m", "build"]:  # else it fetches its tools by itself
            assert "--no-isolation" in words
        if words[:3] != ["-m", "pip", "install"]:
            continue
        assert words[3:5] == ["-c", "tests/constraints.txt"]
        for package in words[5:]:
            assert "==" in package or package in pinned, package


@runs_scripts
@pytest.mark.parametrize("step", SCRIPTS, ids=names(SCRIPTS))
def test_scripts_are_bash(step):
    checked = subprocess.run(["bash", "-n"], input=step.body["run"], text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr


@runs_scripts
def test_the_canary_takes_what_is_newest():
    "And runs the tests whatever the linters say."

    def recipe(target, *options):
        command = ["make", "--dry-run", *options, target]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout

    steps = dict(STEPS)
    everything = steps["canary.newest: Install the newest of everything"]["run"]
    assert everything == "make .venv CONSTRAINTS="
    anew = "--assume-new=settings.ini"
    assert "install --progress-bar off -c tests/constraints.txt" in recipe(".venv", anew)
    assert "constraints" not in recipe(".venv", anew, "CONSTRAINTS=").partition("pip install")[2]

    tests = steps["canary.newest: Run every test"]["run"]
    assert tests == "make test CONSTRAINTS= --assume-old=style"
    ready = "--assume-old=.venv/.ready"
    assert "ruff" in recipe("test", ready)
    assert "ruff" not in recipe("test", ready, "--assume-old=style")
    assert "pytest tests" in recipe("test", ready, "--assume-old=style")


def test_pythons_and_systems():
    "Those that settings.ini promises, on all three systems."
    settings = ConfigParser(interpolation=None)
    settings.read(HERE / "settings.ini", encoding="utf-8")
    pythons = ["3.11", "3.12", "3.13"]
    assert settings["DEFAULT"]["min_python"] == pythons[0]
    jobs = dict(JOBS)
    for name in ("test.linux", "test.systems", "canary.newest"):
        assert jobs[name]["strategy"]["matrix"]["python"] == pythons, name
    systems = {
        system.split("-")[0] for system in jobs["test.systems"]["strategy"]["matrix"]["system"]
    }
    assert systems == {"windows", "macos"}


def test_what_is_fetched_was_kept():
    "A job that fetches built files comes after the one that builds them."
    kept = {step.body["with"]["name"] for step in STEPS if "upload-artifact" in str(step.body)}
    fetched = {step.body["with"]["name"] for step in STEPS if "download-artifact" in str(step.body)}
    assert kept == fetched == {"dist"}
    assert dict(JOBS)["test.systems"]["needs"] == "wheel"
    assert {"test.wheel"} <= before("release.attest")
    assert {"test.wheel"} <= before("release.publish")


# --- what they may do ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_allowed_at_the_top(name):
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize("job", JOBS, ids=names(JOBS))
def test_rights_are_few(job):
    "Just those of the table above."
    assert job.body["permissions"] == RIGHTS[job.name]


@pytest.mark.parametrize("job", JOBS, ids=names(JOBS))
def test_jobs_end(job):
    "A job that hangs is stopped; a job that calls a workflow has its jobs' limits."
    if "uses" not in job.body:
        assert 5 <= job.body["timeout-minutes"] <= 150


@pytest.mark.parametrize("name", WORKFLOWS)
def test_runs_do_not_pile_up(name):
    "Nor does a workflow that is called wait for the one that calls it."
    group = WORKFLOWS[name]["concurrency"]["group"]
    assert group.partition("-")[0] == name
    assert "github.workflow" not in group


@pytest.mark.parametrize("step", STEPS, ids=names(STEPS))
def test_the_repository_is_fetched_without_leaving_a_key(step):
    if "actions/checkout" in step.body.get("uses", ""):
        assert step.body["with"]["persist-credentials"] is False


@pytest.mark.parametrize("step", SCRIPTS, ids=names(SCRIPTS))
def test_no_foreign_text_becomes_a_command(step):
    "What others write – a branch's name, a title – reaches a script only through its variables."
    assert "${{" not in step.body["run"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_there_is_no_secret(name):
    "Nothing that could be stolen: the package index trusts the workflow itself."
    assert not re.search(r"\bsecrets\b|password|api[-_]token", re.sub(r"#.*", "", TEXTS[name]))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nobody_else_starts_what_has_rights(name):
    "A pull request starts the tests alone, and runs with its author's rights."
    triggers = set(WORKFLOWS[name][TRIGGERS])
    assert not triggers & {"pull_request_target", "workflow_run", "issue_comment", "issues"}
    assert ("pull_request" in triggers) == (name == "test")


# --- what is published ---------------------------------------------------------------------------


def run(step, cwd, output, **variables):
    "Run a step's script in a folder, as the host does; the finished process."
    output.touch()
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", dict(STEPS)[step]["run"]],
        cwd=cwd,
        env=os.environ | variables | {"GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["attest", "publish", "index"])
def test_a_release_is_checked_and_tested_first(name):
    everything = {"release.check", "release.test", "test.linux", "test.systems", "test.wheel"}
    assert everything <= before(f"release.{name}")


def test_only_a_tag_is_released():
    assert WORKFLOWS["release"][TRIGGERS] == {"push": {"tags": ["v*"]}}


@runs_scripts
def test_a_copy_cannot_release(tmp_path):
    "Whatever address is set: it is not that of an account nobody can have."
    here = Path(sys.executable).parent
    done = run(
        "release.check: Ask for its address, version and dates",
        HERE,
        output=tmp_path / "output",
        PATH=f"{here}{os.pathsep}{os.environ['PATH']}",
        GITHUB_REF_NAME="v0.2.0",
        GITHUB_REPOSITORY="-nobody-/rsna_cls",
    )
    assert done.returncode == 1
    assert "This may not be released:" in done.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == ""


def test_the_package_index_waits_for_the_owner():
    "Nothing goes there before settings.ini says that the name is ours."
    jobs = dict(JOBS)
    assert jobs["release.index"]["if"] == "needs.check.outputs.index == 'yes'"
    assert jobs["release.check"]["outputs"] == {"index": "${{ steps.release.outputs.index }}"}


def test_a_release_waits_for_the_package_index():
    """Its lessons may ask there for our name: it must not come out where the index has failed.

    A job that takes too long counts as cancelled, not as failed."""
    assert "release.index" in before("release.publish")
    condition = " ".join(dict(JOBS)["release.publish"]["if"].split())
    asked, *others = condition.removeprefix("${{ ").removesuffix(" }}").split(" && ")
    assert asked == "!cancelled()"
    assert others == [
        "needs.attest.result == 'success'",
        "(needs.index.result == 'success' || needs.index.result == 'skipped')",
    ]


@runs_scripts
@pytest.mark.parametrize(
    "repository, is_ours",
    [
        ("someone/course", True),
        ("Someone/Course", True),
        ("else/course", False),
        ("someone/cour", False),
    ],
)
def test_the_site_is_made_in_one_repository(repository, is_ours, tmp_path):
    "A fork says in words why it makes none."
    settings = "[DEFAULT]\ngit_url = https://github.com/someone/course\n"
    (tmp_path / "settings.ini").write_text(settings, encoding="utf-8")
    done = run(
        "site.address: Ask settings.ini",
        tmp_path,
        output=tmp_path / "output",
        GITHUB_SERVER_URL="https://github.com",
        GITHUB_REPOSITORY=repository,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == ("is_ours=yes\n" if is_ours else "")
    assert (f"make address URL=https://github.com/{repository}" in done.stdout) != is_ours
    for name in ("build", "deploy"):
        assert "site.address" in before(f"site.{name}")
    assert dict(JOBS)["site.build"]["if"] == "needs.address.outputs.is_ours == 'yes'"


# --- by other programs ---------------------------------------------------------------------------


def test_zizmor_finds_nothing():
    "The one line it is told to pass says why."
    program = shutil.which("zizmor", path=sysconfig.get_path("scripts")) or "zizmor"
    options = ["--offline", "--persona", "auditor", "--strict-collection", "--no-progress"]
    done = subprocess.run([program, *options, ".github"], cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(text.count("zizmor: ignore") for text in TEXTS.values()) == 1


def test_dependabot_keeps_actions_fresh():
    "Weekly, not on the day they come out; Python packages are the canary's business."
    config = yaml.safe_load((HERE / ".github/dependabot.yml").read_text(encoding="utf-8"))
    (update,) = config["updates"]
    assert update["package-ecosystem"] == "github-actions"
    assert update["schedule"] == {"interval": "weekly"}
    assert update["cooldown"]["default-days"] >= 7
