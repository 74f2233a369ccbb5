"""All masters, assigned once for all tests of this folder."""

import shutil

import pytest

from tests.tools.exercises.masters import BOOK, MASTERS, SMALL
from tools.project import Project

pytest.importorskip("otter", reason="pip install tlhelpers[instructors]")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """All masters of the book, assigned in a folder of their own."""
    root = tmp_path_factory.mktemp("book-of-exercises")
    shutil.copytree(BOOK.root / "book" / "exercises", root / "book" / "exercises")
    (root / "book" / "exercises" / "99-small.md").write_text(SMALL, "utf-8")
    project = Project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        from tools.exercises.assign import assign

        for slug in (*MASTERS, "99-small"):
            assign(project, slug)
    return project
