"""Variables taken out of the notebook, with what IPython keeps of the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.services.memory.releasing.history import forget_outputs
from colabpanel.services.memory.variables import is_shared_by_python
from colabpanel.services.snapshots.namespace import user_variables

__all__ = ["Boxes", "insist_on_names", "take_out"]

Boxes = dict[str, list[Any]]
"""The objects that were removed, each alone in a list, so that its references can be counted."""


def insist_on_names(host: Host, names: Sequence[str]) -> None:
    """Refuse names that are no variables of the user's.

    Raises:
        InputError: There are some; it names them.
    """
    there = user_variables(host, underscored=True)
    missing = [name for name in names if name not in there]
    if missing:
        raise InputError(
            f"The notebook has no variable {', '.join(missing)}; nothing was removed.",
            hint="Look at the list of variables again. Outputs (Out, _) are released with history=True.",
        )


def take_out(host: Host, names: Sequence[str]) -> tuple[Boxes, list[str]]:
    """Remove variables, and let IPython forget the outputs that are the same objects.

    Returns:
        The objects, and what the outputs were called.
    """
    space = host.namespace()
    alike: dict[int, list[Any]] = {}  # names of one object have one box, so that each object is referred to once
    boxes = {name: alike.setdefault(id(space[name]), [space.pop(name)]) for name in dict.fromkeys(names)}
    chosen = {id(box[0]) for box in boxes.values() if not is_shared_by_python(box[0])}
    hidden = getattr(host.shell, "user_ns_hidden", {})
    for name in boxes:
        hidden.pop(name, None)
    return boxes, forget_outputs(host, lambda value: id(value) in chosen)
