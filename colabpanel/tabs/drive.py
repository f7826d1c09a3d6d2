"""The Drive tab: mount it where the host can, or let a folder serve as Drive; and browse files."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import HostError
from colabpanel.services.drive import DriveFolder, find_drive, mount_drive, unmount_drive, use_drive_folder
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._browser_card import BrowserCard
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["DriveTab"]


class DriveTab(Tab):
    """Shows where Drive is, and changes it."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the card for mounting on Colab, or for choosing a folder elsewhere, and the browser of files."""
        self.status = ipywidgets.HTML()
        self.code = CodeView()
        self._can_mount = self.context.host.drive_mountpoint is not None
        content = self._mount_card() if self._can_mount else self._folder_card()
        self._show_drive(None)
        self.in_background("find-drive", lambda _: find_drive(host=self.context.host), self._show_drive)
        return [content, self._files_card()]

    def _mount_card(self) -> ipywidgets.Widget:
        self.mount_button = button(
            "Mount Drive", tooltip="Ask for consent and mount Google Drive", icon="plug", kind="primary"
        )
        self.unmount_button = button(
            "Unmount", tooltip="Write out what is pending, then unmount", icon="eject", kind="danger"
        )
        self.readonly = styled(ipywidgets.Checkbox(description="Read only", indent=False), "cp-check")
        self.readonly.observe(lambda _: self._show_code(), names="value")
        self.jobs = self.job_view(self.mount_button, self.unmount_button, *self.for_coders(self.code))
        self.on_click(self.mount_button, self.mount)
        self.on_click(self.unmount_button, self.unmount)
        return card(
            "Google Drive",
            self.status,
            self.readonly,
            self.jobs,
            lead="Mounting runs once no cell runs, and asks for your consent in a window of its own.",
        )

    def _folder_card(self) -> ipywidgets.Widget:
        self.folder = PathPicker("Folder", self.browse, folders_only=True, root=self.context.host.root)
        self.folder.start_folder = str(self.context.host.workspace)
        self.folder.observe(lambda _: self._show_code(), names="path")
        self.use_button = button(
            "Use this folder", tooltip="Start from this folder when choosing files", icon="check", kind="primary"
        )
        self.jobs = self.job_view(self.use_button, *self.for_coders(self.code))
        self.on_click(self.use_button, self.use_folder)
        return card(
            "A folder that serves as Drive",
            self.status,
            self.folder,
            self.jobs,
            lead="Choose the folder where your archives are, such as the one Google Drive for desktop makes.",
        )

    def _files_card(self) -> ipywidgets.Widget:
        """Make the place of the browser of files, which is many widgets and therefore made once it is asked for."""
        self.files_button = button(
            "Look through files", tooltip="List, copy, move, delete and zip files", icon="folder-open"
        )
        self.on_click(self.files_button, self.look_through_files)
        closed = card(
            "Browse files",
            styled(ipywidgets.HBox([self.files_button]), "cp-row"),
            lead="Drive and this machine side by side, however many files there are: copy, move, rename, delete, zip.",
        )
        self.files = ipywidgets.VBox([closed])
        return self.files

    def look_through_files(self) -> None:
        """Open the browser of files."""
        self.browser = BrowserCard(self)
        self.files.children = [self.browser.widget]

    def mount(self) -> None:
        """Mount Drive through the host."""
        self.start_job(
            self.jobs,
            self._mounted,
            lambda progress: mount_drive(readonly=self.readonly.value, host=self.context.host, progress=progress),
        )

    def unmount(self) -> None:
        """Unmount Drive through the host."""
        self.start_job(
            self.jobs, self._unmounted, lambda progress: unmount_drive(host=self.context.host, progress=progress)
        )

    def use_folder(self) -> None:
        """Let the chosen folder serve as Drive."""
        path = self.folder.path
        if not path:
            raise HostError("No folder is chosen.", hint="Type or paste a path, or browse to one.")
        self.start_job(self.jobs, self._folder_in_use, lambda _: use_drive_folder(path, host=self.context.host))

    def _mounted(self, drive: DriveFolder) -> Message:
        self._show_drive(drive)
        return Message(
            "ok", f"Drive is mounted: your files are in {drive.root}.", "Stage an archive from it in Data staging."
        )

    def _unmounted(self, _: None) -> Message:
        self._show_drive(None)
        return Message("ok", "Drive is unmounted, and everything was written out.")

    def _folder_in_use(self, drive: DriveFolder) -> Message:
        self._show_drive(drive)
        return Message("ok", f"{drive.root} now serves as Drive.", "Data staging starts there when you browse.")

    def _show_drive(self, drive: DriveFolder | None) -> None:
        self.context.state.drive_root = str(drive.root) if drive else ""
        if drive is not None:
            words = f"{'Mounted' if drive.mountpoint else 'In use'}: {drive.root}"
        else:
            words = "Not mounted." if self._can_mount else "No folder is chosen."
        self.status.value = f'<p class="cp-lead" role="status">{escape(words)}</p>'
        self._show_code()

    def _show_code(self) -> None:
        if self._can_mount:
            call = f"colabpanel.mount_drive({'readonly=True' if self.readonly.value else ''})"
        else:
            call = f"colabpanel.use_drive_folder({self.folder.path or self.context.state.drive_root!r})"
        self.code.show(["import colabpanel", "", call])
