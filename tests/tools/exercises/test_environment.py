"""Each solution gets all points where there is nothing but what the autograder installs."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tools.exercises.masters import BOOK, MASTERS
from tools.exercises.assign import REQUIREMENTS
from tools.exercises.master import read_master

RUN = """\
import inspect, json, sys
sys.path[:] = [p for p in sys.path if "site-packages" not in p] + [sys.argv[1]]
names = {}
for given, solution, tests in json.load(sys.stdin):
    for source in [*given, solution]:
        exec(source, names)
    for source in tests:
        made = {}
        exec(source, made)
        test = next(value for name, value in made.items() if name.startswith("test"))
        test(**{name: names[name] for name in inspect.signature(test).parameters})
print("all passed", *sorted({n.split(".")[0] for n in sys.modules}))
"""


def needed(names):
    """The packages, and whatever they need, as an installer would add it."""
    found, to_do = {}, list(names)
    while to_do:
        distribution = importlib.metadata.distribution(to_do.pop())
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if name not in found:
            found[name] = distribution
            for text in distribution.requires or []:
                wanted = Requirement(text)
                if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                    to_do.append(wanted.name)
    return found.values()


@pytest.fixture(scope="module")
def only_listed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site-of-the-autograder")
    for distribution in needed(REQUIREMENTS):
        for top in {path.parts[0] for path in distribution.files or [] if ".." not in path.parts}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("slug", MASTERS)
def test_solution_passes_every_test_with_the_listed_packages_alone(only_listed, slug):
    master = read_master(BOOK.master(slug))
    parts = [
        (master.given_to(name), exercise.solution, exercise.tests + exercise.hidden_tests)
        for name, exercise in master.exercises.items()
    ]
    command = [sys.executable, "-I", "-c", RUN, str(only_listed)]
    done = subprocess.run(command, input=json.dumps(parts), capture_output=True, text=True)
    assert done.stdout.startswith("all passed"), done.stderr
    imported = done.stdout.split()
    assert not {"peft", "tlhelpers", "otter", "nbformat"} & set(imported)
