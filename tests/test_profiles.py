"""Which profile, and what a run says at its start."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import tlhelpers as tl
from tlhelpers.profiles import Profile, by_profile, current, device_for, resolve


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
    given = "tiny (given as a parameter of the run)"
    for word in (given, "device", "precision", "threads", "seed 3", "torch "):
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


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 5))


def test_a_device_asked_for_at_the_start_stays_in_force(capsys, two_gpus):
    assert device_for().value == torch.device("cuda:0")
    assert tl.start("tiny", device="cuda:1").device == torch.device("cuda:1")
    assert "cuda:1 (requested: cuda:1)" in capsys.readouterr().out
    assert device_for().value == torch.device("cuda:1")
    assert device_for(requested="cpu").value == torch.device("cpu")
    with pytest.raises(ValueError, match="'cuda:2' is not on this machine"):
        tl.start("tiny", device="cuda:2")


def test_a_model_stays_on_the_device_that_it_is_on(two_gpus):
    class Elsewhere(torch.nn.Module):
        def parameters(self, recurse=True):
            yield SimpleNamespace(device=torch.device("cuda:1"))

    assert device_for(Elsewhere()).value == torch.device("cuda:1")
    assert device_for(Elsewhere(), "cuda:0").value == torch.device("cuda:0")
    # One on the CPU goes to the GPU.
    assert device_for(torch.nn.Linear(1, 1)).value == torch.device("cuda:0")
