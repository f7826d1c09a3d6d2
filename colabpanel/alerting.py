"""Telling somebody who looks elsewhere that something has ended or is about to go wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from colabpanel import words
from colabpanel.errors import ColabPanelError, JobBusyError
from colabpanel.hosts import Host
from colabpanel.jobs import JobRunner
from colabpanel.services.alerts import send_webhook
from colabpanel.state import PanelState
from colabpanel.widgets.notifier import Notifier

__all__ = ["Alerting"]

_LOG = logging.getLogger("colabpanel")


class Alerting:
    """Decides which endings are worth an alert, and passes it on as the user wished.

    Args:
        host: The notebook host.
        state: Holds what the user wished.
        runner: Runs the sending to a webhook.
        lock_and_tell: Calls a function under the lock of the views.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        host: Host,
        state: PanelState,
        runner: JobRunner,
        lock_and_tell: Callable[[Callable[[], None]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._state, self._runner, self._tell = host, state, runner, lock_and_tell
        self._clock = clock
        self._cell_began: float | None = None
        self.notifier = Notifier()

    def cell_started(self) -> None:
        """Note that a cell begins."""
        self._cell_began = self._clock()

    def cell_ended(self) -> None:
        """Alert when a cell that took long has ended."""
        began, self._cell_began = self._cell_began, None
        if began is not None:
            seconds = self._clock() - began
            self.ended(f"A cell ended after {words.duration(seconds)}.", seconds)

    def ended(self, sentence: str, seconds: float) -> None:
        """Alert of something that has ended, if it took long; on any thread."""
        if seconds >= self._state.alert_after:
            self.alert(sentence)

    def alert(self, text: str, *, urgent: bool = False) -> None:
        """Alert at once, by the means that are switched on; what is urgent is heard in any case. On any thread."""
        state = self._state
        if not (urgent or state.alert_sound or state.alert_notification or state.alert_webhook):
            return
        self._tell(lambda: self._show(text, sound=urgent or state.alert_sound))
        if state.alert_webhook:
            try:
                self._runner.look("webhook", lambda _: self._send(state.alert_webhook, text))
            except JobBusyError:  # the panel was closed meanwhile
                _LOG.warning("An alert could not be sent: the panel is closed")

    def _show(self, text: str, *, sound: bool) -> None:
        self.notifier.tell("colabpanel", text, sound=sound, notification=self._state.alert_notification)

    def _send(self, url: str, text: str) -> None:
        self._tell(lambda: setattr(self._state, "alert_problem", ""))
        problem = ""
        try:
            send_webhook(url, text, host=self._host)
        except ColabPanelError as error:
            problem = f"{error.message} {error.hint}".strip()
        self._tell(lambda: setattr(self._state, "alert_problem", problem))
