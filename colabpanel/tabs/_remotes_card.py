"""The cards for files that lie elsewhere: which remotes there are, how they do, and files put on them."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.browsing.remote_place import RemotePlace
from colabpanel.services.remotes.addresses import DRIVE
from colabpanel.services.remotes.models import NamedRemote, PutFile, RemoteFolder, RemoteQuota
from colabpanel.services.remotes.permission import granted
from colabpanel.services.remotes.service import list_remote, put_remote, remote_quota, remotes
from colabpanel.services.remotes.summaries import put_summary, quota_summary
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._remotes_drive import RemotesDriveCard
from colabpanel.tabs._remotes_setup import RemotesSetupCard
from colabpanel.widgets.basics import button, offer, sendable, styled
from colabpanel.widgets.messages import CodeView, Message, MessageView
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["RemotesCard"]

_API = "Drive, by its API"
_NONE_YET = Message("info", "There is no remote yet.", "Press Add a remote: it explains each step.")
_NONE_SERVED = Message("info", "This dashboard may use no remote.", "Whoever serves it may name some.")


class RemotesCard:
    """Which remotes there are, and what can be done with each.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        browse: Called with a remote that its user wants to look through; None leaves that button out.

    Attributes:
        setup: The part that adds remotes, once it is asked for; never in the dashboard.
        drive: The part for Drive by its API, or None.
    """

    def __init__(self, tab: Tab, *, browse: Callable[[RemotePlace], object] | None = None) -> None:
        self._tab, self._browse, self._host = tab, browse, tab.context.host
        self._is_served = self._host.is_served
        self._has_api = self._host.google_token is not None and (not self._is_served or DRIVE in granted())
        self._known: list[NamedRemote] = []
        self._wanted = ""
        self.setup: RemotesSetupCard | None = None
        self.drive = RemotesDriveCard(tab) if self._has_api and not self._is_served else None
        self._make_choice()
        self._make_putting()
        cards = [self._remotes_card(), self._putting_card()]
        self.widget = ipywidgets.VBox([*cards, *([self.drive.widget] if self.drive else [])])
        self.refresh()

    def _make_choice(self) -> None:
        self.state = MessageView()
        self.remote = styled(ipywidgets.Dropdown(description="Remote", options=[]), "cp-field")
        self.refresh_button = button("Refresh", tooltip="Ask rclone again", icon="refresh", kind="quiet")
        self.check_button = button("Check remote", tooltip="Look whether it answers", icon="heartbeat", kind="primary")
        self.room_button = button("Room", tooltip="See how much is used, free and in the trash", icon="pie-chart")
        self.browse_button = button(
            "Look through", tooltip="Show its files in the list on the right", icon="folder-open"
        )
        self.browse_button.layout.display = None if self._browse else "none"
        self.add_button = button(
            "Add a remote", tooltip="Set up Dropbox, Drive, S3 and others", icon="plus", kind="quiet"
        )
        self.jobs = self._tab.job_view(
            self.check_button, self.room_button, self.browse_button, *self._tab.for_coders(self.add_button)
        )
        self._tab.on_click(self.refresh_button, self.refresh)
        self._tab.on_click(self.check_button, self.check)
        self._tab.on_click(self.room_button, self.ask_for_room)
        self._tab.on_click(self.browse_button, self.look_through)
        self._tab.on_click(self.add_button, self.add)

    def _make_putting(self) -> None:
        host = self._tab.context.host
        self.file = PathPicker("File", self._tab.browse, root=host.root, placeholder="An archive, a snapshot, any file")
        self.file.start_folder = str(host.workspace)
        self.goal = styled(
            ipywidgets.Text(description="To", placeholder="Such as box:backup/ or box:backup/set.zip"), "cp-field"
        )
        replacing = ipywidgets.Checkbox(description="Replace a file of that name", indent=False, value=False)
        self.overwrite = styled(replacing, "cp-check")
        self.put_button = button("Upload", tooltip="Copy the file there, and verify it", icon="upload", kind="primary")
        self.code = CodeView()
        self.putting = self._tab.job_view(self.put_button, *self._tab.for_coders(self.code))
        self._tab.on_click(self.put_button, self.put)
        self.file.observe(lambda _: self._show_code(), names="path")
        for field in (self.goal, self.overwrite):
            field.observe(lambda _: self._show_code(), names="value")
        self._show_code()

    def _remotes_card(self) -> ipywidgets.Widget:
        row = styled(ipywidgets.HBox([self.remote, self.refresh_button]), "cp-path")
        lead = (
            "Read and written through rclone, which takes Dropbox, Google Drive, OneDrive, S3, WebDAV, SFTP and others."
        )
        self.adding = ipywidgets.VBox([])
        return card("Remotes", row, self.state, self.jobs, self.adding, lead=lead)

    def _putting_card(self) -> ipywidgets.Widget:
        lead = "It gets its name there once its bytes are verified; what was there before stays until then."
        rule = [] if self._is_served else [self.overwrite]
        self.uploading = card("Upload a file", self.file, self.goal, *rule, self.putting, lead=lead)
        return self.uploading

    def refresh(self) -> None:
        """Ask which remotes there are."""
        host = self._host
        self._tab.run_then("remotes", lambda _: remotes(host=host), self._show, self._show_trouble)

    def _show(self, found: list[NamedRemote]) -> None:
        ours = [NamedRemote(DRIVE, _API)] if self._has_api else []
        wanted, self._wanted = self._wanted, ""
        self._known = [*ours, *(one for one in found if not (ours and one.name == DRIVE))]
        offer(self.remote, [(sendable(_title(one)), one.name) for one in self._known])
        if wanted in {one.name for one in self._known}:
            self.remote.value = wanted
        can_write = any(not one.read_only for one in self._known)
        self.uploading.layout.display = None if can_write else "none"
        for one in (self.check_button, self.room_button, *([self.browse_button] if self._browse else [])):
            one.layout.display = None if self._known else "none"
        self.state.clear()
        if not self._known:
            self.state.show(_NONE_SERVED if self._is_served else _NONE_YET)

    def _show_trouble(self, error: BaseException) -> None:
        if not self._known:
            self._show([])
        self.state.show(error_message(error))

    @property
    def _chosen(self) -> str:
        if not self.remote.value:
            raise InputError("No remote is chosen.", hint="Add one first, or press Refresh.")
        return str(self.remote.value)

    def check(self) -> None:
        """Look whether the chosen remote answers."""
        name, host = self._chosen, self._host
        self._tab.start_job(
            self.jobs,
            _answers,
            lambda progress: list_remote(f"{name}:", host=host, progress=progress),
        )

    def ask_for_room(self) -> None:
        """Tell how much room the chosen remote has."""
        name, host = self._chosen, self._host
        self._tab.start_job(
            self.jobs,
            _room,
            lambda progress: remote_quota(f"{name}:", host=host, progress=progress),
        )

    def look_through(self) -> None:
        """Hand the chosen remote to the browser of files."""
        assert self._browse is not None
        self._browse(RemotePlace(self._chosen, self._host))

    def add(self) -> None:
        """Show how remotes are added."""
        if self.setup is None:
            self.setup = RemotesSetupCard(self._tab, added=self._added)
            self.adding.children = [self.setup.widget]
        self.add_button.layout.display = "none"

    def _added(self, name: str) -> None:
        self._wanted = name
        self.refresh()

    def put(self) -> None:
        """Upload the chosen file."""
        if not self.file.path:
            raise InputError("No file is chosen.", hint="Type or paste a path, or browse to one.")
        path, goal = self._tab.absolute(self.file.path), self.goal.value.strip() or f"{self._chosen}:"
        host, overwrite = self._host, bool(self.overwrite.value) and not self._is_served
        self._tab.start_job(
            self.putting,
            _was_put,
            lambda progress: put_remote(
                path,
                goal,
                overwrite=overwrite,
                root=host.root,
                host=host,
                progress=progress,
            ),
        )

    def _show_code(self) -> None:
        rule = ", overwrite=True" if self.overwrite.value else ""
        path, goal = self.file.path or "set.zip", self.goal.value.strip() or "box:backup/"
        self.code.show(["import colabpanel", "", f"colabpanel.put_remote({path!r}, {goal!r}{rule})"])


def _title(remote: NamedRemote) -> str:
    if remote.kind == _API:
        return _API
    return f"{remote.name}: ({remote.kind}{', to read' if remote.read_only else ''})"


def _answers(top: RemoteFolder) -> Message:
    return Message("ok", f"{top.address} answers: its top holds {words.plural(len(top.entries), 'entry', 'entries')}.")


def _room(quota: RemoteQuota) -> Message:
    return Message("info" if quota.used is None and quota.free is None else "ok", quota_summary(quota))


def _was_put(put: PutFile) -> Message:
    return Message("ok", sendable(put_summary(put)))
