"""Tokens of the user, and the one host that each of them may be sent to."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from colabpanel.errors import InputError
from colabpanel.services.web.addresses import Address

__all__ = ["KEEPERS", "Keeper", "authorization_for", "keeper_of"]


class Keeper(NamedTuple):
    """A place that knows its users by a token.

    Attributes:
        origins: Where the token may be sent to.
        names: What the token is called in the environment and among Colab's secrets; all are needed.
        scheme: ``Bearer``, or ``Basic`` for a name and a key.
    """

    origins: tuple[str, ...]
    names: tuple[str, ...]
    scheme: str


KEEPERS = (
    Keeper(("https://huggingface.co",), ("HF_TOKEN",), "Bearer"),
    Keeper(("https://www.kaggle.com",), ("KAGGLE_USERNAME", "KAGGLE_KEY"), "Basic"),
    Keeper(("https://raw.githubusercontent.com", "https://api.github.com"), ("GITHUB_TOKEN",), "Bearer"),
)


def keeper_of(address: Address) -> Keeper | None:
    """Return who gives tokens for an address, or None."""
    return next((keeper for keeper in KEEPERS if address.origin in keeper.origins), None)


def authorization_for(keeper: Keeper, look_up: Callable[[str], str | None] = os.environ.get) -> Mapping[str, str]:
    """Return what to send to each origin of a keeper; nothing if a part of the secret is not known.

    Args:
        keeper: Whose secret it is.
        look_up: Returns a secret by its name, or None.

    Raises:
        InputError: A secret is none that can be sent.
    """
    found = []
    for name in keeper.names:
        value = (look_up(name) or "").strip()
        if not value:
            return {}
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise InputError(f"The secret {name} holds letters that no token has.", hint="Copy the token again.")
        found.append(value)
    said = base64.b64encode(":".join(found).encode()).decode() if keeper.scheme == "Basic" else found[0]
    return dict.fromkeys(keeper.origins, f"{keeper.scheme} {said}")
