"""The card of the guard: at which share of the memory it warns, interrupts the cell, and saves variables."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.memory.guarding.models import GuardEvent, GuardStatus
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["GuardCard"]

_KINDS = {
    "warning": Cell("warned", "warning"),
    "interrupted": Cell("interrupted", "warning"),
    "snapshot": Cell("saved", "ok"),
    "failed": Cell("failed", "error"),
    "calm": Cell("calm", "ok"),
}
_EVERY = 1.0


class GuardCard:
    """Turns the guard on and off, and tells what it sees and has done.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._watch = tab, tab.context.watch
        self.warn, self.warn_at = _step("Warn", "85", on=True)
        self.interrupt, self.interrupt_at = _step("Interrupt the cell", "92")
        self.save = _switch("Then save variables into")
        self.folder = PathPicker("Save into", tab.browse, folders_only=True, root=tab.context.host.root)
        tab.start_on_drive(self.folder)
        self.folder.text.placeholder = "A folder: all variables are saved in it"
        self.names = styled(
            ipywidgets.Text(
                description="Names", placeholder="Of the variables to save, with commas between; empty: all"
            ),
            "cp-field",
        )
        self.ahead = styled(
            ipywidgets.Text(description="Ahead", placeholder="Act so many seconds before memory will be full, too"),
            "cp-field",
        )
        self.on_button = button("Turn on", tooltip="Watch memory from now on", icon="shield", kind="primary")
        self.off_button = button("Turn off", tooltip="Watch no more", kind="quiet")
        self.state = ipywidgets.HTML()
        self.events = DataTable(
            "What the guard did", [Column("When"), Column("What"), Column("")], empty="It has done nothing yet."
        )
        self.code = CodeView()
        tab.on_click(self.on_button, self.turn_on)
        tab.on_click(self.off_button, self.turn_off)
        for field in (self.warn, self.warn_at, self.interrupt, self.interrupt_at, self.save, self.names, self.ahead):
            field.observe(self._changed, names="value")
        self.folder.observe(self._changed, names="path")
        self._changed(None)
        self.update()
        tab.context.refresher.every(_EVERY, self._tick)
        self.widget = card(
            "Guard",
            styled(ipywidgets.HBox([self.warn, self.warn_at]), "cp-row"),
            styled(ipywidgets.HBox([self.interrupt, self.interrupt_at]), "cp-row"),
            self.save,
            self.folder,
            self.names,
            self.ahead,
            styled(ipywidgets.HBox([self.on_button, self.off_button]), "cp-row"),
            self.state,
            self.events,
            self.code,
            lead="The system ends a kernel that takes too much memory, and all variables with it. "
            "The guard acts before. Each step has its own switch.",
        )

    def _tick(self) -> None:
        if self._tab.context.present():
            self.update()

    def update(self) -> None:
        """Show what the guard sees."""
        guard = self._watch.guard
        status = guard.status() if guard is not None else None
        running = status is not None and status.running
        self.off_button.disabled = not running
        self.on_button.description = "Turn on anew" if running else "Turn on"
        sentence = _sentence(status) if status is not None and running else "The guard is off."
        self.state.value = f'<p class="cp-note" role="status">{escape(sentence)}</p>'
        if status is not None:
            self.events.show([_row(event) for event in reversed(status.events)])

    def turn_on(self) -> None:
        """Start the guard with what the form says."""
        options = self._options()
        self._tab.in_background("guard", lambda _: self._watch.turn_on(**options), lambda _: self.update())

    def turn_off(self) -> None:
        """Stop it; a snapshot that is being written is finished."""
        guard = self._watch.guard
        if guard is not None:  # not under the lock, for which it may be waiting to tell what it saw
            self._tab.in_background("guard", lambda _: guard.stop(), lambda _: self.update())

    def _options(self) -> dict[str, Any]:
        names = [name.strip() for name in self.names.value.split(",") if name.strip()]
        folder = self._tab.absolute(self.folder.path) if self.save.value and self.folder.path else None
        if self.save.value and folder is None:
            raise InputError("No folder for the variables is chosen.", hint="Choose one under Save into.")
        return {
            "warn": _share(self.warn_at.value, "Warn at") if self.warn.value else None,
            "interrupt": _share(self.interrupt_at.value, "Interrupt at") if self.interrupt.value else None,
            "snapshot": folder,
            "variables": names if names and folder else None,
            "seconds_left": _seconds(self.ahead.value),
        }

    def _changed(self, _: object) -> None:
        with contextlib.suppress(InputError):
            given = {name: value for name, value in self._options().items() if value is not None or name == "warn"}
            arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
            self.code.show(["import colabpanel", "", f"guard = colabpanel.guard_memory({arguments})"])


def _switch(description: str, *, on: bool = False) -> ipywidgets.Checkbox:
    return styled(ipywidgets.Checkbox(description=description, indent=False, value=on), "cp-check")


def _step(what: str, percent: str, *, on: bool = False) -> tuple[ipywidgets.Checkbox, ipywidgets.Text]:
    """Return the switch of a step, and the field of its percentage."""
    field = styled(ipywidgets.Text(description="at percent", value=percent), "cp-short")
    return _switch(what, on=on), field


def _share(text: str, what: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (percent := float(text.strip().rstrip("%"))) <= 100:  # noqa: PLR2004 - percent
            return round(percent / 100, 4)
    raise InputError(f"{what} takes a percentage of the memory.", hint="Write 85 for 85 percent.")


def _seconds(text: str) -> float | None:
    if not text.strip():
        return None
    with contextlib.suppress(ValueError):
        if float(text) > 0:
            return float(text)
    raise InputError("Ahead takes a number of seconds.", hint="Write 20, or leave it empty.")


def _sentence(status: GuardStatus) -> str:
    if status.fraction is None or status.used is None or status.total is None:
        return "The guard is on, and looks for the first time."
    left = "" if status.seconds_left is None else f", full in about {words.duration(status.seconds_left)} if it goes on"
    return f"The guard is on: {words.bytes_pair(status.used, status.total)} of memory ({status.fraction:.0%}){left}."


def _row(event: GuardEvent) -> list[str | Cell]:
    when = time.strftime("%H:%M:%S", time.localtime(event.time))
    return [when, Cell(f"{event.sentence} {event.hint}".strip()), _KINDS[event.kind]]
