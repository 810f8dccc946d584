"The check at the start of every lesson."

import importlib
import re

import pytest

from rsna_cls import check_setup

check = importlib.import_module("rsna_cls.check")  # the module, to patch its metadata


def test_all_is_there(capsys):
    check_setup()
    assert capsys.readouterr().out.startswith("Ready: ")


def test_what_is_missing_is_named_with_the_command_that_mends_it(monkeypatch):
    requirements = ["no-such-thing>=1", "torch>=99", 'other; extra == "dev"', "packaging"]
    monkeypatch.setattr(check.metadata, "requires", lambda _: requirements)
    with pytest.raises(ImportError) as e:
        check_setup()
    message = str(e.value)
    assert re.match(r"no-such-thing is missing; torch is .* but >=99 is needed\.", message)
    assert '%pip install "no-such-thing>=1" "torch>=99" and restart' in message


def test_a_package_without_requirements(monkeypatch, capsys):
    monkeypatch.setattr(check.metadata, "requires", lambda _: None)
    check_setup()
    assert capsys.readouterr().out.startswith("Ready: ")
