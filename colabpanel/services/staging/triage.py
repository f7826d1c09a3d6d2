"""Deciding about each member: where it goes, why it is skipped, or that nobody asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from colabpanel.errors import LimitError
from colabpanel.services.staging.archive import Kind, Listing, Member
from colabpanel.services.staging.names import Claims, Parts
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.selection import Selection
from colabpanel.words import count

__all__ = ["folds_case", "triage"]


def triage(reader: Listing, request: Request, *, folds_case: bool) -> Iterator[tuple[Member, Parts | str]]:
    """Yield each wanted member with its place in the target, or with why it is skipped.

    The same archive and request give the same decisions every time; resuming relies on it.

    Raises:
        LimitError: There are more members than the limits allow.
    """
    claims = Claims(depth=request.limits.depth, folds_case=folds_case)
    selection = Selection(request.include, request.exclude, request.first_per_folder)
    most, takes_all = request.limits.members, selection.is_everything
    for member in reader.members():
        if member.number >= most:
            raise LimitError(
                f"The archive holds more than {count(request.limits.members)} members.",
                hint="Pass limits=Limits(members=...) if that is what you expect.",
            )
        place = claims.claim(member)
        if takes_all or (
            selection.matches(tuple(member.name.strip("/").split("/")))
            if isinstance(place, str)
            else member.kind is not Kind.FOLDER and selection.wants(place)
        ):
            yield member, place


def folds_case(folder: Path) -> bool:
    """Whether the disk of an existing, writable folder takes ``A`` and ``a`` for the same name."""
    probe = folder / ".colabpanel-Case"
    probe.touch()
    try:
        return probe.with_name(probe.name.lower()).exists()
    finally:
        probe.unlink()
