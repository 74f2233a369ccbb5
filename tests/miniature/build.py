"""Build the miniature hub into a folder, once for each state of its sources."""

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "src" / "tlhelpers"


def build(folder: Path) -> dict[str, str]:
    """Build the miniature into a folder, unless it is there already.

    Parameters
    ----------
    folder
        Becomes ``HF_HOME``: ``hub/`` holds the models, ``datasets/`` the data sets. What it
        held before is removed if it came from other sources than the present ones.

    Returns
    -------
    dict
        Environment variables under which the hub ids of the full profile load from there. Set
        them before Python starts: the libraries read them when they are imported.
    """
    folder = Path(folder).resolve()
    key = _key()
    mark = folder / "key.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (mark.exists() and mark.read_text() == key):
            if folder.exists() and any(folder.iterdir()) and not mark.exists():
                raise FileExistsError(f"{folder} holds something else; name a new folder")
            fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
            try:
                _fill(fresh)
                (fresh / "key.txt").write_text(key)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(fresh, folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return environment(folder)


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that make the libraries look into the folder, and only there."""
    return {
        "HF_HOME": str(folder),
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TL_PROFILE": "full",
        "TL_MINIATURE": "1",
    }


def _fill(folder: Path) -> None:
    # Imported here: a miniature that is there already costs no import of PyTorch.
    from tests.miniature.checkpoints import build_checkpoints
    from tests.miniature.datasets import build_datasets

    build_checkpoints(folder / "hub")
    build_datasets(folder / "datasets")


def _key() -> str:
    """Digest what the miniature depends on: its sources, the tables, the libraries' versions."""
    digest = hashlib.sha256()
    folders = (PACKAGE / "roles", PACKAGE / "pretrained" / "published")
    tables = [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    for path in [*sorted(HERE.glob("*.py")), *tables]:
        digest.update(path.read_bytes())
    for library in ("torch", "transformers", "tokenizers", "datasets"):
        digest.update(version(library).encode())
    return digest.hexdigest()
