"""Build the miniature hub: ``eval "$(python -m tests.miniature FOLDER)"`` then runs pages on it."""

import argparse
import shlex
from pathlib import Path

from tests.miniature.build import build


def main() -> None:
    """Build into the folder given and print the variables to export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, value in build(parser.parse_args().folder).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
