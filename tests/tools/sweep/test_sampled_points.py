"""One point of each recorded sweep, measured again."""

import pytest

from tests.tools.sweep.test_recorded_sweeps import FOUND
from tools.sweep.sample import sample


@pytest.mark.slow
@pytest.mark.real_assets
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_a_sampled_point_of_each_sweep_is_measured_again(path, monkeypatch):
    monkeypatch.setenv("TL_PROFILE", "tiny")
    again = sample(path)
    assert again.agrees, str(again)
