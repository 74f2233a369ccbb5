from pathlib import Path

import pytest

from tests.evidence.small_ledger import GOOD, REFERENCES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "computed").mkdir()
    (tmp_path / "computed" / "ch08.py").write_text(
        "def count(rank):\n    return rank * (4096 + 4096)\n"
    )
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "08-lora-maths.yaml").write_text(REFERENCES)
    (tmp_path / "08-lora-maths.yaml").write_text(GOOD)
    return tmp_path
