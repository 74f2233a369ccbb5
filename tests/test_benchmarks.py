"""The bench takes turns, goes on where it was stopped, and compares in pairs."""

import json

import pytest

from benchmarks import __main__ as bench


def run_of(seconds, accuracy):
    times = dict.fromkeys(("wall", "processor", "evaluation_wall", "evaluation_processor"), seconds)
    more = {"accuracy": accuracy, "share_of_peak_processor": 0.5, "memory_gb": 1.0}
    return times | more | {"examples": 100}


@pytest.fixture
def measured(monkeypatch, tmp_path):
    order = []

    def measure(name, contender, seed, threads):
        order.append((contender, seed))
        return run_of(2.0 if contender == "fit" else 4.0 + seed, 0.8)

    monkeypatch.setattr(bench, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(bench, "in_a_process", measure)
    monkeypatch.setenv("TL_STATIC", "1")  # main sets both: let monkeypatch set them back
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return order


def test_another_contender_begins_each_round(measured, capsys):
    assert bench.main(["--workload", "texts", "--repeats", "2"]) == 0
    assert measured == [
        ("Trainer, defaults", 0), ("Trainer, best", 0), ("fit", 0),
        ("Trainer, best", 1), ("fit", 1), ("Trainer, defaults", 1),
    ]  # fmt: skip
    assert "fit over Trainer, best: 2.25 (2.00 to 2.50) times" in capsys.readouterr().out


def test_a_run_goes_on_where_it_was_stopped(measured):
    bench.main(["--workload", "tokens", "--repeats", "1"])
    bench.main(["--workload", "tokens", "--repeats", "2", "--resume"])
    assert [seed for _, seed in measured] == [0, 0, 0, 1, 1, 1]
    # With other threads it is another measurement.
    bench.main(["--workload", "tokens", "--repeats", "1", "--resume", "--threads", "7"])
    assert len(measured) == 9
    stored = json.loads(bench.RESULTS.read_text())
    assert stored["circumstances"]["threads"] == 7
    assert len(stored["runs"]["tokens"]["fit"]) == 1


def test_ratios_and_gains_are_those_within_pairs():
    theirs = [run_of(3.0, 0.80), run_of(30.0, 0.70), run_of(4.0, 0.75)]
    ours = [run_of(2.0, 0.81), run_of(20.0, 0.70), run_of(2.0, 0.74)]
    last = bench.report({"Trainer, best": theirs, "fit": ours}, "fit").splitlines()[-1]
    assert last == (
        "fit over Trainer, best: 1.50 (1.50 to 2.00) times, on the clock 1.50 (1.50 to 2.00); "
        "evaluation 1.50 (1.50 to 2.00); accuracy +0.0% (-1.0% to +1.0%)"
    )


def test_the_help_names_every_workload(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in bench.WORKLOADS)
