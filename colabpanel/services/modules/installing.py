"""Installing what a project needs, without changing a version that the host ships."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

from colabpanel.errors import ColabPanelError, HostError, InputError, StorageError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.modules.requirements import Needed, check_requirements
from colabpanel.services.waiting import wait_or_kill

__all__ = ["Change", "Installation", "install_requirements", "plan_installation"]

_SECONDS = 1800.0


class Change(NamedTuple):
    """A distribution that an installation brings."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Installation:
    """What an installation does, or would do.

    Attributes:
        needed: What is asked for and not there yet.
        new: What is installed besides what is there.
        changed: What is there already, and gets another version.
    """

    needed: tuple[Needed, ...]
    new: tuple[Change, ...]
    changed: tuple[Change, ...]


def plan_installation(
    path: str | Path, *, sdists: bool = False, host: Host | None = None, progress: Progress | None = None
) -> Installation:
    """Ask pip what installing would bring, and whether it would change what is there; nothing is installed.

    Args:
        path: As for `check_requirements`.
        sdists: Whether source distributions may be used, which run code of theirs to be built.
        host: The notebook host; None detects it.
        progress: May cancel it.

    Raises:
        InputError: The requirements cannot be read, or pip finds no versions that fit.
        StorageError: pip did not end in time.
    """
    host, progress = host or detect(), progress or Progress()
    needed = tuple(one for one in check_requirements(path, host=host, progress=progress) if one.state != "installed")
    elsewhere = [one.name for one in needed if one.state == "not looked at"]
    if elsewhere:
        raise InputError(
            f"{elsewhere[0]} leads to something that only pip follows.",
            hint="Take that line out, and install it in a cell: %pip install -r requirements.txt",
        )
    if not needed:
        return Installation((), (), ())
    progress.start(None, "Asking pip what it would install", unit="seconds")
    asked = [one.requirement for one in needed]
    with tempfile.TemporaryDirectory(prefix="colabpanel-pip-") as folder:
        report = Path(folder, "report.json")
        _pip(["--dry-run", "--report", str(report), *_binary(sdists=sdists), *asked], progress)
        found: Any = json.loads(report.read_bytes())
    here = _versions_here()
    changes = [
        Change(
            one["metadata"]["name"], here.get(canonicalize_name(one["metadata"]["name"])), one["metadata"]["version"]
        )
        for one in found["install"]
    ]
    return Installation(
        needed,
        tuple(one for one in changes if one.before is None),
        tuple(one for one in changes if one.before is not None),
    )


def install_requirements(
    path: str | Path,
    *,
    allow_changes: Sequence[str] = (),
    sdists: bool = False,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Installation:
    """Install what a project needs and what is missing; a version that is there is not changed unless that is allowed.

    Args:
        path: As for `check_requirements`.
        allow_changes: Names of distributions whose version may change.
        sdists: Whether source distributions may be used, which run code of theirs to be built.
        host: The notebook host; None detects it.
        progress: Is told what it waits for, and may cancel.

    Raises:
        InputError: It would change a version that is there, or pip finds none that fit; nothing was installed.
        HostError: The dashboard runs no code.
        ColabPanelError: pip failed.
    """
    host, progress = host or detect(), progress or Progress()
    if host.is_served:
        raise HostError("The dashboard runs no code.", hint="Install it in a notebook.")
    plan = plan_installation(path, sdists=sdists, host=host, progress=progress)
    allowed: set[str] = {canonicalize_name(name) for name in allow_changes}
    refused = [one for one in plan.changed if canonicalize_name(one.name) not in allowed]
    if refused:
        listed = ", ".join(f"{one.name} {one.before} to {one.after}" for one in refused[:5])
        raise InputError(
            f"Installing this would change what is installed here: {listed}.",
            hint="Choose versions that fit, or allow it by name (allow_changes=[...]) and restart the kernel.",
        )
    if plan.needed:
        progress.start(None, "Installing", unit="seconds")
        with _constraints(allowed) as constraints:
            asked = [one.requirement for one in plan.needed]
            _pip(["-c", str(constraints), *_binary(sdists=sdists), *asked], progress)
    return plan


def _binary(*, sdists: bool) -> list[str]:
    return [] if sdists else ["--only-binary", ":all:"]


def _versions_here() -> dict[str, str]:
    """Return what is installed; of what is on the path twice, as on Colab, the one that is imported: the first."""
    here: dict[str, str] = {}
    for one in distributions():
        if one.metadata["Name"]:
            here.setdefault(canonicalize_name(one.metadata["Name"]), one.version)
    return here


@contextlib.contextmanager
def _constraints(allowed: set[str]) -> Iterator[Path]:
    """Write down the versions that are there, so that pip cannot change one that was not asked about."""
    here = _versions_here()
    with tempfile.TemporaryDirectory(prefix="colabpanel-pip-") as folder:
        path = Path(folder, "constraints.txt")
        path.write_text("".join(f"{name}=={version}\n" for name, version in here.items() if name not in allowed))
        yield path


def _pip(arguments: list[str], progress: Progress) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pip", "install", *options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=os.environ | {"PIP_NO_COLOR": "1"},
            start_new_session=True,
        )
        late = StorageError("pip did not end in time.", hint="Look at the network.")
        wait_or_kill(process, _SECONDS, progress, late)
        if process.returncode:
            said.seek(0)
            raise _failed(said.read().decode("utf-8", "replace"))


def _failed(said: str) -> ColabPanelError:
    errors = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1] if errors else "it told no reason"
    if "No matching distribution" in reason:
        return InputError(
            f"pip finds nothing that fits: {reason}", hint="Check the name; sdists=True builds from source."
        )
    return ColabPanelError(f"pip failed: {reason}", hint="Try it in a cell with %pip, which tells more.")
