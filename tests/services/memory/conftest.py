"""A real shell of IPython, without a kernel."""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from colabpanel.hosts._base import IPythonHost


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[IPythonHost]:
    """Return the host of a shell that runs cells in this process; what it keeps of Python's is put back."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        monkeypatch.delattr(sys, name, raising=False)
    make: Any = InteractiveShell
    shell = make(config=Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "nocolor"}))
    yield IPythonHost(shell)
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    shell.reset(new_session=False)
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    gc.collect()


def pyplot() -> Any:
    """Return pyplot without open figures; its older releases warn when they are loaded."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib.pyplot as plt
    plt.close("all")
    return plt
