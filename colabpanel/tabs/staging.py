"""The Data staging tab: an archive on Drive or disk becomes a folder of files."""

from __future__ import annotations

import os
from pathlib import Path

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.paths import enter_folder
from colabpanel.services.staging import (
    History,
    HistoryEntry,
    Plan,
    StagedData,
    discard,
    plan,
    stage_and_record,
    summary,
)
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._pack_card import PackCard
from colabpanel.tabs._staging_options import StagingOptions
from colabpanel.tabs._staging_words import code_for, plan_facts, recent_row, skipped_list
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.data_table import Column, DataTable
from colabpanel.widgets.messages import CodeView, Message, MessageView
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["StagingTab"]

_LOOK_AT_OTHERS = 5.0  # seconds: stagings of other pages and of the command line
_SETTLED_AFTER = 2  # looks of the refresher, four a second
_TARGET_HINT = "A folder on fast local disk"
_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".jar", ".7z")


class StagingTab(Tab):
    """Chooses, plans, stages, and lists what was staged."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards: the form with its plan, and the recent stagings."""
        self._history = History(self.context.host.state_dir)
        self._planned = self._settling = 0
        self._some_running = False
        self._suggested = ""
        self._resumable: dict[str, HistoryEntry] = {}
        self.packing = PackCard(self)
        cards = [self._form(), self._recent(), self.packing.widget]
        self._watch()
        self.context.refresher.every(_LOOK_AT_OTHERS, self._refresh_running)
        self._show_code()
        self.refresh_recent()
        return cards

    def _form(self) -> ipywidgets.Widget:
        root = self.context.host.root
        self.source = PathPicker("From", self.browse, root=root, placeholder="An archive on Drive or on disk")
        self.target = PathPicker("To", self.browse, folders_only=True, root=root, placeholder=_TARGET_HINT)
        self.target.start_folder = str(self.context.host.workspace)
        self.options = StagingOptions()
        self.plan_view = ipywidgets.HTML()
        self.plan_message = MessageView()
        self.code = CodeView()
        self.stage_button = button(
            "Stage data", tooltip="Unpack the archive into the folder", icon="play", kind="primary"
        )
        self.work_button = button(
            "Work here", tooltip="Make the target the working folder of the notebook", icon="terminal"
        )
        self.jobs = self.job_view(self.stage_button, *self.for_coders(self.work_button))
        self.on_click(self.stage_button, self.stage)
        self.on_click(self.work_button, self.work_here)
        return card(
            "Copy and unpack an archive",
            self.source,
            self.target,
            self.options,
            self.plan_view,
            self.plan_message,
            self.jobs,
            *self.for_coders(self.code),
        )

    def _recent(self) -> ipywidgets.Widget:
        columns = [
            Column("Archive"),
            Column("Into"),
            Column("Files", is_number=True),
            Column("Size", is_number=True),
            Column("When"),
            Column("State"),
        ]
        self.recent = DataTable(
            "Recent stagings", columns, empty="Nothing staged yet. Choose an archive above and press Stage data."
        )
        self.unfinished = styled(ipywidgets.Dropdown(description="Unfinished"), "cp-field")
        self.resume_button = button("Resume", tooltip="Go on where it stopped", icon="play")
        self.discard_button = button("Discard", tooltip="Delete what was unpacked so far", icon="trash", kind="danger")
        self.unfinished_row = styled(
            ipywidgets.HBox([self.unfinished, self.resume_button, self.discard_button]), "cp-row"
        )
        self.clear_button = button("Clear the list", tooltip="Forget the stagings that have ended", kind="quiet")
        self.on_click(self.clear_button, self.clear_recent)
        self.on_click(self.resume_button, self.resume)
        self.on_click(self.discard_button, self.discard)
        return card("Recent", self.unfinished_row, self.recent, styled(ipywidgets.HBox([self.clear_button]), "cp-row"))

    def _watch(self) -> None:
        self.source.observe(self._source_chosen, names="path")
        self.target.observe(self._changed, names="path")
        self.options.on_change(lambda: self._changed(None))
        self.context.state.observe(self._drive_moved, names="drive_root")
        self._drive_moved(None)

    def _drive_moved(self, _: object) -> None:
        self.source.start_folder = self.context.state.drive_root or str(self.context.host.workspace)

    @property
    def directory(self) -> str:
        """The target: what stands in the field, or what it suggests while it is empty."""
        return self.target.path or self._suggested

    def _source_chosen(self, _: object) -> None:
        """Suggest a target named like the archive, as a placeholder: text being typed is never overwritten."""
        name = Path(self.source.path).name
        ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), Path(name).suffix)
        stem = name[: len(name) - len(ending)]
        self._suggested = str(self.context.host.workspace / stem) if stem else ""
        self.target.text.placeholder = sendable(self._suggested) or _TARGET_HINT
        self._changed(None)

    def _changed(self, _: object) -> None:
        """Forget what was said of the form as it was, and plan anew once the user has stopped typing."""
        self._planned += 1
        self._settling = 0
        self.plan_view.value = ""
        for message in (self.plan_message, self.notice, self.jobs.message):
            message.clear()
        try:
            self._show_code()
        except InputError as error:
            self.plan_message.show(error_message(error))
        else:
            self._settling = _SETTLED_AFTER

    def update(self) -> None:
        """Bring running jobs up to date, and plan when it is time."""
        super().update()
        if self._settling:
            self._settling -= 1
            if not self._settling:
                self._plan()

    def _show_code(self) -> None:
        self.code.show(
            code_for(self.source.path, self.directory, self.options.chosen(), has_password=bool(self.options.password))
        )

    def _plan(self) -> None:
        """Plan in the background; a plan that was overtaken by a later change is dropped."""
        turn = self._planned
        source, directory = self.source.path, self.directory
        if not (source and directory):
            return
        chosen, password = self.options.chosen(), self.options.password

        def show(found: Plan) -> None:
            if turn == self._planned and not self.jobs.busy:
                self._show_plan(found)

        def fail(error: BaseException) -> None:
            if turn == self._planned and not self.jobs.busy:
                self.plan_message.show(error_message(error))

        self.run_then(
            "plan",
            lambda progress: plan(
                source, directory, password=password, root=self.context.host.root, progress=progress, **chosen
            ),
            show,
            fail,
        )

    def _show_plan(self, found: Plan) -> None:
        self.plan_view.value = plan_facts(found)
        if found.problem:
            self.plan_message.show(Message("warning", found.problem, found.hint))
        elif found.skipped:
            count = len(found.skipped)
            sentence = "1 member would be skipped." if count == 1 else f"{count:,} members would be skipped."
            self.plan_message.show(
                Message("warning", sentence, details=skipped_list(found.skipped), details_title="Which, and why")
            )

    def stage(self) -> None:
        """Stage what the form says."""
        if not self.source.path:
            raise InputError("No archive is chosen.", hint="Type or paste its path under From, or browse to it.")
        if not self.directory:
            raise InputError("No target folder is chosen.", hint="Type a path under To, or browse to it.")
        self._start(self._absolute(self.source.path), self._absolute(self.directory), self.options.chosen())

    def _absolute(self, path: str) -> str:
        """Return a path that means the same in the list of recent stagings, whatever root is served then."""
        return os.path.normpath(Path(self.context.host.root or "").absolute() / Path(path).expanduser())

    def _start(self, source: str, directory: str, options: dict[str, object]) -> None:
        self.plan_message.clear()
        self._settling = 0
        job = self.start_job(
            self.jobs,
            self._staged,
            stage_and_record,
            self._history,
            source,
            directory,
            password=self.options.password,
            root=self.context.host.root,
            **options,
        )
        job.add_done_callback(lambda _: self.refresh_recent())

    def _staged(self, staged: StagedData) -> Message:
        self.plan_view.value = ""
        hint = "" if self.context.host.is_served else "Press Work here to make it the working folder."
        if staged.status == "ok":
            return Message("ok", summary(staged), hint)
        return Message("warning", summary(staged), hint, skipped_list(staged.skipped), "Which, and why")

    def work_here(self) -> None:
        """Make the target the working folder, as ``os.chdir`` does."""
        path = self.directory
        if not path:
            raise InputError("No target folder is chosen.", hint="Stage data first, or type a folder under To.")
        self.in_background(
            "work-here",
            lambda _: enter_folder(path),
            lambda folder: self.notice.show(Message("ok", f"The notebook now works in {folder}.")),
        )

    def refresh_recent(self) -> None:
        """Read the list of recent stagings again."""
        self.in_background("recent", lambda _: self._history.entries(), self._show_recent)

    def clear_recent(self) -> None:
        """Forget the stagings that have ended; the files stay where they are."""
        self.in_background("clear", lambda _: self._history.clear(), lambda _: self.refresh_recent())

    def _refresh_running(self) -> None:
        if self._some_running and not self.jobs.busy:
            self.refresh_recent()

    def _belongs_here(self, entry: HistoryEntry) -> bool:
        root = self.context.host.root
        return root is None or all(Path(path).is_relative_to(root) for path in (entry.source, entry.directory))

    def _show_recent(self, entries: list[HistoryEntry]) -> None:
        entries = [entry for entry in entries if self._belongs_here(entry)]
        self._some_running = any(entry.status == "running" for entry in entries)
        self.recent.show([recent_row(entry) for entry in entries])
        self.clear_button.layout.display = None if entries else "none"
        self.source.suggest([entry.source for entry in entries])
        self.target.suggest([entry.directory for entry in entries])
        self._resumable = {entry.key: entry for entry in entries if entry.resumable}
        titles = [
            (sendable(f"{Path(entry.source).name} into {entry.directory}"), key)
            for key, entry in self._resumable.items()
        ]
        self.unfinished.options = titles
        self.unfinished.value = titles[0][1] if titles else None
        self.unfinished_row.layout.display = None if titles else "none"

    def resume(self) -> None:
        """Go on with the chosen unfinished staging."""
        entry = self._unfinished_entry()
        self._start(entry.source, entry.directory, dict(entry.options))

    def _unfinished_entry(self) -> HistoryEntry:
        entry = self._resumable.get(self.unfinished.value)
        if entry is None:
            raise InputError("No unfinished staging is chosen.")
        return entry

    def discard(self) -> None:
        """Delete what the chosen unfinished staging left, and forget it."""
        entry = self._unfinished_entry()
        if self.jobs.busy:
            raise InputError("A staging is running.", hint="Wait until it ends, or cancel it.")

        def work(_: object) -> str:
            discard(entry.directory, root=self.context.host.root)
            self._history.forget(entry.key)
            return entry.directory

        def done(directory: str) -> None:
            self.refresh_recent()
            self.notice.show(
                Message("ok", f"Discarded what was unpacked for {directory}; the folder itself is as it was.")
            )

        self.in_background("discard", work, done)
