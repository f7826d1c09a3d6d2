"""The calls of staging. The work is done in a child process, so a hung Drive can be left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from colabpanel.errors import InputError, JobCancelledError
from colabpanel.hosts import Host, state_dir
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.addresses import is_address
from colabpanel.services.staging.cluster.address import address_of
from colabpanel.services.staging.cluster.replicas import stage_replicas
from colabpanel.services.staging.models import Plan, StagedData
from colabpanel.services.staging.request import ClusterMode, Limits, Options, Overwrite, Request

if TYPE_CHECKING:
    from distributed import Client
    from typing_extensions import Unpack

__all__ = ["discard", "plan", "stage"]

_ENGINE = "colabpanel.services.staging.engine"


def stage(
    source: str | Path,
    directory: str | Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    first_per_folder: int | None = None,
    overwrite: Overwrite = "changed",
    password: str | None = None,
    resume: bool = True,
    limits: Limits | None = None,
    workers: int | None = None,
    client: Client | None = None,
    mode: ClusterMode = "shard",
    root: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> StagedData:
    """Unpack an archive into a folder.

    The files are unpacked into ``DIRECTORY.partial`` beside the folder and moved into place
    when all is done. A call that was cancelled, killed or lost its Drive is finished by
    calling it again; an archive that was staged there before is verified, not unpacked again.
    Members that are damaged, or that would leave the folder, are skipped and listed. Links
    and devices are never created.

    Args:
        source: A zip, 7z or tar archive (tar also as .gz, .bz2, .xz or .zst), or a single compressed
            file; its content decides, not its name. A path, or where it is elsewhere: an ``https://`` address
            or share link, ``webdav://``, ``s3://bucket/key``, ``name:path`` of a remote, or what fsspec knows.
            It is unpacked straight from there, without a copy of the archive on the disk.
        directory: The target folder; made if it does not exist.
        include: Patterns such as ``*.jpg`` or ``train/*``; empty means everything.
        exclude: Patterns of files to leave out.
        first_per_folder: Only the first so many files of each folder.
        overwrite: What to do about files that are in the folder already: ``never`` replace
            them, replace those that ``changed``, or ``always``.
        password: For an encrypted zip or 7z archive.
        resume: Whether to go on with an interrupted staging of the same archive, or to leave
            alone one that is there as a whole.
        limits: What the archive may ask for; see `Limits` for the defaults.
        workers: How many workers unpack a zip archive side by side; None leaves it to the plan.
        client: A ``dask.distributed.Client``, whose workers then do the unpacking (extra ``dask``).
        mode: With a client: ``shard`` shares the members of a zip archive among all workers, which must
            see the archive and the folder under the same paths; ``replica`` stages the whole archive into
            this folder on every machine of the cluster.
        root: Refuse paths outside of this folder.
        host: The notebook host, asked only about a source that is elsewhere; None detects it. In the dashboard
            only public web addresses are asked.
        progress: Is told the bytes done, and may cancel.

    Returns:
        What was unpacked; of replicas, what each holds. ``status`` is ``partial`` when any member was skipped.

    Raises:
        InputError: The archive or a path cannot be used; nothing was changed.
        SourceLostError: The archive cannot be reached any more, or changed while it was read.
        StorageError: The disk is full, or Drive went away; calling again goes on.
        JobCancelledError: ``progress`` cancelled it; the folder is untouched.
    """
    options: Options = {
        "include": include,
        "exclude": exclude,
        "first_per_folder": first_per_folder,
        "overwrite": overwrite,
        "password": password,
        "resume": resume,
        "limits": limits,
        "workers": workers,
        "root": root,
    }
    progress, started = progress or Progress(), time.monotonic()
    request = _request(source, directory, host, progress, **options)
    if client is not None and request.spec is not None:
        raise InputError(
            "A cluster stages archives from a disk, not from an address.",
            hint="Fetch it to a disk that the workers share: colabpanel.fetch(..., unpack=True, client=client).",
        )
    if mode not in get_args(ClusterMode):
        raise InputError(f"mode cannot be {mode!r}.", hint='Use "shard" or "replica".')
    if client is not None and mode == "replica":
        arguments = {**options, "source": request.source, "directory": request.directory}
        return _of_replicas(stage_replicas(client, arguments, progress), started)
    return _stage(request._replace(cluster=None if client is None else address_of(client)), started, progress)


def _stage(request: Request, started: float, progress: Progress) -> StagedData:
    try:
        found = call_isolated(f"{_ENGINE}:stage_here", {"request": request.to_json()}, progress=progress)
    except JobCancelledError:
        raise JobCancelledError(hint="What is unpacked so far is kept: resume it, or stage again, to go on.") from None
    return StagedData(
        status=found["status"],
        directory=Path(found["directory"]),
        files=found["files"],
        size=found["size"],
        kept=found["kept"],
        reused=found["reused"],
        skipped=_skipped(found),
        seconds=time.monotonic() - started,
    )


def _of_replicas(found: dict[str, dict[str, Any]], started: float) -> StagedData:
    """Return one result for all replicas; what was skipped on any machine is skipped."""
    skipped = {tuple(pair): None for replica in found.values() for pair in replica["skipped"]}
    first = next(iter(found.values()))
    return StagedData(
        status="partial" if skipped else "ok",
        directory=Path(first["directory"]),
        files=min(replica["files"] for replica in found.values()),
        size=min(replica["size"] for replica in found.values()),
        kept=min(replica["kept"] for replica in found.values()),
        reused=all(replica["reused"] for replica in found.values()),
        skipped=tuple(Skipped(*pair) for pair in skipped),
        seconds=time.monotonic() - started,
        hosts=tuple(found),
    )


def plan(
    source: str | Path,
    directory: str | Path,
    *,
    host: Host | None = None,
    progress: Progress | None = None,
    **same: Unpack[Options],
) -> Plan:
    """Tell what `stage` would do with the same arguments, and write nothing.

    Raises:
        InputError: The archive or a path cannot be used.
        StorageError: The archive cannot be read.
        JobCancelledError: ``progress`` cancelled it.
    """
    request = _request(source, directory, host, progress or Progress(), **same)
    found = call_isolated(
        "colabpanel.services.staging.planning:plan_here", {"request": request.to_json()}, progress=progress
    )
    where = found["source"] if request.spec else Path(found["source"])
    return Plan(**{**found, "source": where, "directory": Path(found["directory"]), "skipped": _skipped(found)})


def discard(directory: str | Path, *, root: str | Path | None = None, progress: Progress | None = None) -> None:
    """Delete what an interrupted staging into a folder left beside it; the folder itself stays.

    Raises:
        PathError: The folder is outside of the root.
    """
    arguments = {"directory": os.fspath(directory), "root": root and os.fspath(root)}
    call_isolated(f"{_ENGINE}:discard_here", arguments, progress=progress)


def _skipped(found: dict[str, Any]) -> tuple[Skipped, ...]:
    return tuple(Skipped(*pair) for pair in found["skipped"])


def _request(
    source: str | Path, directory: str | Path, host: Host | None, progress: Progress, **options: Unpack[Options]
) -> Request:
    """Check the options, once for both calls."""
    lists = {key: options.get(key, ()) for key in ("include", "exclude")}
    if any(isinstance(value, str) for value in lists.values()):
        raise InputError("include and exclude take a list of patterns.", hint='Write include=["*.jpg"].')
    overwrite = options.get("overwrite", "changed")
    if overwrite not in get_args(Overwrite):
        raise InputError(f"overwrite cannot be {overwrite!r}.", hint='Use "never", "changed" or "always".')
    for name in ("first_per_folder", "workers"):
        value = options.get(name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{name} must be a whole number of at least 1.")
    root = options.get("root")
    place, spec = _far(source, host, progress)
    return Request(
        source=anchored(place, root) if spec is None else place,
        spec=spec,
        directory=anchored(directory, root),
        root=None if root is None else os.fspath(root),
        include=tuple(options.get("include", ())),
        exclude=tuple(options.get("exclude", ())),
        first_per_folder=options.get("first_per_folder"),
        overwrite=overwrite,
        password=options.get("password"),
        resume=options.get("resume", True),
        limits=options.get("limits") or Limits(),
        workers=options.get("workers"),
        state_dir=os.fspath(state_dir()),
    )


def _far(source: str | Path, host: Host | None, progress: Progress) -> tuple[str, dict[str, Any] | None]:
    """Return what to call an archive, and how it is opened where it is elsewhere."""
    if not is_address(source):
        return os.fspath(source), None
    from colabpanel.services.remotes.resolving import resolve  # takes its time to load

    found = resolve(source, host=host, progress=progress)
    return (os.fspath(found), None) if isinstance(found, Path) else (found.shown, found.to_json())
