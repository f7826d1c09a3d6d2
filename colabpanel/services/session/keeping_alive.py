"""Keeping an idle session alive until a deadline: by messages of its page, or on Colab by a line in its console."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from colabpanel import words
from colabpanel.errors import InputError

__all__ = [
    "LONGEST_MINUTES",
    "OFFICIAL_WAYS",
    "ConsoleSnippet",
    "KeepAlive",
    "KeepAliveStatus",
    "OfficialWay",
    "checked_interval",
    "checked_minutes",
    "console_snippets",
]

LONGEST_MINUTES = 24 * 60.0
"""A heartbeat never lasts longer than this."""

_CLICK_EVERY_MS = 60_000
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.1, 3600.0


@dataclass(frozen=True)
class KeepAliveStatus:
    """How a heartbeat stands.

    Attributes:
        state: ``off`` before it is started and once it is stopped, ``on``, or ``ended`` by its deadline.
        seconds_left: Until the deadline; None unless it is on.
        beats: Heartbeats of the page since it was started, those after the deadline not counted.
        last_beat: Seconds since the last of them; None if none came.
    """

    state: Literal["off", "on", "ended"]
    seconds_left: float | None
    beats: int
    last_beat: float | None


class KeepAlive:
    """The deadline of a heartbeat. The page sends it, and each message of it is activity to the server.

    Args:
        clock: Tells the time in seconds since 1970.

    Attributes:
        changed: Called when it was started or stopped here; whoever makes the page's part sets it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._deadline: float | None = None
        self._last: float | None = None
        self._beats = 0
        self.changed: Callable[[], None] = lambda: None

    def start(self, minutes: float) -> None:
        """Let it beat until so many minutes from now.

        Raises:
            InputError: It is no number of minutes from 0 to 24 hours.
        """
        self._deadline = self._clock() + checked_minutes(minutes) * 60
        self._beats, self._last = 0, None
        self.changed()

    def stop(self) -> None:
        """Let it beat no more; one that its deadline has ended stays so."""
        if self.status().state == "on":
            self._deadline = None
            self.changed()

    def beat(self) -> float:
        """Note a heartbeat of the page; returns the seconds until it shall stop, zero if at once."""
        left = self.status().seconds_left
        if left is None:
            return 0.0
        self._beats, self._last = self._beats + 1, self._clock()
        return left

    def status(self) -> KeepAliveStatus:
        """Return how it stands."""
        now = self._clock()
        since = None if self._last is None else max(now - self._last, 0.0)
        if self._deadline is None:
            return KeepAliveStatus("off", None, self._beats, since)
        left = self._deadline - now
        if left <= 0:
            return KeepAliveStatus("ended", None, self._beats, since)
        return KeepAliveStatus("on", left, self._beats, since)

    def __repr__(self) -> str:
        status = self.status()
        left = "" if status.seconds_left is None else f", {words.duration(status.seconds_left)} left"
        return f"<colabpanel.KeepAlive: {status.state}{left}>"


def checked_minutes(minutes: float | str) -> float:
    """Return a number of minutes that a session may be kept alive for.

    Raises:
        InputError: It is none.
    """
    try:
        number = float(minutes)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number <= LONGEST_MINUTES:
        raise InputError(
            "A session is kept alive for a number of minutes, 1,440 at most.", hint="Write 120 for two hours."
        )
    return number


def checked_interval(seconds: float) -> float:
    """Return a number of seconds between two heartbeats.

    Raises:
        InputError: It is none: a tenth of a second at least, and an hour at most.
    """
    try:
        number = float(seconds)
    except (TypeError, ValueError):
        number = math.nan
    if not _SHORTEST_INTERVAL <= number <= _LONGEST_INTERVAL:
        raise InputError("A heartbeat comes every 0.1 to 3,600 seconds.", hint="Leave interval out for 60.")
    return number


@dataclass(frozen=True)
class ConsoleSnippet:
    """A line of JavaScript for the console of Colab's page.

    Attributes:
        title: What it clicks.
        code: What to paste. ``stopKeepAlive()`` in the same console ends it before its deadline.
        seen: When it was last reported to work.
    """

    title: str
    code: str
    seen: str


@dataclass(frozen=True)
class OfficialWay:
    """A way to a longer session that Google offers."""

    title: str
    url: str


OFFICIAL_WAYS = (
    OfficialWay("Colab Pro+ goes on in the background, for up to 24 hours", "https://colab.research.google.com/signup"),
    OfficialWay("Pay as you go: sessions last while compute units do", "https://colab.research.google.com/signup"),
    OfficialWay(
        "A virtual machine of your own on Google Cloud",
        "https://research.google.com/colaboratory/marketplace.html",
    ),
    OfficialWay("A local runtime, on your own machine", "https://research.google.com/colaboratory/local-runtimes.html"),
    OfficialWay("What Colab allows and what it does not", "https://research.google.com/colaboratory/faq.html"),
)

_CLICKS = (
    (
        "The Connect button",
        'document.querySelector("#top-toolbar > colab-connect-button").shadowRoot.querySelector("#connect").click()',
        "Reported to work from 2020 to 2023; not seen by us, and Colab's page may have changed since.",
    ),
    (
        "The button of older pages",
        'document.querySelector("colab-toolbar-button").click()',
        "Reported to work in 2020; not seen by us.",
    ),
)


def console_snippets(minutes: float) -> tuple[ConsoleSnippet, ...]:
    """Return what can be pasted into the console of Colab's page to click for so many minutes, the newest first.

    No output of a notebook reaches Colab's page, so nobody but its user can do this.

    Raises:
        InputError: It is no number of minutes from 0 to 24 hours.
    """
    length_ms = round(checked_minutes(minutes) * 60_000)
    return tuple(ConsoleSnippet(title, _snippet(click, length_ms), seen) for title, click, seen in _CLICKS)


def _snippet(click: str, length_ms: int) -> str:
    return f"""(() => {{
  if (window.stopKeepAlive) window.stopKeepAlive();
  const until = Date.now() + {length_ms};
  const timer = setInterval(() => {{
    if (Date.now() >= until) return clearInterval(timer);
    {click};
    console.log("colabpanel: clicked; stopKeepAlive() ends it");
  }}, {_CLICK_EVERY_MS});
  window.stopKeepAlive = () => {{ clearInterval(timer); console.log("colabpanel: no more clicks"); }};
}})();"""
