"""The card that keeps an idle session alive: by a heartbeat of the page, or on Colab by what its user pastes."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.session.keeping_alive import (
    OFFICIAL_WAYS,
    ConsoleSnippet,
    KeepAlive,
    checked_minutes,
    console_snippets,
)
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, copy_button, escape, styled
from colabpanel.widgets.keep_alive import KeepAliveView
from colabpanel.widgets.messages import CodeView

__all__ = ["ConsoleCard", "KeepAliveCard", "connected_view", "console_help"]

_USUAL = "120"

_CAUTION = (
    "No output of a notebook reaches Colab's page, so only you can do this. Colab keeps its machines for people at "
    "work; holding an idle one may count as abuse, and Colab may end the session or limit the account. Use it only "
    "while something of yours runs, and prefer what Colab offers itself."
)
_HOW = "Open the console of this page (F12, then Console), read what you paste, paste it, and press Enter."


def connected_view(keep_alive: KeepAlive, *, interval: float = 60.0) -> KeepAliveView:
    """Return the page's part of a heartbeat, which starts and stops with it."""
    view = KeepAliveView(keep_alive.beat, keep_alive.stop, interval=interval)
    keep_alive.changed = lambda: view.show(keep_alive.status().seconds_left or 0.0)
    return view


class KeepAliveCard:
    """Starts a heartbeat of this page that lasts until a deadline.

    Args:
        tab: The tab it belongs to.
        interval: Seconds between two heartbeats.
    """

    def __init__(self, tab: Tab, *, interval: float = 60.0) -> None:
        self.keep_alive = KeepAlive()
        self.view = connected_view(self.keep_alive, interval=interval)
        self.minutes = _minutes_field()
        self.start_button = button("Keep alive", tooltip="Let this page send a heartbeat", icon="heart", kind="primary")
        self.code = CodeView()
        tab.on_click(self.start_button, self.start)
        self.minutes.observe(self._say_code, names="value")
        self._say_code()
        self.widget = card(
            "Keep alive",
            self.minutes,
            styled(ipywidgets.HBox([self.start_button]), "cp-row"),
            self.view,
            *tab.for_coders(self.code),
            lead="Servers may end a kernel that is idle. One message a minute from this page is activity to them, also "
            "while the page is hidden. It ends by itself after these minutes, or when the page is closed or the "
            "computer sleeps.",
        )

    def start(self) -> None:
        """Let it beat for the minutes in the field, from now."""
        self.keep_alive.start(checked_minutes(self.minutes.value))

    def _say_code(self, _: object = None) -> None:
        self.code.show(["import colabpanel", f"colabpanel.keep_alive({_code_for(self.minutes.value)})"])


class ConsoleCard:
    """Offers what can be pasted into the console of Colab's page, and what Colab offers itself.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self.minutes = _minutes_field()
        self.help = ipywidgets.HTML()
        self.minutes.observe(self._show, names="value")
        self._show()
        self.widget = card("Keep alive", self.minutes, self.help, lead=_CAUTION)

    def _show(self, _: object = None) -> None:
        try:
            self.help.value = console_help(checked_minutes(self.minutes.value))
        except InputError as error:
            self.help.value = f'<p class="cp-note" role="status">{escape(f"{error.message} {error.hint}")}</p>'


def console_help(minutes: float) -> str:
    """Return what can be pasted into the console of Colab's page, as HTML.

    Raises:
        InputError: It is no number of minutes that can be meant.
    """
    snippets = "".join(_snippet(one) for one in console_snippets(minutes))
    ways = "".join(
        f'<li><a href="{escape(way.url)}" target="_blank" rel="noopener">{escape(way.title)}</a></li>'
        for way in OFFICIAL_WAYS
    )
    return f'<p>{escape(_HOW)}</p>{snippets}<p class="cp-lead">What Colab offers itself:</p><ul>{ways}</ul>'


def _snippet(snippet: ConsoleSnippet) -> str:
    return (
        f"<p><b>{escape(snippet.title)}.</b> {escape(snippet.seen)}</p>{copy_button('Copy', snippet.code)}"
        f'<details><summary>Show code</summary><pre tabindex="0">{escape(snippet.code)}</pre></details>'
    )


def _minutes_field() -> ipywidgets.Text:
    field = styled(ipywidgets.Text(description="Minutes", value=_USUAL), "cp-field")
    field.placeholder = "1,440 at most"
    return field


def _code_for(minutes: str) -> str:
    try:
        return f"{checked_minutes(minutes):g}"
    except InputError:
        return _USUAL
