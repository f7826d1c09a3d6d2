"""Who refers to the object of a variable, in words: what would have to go for its memory to be freed."""

from __future__ import annotations

import gc

from colabpanel.errors import InputError
from colabpanel.hosts import Host, detect
from colabpanel.services.memory.referring.search import Referrer, holders

__all__ = ["Referrer", "referrers"]


def referrers(name: str, *, host: Host | None = None) -> list[Referrer]:
    """Return what refers to the object of a variable beside the variable itself.

    Containers are followed for up to six steps. What runs at the moment, and libraries written in C, refer to objects
    without saying so: they are counted, not named. Numbers and short texts, which Python uses in many places, have
    no referrers to speak of. Looking takes up to a few seconds where there are millions of objects.

    Args:
        name: A variable of the notebook.
        host: Has the notebook; by default the one at hand.

    Raises:
        InputError: There is no variable of this name.
    """
    host = host or detect()
    if name not in host.namespace():
        raise InputError(f"There is no variable {name}.", hint="Look at the list of variables again.")
    gc.collect()  # what is garbage refers to nothing
    return holders([host.namespace()[name]], host, leave_out={name})
