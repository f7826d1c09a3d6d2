"""The card that copies a file or a folder, as results back to Drive: once, or again and again."""

from __future__ import annotations

import contextlib
import time

import ipywidgets

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.progress import Progress
from colabpanel.services.copying.models import CopiedData
from colabpanel.services.copying.service import copy, copy_summary, mirror
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._staging_words import skipped_list
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["CopyCard"]


class CopyCard:
    """What to copy, where to, how often, and the button that does it.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        root = tab.context.host.root
        self.source = PathPicker("Copy from", tab.browse, root=root, placeholder="A file, or a folder of results")
        self.target = PathPicker(
            "Copy to", tab.browse, folders_only=True, root=root, placeholder="A folder, on Drive for instance"
        )
        self.source.start_folder = str(tab.context.host.workspace)
        self.every = styled(
            ipywidgets.Text(description="Repeat", placeholder="Every so many minutes; empty: once"), "cp-field"
        )
        self.button = button("Copy", tooltip="Copy what is new or changed, and verify it", icon="copy", kind="primary")
        self.code = CodeView()
        self.jobs = tab.job_view(self.button)
        tab.on_click(self.button, self.copy)
        for field, trait in ((self.source, "path"), (self.target, "path"), (self.every, "value")):
            field.observe(self._changed, names=trait)
        tab.start_on_drive(self.target)
        self._show_code()
        self.widget = card(
            "Copy results to a safe place",
            self.source,
            self.target,
            self.every,
            self.jobs,
            *tab.for_coders(self.code),
        )

    @property
    def minutes(self) -> float | None:
        """The minutes from one round to the next, or None for a single one.

        Raises:
            InputError: The field holds no number.
        """
        text = self.every.value.strip()
        if not text:
            return None
        with contextlib.suppress(ValueError):
            if 0 < float(text) < 1e5:  # noqa: PLR2004 - two months
                return float(text)
        raise InputError("Repeat takes a number of minutes.", hint="Write 10 to copy every ten minutes.")

    def _changed(self, _: object) -> None:
        self.jobs.message.clear()
        self._show_code()

    def _show_code(self) -> None:
        target = f"{(self.target.path or '/content/drive/MyDrive/results').rstrip('/')}/"
        arguments = f"{self.source.path or 'results'!r}, {target!r}"
        call = f"colabpanel.copy({arguments})"
        with contextlib.suppress(InputError):
            if self.minutes is not None:
                call = f"colabpanel.mirror({arguments}, minutes={self.minutes:g})"
        self.code.show(["import colabpanel", "", call])

    def copy(self) -> None:
        """Copy what the form says."""
        if not self.source.path:
            raise InputError(
                "Nothing to copy is chosen.", hint="Type or paste a path under Copy from, or browse to it."
            )
        if not self.target.path:
            raise InputError("No target is chosen.", hint="Type a folder under Copy to, or browse to it.")
        source, target = self._tab.absolute(self.source.path), f"{self._tab.absolute(self.target.path)}/"
        minutes, root = self.minutes, self._tab.context.host.root

        def work(progress: Progress) -> CopiedData:
            if minutes is None:
                return copy(source, target, root=root, progress=progress)
            return mirror(source, target, minutes=minutes, root=root, on_round=self._round, progress=progress)

        self._tab.start_job(self.jobs, _copied, work)

    def _round(self, outcome: CopiedData | ColabPanelError) -> None:
        """Show what became of a round while the next is waited for."""
        if isinstance(outcome, ColabPanelError):
            message = Message("warning", f"{time.strftime('%H:%M')}: {outcome.message}", outcome.hint)
        else:
            message = _copied(outcome)
        with self._tab.context.refresher.lock:
            self.jobs.message.show(message)


def _copied(copied: CopiedData) -> Message:
    if copied.status == "ok":
        return Message("ok", copy_summary(copied))
    return Message("warning", copy_summary(copied), "", skipped_list(copied.skipped), "Which, and why")
