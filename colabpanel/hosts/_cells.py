"""Which cells run: a cell may run others, may await, and those of subshells run on threads of their own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["OpenCells", "open_cells", "watch_cells"]

_ATTRIBUTE = "_colabpanel_cells"
"""Where a shell keeps its `OpenCells`: hosts come and go, and a cell that began before them is known all the same."""


def watch_cells(
    events: Any,
    started: Callable[[], None],
    ended: Callable[[], None],
    *,
    nested: bool = False,
    subshells: bool = False,
) -> Callable[[], None]:
    """Call back when a cell starts and when it ended.

    Args:
        events: The events of an IPython shell.
        started: Called on the thread of the cell.
        ended: Likewise.
        nested: Whether to be called for the cells that a cell itself runs, too.
        subshells: Whether to be called for those of subshells, too, which run beside the one of the main thread.

    Returns:
        A function that stops it.
    """
    here = threading.local()

    def is_meant() -> bool:
        return subshells or threading.current_thread() is threading.main_thread()

    def before(*_: object) -> None:
        if not is_meant():
            return
        if getattr(here, "depth", 0) and _is_outermost():  # an interrupt came as the last cell ended
            here.depth = 0
            ended()
        here.depth = getattr(here, "depth", 0) + 1
        if nested or here.depth == 1:
            started()

    def after(*_: object) -> None:
        if not is_meant():
            return
        here.depth = max(getattr(here, "depth", 0) - 1, 0)
        if nested or here.depth == 0:
            ended()

    def stop() -> None:
        events.unregister("pre_run_cell", before)
        events.unregister("post_run_cell", after)

    events.register("pre_run_cell", before)
    events.register("post_run_cell", after)
    return stop


def _is_outermost() -> bool:
    """Whether the cell that begins on this thread is run by no other one."""
    frame, cells = sys._getframe(1), 0  # noqa: SLF001 - nothing else tells
    while frame is not None:
        runs = frame.f_code.co_name == "run_cell_async"
        cells += runs and frame.f_globals.get("__name__") == "IPython.core.interactiveshell"
        frame = frame.f_back  # type: ignore[assignment]
    return cells == 1


class OpenCells:
    """Counts the cells that have begun and not ended, those included that await.

    Args:
        events: The events of an IPython shell.
    """

    def __init__(self, events: Any) -> None:
        self._lock = threading.Lock()
        self.count = 0
        watch_cells(events, lambda: self._add(1), lambda: self._add(-1), subshells=True)

    def _add(self, number: int) -> None:
        with self._lock:
            self.count = max(self.count + number, 0)


def open_cells(shell: Any) -> OpenCells | None:
    """Return the counter of a shell, of which there is one; None where nothing tells of cells."""
    events = getattr(shell, "events", None)
    if events is None:
        return None
    found = getattr(shell, _ATTRIBUTE, None)
    if not isinstance(found, OpenCells):
        found = OpenCells(events)
        setattr(shell, _ATTRIBUTE, found)
    return found
