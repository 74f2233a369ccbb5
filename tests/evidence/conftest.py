from pathlib import Path

import pytest

from tests.evidence.small_ledger import GOOD, REFERENCES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a ledger's folder; recorded sweeps lie beside it, in ``results``."""
    folder = tmp_path / "claims"
    (folder / "computed").mkdir(parents=True)
    (folder / "computed" / "ch08.py").write_text(
        'def count(rank):\n    """Count the numbers of two factors."""\n    return 8192 * rank\n'
    )
    (folder / "references").mkdir()
    (folder / "references" / "08-lora-maths.yaml").write_text(REFERENCES)
    (folder / "08-lora-maths.yaml").write_text(GOOD)
    return folder
