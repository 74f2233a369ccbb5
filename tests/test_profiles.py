"""Which profile, and what a run says at its start."""

import random

import numpy as np
import pytest
import torch

import tlhelpers as tl
from tlhelpers.profiles import Profile, by_profile, current, resolve


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("TL_PROFILE", raising=False)
    monkeypatch.delenv("TL_MINIATURE", raising=False)


def test_auto_is_tiny_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve("auto") == Profile("tiny", "no CUDA GPU here")


def test_auto_is_full_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla T4")
    assert resolve("auto") == Profile("full", "found a CUDA GPU, Tesla T4")


def test_the_environment_decides_for_auto_only(monkeypatch):
    monkeypatch.setenv("TL_PROFILE", "full")
    assert resolve("auto") == Profile("full", "set by TL_PROFILE")
    assert resolve("tiny").name == "tiny"


def test_an_unknown_profile_is_refused_with_the_choices(monkeypatch):
    with pytest.raises(ValueError, match="'small'; it must be 'auto', 'tiny' or 'full'"):
        resolve("small")
    monkeypatch.setenv("TL_PROFILE", "huge")
    with pytest.raises(ValueError, match="TL_PROFILE is 'huge'; set it to 'tiny' or 'full'"):
        resolve("auto")


def test_a_started_profile_stays_in_force(capsys):
    tl.start("full")
    assert current().name == "full"
    assert by_profile(tiny=500, full=25_000) == 25_000
    tl.start("tiny")
    assert by_profile(tiny=500, full=25_000) == 500


def test_a_start_prints_each_decision_with_its_reason(capsys):
    run = tl.start("tiny", seed=3)
    printed = capsys.readouterr().out
    for word in ("tiny (asked for by name)", "device", "precision", "threads", "seed 3", "torch "):
        assert word in printed
    assert printed.count("(") >= 3, "profile, device and precision each come with a reason"
    assert run.seed == 3
    assert run.threads == torch.get_num_threads()
    assert run.versions["torch"] == torch.__version__


def test_a_start_seeds_every_generator(capsys):
    def draw():
        return random.random(), float(np.random.rand()), torch.rand(1).item()

    tl.start("tiny", seed=1)
    first = draw()
    tl.start("tiny", seed=1)
    assert draw() == first
    tl.start("tiny", seed=2)
    assert draw() != first
