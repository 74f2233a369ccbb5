import pytest

from tools.execution import second_arithmetic
from tools.execution.second_arithmetic import NUMERIC_TESTS, SecondProject, older_instructions
from tools.project import Project


@pytest.mark.parametrize(
    ("flags", "capability"), [({"avx2", "avx512f"}, "avx2"), ({"avx2"}, "default"), ({}, "default")]
)
def test_an_instruction_set_older_than_the_processors_is_taken(flags, capability):
    assert older_instructions(frozenset(flags))["ATEN_CPU_CAPABILITY"] == capability


def test_the_other_bits_are_other_bits():
    variables = older_instructions(second_arithmetic.processor_flags())
    assert second_arithmetic.bits({}) == second_arithmetic.bits({})
    assert second_arithmetic.bits({}) != second_arithmetic.bits(variables)


def test_variables_that_change_no_bit_are_an_error(monkeypatch, capsys):
    monkeypatch.setattr(second_arithmetic, "older_instructions", lambda flags: {"NOTHING": "1"})
    assert second_arithmetic.main([]) == 1
    assert "NOTHING=1 OMP_NUM_THREADS=1 changes no bit" in capsys.readouterr().err


def test_the_second_run_of_a_page_does_not_touch_the_first():
    first, second = Project(), SecondProject()
    assert first.notebook("x") == second.notebook("x")
    for place in ("executed", "run_record", "failed"):
        assert getattr(first, place)("x", "tiny") != getattr(second, place)("x", "tiny")


def test_the_numeric_tests_are_there():
    assert all((Project().root / name).exists() for name in NUMERIC_TESTS)
