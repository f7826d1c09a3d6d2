"""Whether anybody looks at the panel: gauges that tick for nobody keep a kernel alive for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

import ipywidgets

__all__ = ["Attention", "heartbeat"]

_WITH_HEARTBEAT = 15.0
_WITHOUT_HEARTBEAT = 600.0

_BEAT_MODULE = """
export default {
  render({ model, el }) {
    el.style.display = "none";
    const beat = () => {
      if (document.hidden) return;
      model.set("beats", model.get("beats") + 1);
      model.save_changes();
    };
    beat();
    const timer = setInterval(beat, 5000);
    document.addEventListener("visibilitychange", beat);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", beat);
    };
  },
};
"""


class Attention:
    """Decides whether gauges tick.

    While a cell runs they always do. Else they stop 15 s after the page's last heartbeat,
    or, where no heartbeat ever came, 10 minutes after the last click.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last, self._patience, self._cells = clock(), _WITHOUT_HEARTBEAT, 0

    def clicked(self) -> None:
        """Note that the user did something."""
        self._last = self._clock()

    def beat(self, *_: object) -> None:
        """Note a heartbeat of the page."""
        self._last, self._patience = self._clock(), _WITH_HEARTBEAT

    def cell_started(self) -> None:
        """Note that a cell runs."""
        self._cells += 1

    def cell_ended(self) -> None:
        """Note that it ended; somebody ran it, so somebody is there."""
        self._cells = max(self._cells - 1, 0)
        self._last = self._clock()

    @property
    def present(self) -> bool:
        """Whether gauges shall tick."""
        return self._cells > 0 or self._clock() - self._last <= self._patience


def heartbeat(on_beat: Callable[..., None]) -> ipywidgets.Widget:
    """Return a hidden widget that calls back every five seconds while the page is visible."""
    import anywidget
    import traitlets

    class Heartbeat(anywidget.AnyWidget):
        _esm = _BEAT_MODULE
        beats = traitlets.Int(0).tag(sync=True)

    widget: ipywidgets.Widget = Heartbeat()
    widget.observe(on_beat, names="beats")
    return widget
