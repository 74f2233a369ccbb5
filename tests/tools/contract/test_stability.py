"""Two runs of one page show the same numbers, but for clocks."""

import nbformat

from tools.contract.stability import differences


def executed(text: str, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("score(model)", metadata={"tags": list(tags)})
    cell.outputs = [nbformat.v4.new_output("stream", text=text)]
    return nbformat.v4.new_notebook(cells=[cell])


def test_two_runs_with_the_same_numbers_are_stable():
    one, other = executed("0.84 in 31.2 s, 102 MB"), executed("0.84 in 29.9 s, 99 MB")
    assert differences(one, other) == []


def test_two_runs_with_other_numbers_are_told_apart():
    found = differences(executed("accuracy 0.84"), executed("accuracy 0.83"))
    assert len(found) == 1 and "0.84 and 0.83" in found[0]
    assert differences(executed("1", ("varies",)), executed("2", ("varies",))) == []
