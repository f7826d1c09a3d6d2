"""Our own client of Drive's API, against the fake over TLS."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import (
    ColabPanelError,
    HostError,
    InputError,
    JobCancelledError,
    PathError,
    SourceLostError,
    StorageError,
)
from colabpanel.progress import Progress
from colabpanel.services.remotes import service
from colabpanel.services.remotes.drive_api import store as drive_store
from colabpanel.services.remotes.drive_api import uploading
from colabpanel.services.remotes.drive_api.client import DriveApi
from colabpanel.services.remotes.drive_api.store import DriveStore
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone.store import RcloneStore
from colabpanel.services.remotes.stores import opened_store
from colabpanel.services.sources.spec import open_source
from tests.archives import tree_of
from tests.fake_drive_api import SHORTCUT, TOKEN, FakeDriveApi
from tests.fakes import FakeHost, RecordingProgress

DOCUMENT = "application/vnd.google-apps.document"
NOBODY = Progress()


def _names(drive: DriveStore, path: str = "") -> list[str]:
    return sorted(one.name for one in drive.entries(path, NOBODY))


def test_listing_by_path(drive: DriveStore, api: FakeDriveApi) -> None:
    api.add("photos/it's \\ here.zip", b"123")
    api.add("photos/sub/x", b"")
    api.add("photos/gone", b"", trashed=True)
    assert _names(drive) == ["photos"]
    found = {one.name: one for one in drive.entries("photos", NOBODY)}
    assert sorted(found) == ["it's \\ here.zip", "sub"]
    assert found["sub"].is_folder
    assert found["it's \\ here.zip"].size == 3
    assert found["it's \\ here.zip"].modified == 1780315200.0
    one = drive.find("photos/it's \\ here.zip", NOBODY)
    assert one is not None
    assert one.address == "drive:photos/it's \\ here.zip"
    assert drive.find("photos/none", NOBODY) is None
    with pytest.raises(PathError, match="nothing called none in photos"):
        drive.entries("photos/none/x", NOBODY)
    with pytest.raises(PathError, match="is no folder"):
        drive.entries("photos/it's \\ here.zip/x", NOBODY)
    with pytest.raises(PathError, match="is a file"):
        drive.entries("photos/it's \\ here.zip", NOBODY)


def test_a_large_folder(drive: DriveStore, api: FakeDriveApi) -> None:
    parent = api.add("many").id
    for number in range(12_000):
        api.put(f"{number:05}.jpg", parent, b"x")
    api.faults.extend(["rate", "429", "500", "html", "reset"])
    assert len(drive.entries("many", NOBODY)) == 12_000
    assert not api.faults


def test_names_that_come_twice_have_addresses_of_their_own(
    drive: DriveStore, api: FakeDriveApi, tmp_path: Path
) -> None:
    api.add("twice.txt", b"one")
    api.add("twice.txt", b"two")
    api.add("a", b"").name = "with/slash"
    found = drive.entries("", NOBODY)
    assert all(one.address.startswith("drive:id=") for one in found)
    with pytest.raises(PathError, match=r"2 entries called twice\.txt in My Drive"):
        drive.source("twice.txt", NOBODY)
    texts = set()
    for one in found:
        if one.name == "twice.txt":
            drive.get(one.address.removeprefix("drive:"), tmp_path / "x", NOBODY)
            texts.add((tmp_path / "x").read_bytes())
    assert texts == {b"one", b"two"}


def test_a_folder_is_found_beside_a_file_of_its_name(drive: DriveStore, api: FakeDriveApi) -> None:
    api.add("same", b"a file")
    api.put("x", api.put("same", "root-id").id, b"")
    assert drive.find("same/x", NOBODY) is not None


def test_shared_drives(drive: DriveStore, api: FakeDriveApi) -> None:
    assert _names(drive) == []
    team = api.share("Team")
    api.put("plan.txt", team.id, b"12")
    assert _names(drive) == ["Shared drives"]
    assert _names(drive, "Shared drives") == ["Team"]
    assert _names(drive, "Shared drives/Team") == ["plan.txt"]
    assert drive.path_of(drive.link("Shared drives/Team/plan.txt", NOBODY), NOBODY) == (
        "drive:Shared drives/Team/plan.txt"
    )
    with pytest.raises(PathError, match="nothing called Other in Shared drives"):
        drive.entries("Shared drives/Other", NOBODY)
    with pytest.raises(PathError, match="no page of its own"):
        drive.link("Shared drives", NOBODY)


def test_shortcuts_are_followed_once(drive: DriveStore, api: FakeDriveApi) -> None:
    real = api.add("real/deep")
    api.put("x.txt", real.id, b"12")
    first = api.add("short", b"", mime=SHORTCUT, target=real.id)
    assert _names(drive, "short") == ["x.txt"]
    assert [one.is_folder for one in drive.entries("", NOBODY)] == [True, True]
    api.add("shorter", b"", mime=SHORTCUT, target=first.id)
    with pytest.raises(PathError, match="a shortcut to a shortcut"):
        drive.entries("shorter", NOBODY)


def test_shortcuts_to_files_have_their_bytes_and_are_replaced_themselves(
    drive: DriveStore, api: FakeDriveApi, tmp_path: Path
) -> None:
    real = api.add("elsewhere/real.bin", b"1234")
    api.add("box/short.bin", b"", mime=SHORTCUT, target=real.id, target_mime=real.mime)
    api.add("box/broken.bin", b"", mime=SHORTCUT, target="nowhere", target_mime=real.mime)
    carried = drive.get_folder("box", tmp_path / "box", NOBODY)
    assert (tmp_path / "box/short.bin").read_bytes() == b"1234"
    assert carried.skipped == (("broken.bin", "it is a shortcut that leads nowhere, or to another one"),)
    (tmp_path / "new").write_bytes(b"new")
    drive.put(tmp_path / "new", "box/short.bin", NOBODY, overwrite=True)
    assert not api.files[real.id].trashed
    assert [one.size for one in drive.entries("box", NOBODY) if one.name == "short.bin"] == [3]


def test_documents_have_no_bytes(drive: DriveStore, api: FakeDriveApi) -> None:
    api.add("letter", b"", mime=DOCUMENT)
    assert [one.size for one in drive.entries("", NOBODY)] == [None]
    with pytest.raises(PathError, match="document of Google"):
        drive.source("letter", NOBODY)


def test_parts_are_read_and_cut_bodies_mended(drive: DriveStore, api: FakeDriveApi) -> None:
    data = os.urandom(200_000)
    api.add("dir/a.bin", data)
    found = drive.source("dir/a.bin", NOBODY)
    api.faults.extend(["cut", "500", "cut"])
    with closing(open_source(found)) as source:
        assert source.size == len(data)
        assert source.read(7, 150_000) == data[7:150_000]
        assert source.read(199_999, 300_000) == data[199_999:]
    assert not api.faults


def test_a_file_is_brought_whole(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    made = api.add("a.bin", data)
    got = drive.get("a.bin", tmp_path / "a.bin", NOBODY)
    assert (got.size, got.checked) == (100_000, "hash")
    assert tree_of(tmp_path) == {"a.bin": data}
    item = drive._tree.at("a.bin", NOBODY)
    made.data = bytes(reversed(data))
    with pytest.raises(StorageError, match="has changed while it was read"):
        drive._bring(item, tmp_path / "a.bin", NOBODY)
    assert tree_of(tmp_path) == {"a.bin": data}
    with pytest.raises(PathError, match="is a folder"):
        drive.get("", tmp_path / "x", NOBODY)


def test_a_folder_is_brought_with_all_that_has_bytes(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    top = api.add("top")
    api.add("top/a", b"1")
    api.add("top/sub/b", b"22")
    api.add("top/sub/__init__.py", b"")
    api.add("top/letter", b"", mime=DOCUMENT)
    api.add("top/up", b"", mime=SHORTCUT, target=top.id)
    api.add("top/..", b"evil")
    api.add("top/x", b"").name = "../evil"
    api.add("top/a", b"again")
    found = drive.get_folder("top", tmp_path / "here", NOBODY)
    assert tree_of(tmp_path) == {"here/a": b"1", "here/sub/b": b"22", "here/sub/__init__.py": b""}
    assert (found.files, found.size) == (3, 3)
    assert {one.member for one in found.skipped} == {"letter", "up", "..", "../evil", "a"}
    counted = drive.measure("top", NOBODY)
    assert (counted.files, counted.size, len(counted.skipped)) == (3, 3, 5)
    assert drive.measure("top/sub/b", NOBODY).size == 2
    with pytest.raises(HostError, match="is a folder"):
        drive.put_folder(tmp_path, "x", NOBODY)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 4 << 20),
    faults=st.lists(st.sampled_from(["rate", "429", "500", "half", "lost", "reset", "html"]), max_size=5),
)
def test_an_upload_arrives_whole_whatever_happens_on_the_way(
    drive: DriveStore, api: FakeDriveApi, tmp_path: Path, size: int, faults: list[str]
) -> None:
    api.empty()
    data = os.urandom(size)
    (tmp_path / "up.bin").write_bytes(data)
    folder = api.add("to").id
    api.faults.extend(faults)
    told = uploading.upload_file(
        drive._api, tmp_path / "up.bin", folder, "up.bin", NOBODY, piece=256 << 10, pause=lambda *_: None
    )
    assert told["size"] == str(size)
    assert [one.data == data for one in api.named("up.bin")] == [True]


def test_a_file_is_put_and_replaced(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    api.add("to/a.zip", b"old")
    (tmp_path / "a.zip").write_bytes(b"new bytes")
    with pytest.raises(PathError, match=r"drive:to/a\.zip is there already"):
        drive.put(tmp_path / "a.zip", "to/a.zip", NOBODY, overwrite=False)
    api.put(".a.zip.colabpanel-part", api.named("to")[0].id, b"left by a kill")
    put = drive.put(tmp_path / "a.zip", "to/a.zip", NOBODY, overwrite=True)
    assert (put.address, put.size, put.checked) == ("drive:to/a.zip", 9, "hash")
    assert [one.data for one in api.named("a.zip")] == [b"new bytes"]
    assert [one.data for one in api.files.values() if one.trashed] == [b"old"]
    assert not api.named(".a.zip.colabpanel-part")
    for path in ("none/a.zip", "to/a.zip/x", "", "Shared drives/x", "id=123456"):
        with pytest.raises(PathError):
            drive.put(tmp_path / "a.zip", path, NOBODY, overwrite=True)
    with pytest.raises(PathError, match="is there already"):
        drive.put(tmp_path / "a.zip", "to", NOBODY, overwrite=True)
    with pytest.raises(PathError, match="cannot be read"):
        drive.put(tmp_path / "none", "to/b", NOBODY, overwrite=True)


@pytest.mark.parametrize(("fault", "words"), [("corrupt", "got other bytes"), ("quota", "Drive is full")])
def test_an_upload_that_fails_leaves_what_was_there(
    drive: DriveStore, api: FakeDriveApi, tmp_path: Path, fault: str, words: str
) -> None:
    api.add("a", b"old")
    (tmp_path / "a").write_bytes(b"new")
    api.faults.append(fault)
    with pytest.raises(StorageError, match=words):
        drive.put(tmp_path / "a", "a", NOBODY, overwrite=True)
    assert [(one.name, one.data) for one in api.inside("root-id")] == [("a", b"old")]


def test_a_cancelled_upload_leaves_what_was_there(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(20 << 20))
    with pytest.raises(JobCancelledError):
        drive.put(tmp_path / "a", "a", RecordingProgress(cancel_after=8 << 20), overwrite=True)
    assert api.inside("root-id") == []


def test_a_file_that_shrinks_is_told(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(600_000))

    class Shrink(Progress):
        def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
            path.write_bytes(bytes(300_000))

    with pytest.raises(StorageError, match="has become shorter"):
        uploading.upload_file(drive._api, path, "root-id", "a", Shrink(), piece=256 << 10)


def test_quota_and_trash(drive: DriveStore, api: FakeDriveApi) -> None:
    api.add("a", b"12345")
    api.add("b", b"123", trashed=True)
    found = drive.quota(NOBODY)
    assert (found.used, found.total, found.trash) == (8, 15 << 30, 3)
    assert found.free == (15 << 30) - 8
    api.limit = None
    unlimited = drive.quota(NOBODY)
    assert (unlimited.total, unlimited.free, unlimited.used) == (None, None, 8)
    with pytest.raises(InputError, match="was not emptied"):
        drive.empty_trash("yes", NOBODY)
    assert drive.quota(NOBODY).trash == 3
    drive.empty_trash("Empty the trash ", NOBODY)
    assert drive.quota(NOBODY).trash == 0
    assert _names(drive) == ["a"]


def test_links_lead_to_paths_and_back(drive: DriveStore, api: FakeDriveApi) -> None:
    file = api.add("photos/2026/a.zip", b"")
    api.put("loose.txt", "nobody", b"")
    assert drive.path_of(drive.link("photos/2026/a.zip", NOBODY), NOBODY) == "drive:photos/2026/a.zip"
    assert drive.path_of(drive.link("photos/2026", NOBODY), NOBODY) == "drive:photos/2026"
    assert drive.path_of(f"https://drive.google.com/open?id={file.id}", NOBODY) == "drive:photos/2026/a.zip"
    del api.files[file.parents[0]].parents[:]
    assert drive.path_of(f"https://drive.google.com/open?id={file.id}", NOBODY) == f"drive:id={file.id}"
    assert drive.find(f"id={file.id}", NOBODY) is not None
    for link in ("https://example.org/d/1234567890123", "https://drive.google.com/drive/my-drive", "https://x.y"):
        with pytest.raises(InputError, match="no link of Google Drive"):
            drive.path_of(link, NOBODY)
    with pytest.raises(PathError, match="does not exist, or is not shared with you"):
        drive.path_of("https://drive.google.com/file/d/1234567890123/view", NOBODY)


def test_folders_are_made(drive: DriveStore, api: FakeDriveApi) -> None:
    drive.make_folder("new", NOBODY)
    drive.make_folder("new/er", NOBODY)
    assert _names(drive, "new") == ["er"]
    with pytest.raises(PathError, match="cannot be made"):
        drive.make_folder("new", NOBODY)
    with pytest.raises(PathError, match="cannot be made"):
        drive.make_folder("Shared drives/x", NOBODY)


# What the API refuses


def test_a_token_is_asked_for_again_once(api: FakeDriveApi) -> None:
    tokens = chain(["stale"], repeat(TOKEN))
    with closing(DriveStore(lambda: next(tokens), base=api.url)) as drive:
        assert _names(drive) == []
        assert drive.quota(NOBODY).used == 0
    with closing(DriveStore(lambda: "stale", base=api.url)) as drive, pytest.raises(HostError, match="credentials"):
        drive.quota(NOBODY)


def test_a_token_lasts_an_hour_and_work_goes_on(api: FakeDriveApi, tmp_path: Path) -> None:
    """The token that is good changes all the time, as far as an upload and a folder of files can tell."""
    now = [0]

    def token() -> str:
        now[0] += 1
        api.tokens = {f"{TOKEN}-{now[0]}"}
        return f"{TOKEN}-{now[0]}"

    api.add("d/a", b"12")
    api.add("d/b", b"3")
    (tmp_path / "up").write_bytes(bytes(600_000))
    with closing(DriveStore(token, base=api.url)) as drive:
        assert drive.get_folder("d", tmp_path / "d", NOBODY).files == 2
        api.faults.append("401")
        told = uploading.upload_file(drive._api, tmp_path / "up", "root-id", "up", NOBODY, piece=256 << 10)
    assert (told["size"], tree_of(tmp_path / "d")) == ("600000", {"a": b"12", "b": b"3"})


def test_what_is_in_a_folder_that_only_its_id_tells_apart(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    for letter in "ab":
        api.put(letter, api.put("twice", "root-id").id, letter.encode())
    folders = [one.address for one in drive.entries("", NOBODY)]
    assert all(address.startswith("drive:id=") for address in folders)
    files = [one.address for address in folders for one in drive.entries(address.removeprefix("drive:"), NOBODY)]
    for letter, address in zip("ab", files, strict=True):
        drive.get(address.removeprefix("drive:"), tmp_path / letter, NOBODY)
    assert tree_of(tmp_path) == {"a": b"a", "b": b"b"}
    for path in ("id=no such id/ф", "id=фото", f"{files[0].removeprefix('drive:')}/x"):
        with pytest.raises(PathError):
            drive.get(path, tmp_path / "x", NOBODY)


def test_patience_has_an_end(drive: DriveStore, api: FakeDriveApi) -> None:
    api.faults.extend(["429"] * 50)
    with pytest.raises(SourceLostError, match="Drive does not answer: userRateLimitExceeded"):
        drive.quota(NOBODY)
    api.faults.clear()
    api.faults.extend(["reset"] * 50)
    with pytest.raises(SourceLostError, match="Drive does not answer"):
        drive.quota(NOBODY)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((403, "downloadQuotaExceeded"), StorageError, "no more of this today"),
        ((403, "insufficientPermissions"), HostError, "do not reach Drive"),
        ((403, "accessNotConfigured"), HostError, "do not reach Drive"),
        ((403, "insufficientFilePermissions"), PathError, "may not do this with this"),
        ((404, "notFound"), PathError, "this does not exist"),
        ((400, "invalid"), InputError, "does not understand"),
        ((409, "conflict"), StorageError, "answers 409"),
        ((507, ""), StorageError, "answers 507"),
    ],
)
def test_refusals_in_words(
    api: FakeDriveApi, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str], kind: type[Exception], words: str
) -> None:
    import tests.fake_drive_api as fake

    status, reason = answer

    def refuse(self: fake._Handler) -> None:
        self._fail(status, reason, "No.") if reason else self._send(status, b"", "text/plain")

    monkeypatch.setattr(fake._Handler, "_about", refuse)
    with closing(DriveApi(lambda: TOKEN, base=api.url)) as client, pytest.raises(kind, match=words):
        client.get("/drive/v3/about", {}, NOBODY, what="this")


def test_an_upload_that_is_refused_midway(drive: DriveStore, api: FakeDriveApi, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(600_000))

    class Forget(Progress):
        def advance(self, amount: int = 1) -> None:
            if amount:
                api.tokens.clear()

    with pytest.raises(SourceLostError, match="broke off: authError"):  # a fresh one is refused as well
        uploading.upload_file(drive._api, tmp_path / "a", "root-id", "a", Forget(), piece=256 << 10)


# The calls


@pytest.fixture
def colab(api: FakeDriveApi, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Return a host that gives tokens for Drive."""
    monkeypatch.setattr(drive_store, "DriveStore", partial(DriveStore, base=api.url))
    host.google_token = lambda: TOKEN
    return host


def test_the_calls_reach_drive(colab: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"zip")
    assert service.put_remote(tmp_path / "set.zip", "drive:", host=colab).address == "drive:set.zip"
    assert [one.name for one in service.list_remote("drive:", host=colab).entries] == ["set.zip"]
    assert service.get_remote("drive:set.zip", tmp_path / "b", host=colab).size == 3
    assert service.remote_quota("drive:", host=colab).used == 3
    with closing(open_source(service.remote_source("drive:set.zip", host=colab))) as source:
        assert source.read(0, 10) == b"zip"
    assert service.path_of(service.link_to("drive:set.zip", host=colab), host=colab) == "drive:set.zip"
    with pytest.raises(StorageError, match="No such file"):
        service.get_remote("drive:set.zip", tmp_path / "none/b", host=colab)
    colab.drive_mountpoint = Path("/content/drive")
    assert service.link_to("/content/drive/MyDrive/set.zip", host=colab) == service.link_to("drive:set.zip", host=colab)
    with pytest.raises(InputError):
        service.empty_drive_trash("", host=colab)


def test_a_dashboard_uses_its_operators_drive_as_far_as_it_was_named(
    colab: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    colab.is_served = True
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(InputError, match="may not use"):
        service.path_of("https://drive.google.com/open?id=1234567890", host=colab)
    monkeypatch.setenv(VARIABLE, "drive")
    with pytest.raises(InputError, match="may only read"):
        service.empty_drive_trash("empty the trash", host=colab)


def test_without_tokens_drive_is_a_remote_like_others(host: FakeHost) -> None:
    assert isinstance(opened_store("drive", host), RcloneStore)
    with pytest.raises(HostError, match="Only Colab"):
        service.path_of("https://drive.google.com/open?id=1234567890", host=host)


def test_no_error_tells_the_token(api: FakeDriveApi, drive: DriveStore) -> None:
    found = drive.find("", NOBODY)
    assert found is not None
    api.tokens.clear()
    with pytest.raises(ColabPanelError) as caught:
        drive.quota(NOBODY)
    assert TOKEN not in f"{caught.value.message}{caught.value.hint}{caught.value!r}"


def test_the_user_is_asked_on_the_thread_that_calls(colab: FakeHost, tmp_path: Path) -> None:
    """In a cell that is the main thread, on which alone the page can ask; whatever works apart would wait for it."""
    asked: list[bool] = []

    def token() -> str:
        if not asked:
            asked.append(threading.current_thread() is threading.main_thread())
        return TOKEN

    colab.google_token = token
    (tmp_path / "a").write_bytes(b"a")
    service.put_remote(tmp_path / "a", "drive:", host=colab)
    assert asked == [True]
