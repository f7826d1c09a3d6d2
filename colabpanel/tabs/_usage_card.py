"""The card that tells every figure of memory and disks there is."""

from __future__ import annotations

from collections.abc import Iterator

from colabpanel import words
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory.accelerators import Allocator, Gpu
from colabpanel.services.memory.gauges import Usage
from colabpanel.services.memory.history import History
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.gauges import Trail, TrailChart

__all__ = ["UsageCard", "trail_of"]

_EVERY = 2.0
_UNKNOWN = Cell("unknown", "warning")
_LIMITS = {
    "machine": "Memory of the machine",
    "container": "Memory of the container",
    "process": "Address space of this process",
}
_LIBRARIES = {"torch": "PyTorch", "jax": "JAX", "tensorflow": "TensorFlow"}

Row = list[str | Cell]


class UsageCard:
    """A table of figures, and how the main ones went.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._watch = tab, tab.context.watch
        columns = [Column("What"), Column("Used", is_number=True), Column("Of", is_number=True), Column("More")]
        self.table = DataTable("Memory and disks", columns, empty="Nothing was measured yet.")
        self.chart = TrailChart()
        self.update()
        tab.context.refresher.every(_EVERY, self._tick)
        self.widget = card("In use", self.table, self.chart)

    def _tick(self) -> None:
        if self._tab.context.present():
            self.update()

    def update(self) -> None:
        """Show what was measured last."""
        found, history = self._watch.latest, self._watch.history
        if found is None:
            return
        self.table.show(list(_rows(found)))
        names = ["RAM", *(f"GPU {gpu.index}" for gpu in found.gpus or ())]
        self.chart.show([(name, trail_of(history, name)) for name in dict.fromkeys(names)])


def trail_of(history: History, name: str) -> Trail:
    """Return how a figure went, for a view."""
    course = history.course(name)
    cells = [(span.began, span.ended) for span in history.cells()]
    return Trail(course.points, gap=2.5 * course.step, cells=cells)


def _rows(found: Usage) -> Iterator[Row]:
    yield _amount(_LIMITS[found.limit], found.ram)
    if found.swap is None or found.swap.total:
        yield _amount("Swap", found.swap)
    if found.kernel is not None:
        counted = "" if found.kernel.exact else "shared pages are counted for each process"
        yield ["This kernel", words.size(found.kernel.own), "", counted]
        if found.kernel.processes:
            children = found.kernel.children
            told = _UNKNOWN if children is None else words.size(children)
            yield ["Its child processes", told, "", words.plural(found.kernel.processes, "process", "processes")]
    else:
        yield ["This kernel", _UNKNOWN, "", ""]
    yield _amount("Disk of the workspace", found.disk)
    if found.drive_cache is not None:
        yield _amount("Disk of Drive's cache", found.drive_cache)
    if found.gpu_trouble:
        yield ["GPU", _UNKNOWN, "", Cell(found.gpu_trouble, "warning")]
    yield from (_gpu(gpu) for gpu in found.gpus or ())
    yield from (_allocator(one) for one in found.allocators)


def _amount(what: str, amount: Amount | None) -> Row:
    if amount is None:
        return [what, _UNKNOWN, "", ""]
    share = f"{amount.fraction:.0%}" if amount.total else ""
    return [what, words.size(amount.used), words.size(amount.total), share]


def _gpu(gpu: Gpu) -> Row:
    more = [f"{gpu.utilisation:.0%} busy"] if gpu.utilisation is not None else []
    more += [f"{gpu.temperature} °C"] if gpu.temperature is not None else []
    for process in (gpu.processes or ())[:3]:
        held = "" if process.used is None else f" {words.size(process.used)}"
        more.append(f"{process.name or 'process'} ({process.pid}){held}")
    used = _UNKNOWN if gpu.used is None else words.size(gpu.used)
    return [f"GPU {gpu.index}, {gpu.name}", used, "" if gpu.total is None else words.size(gpu.total), ", ".join(more)]


def _allocator(one: Allocator) -> Row:
    what = f"{_LIBRARIES[one.library]} {one.device}".strip()
    if one.trouble:
        return [what, _UNKNOWN, "", Cell(one.trouble, "warning")]
    more = [f"reserved {words.size(one.reserved)}"] if one.reserved is not None else []
    more += [f"peak {words.size(one.peak)}"] if one.peak is not None else []
    used = _UNKNOWN if one.allocated is None else words.size(one.allocated)
    return [what, used, "" if one.limit is None else words.size(one.limit), ", ".join(more)]
