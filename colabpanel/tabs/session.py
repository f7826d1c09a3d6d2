"""The Session tab: how long it lasts, keeping it alive, finishing it, and what it runs on."""

from __future__ import annotations

import ipywidgets

from colabpanel import words
from colabpanel.services.session.environment import Environment, Finding, environment
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._clock_card import ClockCard
from colabpanel.tabs._finish_card import FinishCard
from colabpanel.tabs._keep_alive_card import ConsoleCard, KeepAliveCard
from colabpanel.widgets.basics import button, copy_button, escape, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable

__all__ = ["SessionTab"]

_STATES = {"ok": Cell("fine", "ok"), "warning": Cell("look at it", "warning"), "error": Cell("wrong", "error")}


class SessionTab(Tab):
    """Tells of the session, and looks at the machine when it is first opened, and again on a click."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards that make sense on this host."""
        host = self.context.host
        self.clock = ClockCard(self)
        cards = [self.clock.widget]
        if host.keep_alive == "heartbeat":
            self.keep_alive = KeepAliveCard(self)
            cards.append(self.keep_alive.widget)
        elif host.keep_alive == "console":
            self.console = ConsoleCard(self)
            cards.append(self.console.widget)
        if host.releases_runtime and not host.is_served:
            self.finish = FinishCard(self)
            cards.append(self.finish.widget)
        return [*cards, self._environment_card()]

    def _environment_card(self) -> ipywidgets.VBox:
        self.look_button = button("Look again", tooltip="Look at the machine again", icon="sync", kind="primary")
        self.facts = ipywidgets.HTML('<p class="cp-note" role="status">Looking.</p>')
        self.findings = DataTable(
            "What was looked at",
            [Column("What was found"), Column("State"), Column("What to do")],
            empty="Nothing was looked at yet. Press Look again.",
        )
        self.report = ipywidgets.HTML()
        self.on_click(self.look_button, self.look)
        self.look()
        return card(
            "Environment",
            self.facts,
            self.findings,
            styled(ipywidgets.HBox([self.look_button, self.report]), "cp-row"),
            lead="What to put into a report of a problem: no names of users, machines or folders are in it.",
        )

    def look(self) -> None:
        """Look at the machine in the background: a driver or Drive may be slow to answer."""
        host = self.context.host
        self.run_then("environment", lambda _: environment(host=host), self._show, self._fail)

    def _show(self, found: Environment) -> None:
        problems = (
            words.plural(len(found.problems), "thing") + " to look at" if found.problems else "all as it should be"
        )
        self.facts.value = (
            f'<p class="cp-note" role="status">{escape(f"{found.host}, {found.system}: {problems}.")}</p>'
        )
        ranked = sorted(found.findings, key=lambda one: ("error", "warning", "ok").index(one.status))
        self.findings.show([_row(one) for one in ranked])
        self.report.value = copy_button("Copy report", found.report())

    def _fail(self, error: BaseException) -> None:
        self.facts.value = ""
        self.notice.show(error_message(error))


def _row(finding: Finding) -> list[str | Cell]:
    return [finding.sentence, _STATES[finding.status], finding.hint]
