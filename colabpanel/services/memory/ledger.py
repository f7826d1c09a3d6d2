"""What each cell took: time, memory and its peak."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.services.memory.peaks import PeakMeter, gpu_peak, peak_meter, reset_gpu_peak, resident

__all__ = ["CellLedger", "CellRow", "Ranking"]

_LOG = logging.getLogger("colabpanel")
_KEPT = 500
_LONGEST_LABEL = 80

Ranking = Literal["peak", "seconds", "growth"]


@dataclass(frozen=True)
class CellRow:
    """What one cell took; bytes are of this process, and None stands for what is not known.

    Attributes:
        number: Its number in the notebook, as in ``In [3]``.
        label: Its first line, or an empty string.
        started: Seconds since the epoch.
        seconds: How long it ran.
        before: Bytes in memory when it started.
        after: Bytes in memory when it ended.
        peak: The most bytes in memory while it ran.
        exact: Whether the peak is that of the system; else a short one may be missing.
        gpu_peak: The most bytes that PyTorch held on all GPUs.
    """

    number: int | None
    label: str
    started: float
    seconds: float
    before: int | None
    after: int | None
    peak: int | None
    exact: bool
    gpu_peak: int | None

    @property
    def growth(self) -> int | None:
        """Bytes by which memory grew; negative where it fell."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass
class _Open:
    """A cell that runs, and the peaks that were seen before its measuring began anew."""

    inputs: int
    started: float
    began: float
    before: int | None
    peak: int | None = None
    gpu_peak: int | None = None

    def note(self, peak: int | None, on_gpu: int | None) -> None:
        self.peak, self.gpu_peak = _most(self.peak, peak), _most(self.gpu_peak, on_gpu)


class CellLedger:
    """Keeps what the last 500 cells took, from `start` on.

    The peak is the system's own mark of this process, which is set back as a cell starts; PyTorch's peak statistics are
    set back, too. Where the system does not allow it, a thread looks 20 times a second. Costs a cell less than 1 ms.

    Args:
        host: Tells when cells start and end.
        meter: Makes what measures the peak.
        clock: Tells the time in seconds; only goes forward.
    """

    def __init__(
        self,
        host: Host,
        *,
        meter: Callable[[], PeakMeter] = peak_meter,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._host, self._clock = host, clock
        self._make_meter = meter
        self._meter: PeakMeter | None = None
        self._rows: deque[CellRow] = deque(maxlen=_KEPT)
        self._all_open: list[_Open] = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._stop: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to note cells; does nothing where it does already."""
        if self._stop is None:
            self._stop = self._host.on_cell(self._started, self._ended, nested=True, subshells=True)

    def stop(self) -> None:
        """Note no more; the rows stay."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()
        if self._meter is not None:
            self._meter.pause()

    def rows(self) -> list[CellRow]:
        """Return what was noted, the newest first."""
        with self._lock:
            return list(self._rows)[::-1]

    def top(self, number: int = 10, *, by: Ranking = "peak") -> list[CellRow]:
        """Return the rows with the most of something; those of which it is not known are left out.

        Raises:
            InputError: There is no such ranking.
        """
        if by not in get_args(Ranking):
            raise InputError(f"Cells cannot be ranked by {by!r}.", hint=f"Use one of: {', '.join(get_args(Ranking))}.")
        known = [row for row in self.rows() if getattr(row, by) is not None]
        return sorted(known, key=lambda row: getattr(row, by), reverse=True)[: max(number, 0)]

    def _open_cells(self) -> list[_Open]:
        """Return the cells that run on this thread: one, and those that it runs itself."""
        cells: list[_Open] = self._local.__dict__.setdefault("cells", [])
        return cells

    def _note_peaks(self, meter: PeakMeter) -> None:
        """Note what the marks say now for every cell that runs, on whatever thread."""
        with self._lock:
            running = list(self._all_open)
        if running:
            peak, on_gpu = _asked(meter.read), _asked(gpu_peak)
            for cell in running:
                cell.note(peak, on_gpu)

    def _started(self) -> None:
        try:
            cells = self._open_cells()
            if self._meter is None:
                self._meter = self._make_meter()
            self._note_peaks(self._meter)  # the marks are about to be set back
            self._meter.reset()
            reset_gpu_peak()
            cells.append(_Open(len(_inputs(self._host)), time.time(), self._clock(), _asked(resident)))
            with self._lock:
                self._all_open.append(cells[-1])
        except Exception:  # noqa: BLE001 - the user's cell runs, whatever happens here
            _LOG.debug("A cell could not be noted", exc_info=True)

    def _ended(self) -> None:
        ended = self._clock()
        try:
            cells = self._open_cells()
            if not cells or self._meter is None:  # the cell that switched this on
                return
            self._note_peaks(self._meter)
            cell = cells.pop()
            with self._lock:
                self._all_open = [one for one in self._all_open if one is not cell]
                is_last = not self._all_open
            if is_last:
                self._meter.pause()
            self._keep(cell, ended - cell.began, exact=self._meter.exact)
        except Exception:  # noqa: BLE001 - the user's cell has ended well, whatever happens here
            _LOG.debug("A cell could not be noted", exc_info=True)

    def _keep(self, cell: _Open, seconds: float, *, exact: bool) -> None:
        number, label = _name_of(_inputs(self._host), cell.inputs)
        after = _asked(resident)
        row = CellRow(
            number=number,
            label=label,
            started=cell.started,
            seconds=seconds,
            before=cell.before,
            after=after,
            peak=None if cell.peak is None else _most(cell.peak, _most(cell.before, after)),
            exact=exact,
            gpu_peak=cell.gpu_peak,
        )
        with self._lock:
            self._rows.append(row)


def _asked(figure: Callable[[], int | None]) -> int | None:
    """Return a figure, or None where it cannot be read."""
    try:
        return figure()
    except Exception:  # noqa: BLE001 - a driver that fails in its own way is one more reason not to know
        return None


def _most(a: int | None, b: int | None) -> int | None:
    return max((figure for figure in (a, b) if figure is not None), default=None)


def _inputs(host: Host) -> Any:
    """Return the cells that IPython has recorded, by their numbers; it records a cell after it told of its start."""
    return getattr(getattr(host.shell, "history_manager", None), "input_hist_raw", ())


def _name_of(inputs: Any, first: int) -> tuple[int | None, str]:
    """Return the number and the first line of the first cell that was recorded since."""
    if len(inputs) <= first:  # run silently, or without history
        return None, ""
    lines = [line.strip() for line in str(inputs[first]).splitlines()]
    label = next((line for line in lines if line), "")
    return first, label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
