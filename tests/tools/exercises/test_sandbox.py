"""What a process in the sandbox can reach, and what stops it."""

import pytest

from tests.tools.exercises.masters import CONTAINED
from tools.exercises.sandbox import Limits, Sandbox, Stopped

pytestmark = CONTAINED


@pytest.fixture(scope="module")
def process():
    with Sandbox(Limits(seconds=60)) as sandbox:
        yield sandbox


def value(process, expression):
    assert not process.ask("run", cell="test", source=f"def ask():\n    return {expression}")
    return process.ask("call", on="ask", arguments=[], named={})["result"]


def test_sees_no_project_and_nothing_of_the_machine(process):
    process.ask("run", cell="test", source="import os, pathlib, sys")
    assert not value(process, "[n for n in os.listdir('/') if n in ('var', 'run', 'opt', 'mnt')]")
    assert value(process, "os.listdir(os.path.expanduser('~'))") == []
    assert not value(process, "[str(p) for p in pathlib.Path('/').rglob('exercises/*.md')]")
    # Python's own folder may lie in the home of whoever grades; nothing else of that is there.
    assert value(process, "os.environ['HOME']") == "/home/student"


def test_has_processes_and_a_network_of_its_own(process):
    process.ask("run", cell="test", source="import os, socket")
    assert int(value(process, "max(int(n) for n in os.listdir('/proc') if n.isdigit())")) < 20
    assert value(process, "[name for _, name in socket.if_nameindex()]") == ["lo"]


def test_nothing_that_is_printed_gets_into_the_replies(process):
    source = "import os, sys\nprint('x' * 100)\nos.write(1, b'y' * 100)\nsys.stderr.write('z')"
    assert process.ask("run", cell="test", source=source) == {}
    assert value(process, "1 + 1") == 2


def test_stopped_process_says_why_each_time():
    with Sandbox(Limits(seconds=1)) as sandbox:
        for _ in range(2):
            with pytest.raises(Stopped, match="stopped after 1 s"):
                sandbox.ask("run", cell="test", source="while True: pass")


def test_unreadable_reply_stops_it():
    source = (
        "import os\nfor handle in range(3, 20):\n    try:\n        os.write(handle, b'\\xff' * 8)\n"
        "    except OSError:\n        pass"
    )
    with Sandbox(Limits(seconds=10)) as sandbox, pytest.raises(Stopped, match="cannot be read"):
        sandbox.ask("run", cell="test", source=source)
        sandbox.ask("names")
