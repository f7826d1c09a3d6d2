"""The ledger of cells in a real kernel, on whichever IPython runs these tests."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., str]


def test_cells_have_the_numbers_and_first_lines_of_the_notebook(run: Run) -> None:
    run("from colabpanel.hosts import detect\nfrom colabpanel.services.memory.ledger import CellLedger")
    run("ledger = CellLedger(detect()); ledger.start()")
    run("\n# make much\nlen(b'x' * (200 << 20))")
    number = int(run("print(len(In) - 1)"))
    run("await __import__('asyncio').sleep(0)")
    run("get_ipython().run_cell('inner = 1', store_history=False)")
    printed = run("for row in ledger.rows()[::-1]: print(row.number, row.label, row.peak - row.before > 100 << 20)")
    assert printed.splitlines() == [
        f"{number - 1} # make much True",
        f"{number} print(len(In) - 1) False",
        f"{number + 1} await __import__('asyncio').sleep(0) False",
        "None  False",
        f"{number + 2} get_ipython().run_cell('inner = 1', store_history=False) False",
    ]


def test_a_cell_that_fails_has_its_row(run: Run, error_of: Run) -> None:
    run("from colabpanel.hosts import detect\nfrom colabpanel.services.memory.ledger import CellLedger")
    run("ledger = CellLedger(detect()); ledger.start()")
    error_of("1 / 0")
    assert run("print([row.label for row in ledger.rows()])").strip() == "['1 / 0']"
