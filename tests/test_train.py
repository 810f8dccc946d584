"The training from a shell: as in the notebook, interrupted, and on several processes."

import importlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file

from conftest import HERE
from rsna_cls import (
    BadFilm,
    BadFolder,
    Gate,
    dataloaders,
    film_learner,
    film_tfms,
    fine_tune,
    load_model,
    train,
)

training = importlib.import_module("rsna_cls.train")
pytestmark = pytest.mark.slow(seconds=20)

SMALL = dict(size=48, bs=4, epochs=3, save_every=1)
BATCHES = 15  # in the three epochs


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    "A course folder of small noisy films: 22 to train with, so that two batches are not full."
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    for split, n in [("train", 22), ("val", 7), ("test", 6)]:
        for number in range(n):
            file = folder / split / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            bright = 90 + 60 * (number % 2)
            Image.fromarray(rng.integers(0, bright, (50, 40), np.uint8)).save(file)
    return folder


@pytest.fixture(scope="module")
def undisturbed(films, tmp_path_factory):
    "The results of a training that nothing has interrupted."
    return train(films, tmp_path_factory.mktemp("undisturbed"), **SMALL)


def weights_of(results):
    "The tensors of a network."
    return load_file(results / "model/model.safetensors")


def names_in(results):
    "The names of the files, without hidden ones."
    return {file.name for file in results.iterdir() if not file.name.startswith(".")}


def history_of(results):
    "The steps and epochs, without the time that they took."
    return pd.read_csv(results / "history.csv").drop(columns="seconds")


def check_same(results, expected):
    "Two folders hold the same results, to the last digit."
    theirs = weights_of(expected)
    for name, tensor in weights_of(results).items():
        assert torch.equal(tensor, theirs[name]), name
    pd.testing.assert_frame_equal(history_of(results), history_of(expected), check_exact=True)
    for name in ("model/model.json", "predictions_val.csv", "predictions_test.csv", "scores.csv"):
        assert (results / name).read_bytes() == (expected / name).read_bytes(), name
    assert names_in(results) == names_in(expected)


def shared_history(results):
    "What several processes must agree on with one."
    return history_of(results).select_dtypes("number")


def test_the_same_as_in_a_notebook(films, undisturbed):
    learn = film_learner(dataloaders(films, film_tfms(), size=48, bs=4))
    history = fine_tune(learn, epochs=3)
    saved = weights_of(undisturbed)
    for name, tensor in learn.model.state_dict().items():
        assert torch.equal(tensor, saved[name]), name
    for column in ("train_loss", "valid_loss", "accuracy"):
        assert np.array_equal(history[column], history_of(undisturbed)[column])


def test_the_same_is_recorded_as_in_a_notebook(films, tmp_path, monkeypatch):
    learn = film_learner(dataloaders(films, film_tfms(), size=48, bs=4))
    fine_tune(learn, epochs=1)
    trained = []
    with monkeypatch.context() as patch:
        patch.setattr(training, "_write_results", lambda learn, *args: trained.append(learn))
        train(films, tmp_path / "results", **(SMALL | dict(epochs=1)))
    assert trained[0].training_record == learn.training_record


def test_what_is_kept(films, undisturbed):
    assert {file.name for file in undisturbed.iterdir()} == {
        "curves.png",
        "history.csv",
        "model",
        "page.html",
        "predictions_test.csv",
        "predictions_val.csv",
        "scores.csv",
        "scores_test.png",
        "scores_val.png",
        "settings.json",
    }
    for name in ("curves.png", "scores_val.png", "scores_test.png"):
        assert min(Image.open(undisturbed / name).size) > 300
    predictions = pd.read_csv(undisturbed / "predictions_test.csv")
    assert len(predictions) == 6
    assert (films / predictions["file"][0]).is_file()
    assert {"truth", "prediction", "a", "b", "stranger", "accepted"} < {*predictions.columns}
    scores = pd.read_csv(undisturbed / "scores.csv")
    assert {*scores["films"]} == {"val", "test"}
    assert {"sensitivity for a", "sensitivity for b"} < {*scores["measure"]}
    settings = json.loads((undisturbed / "settings.json").read_text(encoding="utf-8"))
    assert settings["epochs"] == 3
    assert settings["torch"] == torch.__version__.partition("+")[0]
    card = json.loads((undisturbed / "model/model.json").read_text(encoding="utf-8"))
    assert (card["films"], card["epochs"], card["last_layer"]) == (22, 3, 1)
    assert list(load_model(undisturbed / "model").dls.vocab) == ["a", "b"]
    assert len(Gate.load(undisturbed / "model").known)


# --- interrupted ---------------------------------------------------------------------------------


class Interrupted(BaseException):
    "What ends a run in the following tests."


@pytest.mark.parametrize("batches", [0, 1, 5, 8, BATCHES])
def test_goes_on_from_a_batch(batches, films, undisturbed, tmp_path, monkeypatch):
    "None (only the last layer has learned), the first, the last of an epoch, and others."
    results = tmp_path / "results"
    interrupted_after(batches, films, results, monkeypatch)
    assert [file.name for file in results.iterdir()] == ["checkpoint.pt"]
    torch.rand(3)  # whatever is drawn in between
    check_same(train(films, results, **SMALL), undisturbed)


def interrupted_after(batches, films, results, monkeypatch):
    "A training that ends when the checkpoint of a batch is written."
    write = training._write_checkpoint
    written = []

    def write_and_stop(*args):
        write(*args)
        written.append(args)
        if len(written) == batches + 1:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(training, "_write_checkpoint", write_and_stop)
        with pytest.raises(Interrupted):
            train(films, results, **SMALL)


def command_of(films, results):
    "The command line of the small training."
    given = [str(films), str(results)]
    for name, value in SMALL.items():
        given += [f"--{name.replace('_', '-')}", str(value)]
    return given


def shell(films, results):
    "The small training, as a process of its own."
    command = [sys.executable, "-W", "ignore", "-m", "rsna_cls.train"]
    return subprocess.Popen(
        command + command_of(films, results),
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def state_of(file):
    "What changes when a file is replaced by another; None without a file."
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def wait_for_checkpoints(n, runs, results):
    "Wait until processes have written as many, at least, or one has ended; how long one took (s)."
    last = state_of(results / "checkpoint.pt")
    took, since = 0.0, time.monotonic()
    while n and all(run.poll() is None for run in runs):
        time.sleep(0.002)
        now = state_of(results / "checkpoint.pt")
        if now != last:
            n -= 1
            took, since = time.monotonic() - since, time.monotonic()
        last = now
    return took


def kill(run):
    "End a process as a failure of the current would."
    assert run.poll() is None, "the training was over before it was killed"
    run.send_signal(signal.SIGKILL)
    run.communicate()


def check_goes_on(films, results, undisturbed, *, is_begun=True):
    "The same command ends with the results of a training that nothing has interrupted."
    run = shell(films, results)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert ("going on from there" in said) == is_begun
    assert not list(results.glob(".unfinished-*/*/*"))
    check_same(results, undisturbed)


are_killed = pytest.mark.skipif(
    sys.platform == "win32", reason="needs a system where processes are killed"
)


@are_killed
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_a_random_moment(seed, films, undisturbed, tmp_path):
    "Killed twice: at any moment of a batch and the writing of its checkpoint."
    results = tmp_path / "results"
    moments = random.Random(seed)
    for most in (6, 4):  # so that some batches are left for the last run
        run = shell(films, results)
        took = wait_for_checkpoints(moments.randint(2, most), [run], results)
        time.sleep(moments.uniform(0, took))
        kill(run)
    check_goes_on(films, results, undisturbed)


@are_killed
def test_interrupted_at_the_keyboard(films, undisturbed, tmp_path):
    "A sentence, no bar in a log, and nothing lost."
    results = tmp_path / "results"
    run = shell(films, results)
    wait_for_checkpoints(4, [run], results)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted; give the same command to go on" in said
    assert "Traceback" not in said
    assert "\r" not in said
    check_goes_on(films, results, undisturbed)


def test_the_time_of_an_interrupted_epoch_is_that_of_both_runs(films, tmp_path, monkeypatch):
    results = tmp_path / "results"
    interrupted_after(3, films, results, monkeypatch)
    file = results / "checkpoint.pt"
    state = torch.load(file, weights_only=True)
    state["point"]["seconds"] += 1000.0
    torch.save(state, file)
    train(films, results, **SMALL)
    seconds = pd.read_csv(results / "history.csv")["seconds"]
    assert sum(seconds > 1000) == 1


@are_killed
@pytest.mark.parametrize("is_first", [True, False])
def test_killed_while_a_checkpoint_is_written(is_first, films, undisturbed, tmp_path):
    "Half a checkpoint is none: the one before it stays, if there is one."
    results = tmp_path / "results"
    run = shell(films, results)
    wait_for_checkpoints(0 if is_first else 3, [run], results)
    while not any(file.stat().st_size for file in results.glob(".unfinished-*/new/checkpoint.pt")):
        assert run.poll() is None
    kill(run)
    assert (results / "checkpoint.pt").exists() != is_first
    assert list(results.glob(".unfinished-*/new/checkpoint.pt"))
    check_goes_on(films, results, undisturbed, is_begun=not is_first)


@are_killed
def test_killed_while_the_results_are_written(films, undisturbed, tmp_path):
    "Killed twice: at the first file, and at the model."
    results = tmp_path / "results"
    for name in ("history.csv", "model"):
        run = shell(films, results)
        while run.poll() is None and not (results / name).exists():
            time.sleep(0.001)
        kill(run)
        assert (results / "checkpoint.pt").exists()
    check_goes_on(films, results, undisturbed)


# --- several processes ---------------------------------------------------------------------------

# Sums over eight films are added up in another order by two processes of four films each.
WEIGHT_TOLERANCE = 1e-4  # of a network's weights, as a share of the greatest of the same tensor
PROBABILITY_TOLERANCE = 1e-4


def free_port():
    "A port at which processes can find each other."
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def on_processes(n, films, results, *, stop_after=0):
    "The small training on several processes of one thread, which talk by gloo; what they say."
    port = str(free_port())
    command = [sys.executable, "-W", "ignore", "-m", "rsna_cls.train", *command_of(films, results)]
    runs = []
    for rank in range(n):
        told = dict(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(n))
        told |= dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, ACCELERATE_USE_CPU="True")
        runs.append(
            subprocess.Popen(
                command,
                cwd=HERE,
                env=os.environ | told | dict(OMP_NUM_THREADS="1"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
        )
    if stop_after:
        wait_for_checkpoints(stop_after, runs, results)
        for run in runs:
            kill(run)
        return []
    return [(*run.communicate(timeout=300), run.returncode) for run in runs]


def check_alike(results, expected):
    "Two folders hold the same results, but for rounding."
    theirs = weights_of(expected)
    for name, tensor in weights_of(results).items():
        greatest = float(theirs[name].abs().max())
        difference = float((tensor.float() - theirs[name].float()).abs().max())
        assert difference <= WEIGHT_TOLERANCE * greatest, (name, difference, greatest)
    for split in ("val", "test"):
        ours, others = (
            pd.read_csv(folder / f"predictions_{split}.csv") for folder in (results, expected)
        )
        difference = (ours[["a", "b"]] - others[["a", "b"]]).abs().to_numpy().max()
        assert difference <= PROBABILITY_TOLERANCE
    ours, others = shared_history(results), shared_history(expected)
    assert np.allclose(ours, others, rtol=1e-4, atol=1e-5)


def test_two_processes_train_the_same_network(films, undisturbed, tmp_path):
    pytest.importorskip("accelerate")
    results = tmp_path / "results"
    (said, faults, code), (said_by_second, more_faults, second_code) = on_processes(
        2, films, results
    )
    assert (code, second_code) == (0, 0), faults + more_faults
    assert "all layers, epoch 3 of 3" in said
    assert not said_by_second.strip()  # the second is silent
    check_alike(results, undisturbed)
    # They have shared the work: one process alone gives the last digits, too.
    theirs = weights_of(undisturbed)
    assert not all(torch.equal(ours, theirs[name]) for name, ours in weights_of(results).items())
    card = json.loads((results / "model/model.json").read_text(encoding="utf-8"))
    assert (card["films"], card["epochs"], card["last_layer"]) == (22, 3, 1)


@pytest.mark.parametrize("then", [1, 2])
def test_two_processes_are_interrupted(then, films, undisturbed, tmp_path, capsys):
    "The training goes on with as many processes, or with one."
    pytest.importorskip("accelerate")
    results = tmp_path / "results"
    on_processes(2, films, results, stop_after=5)
    assert torch.load(results / "checkpoint.pt", weights_only=True)["point"]["batches"]
    if then == 1:
        train(films, results, **SMALL)
        said = capsys.readouterr().out
    else:
        ends = on_processes(2, films, results)
        assert [code for *_, code in ends] == [0, 0], ends
        said = ends[0][0]
    assert "going on from there" in said
    check_alike(results, undisturbed)


def test_shared_normalisation_is_that_of_torch():
    "In one process, where there is nothing to share."
    if not torch.distributed.is_available():
        pytest.skip("this torch was built without distributed training")
    torch.manual_seed(0)
    maps = torch.randn(6, 3, 5, 4) * 3 + 7
    plain = torch.nn.BatchNorm2d(3)
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    with torch.no_grad():
        for norm in (plain, network[0]):
            norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    training._share_norms(network)
    assert type(network[0]) is training._SharedBatchNorm

    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "1")
        try:
            results = []
            for norm in (plain, network):
                given = maps.clone().requires_grad_()
                made = norm(given)
                made.square().mul(torch.arange(4)).sum().backward()
                results.append((made, given.grad))
        finally:
            torch.distributed.destroy_process_group()
    for theirs, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(network[0].state_dict()[name], tensor)
    network.eval()
    plain.eval()
    torch.testing.assert_close(network(maps), plain(maps))


def test_films_are_read_by_several_processes(films, undisturbed, tmp_path):
    if torch.multiprocessing.get_start_method() != "fork":
        pytest.skip("needs a system where processes are forked")
    check_same(train(films, tmp_path / "results", workers=2, **SMALL), undisturbed)


def test_a_system_that_does_not_fork_reads_films_in_one_process(films, tmp_path, monkeypatch):
    monkeypatch.setattr(training.multiprocessing, "get_start_method", lambda: "spawn")
    with pytest.raises(ValueError, match="workers=0"):
        train(films, tmp_path / "results", workers=2, **SMALL)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_film_that_cannot_be_read_is_named(workers, films, tmp_path):
    if workers and torch.multiprocessing.get_start_method() != "fork":
        pytest.skip("needs a system where processes are forked")
    course = tmp_path / "course"
    shutil.copytree(films, course)
    broken = course / "train/a/0.png"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(BadFilm) as raised:
        train(course, tmp_path / "results", workers=workers, **SMALL)
    assert str(raised.value).startswith(str(broken))
    assert "Traceback" not in str(raised.value)


# --- what cannot be ------------------------------------------------------------------------------


def test_one_process_needs_no_accelerate(films, tmp_path):
    program = (
        "import sys; sys.modules['accelerate'] = None; from rsna_cls import train; "
        f"train({str(films)!r}, {str(tmp_path / 'results')!r}, size=48, bs=4, epochs=1)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=HERE,
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "results/settings.json").exists()


def test_several_processes_need_accelerate(films, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ValueError, match=r"rsna_cls\[accelerate\]"):
        train(films, tmp_path / "results", **SMALL)


def test_a_batch_must_be_shared_evenly(films, monkeypatch):
    course = training.Course(films)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="3 processes cannot share batches of 4 films"):
        training._loaders(course, 48, 4, 0, workers=0)


@pytest.mark.parametrize(
    "setting", [dict(epochs=-1), dict(base_lr=3), dict(save_every=0), dict(workers=1.5)]
)
def test_settings_that_cannot_be(setting, films, tmp_path):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must"):
        train(films, tmp_path / "results", **(SMALL | setting))
    assert not (tmp_path / "results").exists()


def interrupted(films, results, monkeypatch):
    "A folder with a checkpoint."
    with monkeypatch.context() as patch:
        patch.setattr(
            training, "train_all_layers", lambda *args: (_ for _ in ()).throw(Interrupted)
        )
        with pytest.raises(Interrupted):
            train(films, results, **SMALL)


def test_folders_that_cannot_take_the_results(films, undisturbed, tmp_path, monkeypatch):
    with pytest.raises(BadFolder, match=r"another training \(epochs 3, not 2\)"):
        train(films, undisturbed, **(SMALL | dict(epochs=2)))
    others = tmp_path / "others"
    unfinished = others / ".unfinished-1234abcd/new/film.png"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half")
    (others / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BadFolder, match=r"no checkpoint\.pt to go on from"):
        train(films, others, **SMALL)
    assert unfinished.exists()
    with pytest.raises(BadFolder, match="is in the way"):
        train(films, films / "test/a/0.png", **SMALL)
    results = tmp_path / "results"
    interrupted(films, results, monkeypatch)
    with pytest.raises(BadFolder, match=r"another training \(epochs 3, not 2; bs 4, not 6\)"):
        train(films, results, **(SMALL | dict(epochs=2, bs=6)))
    with pytest.raises(BadFolder, match="other weights to start from"):
        train(films, results, weights="random", **SMALL)
    more = tmp_path / "more"
    shutil.copytree(films, more)
    shutil.copy(more / "train/a/0.png", more / "train/a/new.png")
    with pytest.raises(BadFolder, match="other training or validation films"):
        train(more, results, **SMALL)
    with FileLock(results / ".lock"), pytest.raises(BadFolder, match="another program"):
        train(films, results, **SMALL)
    (results / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(BadFolder, match="delete it to begin afresh"):
        train(films, results, **SMALL)


def test_a_training_that_has_ended_is_not_made_again(films, undisturbed, capsys):
    before = {file: state_of(file) for file in undisturbed.iterdir()}
    train(films, undisturbed, **SMALL)
    assert "has ended already" in capsys.readouterr().out
    assert {file: state_of(file) for file in undisturbed.iterdir()} == before


def test_files_of_others_in_the_folder_stay(films, undisturbed, tmp_path, monkeypatch):
    "Also what a killed program has left of a first checkpoint is in nobody's way."
    results = tmp_path / "results"
    unfinished = results / ".unfinished-1234abcd/new/checkpoint.pt"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half")
    interrupted(films, results, monkeypatch)
    assert not unfinished.exists()
    (results / "notes.txt").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(results)
    train(films, ".", **SMALL)
    assert (results / "notes.txt").read_text(encoding="utf-8") == "mine"
    (results / "notes.txt").unlink()
    check_same(results, undisturbed)


def test_a_test_film_that_cannot_be_read_costs_no_training(films, undisturbed, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(films, course)
    broken = course / "test/a/0.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:50])
    with pytest.raises(BadFilm):
        train(course, tmp_path / "results", **SMALL)
    assert (tmp_path / "results/checkpoint.pt").exists()
    broken.write_bytes(whole)
    check_same(train(course, tmp_path / "results", **SMALL), undisturbed)


@pytest.mark.parametrize(
    "change",
    [dict(weights={}), dict(point=dict(epoch=7)), dict(point=dict(batches=99))],
    ids=["weights", "epoch", "batches"],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, films, tmp_path, monkeypatch):
    results = tmp_path / "results"
    with monkeypatch.context() as patch:
        keep = training._KeepCheckpoints._write

        def write_once(callback):
            keep(callback)
            raise Interrupted

        patch.setattr(training._KeepCheckpoints, "_write", write_once)
        with pytest.raises(Interrupted):
            train(films, results, **SMALL)
    file = results / "checkpoint.pt"
    state = torch.load(file, weights_only=True)
    if "point" in change:
        change = dict(point=state["point"] | change["point"])
    torch.save(state | change, file)
    with pytest.raises(BadFolder, match="another training than it says"):
        train(films, results, **SMALL)


def test_three_classes_without_a_test(tmp_path):
    "A batch may be larger than the folder, and nothing but the last layer need learn."
    rng = np.random.default_rng(0)
    for split, n in [("train", 12), ("val", 6)]:
        for number in range(n):
            file = tmp_path / "films" / split / "abc"[number % 3] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            greys = rng.integers(0, 80 + 80 * (number % 3), (50, 40), np.uint8)
            Image.fromarray(greys).save(file)
    results = train(tmp_path / "films", tmp_path / "results", "random", 0, bs=64, positive="b")
    scores = pd.read_csv(results / "scores.csv")
    assert {"AUROC for a", "AUROC for b", "AUROC for c"} < {*scores["measure"]}
    assert {*scores["films"]} == {"val"}
    assert not (results / "predictions_test.csv").exists()
    with pytest.raises(ValueError, match="no class 'd'"):
        train(tmp_path / "films", tmp_path / "more", positive="d")


def test_the_gate_of_a_large_folder_knows_some_films_of_each_class(films, monkeypatch):
    monkeypatch.setattr(training, "_GATE_FILMS", dict(train=8, val=4))
    gate = training._gate(training.Course(films), seed=0)
    assert sorted(gate.labels) == ["a"] * 4 + ["b"] * 4


def test_a_checkpoint_that_is_a_program_is_not_run(films, tmp_path):
    "Pickles can run programs when they are opened."
    folder = tmp_path / "results"
    folder.mkdir()

    class Program:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save(dict(run=Program()), folder / "checkpoint.pt")
    with pytest.raises(BadFolder, match="damaged"):
        train(films, folder, **SMALL)
    assert not (tmp_path / "ran").exists()


def test_the_command_says_what_is_wrong_in_a_sentence(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "rsna_cls.train"]
    given = [str(tmp_path / "nothing"), str(tmp_path / "results")]
    run = subprocess.run(command + given, capture_output=True, encoding="utf-8", cwd=HERE)
    assert run.returncode == 1
    assert run.stderr.startswith("rsna_cls_train: there is no folder or zip at")
    assert "Traceback" not in run.stderr


def test_the_command_has_the_defaults_of_the_function(capsys, monkeypatch):
    given = {}
    monkeypatch.setattr(training, "train", lambda **settings: given.update(settings))
    training._main(["films", "results"])
    names = train.__code__.co_varnames[2 : train.__code__.co_argcount]
    defaults = dict(zip(names, train.__defaults__, strict=True))
    assert defaults.pop("positive") is None  # the command leaves it out
    assert given == dict(films="films", results="results", **defaults)


def commands_of_the_page():
    "What docs/site/train.md tells to type."
    text = (HERE / "docs/site/train.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [line for language, block in blocks if not language for line in block.splitlines()]


@pytest.mark.parametrize("command", commands_of_the_page())
def test_the_commands_of_the_page_can_be_typed(command, monkeypatch):
    words = command.split()
    if words[0] == "pip":
        extras = words[-1].strip('"').removeprefix(".")
        assert extras == "[accelerate]"
        return
    if words[0] == "accelerate":
        launch = pytest.importorskip("accelerate.commands.launch")
        launched = launch.launch_command_parser().parse_args(words[2:])
        assert (launched.training_script, launched.module) == ("rsna_cls.train", True)
        given = launched.training_script_args
    elif words[0] == "torchrun":
        from torch.distributed.run import parse_args

        launched = parse_args(words[1:])
        assert (launched.training_script, launched.module) == ("rsna_cls.train", True)
        given = launched.training_script_args
    else:
        assert words[0] == "rsna_cls_train"
        given = words[1:]
    called = []
    monkeypatch.setattr(training, "train", lambda **settings: called.append(settings))
    training._main(given)
    assert called[0]["films"] == "my_films"


def test_the_command_is_installed():
    config = (HERE / "settings.ini").read_text(encoding="utf-8")
    assert "\nconsole_scripts = rsna_cls_train=rsna_cls.train:_main\n" in config
