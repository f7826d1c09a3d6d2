"""The calls of fetching. The work is done in a child process: the kernel keeps its memory, and a hung server."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from colabpanel import words
from colabpanel.errors import ColabPanelError, InputError, JobCancelledError
from colabpanel.hosts import Host, detect, state_dir
from colabpanel.progress import Progress
from colabpanel.services.fetching.drive_folders import files_in
from colabpanel.services.fetching.far import far_file
from colabpanel.services.fetching.models import Fetched
from colabpanel.services.fetching.request import Request
from colabpanel.services.fetching.verify import insist_on_sums
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.addresses import is_remote_address
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.staging.history import summary
from colabpanel.services.staging.request import Overwrite
from colabpanel.services.staging.service import stage
from colabpanel.services.waiting import result_of
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.links import direct, drive_file, drive_folder
from colabpanel.services.web.refusals import refusal
from colabpanel.services.web.secrets import Keeper, authorization_for, keeper_of

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["fetch", "fetch_summary"]


def fetch(
    url: str,
    directory: str | Path,
    *,
    name: str | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    overwrite: Overwrite = "changed",
    unpack: bool = False,
    client: Client | None = None,
    root: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring the file behind an address into a folder, several ranges at once.

    It is put together as ``NAME.part`` beside its place, verified, and renamed. A call that was
    cancelled, killed or lost its server is finished by calling it again; a file that changed on
    the server is fetched anew, one that is there as it is stays. Share links of Google Drive, Dropbox,
    Hugging Face, Kaggle, Zenodo and GitHub are understood. A web page that comes instead of the
    file is named, and not saved.

    Tokens (``HF_TOKEN``, ``KAGGLE_USERNAME`` and ``KAGGLE_KEY``, ``GITHUB_TOKEN``) are taken from the
    environment or, once a server asks for one, from Colab's secrets. Each is sent to its own host only.

    Args:
        url: An ``http``, ``https`` or ``webdav`` address, a share link, or ``name:path`` on a remote.
        directory: The folder; made if it does not exist.
        name: What to call the file; None takes the server's word, made harmless.
        sha256: The checksum it must have, as 64 hexadecimal digits.
        md5: The checksum it must have, as 32 hexadecimal digits.
        overwrite: Whether a file of that name is ``never`` replaced, only if it ``changed``, or ``always``.
        unpack: Whether to unpack it into the folder, as `colabpanel.stage` does; the archive stays beside.
        client: A ``dask.distributed.Client`` whose workers unpack it.
        root: Refuse folders outside of this one; the host's, if None.
        host: The notebook host; None detects it. In the dashboard only public addresses are asked, and
            without the tokens of its operator.
        progress: Is told the bytes, and may cancel; what has come is kept.

    Returns:
        Where the file is, and what was checked.

    Raises:
        InputError: The address, the folder or the checksum cannot be used, or what is there is no file.
        SourceLostError: The server went away; calling again goes on.
        StorageError: The disk failed.
        JobCancelledError: ``progress`` cancelled it.
    """
    started, progress, host = time.monotonic(), progress or Progress(), host or detect()
    root = host.root if root is None else root
    if overwrite not in get_args(Overwrite):
        raise InputError(f"overwrite cannot be {overwrite!r}.", hint='Use "never", "changed" or "always".')
    if client is not None and not unpack:
        raise InputError("A client shares the unpacking, and nothing is to be unpacked.", hint="Add unpack=True.")
    insist_on_sums(sha256=sha256, md5=md5)
    far = far_file(url, host, progress)
    is_on_remote = far is not None and is_remote_address(url)
    request = Request(
        url=far.url if far else direct(url),
        directory=anchored(directory, root),
        root=None if root is None else os.fspath(root),
        name=name or (far.name if far else None),
        sha256=sha256,
        md5=md5,
        overwrite=overwrite,
        served=host.is_served and not is_on_remote,
        key=far.shown if far and is_on_remote else "",
        state_dir=os.fspath(state_dir()),
    )
    folder = None if far else drive_folder(url)
    if folder is not None:
        if name or sha256 or md5 or unpack:
            raise InputError("This link leads to a folder of Google Drive.", hint="Give the link of one file of it.")
        return _fetch_folder(folder, request, host, progress, started)
    found = _fetch_far(far, request, progress) if far else _fetch(request, host, progress)
    fetched = _fetched(found, started)
    if not unpack:
        return fetched
    staged = stage(fetched.path, request.directory, client=client, root=root, progress=progress)
    return replace(fetched, status=staged.status, unpacked=staged, seconds=time.monotonic() - started)


def _fetched(found: dict[str, Any], started: float) -> Fetched:
    return Fetched(
        status="ok",
        path=Path(found["path"]),
        files=1,
        size=found["size"],
        reused=found["reused"],
        resumed=found["resumed"],
        checked=tuple(found["checked"]),
        source=found["source"],
        seconds=time.monotonic() - started,
    )


def _fetch_folder(folder: str, request: Request, host: Host, progress: Progress, started: float) -> Fetched:
    """Fetch the files of a folder of Drive one after another; what cannot be fetched is left out and told."""
    if host.is_served:
        raise InputError("A dashboard fetches no folders of Google Drive.", hint="Give the link of one file of it.")
    place = resolve_inside(request.root, request.directory)
    files, skipped = files_in(folder, progress)
    done = list[Fetched]()
    for key, above, name in files:
        one = request._replace(url=drive_file(key), directory=str(place.joinpath(*above)), name=name)
        try:
            done.append(_fetched(_fetch(one, host, progress), started))
        except JobCancelledError:
            raise
        except ColabPanelError as error:
            skipped.append(Skipped("/".join((*above, name)), error.message))
    return Fetched(
        status="partial" if skipped else "ok",
        path=place,
        files=len(done),
        size=sum(one.size for one in done),
        reused=bool(done) and all(one.reused for one in done),
        resumed=sum(one.resumed for one in done),
        checked=("size",) if all("size" in one.checked for one in done) else (),
        source=f"https://drive.google.com/drive/folders/{folder}",
        seconds=time.monotonic() - started,
        skipped=tuple(skipped),
    )


def _fetch(request: Request, host: Host, progress: Progress) -> dict[str, Any]:
    """Fetch with what the environment knows; a server that asks for more gets what the host keeps."""
    keeper = None if host.is_served else keeper_of(parse(request.url))
    known = dict(authorization_for(keeper)) if keeper else {}
    found = _call(request._replace(secrets=known), progress)
    if "refused" in found and keeper and not known:
        more = _secrets_of_host(keeper, host, progress)
        if more:
            known = more
            found = _call(request._replace(secrets=more), progress)
    if "refused" in found:
        raise refusal(found["refused"], found["host"], keeper, was_known=bool(known))
    return found


def _fetch_far(far: SourceSpec, request: Request, progress: Progress) -> dict[str, Any]:
    """Fetch with what proves who asks, and call the file what its user calls it."""
    known = {parse(far.url).origin: far.headers["Authorization"]} if "Authorization" in far.headers else {}
    found = _call(request._replace(secrets=known), progress)
    if "refused" in found:
        raise refusal(found["refused"], far.shown, None, was_known=bool(known))
    return {**found, "source": far.shown}


def _call(request: Request, progress: Progress) -> dict[str, Any]:
    try:
        found: dict[str, Any] = call_isolated(
            "colabpanel.services.fetching.engine:fetch_here", {"request": request.to_json()}, progress=progress
        )
    except JobCancelledError:
        raise JobCancelledError(hint="Fetch it again: where the server gives parts, it goes on from there.") from None
    return found


def _secrets_of_host(keeper: Keeper, host: Host, progress: Progress) -> dict[str, str]:
    """Ask the host for a token: on the main thread, so from another thread once no cell runs."""
    if not host.keeps_secrets:
        return {}
    names = " and ".join(keeper.names)
    progress.start(None, f"Asking {host.name} for {names}, once no cell runs", unit="seconds")

    def look_up(name: str) -> str | None:
        return result_of(host.on_main_thread(lambda: host.secret(name)), progress)

    return dict(authorization_for(keeper, look_up))


def fetch_summary(fetched: Fetched) -> str:
    """Say what became of a fetch in one sentence."""
    size = words.size(fetched.size)
    what = f"{words.plural(fetched.files, 'file')}, {size}," if fetched.files != 1 or fetched.skipped else size
    if fetched.reused and not fetched.skipped:
        text = f"{fetched.path} is there already, as it is at the address: {what.rstrip(',')}"
    else:
        text = f"Fetched {what} in {words.duration(fetched.seconds)} to {fetched.path}"
    if fetched.resumed and not fetched.reused:
        text += f"; {words.size(fetched.resumed)} of it were there from before"
    sums = [name.upper().replace("SHA256", "SHA-256") for name in fetched.checked if name != "size"]
    if sums:
        text += f"; {' and '.join(sums)} checked"
    if fetched.skipped:
        text += f"; {words.plural(len(fetched.skipped), 'file was', 'files were')} left out"
    return f"{text}. {summary(fetched.unpacked)}" if fetched.unpacked else f"{text}."
