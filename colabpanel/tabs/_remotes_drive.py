"""The part of the remotes for Drive by its API: links to paths and back, and the Trash."""

from __future__ import annotations

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.remotes.drive_api.store import EMPTY_TRASH
from colabpanel.services.remotes.service import empty_drive_trash, link_to, path_of
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.messages import Message

__all__ = ["RemotesDriveCard"]


class RemotesDriveCard:
    """Asks Drive where a link leads, and empties its Trash once that was typed.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._host = tab, tab.context.host
        self.text = styled(
            ipywidgets.Text(description="Link", placeholder="A link of Drive, or an address as drive:folder/file"),
            "cp-field",
        )
        self.look_button = button("Look up", tooltip="Turn a link into an address, or an address into a link")
        self.confirm = styled(ipywidgets.Text(description="Trash", placeholder=f"Type: {EMPTY_TRASH}"), "cp-field")
        self.empty_button = button(
            "Empty the Trash", tooltip="Delete for good what lies in Drive's Trash", icon="trash", kind="danger"
        )
        self.jobs = tab.job_view(self.look_button, self.empty_button)
        tab.on_click(self.look_button, self.look_up)
        tab.on_click(self.empty_button, self.empty_trash)
        self.widget = card(
            "Drive without its mount",
            self.text,
            self.confirm,
            self.jobs,
            lead="Asked by its API, with the credentials of this notebook. It works while the mount is sick.",
        )

    def look_up(self) -> None:
        """Turn a link into an address, or an address into a link."""
        given, host = self.text.value.strip(), self._host
        if not given:
            raise InputError("No link was given.", hint="Paste a link of Drive, or write drive:folder/file.")
        if given.startswith(("http://", "https://")):
            self._tab.start_job(self.jobs, _found, lambda progress: path_of(given, host=host, progress=progress))
        else:
            self._tab.start_job(self.jobs, _found, lambda progress: link_to(given, host=host, progress=progress))

    def empty_trash(self) -> None:
        """Delete for good what lies in the Trash, if that was typed."""
        typed, host = self.confirm.value, self._host
        self.confirm.value = ""
        self._tab.start_job(
            self.jobs, _emptied, lambda progress: empty_drive_trash(typed, host=host, progress=progress)
        )


def _found(address: str) -> Message:
    return Message("ok", sendable(address))


def _emptied(_: None) -> Message:
    return Message(
        "ok", "The Trash of Drive is empty.", "It may take some minutes until Drive counts the room as free."
    )
