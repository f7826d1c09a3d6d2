"""The Data staging tab: an archive on Drive or disk becomes a folder of files."""

from __future__ import annotations

from pathlib import PurePath

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.paths import enter_folder
from colabpanel.services.sources.addresses import is_address, name_of, shown_address
from colabpanel.services.staging.history import History, HistoryEntry, stage_and_record, summary
from colabpanel.services.staging.models import Plan, StagedData
from colabpanel.services.staging.service import plan
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._copy_card import CopyCard
from colabpanel.tabs._pack_card import PackCard
from colabpanel.tabs._recent_card import RecentCard
from colabpanel.tabs._staging_options import StagingOptions
from colabpanel.tabs._staging_words import code_for, plan_facts, skipped_list
from colabpanel.widgets.basics import button, sendable
from colabpanel.widgets.messages import CodeView, Message, MessageView
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["StagingTab"]

_SETTLED_AFTER = 2  # looks of the refresher, four a second
_SOURCE_HINT = "An archive on Drive or on disk, or an address: https://..., s3://..., name:path"
_TARGET_HINT = "A folder on fast local disk"
_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".jar", ".7z")


class StagingTab(Tab):
    """Chooses, plans, stages, and lists what was staged."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards: the form with its plan, the recent stagings, and the way back."""
        self._history = History(self.context.host.state_dir)
        self._planned = self._settling = 0
        self._addresses: dict[str, str] = {}
        self._suggested = self._ended_in = ""
        form = self._form()
        self.recent = RecentCard(
            self, self._history, is_busy=lambda: self.jobs.busy, stage=self._resume, suggest=self._suggest
        )
        self.packing, self.copying = PackCard(self), CopyCard(self)
        self._watch()
        self._show_code()
        self.recent.refresh()
        self.context.state.take("for_staging", lambda path: setattr(self.source, "path", path))
        return [form, self.recent.widget, self.packing.widget, self.copying.widget]

    def _form(self) -> ipywidgets.Widget:
        root = self.context.host.root
        self.source = PathPicker("From", self.browse, root=root, placeholder=_SOURCE_HINT)
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

    def _watch(self) -> None:
        self.on_change(self.source, self._source_chosen, trait="path")
        self.on_change(self.target, self._changed, trait="path")
        self.options.on_change(self._changed)
        self.start_on_drive(self.source)

    @property
    def directory(self) -> str:
        """The target: what stands in the field, or what it suggests while it is empty."""
        return self.target.path or self._suggested

    def _source_chosen(self) -> None:
        """Suggest a target named like the archive, as a placeholder: text being typed is never overwritten."""
        name = name_of(self.source.path)
        ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), PurePath(name).suffix)
        stem = name[: len(name) - len(ending)]
        self._suggested = str(self.context.host.workspace / stem) if stem else ""
        self.target.text.placeholder = sendable(self._suggested) or _TARGET_HINT
        self._changed()

    def _changed(self) -> None:
        """Forget what was said of the form as it was, and plan anew once the user has stopped typing."""
        self._planned += 1
        self._settling, self._ended_in = 0, ""
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
        if self._settling and not self.jobs.busy:
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
        source, directory = self._whole(self.source.path), self.directory
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
                source,
                directory,
                password=password,
                root=self.context.host.root,
                host=self.context.host,
                progress=progress,
                **chosen,
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
            raise InputError(
                "No archive is chosen.", hint="Type or paste its path or address under From, or browse to it."
            )
        if not self.directory:
            raise InputError("No target folder is chosen.", hint="Type a path under To, or browse to it.")
        source = self._whole(self.source.path)
        if is_address(source):
            self._addresses[shown_address(source)] = source
        else:
            source = self.absolute(source)
        self._start(source, self.absolute(self.directory), self.options.chosen())

    def _start(self, source: str, directory: str, options: dict[str, object]) -> None:
        self.plan_message.clear()
        self._settling = 0
        self._planned += 1  # the plan that is being made is of no use any more
        job = self.start_job(
            self.jobs,
            self._staged,
            stage_and_record,
            self._history,
            source,
            directory,
            password=self.options.password,
            root=self.context.host.root,
            host=self.context.host,
            **options,
        )
        job.add_done_callback(lambda _: self.recent.refresh())

    def _resume(self, entry: HistoryEntry) -> None:
        self._start(self._whole(entry.source), entry.directory, dict(entry.options))

    def _whole(self, source: str) -> str:
        """Return an address with what the list of stagings keeps nothing of, as far as it was typed here."""
        return self._addresses.get(source, source)

    def _staged(self, staged: StagedData) -> Message:
        self._ended_in = str(staged.directory)
        self.plan_view.value = ""
        hint = "" if self.context.host.is_served else "Press Work here to make it the working folder."
        if staged.status == "ok":
            return Message("ok", summary(staged), hint)
        return Message("warning", summary(staged), hint, skipped_list(staged.skipped), "Which, and why")

    def work_here(self) -> None:
        """Make the target the working folder, as ``os.chdir`` does."""
        if not (self._ended_in or self.directory):
            raise InputError("No target folder is chosen.", hint="Stage data first, or type a folder under To.")
        path = self._ended_in or self.absolute(self.directory)
        self.in_background(
            "work-here",
            lambda _: enter_folder(path),
            lambda folder: self.notice.show(Message("ok", f"The notebook now works in {folder}.")),
        )

    def _suggest(self, entries: list[HistoryEntry]) -> None:
        self.source.suggest([entry.source for entry in entries])
        self.target.suggest([entry.directory for entry in entries])
