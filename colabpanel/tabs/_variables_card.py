"""The card of what holds memory: look, find out who refers to it, release."""

from __future__ import annotations

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.memory.panel_calls import release_from_panel
from colabpanel.services.memory.referrers import referrers
from colabpanel.services.memory.referring.search import Referrer
from colabpanel.services.memory.releasing.models import Released
from colabpanel.services.memory.variables import Variable, variables
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, escape, offer, sendable, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["VariablesCard"]

_MOST = 1_000  # variables to choose from


class VariablesCard:
    """The variables by size, what keeps them, and what can be released.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        columns = [
            Column("Name"),
            Column("Type"),
            Column("Shape"),
            Column("Size", is_number=True),
            Column("On a device", is_number=True),
            Column("Shares memory with"),
        ]
        self.table = DataTable(
            "What holds memory",
            columns,
            empty="Nothing yet. Run a cell that makes a variable, then Refresh.",
            is_sortable=True,
        )
        self.refresh_button = button("Refresh", tooltip="Look at the notebook's variables again", kind="quiet")
        self.who_button = button("Who refers to it", tooltip="Find out what keeps the chosen variable in memory")
        self.chosen = styled(ipywidgets.SelectMultiple(description="Variables", rows=6), "cp-field", "cp-list")
        self.held_by = ipywidgets.HTML()
        self._switches()
        self.release_button = button(
            "Release memory", tooltip="Remove what is chosen, and nothing else", icon="trash", kind="danger"
        )
        self.jobs = tab.job_view(self.release_button)
        self.code = CodeView()
        tab.on_click(self.refresh_button, self.refresh)
        tab.on_click(self.who_button, self.who)
        tab.on_click(self.release_button, self.release)
        self.chosen.observe(self._changed, names="value")
        self._changed(None)
        self.refresh()
        self.widget = card(
            "Variables",
            self.table,
            self.chosen,
            styled(ipywidgets.HBox([self.refresh_button, self.who_button]), "cp-row"),
            self.held_by,
            styled(ipywidgets.HBox(list(self.switches.values())), "cp-row"),
            self.jobs,
            self.code,
            lead="Sizes come from samples, so this is quick whatever there is. Nothing is removed without your choice.",
        )

    def _switches(self) -> None:
        told = {
            "history": "Forget outputs (Out, _)",
            "tracebacks": "Forget the last error",
            "figures": "Close figures",
            "caches": "Empty caches of frameworks",
        }
        self.switches = {
            name: styled(ipywidgets.Checkbox(description=text, indent=False, value=False), "cp-check")
            for name, text in told.items()
        }
        for switch in self.switches.values():
            switch.observe(self._changed, names="value")

    def refresh(self) -> None:
        """Look at the variables again."""
        host = self._tab.context.host
        self._tab.in_background("variables", lambda _: variables(host=host), self._show)

    def _show(self, found: list[Variable]) -> None:
        self.table.show([_row(one) for one in found])
        own = [one for one in found if one.kind == "variable"][:_MOST]
        offer(self.chosen, [(sendable(_title(one)), one.name) for one in own])

    def who(self) -> None:
        """Find out what refers to the one variable that is chosen."""
        names = list(self.chosen.value)
        if len(names) != 1:
            raise InputError("Choose one variable to find out what refers to it.", hint="Click on it in the list.")
        (name,), host = names, self._tab.context.host
        self._tab.in_background(
            "referrers", lambda _: referrers(name, host=host), lambda found: self._show_who(name, found)
        )

    def _show_who(self, name: str, found: list[Referrer]) -> None:
        if not found:
            said = f"<p>Only the variable itself refers to {escape(name)}: removing it frees the memory.</p>"
        else:
            lines = "".join(f"<li>{escape(one.words)}</li>" for one in found)
            said = f"<p>Beside the variable itself, this refers to {escape(name)}:</p><ul>{lines}</ul>"
        self.held_by.value = f'<div class="cp-note" role="status">{said}</div>'

    def _wished(self) -> dict[str, bool]:
        return {name: True for name, switch in self.switches.items() if switch.value}

    def _changed(self, _: object) -> None:
        arguments = [repr(list(self.chosen.value))] if self.chosen.value else []
        arguments += [f"{name}=True" for name in self._wished()]
        self.code.show(["import colabpanel", "", f"colabpanel.release({', '.join(arguments)})"])

    def release(self) -> None:
        """Release what is chosen; where nothing is, collect what is in no use."""
        self.held_by.value = ""
        self._tab.start_job(
            self.jobs,
            self._released,
            release_from_panel,
            self._tab.context.host,
            names=list(self.chosen.value),
            **self._wished(),
        )

    def _released(self, done: Released) -> Message:
        self.refresh()
        steps = "\n".join(
            step.sentence + ("" if not step.freed else f" ({words.size(step.freed)})") for step in done.steps
        )
        if done.still_held:
            held = [f"{one.name}: {'; '.join(who.words for who in one.referrers)}" for one in done.still_held]
            hint = f"Memory of {words.plural(len(held), 'variable')} is still in use, for something refers to it."
            details = "\n".join([steps, "", "Still referred to:", *held])
            return Message("warning", _sentence(done), hint, details, "What refers to it")
        return Message("ok", _sentence(done), "", steps, "What was done")


def _sentence(done: Released) -> str:
    gpu = f", and {words.size(done.gpu_freed)} of GPU memory" if done.gpu_freed else ""
    if done.freed is None:
        return f"Released; how much was freed cannot be told{gpu}."
    if not done.freed:
        return f"Nothing was freed{gpu}." if not gpu else f"Freed {words.size(done.gpu_freed or 0)} of GPU memory."
    return f"Freed {words.size(done.freed)}{gpu}."


def _row(one: Variable) -> list[str | Cell]:
    size = ("at least " if one.at_least else "") + words.size(one.size)
    device: str | Cell = ""
    if one.device_size:
        device = Cell(f"{words.size(one.device_size)} ({one.device})", number=one.device_size)
    shares = ", ".join(one.shares[:3]) + (", ..." if len(one.shares) > 3 else "")  # noqa: PLR2004 - what a cell holds
    kind = Cell(one.type.rpartition(".")[2], full=one.type)
    return [one.name, kind, one.shape, Cell(size, number=one.size), device, shares]


def _title(one: Variable) -> str:
    parts = [one.name, one.type.rpartition(".")[2], one.shape, words.size(one.size + one.device_size)]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)
