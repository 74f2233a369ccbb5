"""The table of what each page is made of."""

from tests.tools.contract.pages import GOOD, SLUG, write_page
from tools.contract.__main__ import statistics_row, statistics_table


def test_the_table_has_a_row_for_a_page(project):
    row = statistics_row(write_page(project, GOOD))
    table = statistics_table([row])
    assert SLUG in table and "median" in table.splitlines()[0]
