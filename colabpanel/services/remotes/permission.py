"""Which remotes may be used. In the dashboard, only those that its operator has named, and these only to read.

``COLABPANEL_REMOTES`` holds their names with commas between; ``name:rw`` may be written to.
"""

from __future__ import annotations

import os

from colabpanel.errors import InputError

__all__ = ["VARIABLE", "granted", "insist_on_permission"]

VARIABLE = "COLABPANEL_REMOTES"


def granted() -> dict[str, bool]:
    """Return the names of the remotes that the dashboard may use, and whether each may be written to."""
    found = {}
    for part in os.environ.get(VARIABLE, "").split(","):
        name, _, mode = part.strip().partition(":")
        if name:
            found[name] = mode == "rw"
    return found


def insist_on_permission(name: str, *, is_served: bool, writing: bool = False) -> None:
    """Refuse a remote that may not be used here.

    Args:
        name: The remote.
        is_served: Whether strangers to this kernel may be asking.
        writing: Whether something shall be put there.

    Raises:
        InputError: It may not.
    """
    if not is_served:
        return
    names = granted()
    if name not in names:
        raise InputError(
            f"The dashboard may not use a remote called {name}.",
            hint="Whoever serves it names the remotes that it may use.",
        )
    if writing and not names[name]:
        raise InputError(
            f"The dashboard may only read from {name}.", hint=f"Whoever serves it may allow more, as {name}:rw."
        )
