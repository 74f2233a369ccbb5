"""A process is weighed by itself."""

import pytest

from tools.sweep.alone import peak_megabytes

HOLD = "import sys\nheld = b'x' * (int(sys.argv[1]) * 10**6)"


def test_a_large_parent_does_not_count():
    own = b"x" * (900 * 10**6)
    assert peak_megabytes("pass") < len(own) / 1e6


def test_what_the_process_held_counts():
    more = peak_megabytes(HOLD, "200") - peak_megabytes(HOLD, "1")
    assert 190 < more < 210


def test_a_process_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match=r"\('3',\) ended with 3"):
        peak_megabytes("import sys\nsys.exit(int(sys.argv[1]))", "3")
