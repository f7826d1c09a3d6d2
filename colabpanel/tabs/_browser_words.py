"""What the browser of files says."""

from __future__ import annotations

from collections.abc import Sequence

from colabpanel import words
from colabpanel.services.browsing.models import Done, Entry, FolderPage, FolderSize
from colabpanel.services.skipped import Skipped
from colabpanel.widgets.basics import sendable
from colabpanel.widgets.file_table import FileRow
from colabpanel.widgets.messages import Message

__all__ = [
    "chosen_words",
    "delete_question",
    "done_message",
    "file_row",
    "page_words",
    "size_message",
]

_FEW = 5


def file_row(entry: Entry) -> FileRow:
    """Return an entry as a row."""
    can_enter = entry.is_folder is not False
    size = "" if entry.size is None else words.size(entry.size)
    changed = "" if entry.modified is None else words.moment(entry.modified)
    return FileRow(entry.name, can_enter, size, changed, entry.target)


def page_words(page: FolderPage, page_size: int) -> str:
    """Say which part of a folder is shown: ``1 to 50 of 1,234``."""
    first = page.page * page_size + 1
    more = "" if page.complete else " or more"
    whole = f"{words.count(page.matching)}{more}"
    if page.matching != page.total:
        whole += f" of {words.count(page.total)}{more}"
    if page.pages == 1:
        return f"{whole} {'entry' if whole == '1' else 'entries'}"
    return f"{words.count(first)} to {words.count(first + len(page.entries) - 1)} of {whole}"


def chosen_words(entries: Sequence[Entry], where: str) -> str:
    """Say what is chosen."""
    if not entries:
        return "Nothing is chosen. Tick entries in one of the two lists."
    sizes = [entry.size for entry in entries]
    known = [size for size in sizes if size is not None]
    total = f", {words.size(sum(known))}" if len(known) == len(sizes) else ""
    return f"{words.plural(len(entries), 'entry', 'entries')} chosen in {where}{total}."


def delete_question(entries: Sequence[Entry], found: FolderSize, *, has_trash: bool, truncate_first: bool) -> Message:
    """Ask once more, with what would go."""
    least = "" if found.complete else "at least "
    names = ", ".join(sendable(entry.name) for entry in entries[:_FEW]) + (" and more" if len(entries) > _FEW else "")
    what = f"{least}{words.plural(found.files, 'file')}, {words.size(found.size)}"
    if has_trash and truncate_first:
        fate = "They are emptied first, so they take no room in the Trash, and nothing brings them back."
    elif has_trash:
        fate = "They go to Drive's Trash, where they count against your storage until you empty it."
    else:
        fate = "This disk has no Trash: they are gone for good."
    return Message("warning", f"Delete {names} with {what}?", f"{fate} Press the button once more to do it.")


def done_message(verb: str, done: Done) -> Message:
    """Say what became of an operation: ``Copied 3 entries, 12 files, 1.2 MB, in 2 s.``."""
    if done.status == "taken":
        names = ", ".join(map(sendable, done.taken[:_FEW])) + (" and more" if len(done.taken) > _FEW else "")
        return Message(
            "warning",
            f"{words.plural(len(done.taken), 'name is', 'names are')} taken there: {names}.",
            "Nothing was done. Choose under If taken what shall happen, then press the button again.",
        )
    parts = [words.plural(done.entries, "entry", "entries")] if done.entries else []
    parts += [words.plural(done.files, "file")] if done.files else []
    parts += [words.size(done.size)] if done.size else []
    sentence = f"{verb} {', '.join(parts) or 'nothing'}, in {words.duration(done.seconds)}."
    if not done.skipped:
        return Message("ok", sentence)
    left = words.plural(len(done.skipped), "was", "were")
    return Message("warning", f"{sentence[:-1]}; {left} left out.", "", _listed(done.skipped), "Which, and why")


def size_message(found: FolderSize, names: int) -> Message:
    """Say what a folder holds."""
    least = "" if found.complete else "at least "
    what = words.plural(names, "entry holds", "entries hold")
    sentence = f"{what[0].upper()}{what[1:]} {least}{words.plural(found.files, 'file')}, {words.size(found.size)}."
    if not found.skipped:
        return Message("ok", sentence)
    return Message("ok", sentence, "", _listed(found.skipped), "What was not counted, and why")


def _listed(skipped: Sequence[Skipped]) -> str:
    return "\n".join(f"{member}: {reason}" for member, reason in skipped[:200])
