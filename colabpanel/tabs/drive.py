"""The Drive tab: mounting, or a folder that serves as Drive; browsing files, and whether they are safe."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import HostError
from colabpanel.services.browsing.remote_place import RemotePlace
from colabpanel.services.drive import DriveFolder, find_drive, use_drive_folder
from colabpanel.services.drive.health import drive_health
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._browser_card import BrowserCard
from colabpanel.tabs._drive_mount_card import DriveMountCard, health_message
from colabpanel.tabs._drive_safety_card import DriveSafetyCard
from colabpanel.tabs._remotes_card import RemotesCard
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["DriveTab"]


class DriveTab(Tab):
    """Shows where Drive is, and changes it."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the card for mounting on Colab, or for choosing a folder elsewhere; more once it is asked for."""
        self.status = ipywidgets.HTML()
        self.browser: BrowserCard | None = None
        self.safety: DriveSafetyCard | None = None
        self.remotes: RemotesCard | None = None
        self._shown = 0
        self._can_mount = self.context.host.drive_mountpoint is not None
        content = self._mount_card() if self._can_mount else self._folder_card()
        self._show_drive(None)
        self._find_drive()
        return [content, self._more_card()]

    def _mount_card(self) -> ipywidgets.Widget:
        self.mounting = DriveMountCard(
            self, self.status, show_drive=self._show_drive, find_drive=self._find_drive, show_state=self._show_state
        )
        return self.mounting.widget

    def _find_drive(self) -> None:
        """Look for a Drive that is there already; what the user has said meanwhile goes before what is found."""
        turn = self._shown

        def show(drive: DriveFolder | None) -> None:
            if turn == self._shown:
                self._show_drive(drive)

        self.in_background("find-drive", lambda _: find_drive(host=self.context.host), show)

    def _folder_card(self) -> ipywidgets.Widget:
        self.folder = PathPicker("Folder", self.browse, folders_only=True, root=self.context.host.root)
        self.folder.start_folder = str(self.context.host.workspace)
        self.folder.observe(lambda _: self._show_code(), names="path")
        self.use_button = button(
            "Use this folder", tooltip="Start from this folder when choosing files", icon="check", kind="primary"
        )
        self.check_button = button("Check", tooltip="Look whether the folder answers", icon="heartbeat", kind="quiet")
        self.code = CodeView()
        self.jobs = self.job_view(self.use_button, self.check_button, *self.for_coders(self.code))
        self.on_click(self.use_button, self.use_folder)
        self.on_click(self.check_button, self.check_folder)
        return card(
            "A folder that serves as Drive",
            self.status,
            self.folder,
            self.jobs,
            lead="Choose the folder where your archives are, such as the one Google Drive for desktop makes.",
        )

    def _more_card(self) -> ipywidgets.Widget:
        """Make the place of what takes many widgets, and is therefore made once it is asked for."""
        self.files_button = button(
            "Look through files", tooltip="List, copy, move, delete and zip files", icon="folder-open"
        )
        self.safety_button = button(
            "Is it safe?", tooltip="See whether files have reached Drive", icon="cloud", kind="quiet"
        )
        self.remotes_button = button(
            "Remotes", tooltip="Dropbox, S3, Drive without its mount, and others", icon="server", kind="quiet"
        )
        self.on_click(self.files_button, self.look_through_files)
        self.on_click(self.safety_button, self.look_whether_safe)
        self.on_click(self.remotes_button, self.look_at_remotes)
        self._offered = [self.files_button, self.safety_button, self.remotes_button]
        row = styled(ipywidgets.HBox(self._offered), "cp-row")
        can = "copy, rename, zip" if self.context.host.is_served else "copy, move, rename, delete, zip"
        lead = f"However many there are, on Drive, on this machine and elsewhere: {can}."
        self.offer = card("Files", row, lead=lead)
        return self.offer

    def look_through_files(self) -> None:
        """Open the browser of files."""
        if self.browser is None:
            self.browser = BrowserCard(self)
            self._show_more(self.files_button, self.browser.widget)

    def look_whether_safe(self) -> None:
        """Open the card that tells which files have reached Drive."""
        if self.safety is None:
            self.safety = DriveSafetyCard(self)
            self._show_more(self.safety_button, self.safety.widget)

    def look_at_remotes(self) -> None:
        """Open the cards for files that lie elsewhere."""
        if self.remotes is None:
            self.remotes = RemotesCard(self, browse=self._look_through)
            self._show_more(self.remotes_button, self.remotes.widget)

    def _look_through(self, remote: RemotePlace) -> None:
        self.look_through_files()
        assert self.browser is not None
        self.browser.show_place(remote)

    def _show_more(self, asked_by: ipywidgets.Button, widget: ipywidgets.Widget) -> None:
        asked_by.layout.display = "none"
        if all(offered.layout.display == "none" for offered in self._offered):
            self.offer.layout.display = "none"
        self.widget.children = [*self.widget.children, widget]

    def use_folder(self) -> None:
        """Let the chosen folder serve as Drive."""
        path = self._chosen_folder()
        self.start_job(self.jobs, self._folder_in_use, lambda _: use_drive_folder(path, host=self.context.host))

    def check_folder(self) -> None:
        """Look whether the folder answers: the chosen one, or the one that serves as Drive."""
        path = self.absolute(self.folder.path or self.context.state.drive_root or self._chosen_folder())
        host = self.context.host
        self.start_job(self.jobs, health_message, lambda progress: drive_health(path, host=host, progress=progress))

    def _chosen_folder(self) -> str:
        if not self.folder.path:
            raise HostError("No folder is chosen.", hint="Type or paste a path, or browse to one.")
        return self.folder.path

    def _folder_in_use(self, drive: DriveFolder) -> Message:
        self._show_drive(drive)
        return Message("ok", f"{drive.root} now serves as Drive.", "Data staging starts there when you browse.")

    def _show_drive(self, drive: DriveFolder | None) -> None:
        self._shown += 1
        self.context.state.drive_root = str(drive.root) if drive else ""
        if drive is not None:
            self._show_state(f"{'Mounted' if drive.mountpoint else 'In use'}: {drive.root}")
        else:
            self._show_state("Not mounted." if self._can_mount else "No folder is chosen.")
        if not self._can_mount:
            self._show_code()

    def _show_state(self, words: str) -> None:
        self.status.value = f'<p class="cp-lead" role="status">{escape(words)}</p>'

    def _show_code(self) -> None:
        call = f"colabpanel.use_drive_folder({self.folder.path or self.context.state.drive_root!r})"
        self.code.show(["import colabpanel", "", call])
