"""What somebody chose in the browser; a long list comes in slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from colabpanel.services.transfer.link import Link
from colabpanel.services.transfer.models import OfferedFile

__all__ = ["ChosenFiles", "watch_choices"]

_MOST = 1_000_000


@dataclass(frozen=True)
class ChosenFiles:
    """Files that were chosen.

    Attributes:
        transfer: What the page calls this choice.
        page: Which page it is.
        files: The files.
    """

    transfer: str
    page: str
    files: tuple[OfferedFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


def watch_choices(link: Link, chosen: Callable[[ChosenFiles], object]) -> Callable[[], None]:
    """Call back for each list of files that was chosen, once it is complete; returns what ends it.

    What the page says is not believed: a message that is not as it should be is dropped.
    """
    coming: dict[str, list[OfferedFile]] = {}

    def hear(message: dict[str, Any], _: Sequence[Any]) -> None:
        if message.get("kind") != "chosen":
            return
        transfer, page, total = str(message.get("transfer")), str(message.get("page")), message.get("total")
        files = _files(message.get("files"))
        so_far = coming.setdefault(transfer, [])
        if files is None or message.get("first") != len(so_far) or not isinstance(total, int) or not 0 < total <= _MOST:
            coming.pop(transfer)
            return
        so_far += files
        for other in set(coming) - {transfer}:
            coming.pop(other)
        if len(so_far) >= total:
            chosen(ChosenFiles(transfer, page, tuple(coming.pop(transfer))))

    return link.listen(hear)


def _files(rows: Any) -> list[OfferedFile] | None:
    if not isinstance(rows, list):
        return None
    files = []
    for row in rows:
        if not (isinstance(row, list) and len(row) == len(OfferedFile._fields)):
            return None
        path, size, modified = row
        if not (isinstance(path, str) and _is_count(size) and isinstance(modified, int)):
            return None
        files.append(OfferedFile(path, size, modified))
    return files


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
