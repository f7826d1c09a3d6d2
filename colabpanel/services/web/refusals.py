"""What the refusals of servers mean, in words."""

from __future__ import annotations

from colabpanel.errors import InputError
from colabpanel.services.web.secrets import Keeper

__all__ = ["refusal"]

_WANTS_TO_KNOW = {401, 403}
_NOT_THERE = {404, 410}


def refusal(status: int, host: str, keeper: Keeper | None, *, was_known: bool) -> InputError:
    """Return the error for an answer that is no file.

    Args:
        status: The number of the answer.
        host: Who gave it.
        keeper: Whose tokens might help, or None.
        was_known: Whether a token was sent.
    """
    hint = "Check the address in a browser."
    if status in _WANTS_TO_KNOW:
        message = f"{host} does not give this file to everybody."
        hint = "Use the link of a file that anyone may read."
    elif status in _NOT_THERE:
        message = f"{host} has no such file, or it is not public."
    else:
        message = f"{host} does not give the file: it answers {status}."
    if keeper is not None and status in _WANTS_TO_KNOW | _NOT_THERE:
        names = " and ".join(keeper.names)
        hint = f"If it is private, set {names} to what may read it"
        if was_known:
            hint = f"{names} may be out of date, or may not read this"
        hint += "; accept the terms on its page, if it has any."
    return InputError(message, hint=hint)
