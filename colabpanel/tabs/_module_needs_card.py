"""The card that tells what a project needs, and installs it without changing what is there."""

from __future__ import annotations

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.modules.installing import Installation, install_requirements, plan_installation
from colabpanel.services.modules.requirements import Needed, check_requirements
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["ModuleNeedsCard"]

_TONES = {"installed": "ok", "missing": "error", "other version": "warning", "not looked at": "warning"}


class ModuleNeedsCard:
    """Reads requirements or imports, asks pip, and installs.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        host = tab.context.host
        placeholder = "requirements.txt, pyproject.toml, a .py file, a notebook, or a folder"
        self.path = PathPicker("Look at", tab.browse, root=host.root, placeholder=placeholder)
        self.path.start_folder = str(host.workspace)
        self.table = DataTable(
            "Needed", [Column("Needed"), Column("Installed"), Column("State")], empty="", is_sortable=True
        )
        self.check_button = button("Check", tooltip="Compare it with what is installed", icon="search", kind="primary")
        self.plan_button = button("What would change?", tooltip="Ask pip; nothing is installed", kind="quiet")
        self.install_button = button(
            "Install what is missing", tooltip="Without changing a version that is there", icon="download", kind="quiet"
        )
        self.code = CodeView()
        buttons = (self.check_button, self.plan_button, self.install_button)
        self.jobs = tab.job_view(*buttons, self.code)
        for made, call in zip(buttons, (self.check, self.plan, self.install), strict=True):
            tab.on_click(made, call)
        tab.on_change(self.path, self._changed, trait="path")
        self._changed()
        self.widget: ipywidgets.Widget = card(
            "Requirements", self.path, self.jobs, styled(ipywidgets.VBox([self.table]), "cp-part")
        )

    def _changed(self) -> None:
        """Forget what was said of another path."""
        self.jobs.message.clear()
        self.table.layout.display = "none"
        path = self.path.path or "requirements.txt"
        self.code.show(["import colabpanel", "", f"colabpanel.install_requirements({path!r})"])

    def _chosen(self) -> str:
        if not self.path.path:
            raise InputError("Nothing is chosen.", hint="Type or paste a path, or browse to one.")
        return self._tab.absolute(self.path.path)

    def check(self) -> None:
        """Compare it with what is installed."""
        path, host = self._chosen(), self._tab.context.host
        self._tab.start_job(
            self.jobs, self._checked, lambda progress: check_requirements(path, host=host, progress=progress)
        )

    def plan(self) -> None:
        """Ask pip what installing would bring."""
        path, host = self._chosen(), self._tab.context.host
        self._tab.start_job(self.jobs, _planned, lambda progress: plan_installation(path, host=host, progress=progress))

    def install(self) -> None:
        """Install what is missing."""
        path, host = self._chosen(), self._tab.context.host
        self._tab.start_job(
            self.jobs, _installed, lambda progress: install_requirements(path, host=host, progress=progress)
        )

    def _checked(self, needed: tuple[Needed, ...]) -> Message:
        rows: list[list[str | Cell]] = [
            [
                one.requirement + (" (a guess from the import)" if one.guessed else ""),
                one.installed or "",
                Cell(one.state, _TONES[one.state]),
            ]
            for one in needed
        ]
        self.table.show(rows)
        self.table.layout.display = None if rows else "none"
        unmet = sum(one.state != "installed" for one in needed)
        if not unmet:
            return Message("ok", f"{words.plural(len(needed), 'requirement')}: all of them are met.")
        return Message("warning", f"{words.count(unmet)} of {words.plural(len(needed), 'requirement')} are not met.")


def _planned(plan: Installation) -> Message:
    rows = [f"{one.name} {one.before} would become {one.after}" for one in plan.changed]
    rows += [f"{one.name} {one.after} would be new" for one in plan.new]
    text = "\n".join(rows)
    if plan.changed:
        count = words.plural(len(plan.changed), "version")
        return Message("warning", f"Installing would change {count} that are installed here.", "", text, "Which")
    if not plan.new:
        return Message("ok", "Nothing is missing.")
    return Message("ok", f"Installing brings {words.plural(len(plan.new), 'distribution')}.", "", text, "Which")


def _installed(done: Installation) -> Message:
    if not done.new:
        return Message("ok", "Nothing was missing, and nothing was installed.")
    names = ", ".join(f"{one.name} {one.after}" for one in done.new[:5])
    return Message("ok", f"Installed {names}.", "What is loaded already stays until the kernel is restarted.")
