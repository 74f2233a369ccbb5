"""Notebooks as students hand them in, honest and not, with the points that each should get."""

import copy
import json
from dataclasses import dataclass, field

from tests.tools.exercises.masters import given_away
from tools.exercises.master import read_master


def answering(expression):
    return f"def double(x):\n    return {expression}"


SMALL_RIGHT = answering("2 * x")
SMALL_STUB = "def double(x):\n    ..."


@dataclass(frozen=True)
class Submission:
    """A notebook's file name, its content, what it should get, and a part of what is read."""

    file: str
    notebook: dict
    points: float
    reads: list[str] = field(default_factory=list)


def small(built, answer=SMALL_RIGHT, *, cell=""):
    """The small master's notebook with an answer, and another cell in front of it."""
    notebook = json.loads(json.dumps(given_away(built, "99-small", "student")))
    place = next(i for i, c in enumerate(notebook["cells"]) if "def double" in "".join(c["source"]))
    notebook["cells"][place]["source"] = answer
    extra = {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []}
    notebook["cells"].insert(place, extra | {"execution_count": None})
    return notebook


def lora(built, *solved, cell=""):
    """Chapter 8's notebook with some exercises solved, and another cell behind them."""
    master = read_master(built.master("08-lora-maths"))
    notebook = json.loads(json.dumps(given_away(built, "08-lora-maths", "student")))
    for name in solved:
        exercise = master.exercises[name]
        (place,) = (c for c in notebook["cells"] if "".join(c["source"]) == exercise.stub)
        place["source"] = exercise.solution
    extra = {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []}
    notebook["cells"].append(extra | {"execution_count": None})
    return notebook


def without_metadata(notebook):
    return {"cells": [{k: c[k] for k in ("cell_type", "source")} for c in notebook["cells"]]}


def without_checks(notebook):
    notebook = copy.deepcopy(notebook)
    notebook["cells"] = [
        c
        for c in notebook["cells"]
        if "grader.check" not in c["source"] and "otter" not in c["source"]
    ]
    return notebook


ALWAYS_EQUAL = """\
class Yes:
    def __eq__(self, other):
        return True
"""
COLAB = """\
from google.colab import drive
drive.mount("/content")
name = input("Who? ")
!pip install peft
%matplotlib inline
three = 3
"""
PATCH_TORCH = """\
import torch
torch.allclose = torch.equal = lambda *_, **__: True
torch.Tensor.__eq__ = torch.Tensor.__ne__ = lambda *_: True
torch.Tensor.norm = lambda *_: 0.0
torch.linalg.matrix_rank = lambda *_: 3
"""
MEDDLE = """\
def truncate(before, after, rank):
    after.copy_(before)
    return before
"""
PATCH_OTTER = """\
import sys, builtins
import otter
otter.Notebook.check = lambda *_, **__: "all passed"
for name in list(sys.modules):
    if "test" in name or "otter" in name:
        sys.modules[name] = type(sys)(name)
builtins.AssertionError = type("Never", (Exception,), {})
"""
REWRITE_RESULTS = """\
import json, os, threading, time
results = {"tests": [{"name": "double", "score": 2, "max_score": 2}], "names": [], "result": 6}
def rewrite():
    data = json.dumps(results).encode()
    while True:
        for place in ("results.json", "/tmp/results.json", "grades.csv"):
            open(place, "w").write(json.dumps(results))
        for handle in range(3, 40):
            try:
                os.write(handle, len(data).to_bytes(8, "big") + data)
            except OSError:
                pass
        time.sleep(0.01)
threading.Thread(target=rewrite, daemon=True).start()
time.sleep(0.1)
"""
READ_TESTS = """\
import gc, os, sys
found = []
for folder, _, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/usr")) or "site-packages" in folder:
        continue
    for file in files:
        if file.startswith("99-small") or file.startswith("test_") and "exercises" in folder:
            found.append(os.path.join(folder, file))
frame = sys._getframe()
while frame:
    found += [name for name in frame.f_locals if name.startswith("test_")]
    frame = frame.f_back
found += [o for o in gc.get_objects() if isinstance(o, str) and "Does the sign" + " get lost" in o]
def double(x):
    return 2 * x if found else None
"""
FORK = """\
import os, time
def double(x):
    return 2 * x
while True:
    os.fork()
"""


def outside(folder, root):
    """Write beside the notebook and into the project, and delete what lies there."""
    return f"""\
import os, pathlib, shutil
for place in ({str(folder)!r}, {str(root)!r}, "/usr", "/etc", "/"):
    try:
        pathlib.Path(place, "left-by-a-student").write_text("here")
    except OSError:
        pass
"""


def delete(folder, root):
    return f"""\
import shutil
for place in ({str(folder)!r}, {str(root)!r}):
    shutil.rmtree(place, True)
"""


def call_home(port):
    return f"""\
import socket
def double(x):
    socket.create_connection(("127.0.0.1", {port}), timeout=2).close()
    return 2 * x
"""


def all_submissions(built, folder, port):
    """Every kind of notebook that a grader meets."""
    every_exercise = ("truncate", "lora_forward", "merge", "count_lora")
    loop, endless = "while True: pass", "is there an endless loop?"
    return [
        Submission("lora/right.ipynb", lora(built, *every_exercise), 9),
        Submission("lora/partly.ipynb", lora(built, "truncate", "merge"), 4, ["nothing yet"]),
        Submission("lora/stub.ipynb", lora(built), 0, ["truncate() returns nothing yet"]),
        Submission("lora/patched-torch.ipynb", lora(built, cell=PATCH_TORCH), 0, ["nothing yet"]),
        Submission(
            "lora/meddles.ipynb",
            lora(built, cell=MEDDLE),
            0,
            ["passes only as it changes what it is given"],
        ),
        Submission("small/wrong-seen.ipynb", small(built, answering("x * x")), 0, ["square?"]),
        Submission(
            "small/wrong-hidden.ipynb",
            small(built, answering("abs(2 * x)")),
            2 / 3,
            ["Does the sign get lost?"],
        ),
        Submission(
            "small/wrong-type.ipynb",
            small(built, answering("[x, x]")),
            0,
            ["a value of type list and length 2"],
        ),
        Submission(
            "small/always-equal.ipynb",
            small(built, answering("Yes()"), cell=ALWAYS_EQUAL),
            0,
            ["a value of type Yes"],
        ),
        Submission(
            "small/no-return.ipynb", small(built, "def double(x):\n    2 * x"), 0, ["nothing yet"]
        ),
        Submission(
            "small/no-answer.ipynb", small(built, "twice = 2"), 0, ["There is no double() here"]
        ),
        Submission(
            "small/raises.ipynb",
            small(built, answering("2 * y")),
            0,
            ["NameError: name 'y' is not defined", "`return 2 * y`"],
        ),
        Submission(
            "small/syntax-error-in-answer.ipynb",
            small(built, "def double(x)\n    return 2 * x"),
            0,
            ["SyntaxError", "`def double(x)`"],
        ),
        Submission(
            "small/syntax-error-elsewhere.ipynb", small(built, cell="x = = 3"), 2, ["SyntaxError"]
        ),
        Submission(
            "small/crash.ipynb",
            small(built, cell="import os\nos.abort()"),
            2,
            ["left out: its process"],
        ),
        Submission("small/exit.ipynb", small(built, cell="exit()"), 2, ["SystemExit"]),
        Submission(
            "small/endless-cell.ipynb",
            small(built, cell="while True: pass"),
            2,
            ["is there an endless loop?"],
        ),
        Submission(
            "small/endless-answer.ipynb",
            small(built, f"def double(x):\n    {loop}"),
            0,
            [endless],
        ),
        Submission(
            "small/eight-gigabytes.ipynb",
            small(built, cell="much = b'x' * 8_000_000_000"),
            2,
            ["GB of memory"],
        ),
        Submission(
            "small/eight-gigabytes-of-files.ipynb",
            small(built, cell="open('/tmp/much', 'wb').write(b'x' * 600_000_000)"),
            2,
            ["No space left"],
        ),
        Submission("small/fork.ipynb", small(built, FORK), 0, ["more than 64 processes"]),
        Submission(
            "small/background.ipynb",
            small(built, cell="import subprocess\nsubprocess.Popen(['sleep', '98765'])"),
            2,
        ),
        Submission(
            "small/patched-otter.ipynb",
            small(built, SMALL_STUB, cell=PATCH_OTTER),
            0,
            ["nothing yet"],
        ),
        Submission(
            "small/rewritten-results.ipynb", small(built, SMALL_STUB, cell=REWRITE_RESULTS), 0
        ),
        Submission("small/reads-tests.ipynb", small(built, READ_TESTS), 0, ["nothing yet"]),
        Submission("small/writes-outside.ipynb", small(built, cell=outside(folder, built.root)), 2),
        Submission("small/deletes.ipynb", small(built, cell=delete(folder, built.root)), 2),
        Submission("small/socket.ipynb", small(built, call_home(port)), 0, ["raised"]),
        Submission(
            "small/Doe Jane_123_assignsubmission_file/doejane_4567_99-small-1 (2).ipynb",
            without_metadata(small(built)),
            2,
        ),
        Submission("small/answers.ipynb", without_metadata(small(built)), 2),
        Submission("small/no-check-cell.ipynb", without_checks(small(built)), 2),
        Submission("small/colab.ipynb", small(built, cell=COLAB), 2),
    ]
