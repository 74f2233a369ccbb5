import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
import torch

from tlhelpers import device


def test_every_choice_says_why():
    for value, reason in (
        device.choose_device(),
        device.choose_precision(),
        device.memory(),
    ):
        assert value
        assert len(reason) > 10


@pytest.mark.parametrize(("threads", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_the_processor_is_named_with_its_threads(monkeypatch, threads, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert device.choose_device().reason == f"no GPU found: the processor, {said}"


def test_a_gpu_is_taken_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "T4")
    assert device.choose_device().value == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device.choose_device().value == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_an_old_gpu_gets_fp16_and_a_new_one_bf16(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    choice = device.choose_precision(torch.device("cuda"))
    assert choice.value == precision
    assert f"SM {capability[0]}{capability[1]}" in choice.reason


@pytest.mark.parametrize(
    ("flags", "offer"),
    [
        ({"avx2"}, "bf16 would be slow"),
        ({"avx512f"}, "bf16 would be slow"),
        ({"avx512_bf16"}, "with AVX512-BF16, precision='bf16' may be faster"),
        ({"amx_bf16"}, "with AMX, precision='bf16' may be faster"),
    ],
)
def test_every_processor_computes_in_fp32_and_offers_bf16_where_it_is_fast(
    monkeypatch, flags, offer
):
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset(flags))
    choice = device.choose_precision(torch.device("cpu"))
    assert choice.value == torch.float32
    assert offer in choice.reason


def test_what_is_requested_is_taken_or_refused():
    assert device.choose_precision(torch.device("cpu"), "bf16").value == torch.bfloat16
    with pytest.raises(ValueError, match="needs a GPU"):
        device.choose_precision(torch.device("cpu"), "fp16")
    with pytest.raises(ValueError, match="'int4' is unknown"):
        device.choose_precision(torch.device("cpu"), "int4")
    with pytest.raises(ValueError, match="not a device name"):
        device.choose_device("toaster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_missing_gpu_is_an_error():
    with pytest.raises(ValueError, match="'cuda' is not on this machine"):
        device.choose_device("cuda")


def test_every_module_can_be_imported_where_resource_is_missing():
    code = """
import builtins, importlib, pkgutil
import tlhelpers

real = builtins.__import__

def without_resource(name, globals=None, *rest, **named):
    # For our modules alone: what libraries do on Windows is theirs to test.
    if name == "resource" and (globals or {}).get("__name__", "").startswith("tlhelpers"):
        raise ModuleNotFoundError(name)
    return real(name, globals, *rest, **named)

builtins.__import__ = without_resource
for module in pkgutil.walk_packages(tlhelpers.__path__, "tlhelpers."):
    importlib.import_module(module.name)
    print(module.name)
"""
    imported = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert {"tlhelpers.device", "tlhelpers.training.fit", "tlhelpers.subjects.lora"} <= set(
        imported
    )


def test_peak_memory_is_known_where_resource_is_missing(monkeypatch):
    class Process:
        def memory_info(self):
            return SimpleNamespace(peak_wset=123)

    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(device.Path, "read_text", _no_proc)
    monkeypatch.setattr(psutil, "Process", Process)
    assert device.memory().value == 123


def _no_proc(path):
    raise FileNotFoundError(path)


def test_peak_memory_remembers_what_was_freed():
    # In a process of its own: where others have run, the peak may lie above anything done here.
    code = """
import numpy as np
from tlhelpers import device
before = device.memory().value
big = np.ones(400_000_000 // 8)
del big
print(device.memory().value - before)
"""
    grown = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert 300_000_000 < grown < 500_000_000  # of 400 MB; some may come from freed memory
