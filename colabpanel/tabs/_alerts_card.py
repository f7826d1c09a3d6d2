"""The card that says when and how the user is alerted."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ipywidgets
import traitlets

from colabpanel.errors import InputError
from colabpanel.services.alerts import checked_webhook
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.messages import Message
from colabpanel.widgets.notifier import permission_button

__all__ = ["AlertsCard"]


class AlertsCard:
    """Switches for sound, notifications of the browser, and a webhook.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, state = tab, tab.context.state
        self.sound = _switch("Play a sound")
        self.notification = _switch("Show a notification of the browser")
        self.ask = styled(ipywidgets.HTML(permission_button("Allow notifications")), "cp-inline")
        self.webhook = styled(ipywidgets.Password(description="Webhook", continuous_update=False), "cp-field")
        self._say_webhook()
        self.after = styled(ipywidgets.Text(description="Seconds", value=_seconds(state.alert_after)), "cp-field")
        self.after.placeholder = "Seconds that a cell or a job takes at least"
        self.try_button = button("Try it", tooltip="Send an alert now, by the means that are switched on")
        for widget, name in ((self.sound, "alert_sound"), (self.notification, "alert_notification")):
            traitlets.link((state, name), (widget, "value"))
        self.webhook.observe(self._webhook_given, names="value")
        self.after.observe(self._after_changed, names="value")
        state.observe(self._told, names="alert_problem")
        tab.on_click(self.try_button, self.try_it)
        self.widget = card(
            "Alerts",
            self.sound,
            styled(ipywidgets.HBox([self.notification, self.ask]), "cp-row"),
            *tab.for_coders(self.webhook),
            self.after,
            styled(ipywidgets.HBox([self.try_button]), "cp-row"),
            lead="When a cell or a job that took so many seconds ends, and when memory runs short.",
        )

    def _webhook_given(self, change: dict[str, Any]) -> None:
        """Take the address out of the field: what stands in a field is saved with the notebook."""
        given = change["new"].strip()
        if not given or self._tab.context.host.is_served:
            return
        self.webhook.value = ""
        self._tab.notice.clear()
        try:
            self._tab.context.state.alert_webhook = "" if given == "-" else checked_webhook(given)
        except InputError as error:
            self._tab.notice.show(Message("error", error.message, error.hint))
        self._say_webhook()

    def _say_webhook(self) -> None:
        host = urlsplit(self._tab.context.state.alert_webhook).hostname
        self.webhook.placeholder = (
            f"Set, at {host}. A dash removes it." if host else "https://hooks.slack.com/... or https://ntfy.sh/topic"
        )

    def _after_changed(self, change: dict[str, Any]) -> None:
        self._tab.notice.clear()
        try:
            seconds = float(change["new"])
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= 1e6:  # noqa: PLR2004 - eleven days
            self._tab.notice.show(
                Message("error", "Seconds takes a number.", "Write 60 to be told of what took a minute or more.")
            )
            return
        self._tab.context.state.alert_after = seconds

    def _told(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._tab.notice.show(Message("warning", "An alert did not reach its address.", change["new"]))

    def try_it(self) -> None:
        """Send an alert now."""
        state = self._tab.context.state
        if not (state.alert_sound or state.alert_notification or state.alert_webhook):
            raise InputError("Nothing is switched on.", hint="Choose a sound, a notification or a webhook first.")
        self._tab.context.alert("This is how colabpanel alerts you.")


def _switch(description: str) -> ipywidgets.Checkbox:
    return styled(ipywidgets.Checkbox(description=description, indent=False, value=False), "cp-check")


def _seconds(value: float) -> str:
    return f"{value:g}"
