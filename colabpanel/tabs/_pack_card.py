"""The card that packs a folder into an archive, for a Drive that is slow with many files."""

from __future__ import annotations

import contextlib
from pathlib import PurePath

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.staging.history import pack_summary
from colabpanel.services.staging.models import PackedData
from colabpanel.services.staging.packing.service import pack
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._staging_words import skipped_list
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["PackCard"]

_MB = 1 << 20
_ARCHIVE_HINT = "An archive to write, ending in .zip or .tar.zst"


class PackCard:
    """A folder, an archive to write, and the button that does it.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        root = tab.context.host.root
        self.folder = PathPicker("Files in", tab.browse, folders_only=True, root=root, placeholder="The files to pack")
        self.archive = PathPicker("Archive", tab.browse, root=root, placeholder=_ARCHIVE_HINT)
        self.folder.start_folder = self.archive.start_folder = str(tab.context.host.workspace)
        self.shard = styled(
            ipywidgets.Text(description="Shards", placeholder="MB of files in each; empty: one archive"), "cp-field"
        )
        self.button = button(
            "Pack", tooltip="Write the files of the folder into an archive", icon="archive", kind="primary"
        )
        self.code = CodeView()
        self.jobs = tab.job_view(self.button)
        tab.on_click(self.button, self.pack)
        self.folder.observe(self._changed, names="path")
        self.archive.observe(self._changed, names="path")
        self.shard.observe(self._changed, names="value")
        self._show_code()
        self.widget = card(
            "Pack a folder into an archive",
            self.folder,
            self.archive,
            self.shard,
            self.jobs,
            *tab.for_coders(self.code),
        )

    @property
    def target(self) -> str:
        """The archive: what stands in the field, or the folder's name with ``.zip`` beside it while it is empty."""
        folder = self.folder.path.rstrip("/")
        if PurePath(folder).name in {"", ".."} and self.folder.path:  # the folder itself, or one above
            folder = self._tab.absolute(self.folder.path)
        return self.archive.path or (f"{folder}.zip" if folder else "")

    @property
    def shard_size(self) -> int | None:
        """The bytes of a shard, or None for one archive.

        Raises:
            InputError: The field holds no number.
        """
        text = self.shard.value.strip()
        if not text:
            return None
        if not text.isdigit() or not int(text):
            raise InputError("Shards takes a number of MB.", hint="Write 500 for archives of half a gigabyte of files.")
        return int(text) * _MB

    def _changed(self, _: object) -> None:
        self.jobs.message.clear()
        self.archive.text.placeholder = sendable(self.target) or _ARCHIVE_HINT
        self._show_code()

    def _show_code(self) -> None:
        arguments = [repr(self.folder.path or "data"), repr(self.target or "data.zip")]
        with contextlib.suppress(InputError):
            arguments += [f"shard_size={self.shard_size}"] if self.shard_size else []
        self.code.show(["import colabpanel", "", f"colabpanel.pack({', '.join(arguments)})"])

    def pack(self) -> None:
        """Pack what the form says."""
        if not self.folder.path:
            raise InputError("No folder is chosen.", hint="Type or paste its path under Files in, or browse to it.")
        root = self._tab.context.host.root
        folder, archive, shard_size = (
            self._tab.absolute(self.folder.path),
            self._tab.absolute(self.target),
            self.shard_size,
        )
        self._tab.start_job(
            self.jobs,
            _packed,
            lambda progress: pack(folder, archive, shard_size=shard_size, root=root, progress=progress),
        )


def _packed(packed: PackedData) -> Message:
    hint = "Stage it from there next time: one archive is read many times faster than its files."
    if packed.status == "ok":
        return Message("ok", pack_summary(packed), hint)
    return Message("warning", pack_summary(packed), hint, skipped_list(packed.skipped), "Which, and why")
