"""Memory of a real kernel, released from a cell and by the panel."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.conftest import Run
from tests.waiting import wait_until

PANEL = """
import pathlib, threading
from colabpanel.hosts import detect
from colabpanel.progress import Progress
from colabpanel.services.memory.panel_calls import release_from_panel
done = []

def work():
    done.append(release_from_panel(Progress(), detect(), ["array"]))
    pathlib.Path("done").touch()

threading.Thread(target=work).start()
"""


def test_a_cell_releases_what_it_showed_before(run: Run) -> None:
    run("import numpy as np, weakref\nfrom colabpanel.services.memory.releasing import release")
    run("array = np.ones(1 << 23)\ngone = weakref.ref(array)")
    run("array")
    run("released = release(['array'])")
    assert run("print(released.removed, released.still_held, gone(), released.freed >> 20 > 50)") == (
        "('array',) () None True\n"
    )
    assert run("print(released.steps[-2].sentence, len(Out))") == (
        "Removed array, and the same objects as _, Out[3]. 0\n"
    )


def test_an_error_of_a_cell_is_forgotten(error_of: Run, run: Run) -> None:
    run("import numpy as np, weakref\nfrom colabpanel.services.memory.releasing import release\nkept = []")
    run("def fail():\n    array = np.ones(1 << 20)\n    kept.append(weakref.ref(array))\n    return 1 / 0")
    error_of("fail()")
    assert run("print(kept[0]() is not None)") == "True\n"
    assert run("print(release(tracebacks=True).steps[0].sentence, kept[0]())") == (
        "Forgot the last error (ZeroDivisionError) and the variables of 1 call. None\n"
    )


def test_the_panel_releases_once_the_cell_has_ended(run: Run, tmp_path: Path) -> None:
    run("import numpy as np\narray = np.ones(1 << 20)")
    run(PANEL + "assert not done and 'array' in globals()")
    wait_until((tmp_path / "done").exists)  # here: a cell that waited for it would be the one that keeps it waiting
    assert run("print(done[0].removed, done[0].still_held, 'array' in globals())") == "('array',) () False\n"
