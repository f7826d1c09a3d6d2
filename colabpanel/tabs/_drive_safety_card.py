"""The card that tells whether files have reached Drive, and waits for it."""

from __future__ import annotations

from pathlib import Path

from colabpanel.errors import InputError
from colabpanel.services.drive.safety import DriveSafety, drive_safety, safety_summary, wait_until_safe
from colabpanel.services.saves import saves
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, sendable
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["DriveSafetyCard"]

_MOST_NAMED = 200


class DriveSafetyCard:
    """Looks at one path, or at all that was saved in this session.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        host = tab.context.host
        self.path = PathPicker("Look at", tab.browse, root=host.root, placeholder="Empty: all saved in this session")
        tab.start_on_drive(self.path)
        self.check_button = button("Has it arrived?", tooltip="Ask Drive what it has uploaded", icon="cloud")
        self.wait_button = button("Wait until it has", tooltip="Wait until Drive has uploaded all of it", kind="quiet")
        self.code = CodeView()
        self.jobs = tab.job_view(self.check_button, self.wait_button, *tab.for_coders(self.code))
        tab.on_click(self.check_button, self.check)
        tab.on_click(self.wait_button, self.wait)
        self.path.observe(lambda _: self._show_code(), names="path")
        self._show_code()
        self.widget = card(
            "Is it safe?",
            self.path,
            self.jobs,
            lead="Drive uploads after a file is written. Before that, a runtime that goes away takes it along.",
        )

    def _show_code(self) -> None:
        path = self.path.path or "/content/drive/MyDrive/run"
        self.code.show(["import colabpanel", "", f"colabpanel.wait_until_safe({path!r})"])

    @property
    def paths(self) -> list[str | Path]:
        """What is to be looked at.

        Raises:
            InputError: Nothing was chosen, and nothing was saved.
        """
        if self.path.path:
            return [self._tab.absolute(self.path.path)]
        saved: list[str | Path] = [save.path for save in saves()]
        if not saved:
            raise InputError("Nothing was saved in this session.", hint="Choose a file or folder to look at.")
        return saved

    def check(self) -> None:
        """Tell where the files are."""
        paths, host = self.paths, self._tab.context.host
        self._tab.start_job(self.jobs, _told, lambda progress: drive_safety(paths, host=host, progress=progress))

    def wait(self) -> None:
        """Wait until they have arrived."""
        paths, host = self.paths, self._tab.context.host
        self._tab.start_job(self.jobs, _told, lambda progress: wait_until_safe(paths, host=host, progress=progress))


def _told(found: DriveSafety) -> Message:
    rows = [f"{file.path}: {file.where}" for file in found.files if file.where != "safe"]
    rows += [f"{member}: {reason}" for member, reason in found.skipped]
    kind = "ok" if found.status == "ok" else "warning"
    text = "\n".join(map(sendable, rows[:_MOST_NAMED]))
    return Message(kind, safety_summary(found), "", text, "Which are not on Drive")
