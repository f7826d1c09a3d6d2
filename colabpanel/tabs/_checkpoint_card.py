"""The card of chosen checkpoints: what is in them, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.comparing import checkpoint_contents, compare_checkpoints
from colabpanel.services.checkpoints.exporting import ExportedCheckpoint, export_checkpoint
from colabpanel.services.checkpoints.models import Checkpoint, Restored, VerifiedCheckpoint
from colabpanel.services.checkpoints.panel_calls import delete_chosen, pin_chosen, restore_into, verify_chosen
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._checkpoint_words import (
    checkpoint_title,
    comparison_rows,
    contents_rows,
    restore_code,
    said_of_restored,
    said_of_verified,
)
from colabpanel.tabs._second_click import SecondClick
from colabpanel.widgets.basics import button, offer, sendable, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["CheckpointCard"]

T = TypeVar("T")

_HALF = "Half precision (float16), half the size"
_NAMED = 3


class Folders(Protocol):
    """What lists folders beside this card."""

    def list_again(self, folder: str) -> None: ...


class CheckpointCard:
    """One or several checkpoints of the folder that was listed last, whatever stands in its field by now.

    Args:
        tab: The tab it belongs to.
        folders: Is asked to list a folder again in which something has changed.
    """

    def __init__(self, tab: Tab, folders: Folders) -> None:
        self._tab, self._folders = tab, folders
        self._listed, self._asked = "", 0
        self._rows: dict[str, Checkpoint] = {}
        self.chosen = styled(ipywidgets.SelectMultiple(description="Checkpoints", rows=6), "cp-field", "cp-list")
        self.variable = styled(
            ipywidgets.Text(description="Restore into", value="model", placeholder="A variable"), "cp-field"
        )
        self.export_to = PathPicker(
            "Export to", tab.browse, root=tab.context.host.root, placeholder="A .safetensors file"
        )
        self.half = styled(ipywidgets.Checkbox(description=_HALF, indent=False, value=False), "cp-check")
        self.inside = DataTable(
            "What is in the chosen checkpoints",
            [Column("What"), Column("First"), Column("Second")],
            empty="Choose one checkpoint and press Look inside, or two and press Compare.",
        )
        self.code = CodeView()
        self._buttons()
        self.chosen.observe(self._changed, names="value")
        self.variable.observe(self._changed, names="value")
        self._changed(None)
        self.widget = card(
            "Chosen checkpoints",
            self.chosen,
            self._looking,
            self.inside,
            *tab.for_coders(self.variable),
            self.export_to,
            self.half,
            self.jobs,
            *tab.for_coders(self.code),
        )

    def _buttons(self) -> None:
        tab, is_served = self._tab, self._tab.context.host.is_served
        self.look_button = button("Look inside", tooltip="Tell what is in it, without loading it", icon="search")
        self.compare_button = button("Compare", tooltip="Tell how the two chosen differ", icon="columns")
        self.verify_button = button("Verify all", tooltip="Read all files and compare them with what was saved")
        self.restore_button = button(
            "Restore", tooltip="Put the chosen checkpoint into a variable", icon="undo", kind="primary"
        )
        self.export_button = button(
            "Export", tooltip="Write the weights as a safetensors file", kind="primary" if is_served else ""
        )
        self.pin_button = button("Pin", tooltip="Keep the chosen whatever the policy says")
        self.unpin_button = button("Unpin", tooltip="Let the policy decide about the chosen again")
        self.delete_button = button("Delete", tooltip="Delete the chosen", icon="trash", kind="danger")
        others = (self.pin_button, self.unpin_button, self.delete_button)
        row = (self.look_button, self.compare_button, self.verify_button)
        self._looking = styled(ipywidgets.HBox(row), "cp-row")
        if is_served:
            tab.for_coders(self.restore_button)
            self.jobs = tab.job_view(self.export_button, *others)
        else:
            tab.on_click(self.restore_button, self.restore)
            self.jobs = tab.job_view(self.restore_button, self.export_button, *others)
        tab.on_click(self.look_button, self.look_inside)
        tab.on_click(self.compare_button, self.compare)
        tab.on_click(self.verify_button, self.verify)
        tab.on_click(self.export_button, self.export)
        tab.on_click(self.pin_button, lambda: self.pin(pinned=True))
        tab.on_click(self.unpin_button, lambda: self.pin(pinned=False))
        tab.on_click(self.delete_button, self.delete)
        self._question = SecondClick(tab, self.delete_button)

    def show(self, folder: str, rows: Sequence[Checkpoint]) -> None:
        """Offer the checkpoints of a folder, the newest first; what was chosen of the same folder stays chosen."""
        if folder != self._listed:
            self.chosen.options = []
        self._listed = folder
        self._rows = {row.name: row for row in rows}
        offer(self.chosen, [(sendable(checkpoint_title(row)), row.name) for row in reversed(rows)])

    @property
    def _directory(self) -> str:
        if not self._listed:
            raise InputError("No folder is listed.", hint="Choose the folder that training saves into, and press List.")
        return self._listed

    def _changed(self, _: object) -> None:
        self._asked += 1
        self._question.forget()
        names = list(self.chosen.value)
        row = self._rows.get(names[0]) if names else None
        self.code.show(restore_code(row, self.variable.value.strip() or "model"))

    def _names(self) -> list[str]:
        names = list(self.chosen.value)
        if not names:
            raise InputError("No checkpoint is chosen.", hint="Choose one in the list.")
        return names

    def _one(self) -> str:
        names = self._names()
        if len(names) > 1:
            raise InputError("Several checkpoints are chosen.", hint="Choose one of them.")
        return names[0]

    def look_inside(self) -> None:
        """Tell what is in the chosen checkpoint."""
        name, folder, root = self._one(), self._directory, self._tab.context.host.root
        self._show_inside(
            "contents",
            lambda progress: checkpoint_contents(folder, name, root=root, progress=progress),
            contents_rows,
        )

    def _show_inside(
        self, name: str, work: Callable[[Progress], T], rows: Callable[[T], Sequence[Sequence[str | Cell]]]
    ) -> None:
        """Tell what was found, unless something else is chosen or asked for by then."""
        self._asked += 1
        turn = self._asked

        def show(found: T) -> None:
            if turn == self._asked:
                self.inside.show(rows(found))

        self._tab.in_background(name, work, show)

    def compare(self) -> None:
        """Tell how the two chosen differ; the earlier one is the first."""
        names, folder, root = self._names(), self._directory, self._tab.context.host.root
        if len(names) != 2:  # noqa: PLR2004 - a pair
            raise InputError("Two checkpoints are compared.", hint="Choose two in the list, with Ctrl or Cmd held.")
        first, second = (name for name in self._rows if name in names)
        self._show_inside(
            "compare",
            lambda progress: compare_checkpoints(folder, first, second, root=root, progress=progress),
            comparison_rows,
        )

    def verify(self) -> None:
        """Read all files of the folder's checkpoints."""
        host, folder = self._tab.context.host, self._directory

        def say(found: list[VerifiedCheckpoint]) -> Message:
            kind, sentence, details = said_of_verified(found)
            return Message(kind, sentence, details=details, details_title="Which, and why")

        self._tab.start_job(self.jobs, say, lambda progress: verify_chosen(progress, host, folder))

    def restore(self) -> None:
        """Put the chosen checkpoint into a variable of the notebook."""
        name, variable = self._one(), self.variable.value.strip()

        def say(restored: Restored) -> Message:
            sentence, hint = said_of_restored(restored, variable)
            return Message("ok", sentence, hint)

        self._tab.start_job(self.jobs, say, restore_into, self._tab.context.host, self._directory, name, variable)

    def export(self) -> None:
        """Write the weights of the chosen checkpoint as a file."""
        name, folder, root = self._one(), self._directory, self._tab.context.host.root
        target = self._tab.absolute(self.export_to.path or str(Path(folder) / "exports" / f"{name}.safetensors"))
        dtype = "float16" if self.half.value else None
        self._tab.start_job(
            self.jobs,
            _exported,
            lambda progress: export_checkpoint(folder, name, target, dtype=dtype, root=root, progress=progress),
        )

    def pin(self, *, pinned: bool) -> None:
        """Keep the chosen whatever the policy says, or no longer."""
        names, folder, host = self._names(), self._directory, self._tab.context.host

        def say(done: list[str]) -> Message:
            self._folders.list_again(folder)
            return Message("ok", f"{'Pinned' if pinned else 'Unpinned'} {words.plural(len(done), 'checkpoint')}.")

        self._tab.start_job(self.jobs, say, lambda progress: pin_chosen(progress, host, folder, names, pinned=pinned))

    def delete(self) -> None:
        """Ask, with what would go; the second click does it."""
        if self._question.is_unread:
            return
        names, folder, host = self._names(), self._directory, self._tab.context.host
        foreign = [name for name in names if self._rows[name].kind != "colabpanel"]
        if foreign:
            raise InputError(
                f"{foreign[0]} was not written by colabpanel.", hint="Other libraries' files are not deleted here."
            )

        about = (folder, tuple(names))
        if not self._question.answers(about):
            self._question.ask(about, f"Delete {len(names):,} for good")
            listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if names[_NAMED:] else "")
            self.jobs.message.show(
                Message("warning", f"Delete {listed}?", "They cannot be brought back. Press the button once more.")
            )
            return
        self._question.forget()

        def say(done: list[str]) -> Message:
            self._folders.list_again(folder)
            return Message("ok", f"Deleted {words.plural(len(done), 'checkpoint')}.")

        self._tab.start_job(self.jobs, say, lambda progress: delete_chosen(progress, host, folder, names))


def _exported(found: ExportedCheckpoint) -> Message:
    converted = f", {words.count(found.converted)} of them converted" if found.converted else ""
    sentence = (
        f"Exported {words.plural(found.tensors, 'tensor')}{converted}, {words.size(found.size)}, to {found.path}."
    )
    if not found.overflowed:
        return Message("ok", sentence)
    wrong = words.plural(found.overflowed, "tensor holds", "tensors hold")
    return Message(
        "warning", sentence, f"{wrong} numbers that are too large for half precision: they are infinite now."
    )
