"""The card that mounts Drive, tells how it does, and brings it back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from colabpanel.hosts import Host
from colabpanel.services.drive import DriveFolder, mount_drive, unmount_drive
from colabpanel.services.drive.health import DriveHealth, drive_health
from colabpanel.services.drive.repairing import RepairedDrive, repair_drive
from colabpanel.services.mounts import mounted_at
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._drive_mount_options import DriveMountOptions
from colabpanel.widgets.basics import button, styled
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["DriveMountCard", "health_message"]

_LOOK_SECONDS = 30.0


class DriveMountCard:
    """Mounts and unmounts Drive where the host can.

    Args:
        tab: The tab it belongs to.
        show_drive: Called with where Drive is now, or None.
        find_drive: Called when Drive may be somewhere that is not known.
        show_state: Called with a few words about how it does.
    """

    def __init__(
        self,
        tab: Tab,
        status: ipywidgets.Widget,
        *,
        show_drive: Callable[[DriveFolder | None], None],
        find_drive: Callable[[], None],
        show_state: Callable[[str], object],
    ) -> None:
        self._tab, self._show_drive, self._find_drive, self._show_state = tab, show_drive, find_drive, show_state
        self._clicks = 0
        self._sick, self._answered = False, False
        self.mount_button = button(
            "Mount Drive", tooltip="Ask for consent and mount Google Drive", icon="plug", kind="primary"
        )
        self.unmount_button = button(
            "Unmount", tooltip="Write out what is pending, then unmount", icon="eject", kind="danger"
        )
        self.check_button = button("Check", tooltip="Look whether Drive answers", icon="heartbeat", kind="quiet")
        self.repair_button = button(
            "Repair", tooltip="Write out what can be written out, then mount anew", icon="wrench", kind="quiet"
        )
        self.readonly = styled(ipywidgets.Checkbox(description="Read only", indent=False), "cp-check")
        self.readonly.observe(lambda _: self._show_code(), names="value")
        self.options: DriveMountOptions | None = None
        self.options_button = button("Options", tooltip="Mountpoint, time limit, mount anew", kind="quiet")
        self._more = ipywidgets.VBox([])
        self.code = CodeView()
        buttons = (self.mount_button, self.unmount_button, self.check_button, self.repair_button)
        self.jobs = tab.job_view(*buttons, *tab.for_coders(self.code))
        for made, call in zip(buttons, (self.mount, self.unmount, self.check, self.repair), strict=True):
            tab.on_click(made, functools.partial(self._clicked, call))
        tab.on_click(self.options_button, self.show_options)
        self._show_code()
        tab.context.refresher.every(_LOOK_SECONDS, self._look)
        self.widget = card(
            "Google Drive",
            status,
            styled(ipywidgets.HBox([self.readonly, self.options_button]), "cp-row"),
            self._more,
            self.jobs,
            lead="Mounting runs once no cell runs, and asks for your consent in a window of its own.",
        )

    def _clicked(self, call: Callable[[], None]) -> None:
        self._clicks += 1
        call()

    def show_options(self) -> None:
        """Show how else Drive can be mounted."""
        if self.options is not None:
            return
        self.options = DriveMountOptions(str(self._tab.context.host.drive_mountpoint), self._show_code)
        self._more.children = [self.options.widget]
        self.options_button.layout.display = "none"

    def _chosen(self) -> dict[str, Any]:
        chosen = self.options.chosen() if self.options is not None else {}
        return {**chosen, **({"readonly": True} if self.readonly.value else {})}

    def _show_code(self) -> None:
        options = ", ".join(f"{name}={value!r}" for name, value in self._chosen().items())
        self.code.show(["import colabpanel", "", f"colabpanel.mount_drive({options})"])

    def mount(self) -> None:
        """Mount Drive through the host."""
        host, options = self._tab.context.host, self._chosen()
        self._tab.start_job(
            self.jobs, self._mounted, lambda progress: mount_drive(**options, host=host, progress=progress)
        )

    def unmount(self) -> None:
        """Unmount Drive through the host."""
        host = self._tab.context.host
        self._tab.start_job(self.jobs, self._unmounted, lambda progress: unmount_drive(host=host, progress=progress))

    def check(self) -> None:
        """Look whether Drive answers."""
        host = self._tab.context.host
        self._tab.start_job(self.jobs, self._looked, lambda progress: drive_health(host=host, progress=progress))

    def repair(self) -> None:
        """Mount Drive anew."""
        host = self._tab.context.host
        self._tab.start_job(self.jobs, self._repaired, lambda progress: repair_drive(host=host, progress=progress))

    def _mounted(self, drive: DriveFolder) -> Message:
        self._show_drive(drive)
        return Message(
            "ok", f"Drive is mounted: your files are in {drive.root}.", "Stage an archive from it in Data staging."
        )

    def _unmounted(self, _: None) -> Message:
        self._show_drive(None)
        return Message("ok", "Drive is unmounted, and everything was written out.")

    def _looked(self, health: DriveHealth) -> Message:
        self._seen(health)
        return health_message(health)

    def _repaired(self, repaired: RepairedDrive) -> Message:
        self._show_drive(repaired.drive)
        kind = "warning" if repaired.unsure else "ok"
        return Message(kind, "Drive is back.", "", "\n".join(repaired.steps), "What was done")

    def _look(self) -> None:
        """Notice a Drive that went away, and one that a cell has mounted or unmounted."""
        if self.jobs.busy:
            return
        tab = self._tab
        host, known = tab.context.host, bool(tab.context.state.drive_root)
        clicks = self._clicks

        def noticed(health: DriveHealth | None) -> None:
            if health is not None and clicks == self._clicks:  # what was started meanwhile tells more
                self._seen(health)

        tab.in_background("drive-health", lambda _: _look_at(host, known=known), noticed)

    def _seen(self, health: DriveHealth) -> None:
        root = self._tab.context.state.drive_root
        if health.is_sick:
            self._show_state(f"Stale: {health.sentence}")
        elif health.state == "ok" and not root:
            self._find_drive()
        elif health.state == "ok" and self._sick:
            self._show_state(f"Mounted: {health.path / Path(root).name}")
        elif health.state != "ok" and self._answered:
            self._show_drive(None)
        self._sick, self._answered = health.is_sick, health.is_sick or health.state == "ok"


def _look_at(host: Host, *, known: bool) -> DriveHealth | None:
    """Look whether Drive answers, where one is known or the list of mounts has one; else None."""
    place = host.drive_mountpoint
    return drive_health(host=host) if known or (place is not None and mounted_at(place)) else None


def health_message(health: DriveHealth) -> Message:
    """Say how Drive does."""
    kind = "ok" if health.state == "ok" else "error" if health.is_sick else "warning"
    return Message(kind, health.sentence, health.hint)
