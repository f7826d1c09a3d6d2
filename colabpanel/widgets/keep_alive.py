"""The heartbeat that keeps an idle kernel alive: visible, with a deadline and a button that stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

__all__ = ["KeepAliveView"]

# The model beats, not its view, so it goes on while the output is scrolled away or the page is hidden, and there is
# one heartbeat for a page that shows it twice. Lengths of time travel, not times: clocks may differ.
_MODULE = """
const words = (seconds) => {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.max(Math.round(seconds), 0)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 1) return `${minutes} min`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
};

export default () => {
  const clock = { until: 0, timer: null };
  const rest = () => { clearInterval(clock.timer); clock.timer = null; };
  return {
    initialize({ model }) {
      const beat = () => {
        if (Date.now() >= clock.until) return rest();
        model.set("beats", model.get("beats") + 1);
        model.save_changes();
      };
      const heed = () => {
        const left = model.get("seconds_left");
        clock.until = Date.now() + left * 1000;
        if (left <= 0) return rest();
        if (clock.timer !== null) return;
        clock.timer = setInterval(beat, model.get("interval") * 1000);
        beat();
      };
      model.on("change:seconds_left", heed);
      heed();
      return rest;
    },
    render({ model, el }) {
      const text = document.createElement("span");
      const stop = document.createElement("button");
      Object.assign(stop, { type: "button", className: "cp-copy", textContent: "Stop" });
      el.append(text, " ", stop);
      let began = false;
      const draw = () => {
        const left = (clock.until - Date.now()) / 1000;
        began = began || left > 0;
        stop.hidden = left <= 0;
        const said = left > 0
          ? `This page keeps the kernel alive for another ${words(left)}.`
          : began ? "This page no longer keeps the kernel alive." : "";
        if (text.textContent !== said) text.textContent = said;
      };
      stop.addEventListener("click", () => {
        model.set("seconds_left", 0);
        model.save_changes();
        draw();
      });
      model.on("change:seconds_left", draw);
      const timer = setInterval(draw, 1000);
      draw();
      return () => clearInterval(timer);
    },
  };
};
"""

_UNHEARD = (
    '<p class="cp-note" role="status">Waiting for the first heartbeat of this page. If this line stays, the page does '
    "not load custom widgets (anywidget), and nothing keeps the kernel alive.</p>"
)


class KeepAliveView(ipywidgets.VBox):
    """Sends a message from the page at intervals, also while the page is hidden, until it shall stop.

    Args:
        on_beat: Called at each; returns the seconds until the deadline, zero if it is over.
        on_stop: Called when the user stops it.
        interval: Seconds between two.

    Attributes:
        heart: The widget that beats.
        unheard: Says that no heartbeat has come yet.
    """

    def __init__(self, on_beat: Callable[[], float], on_stop: Callable[[], None], *, interval: float = 60.0) -> None:
        self._on_beat, self._on_stop = on_beat, on_stop
        self.unheard = ipywidgets.HTML()
        self.heart = _heart(interval)
        self.heart.observe(self._beaten, names="beats")
        self.heart.observe(self._left, names="seconds_left")
        super().__init__([self.heart, self.unheard])

    def show(self, seconds_left: float) -> None:
        """Let the page beat for so many seconds from now; zero stops it."""
        self.unheard.value = _UNHEARD if seconds_left > 0 else ""
        self.heart.seconds_left = seconds_left

    def _beaten(self, _: object) -> None:
        self.unheard.value = ""
        left = self._on_beat()
        self.heart.seconds_left = left
        if left <= 0:  # it is zero here already, and the page that beats does not know
            self.heart.send_state("seconds_left")

    def _left(self, change: dict[str, Any]) -> None:
        if change["new"] <= 0:
            self.unheard.value = ""
            self._on_stop()


def _heart(interval: float) -> ipywidgets.DOMWidget:
    import anywidget
    import traitlets

    class Heart(anywidget.AnyWidget):
        _esm = _MODULE
        interval = traitlets.Float().tag(sync=True)
        seconds_left = traitlets.Float(0.0).tag(sync=True)
        beats = traitlets.Int(0).tag(sync=True)

    return Heart(interval=interval)
