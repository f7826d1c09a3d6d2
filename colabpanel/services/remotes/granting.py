"""What an operator grants to a dashboard, as it was written."""

from __future__ import annotations

from collections.abc import Sequence

from colabpanel.errors import InputError
from colabpanel.services.remotes.service import remotes

__all__ = ["check_grants"]


def check_grants(grants: Sequence[str]) -> str:
    """Return grants such as ``box`` and ``backup:rw`` as the kernels of a dashboard are told them.

    Raises:
        InputError: One is written otherwise, or there is no such remote.
        MissingLibraryError: There is no rclone.
    """
    if not grants:
        return ""
    known = {one.name for one in remotes()}
    for grant in grants:
        name, colon, mode = grant.partition(":")
        if colon and mode not in {"", "rw"}:
            raise InputError(f"A remote is not named as {grant}.", hint="Write its name, or name:rw to allow writing.")
        if name not in known:
            raise InputError(f"rclone knows no remote called {name}.", hint="See: colabpanel remote list")
    return ",".join(grants)
