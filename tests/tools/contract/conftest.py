"""An empty project with a ledger, to write pages into."""

from pathlib import Path

import pytest

from tests.tools.contract.pages import LEDGER, SLUG
from tools.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for folder in ("book/chapters", "book/claims", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book/claims" / f"{SLUG}.yaml").write_text(LEDGER)
    return Project(tmp_path)
