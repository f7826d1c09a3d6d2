"""What servers do wrong: the bytes are the right ones, or there is an error and no file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import (
    ColabPanelError,
    InputError,
    JobBusyError,
    JobCancelledError,
    PathError,
    SourceLostError,
    SpaceError,
    StorageError,
)
from colabpanel.progress import Progress
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.fetching import engine, journal
from colabpanel.services.web import opening
from tests.fakes import RecordingProgress
from tests.http_faults import FAULTS, SILENT, FaultyServer, serving
from tests.services.fetching.conftest import PIECE, fetch_here, make_impatient, make_small

DATA = random.Random(7).randbytes(16 * PIECE + 123)
pytestmark = pytest.mark.usefixtures("small")


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 40 * PIECE + 7])
@pytest.mark.parametrize("ranges", [True, False])
def test_files_of_any_size(server: FaultyServer, tmp_path: Path, size: int, ranges: bool) -> None:
    data = random.Random(size).randbytes(size)
    found = fetch_here(server.serve(data, ranges=ranges), tmp_path / "new")
    assert (tmp_path / "new/data.bin").read_bytes() == data
    assert (found["size"], found["checked"], found["reused"]) == (size, ["size"], False)
    assert os.listdir(tmp_path / "new") == ["data.bin"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", [0, 1, 4])
def test_each_fault_once(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, place: int
) -> None:
    if fault in SILENT:
        make_impatient(monkeypatch)
    url = server.serve(DATA)
    server.faults.extend([*["", "", "", ""][:place], fault])
    if place == 0 and fault == "403":
        assert fetch_here(url, tmp_path)["refused"] == 403
    elif place == 0 and fault == "page":
        with pytest.raises(InputError, match=r"a web page \(Please sign in\)"):
            fetch_here(url, tmp_path)
        assert os.listdir(tmp_path) == []
    else:
        fetch_here(url, tmp_path)
        assert (tmp_path / "data.bin").read_bytes() == server.pages["/data.bin"].data
        assert os.listdir(tmp_path) == ["data.bin"]


def test_where_threads_cannot_write_at_once_they_take_turns(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_AT_ONCE", False)
    fetch_here(server.serve(DATA), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_a_server_that_is_busy_for_a_while(server: FaultyServer, tmp_path: Path) -> None:
    server.faults.extend(["503"] * 5)
    fetch_here(server.serve(DATA), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "words"), [("503", "answers 503"), ("garbage", "no HTTP"), ("hangs up", "does not give the file")]
)
def test_a_server_that_stays_away_is_named(server: FaultyServer, tmp_path: Path, fault: str, words: str) -> None:
    server.faults.extend([fault] * 100)
    with pytest.raises(SourceLostError, match=words):
        fetch_here(server.serve(DATA), tmp_path)
    assert os.listdir(tmp_path) == []


def test_nobody_listens(tmp_path: Path) -> None:
    with serving() as server:
        url = server.serve(DATA)
    with pytest.raises(SourceLostError, match="refused"):
        fetch_here(url, tmp_path)


def test_connections_that_are_refused_leave_the_work_to_the_others(server: FaultyServer, tmp_path: Path) -> None:
    server.before_sending = lambda sent: server.faults.extend(["429"] * 3) if sent == PIECE else None
    url = server.serve(DATA)
    server.faults.append("")
    server.faults.extend(["429"] * 14)
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("refusal", [403, 404, 429, 503])
def test_a_server_that_allows_one_connection_at_a_time(server: FaultyServer, tmp_path: Path, refusal: int) -> None:
    server.at_once, server.refusal = 1, refusal
    fetch_here(server.serve(DATA), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert len({asked.connection for asked in server.asked}) > 1


def test_what_came_is_kept_when_the_server_goes_away(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    server.faults.extend(["", "", "", "", *["503"] * 500])
    with pytest.raises(SourceLostError) as caught:
        fetch_here(url, tmp_path)
    assert "kept" in caught.value.hint
    assert not (tmp_path / "data.bin").exists()
    server.faults.clear()
    server.sent = 0
    found = fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert 0 < found["resumed"] < len(DATA)
    assert server.sent <= len(DATA) - found["resumed"] + PIECE  # the first answer comes anyway
    assert os.listdir(tmp_path) == ["data.bin"]


def _interrupted(server: FaultyServer, tmp_path: Path, **options: Any) -> str:
    """Leave an unfinished fetch."""
    url = server.serve(DATA, **options)
    server.faults.extend(["", "", "", "", *["503"] * 500])
    with pytest.raises(SourceLostError):
        fetch_here(url, tmp_path)
    server.faults.clear()
    assert sorted(os.listdir(tmp_path)) == ["data.bin.part", "data.bin.part-journal"]
    return url


def test_a_file_that_changed_since_is_fetched_anew(server: FaultyServer, tmp_path: Path) -> None:
    url = _interrupted(server, tmp_path)
    server.serve(DATA[::-1], etag='"two"')
    assert fetch_here(url, tmp_path)["resumed"] == 0
    assert (tmp_path / "data.bin").read_bytes() == DATA[::-1]


def test_a_file_whose_versions_cannot_be_told_apart_is_fetched_anew(server: FaultyServer, tmp_path: Path) -> None:
    url = _interrupted(server, tmp_path, etag=None, modified=None)
    server.serve(DATA[::-1], etag=None, modified=None)
    assert fetch_here(url, tmp_path)["resumed"] == 0
    assert (tmp_path / "data.bin").read_bytes() == DATA[::-1]


def test_a_weak_tag_tells_nothing_apart(server: FaultyServer, tmp_path: Path) -> None:
    url = _interrupted(server, tmp_path, etag='W/"one"', modified=None)
    server.serve(DATA[::-1], etag='W/"one"', modified=None)
    assert fetch_here(url, tmp_path)["resumed"] == 0
    assert (tmp_path / "data.bin").read_bytes() == DATA[::-1]


@pytest.mark.parametrize("how", ["data", "torn journal", "no journal line", "nonsense", "shorter"])
def test_pieces_that_are_not_what_was_written_come_again(server: FaultyServer, tmp_path: Path, how: str) -> None:
    url = _interrupted(server, tmp_path)
    part, notes = tmp_path / "data.bin.part", tmp_path / "data.bin.part-journal"
    if how == "data":
        part.write_bytes(bytes(len(DATA)))
    elif how == "torn journal":
        notes.write_bytes(notes.read_bytes()[:-3])
    elif how == "no journal line":
        notes.write_bytes(b"")
    elif how == "nonsense":
        notes.write_bytes(notes.read_bytes() + b"zz\n")
    else:
        os.truncate(part, PIECE)
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["data.bin"]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_breaks_off_and_gives_no_parts(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA, ranges=False)
    server.faults.extend(["cut", "stall", "reset"])
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    server.faults.extend(["cut"] * 100)
    with pytest.raises(SourceLostError, match="breaks off"):
        fetch_here(url, tmp_path, overwrite="always")
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["data.bin"]


def test_a_file_whose_length_is_not_told(server: FaultyServer, tmp_path: Path) -> None:
    found = fetch_here(server.serve(DATA, ranges=False, chunked=True), tmp_path)
    assert found["checked"] == ["size"]
    found = fetch_here(server.serve(DATA, "/open.bin", ranges=False, says_size=False), tmp_path)
    assert found["checked"] == []
    assert (tmp_path / "data.bin").read_bytes() == (tmp_path / "open.bin").read_bytes() == DATA


def test_a_chunked_file_that_is_cut_is_noticed(server: FaultyServer, tmp_path: Path) -> None:
    server.faults.append("reset")
    fetch_here(server.serve(DATA, ranges=False, chunked=True), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_addresses_that_expire_are_asked_for_again(server: FaultyServer, tmp_path: Path) -> None:
    server.serve(DATA, "/signed-1")
    server.serve(DATA, "/signed-2")
    start = server.serve(b"", "/start.bin", location="/signed-1")

    def expire(sent: int) -> None:
        if sent >= 3 * PIECE and "/signed-1" in server.pages:
            server.pages["/start.bin"].location = "/signed-2"
            del server.pages["/signed-1"]

    server.before_sending = expire
    server.faults.extend(["short"] * 40)
    fetch_here(start, tmp_path)
    assert (tmp_path / "start.bin").read_bytes() == DATA
    assert {asked.path for asked in server.asked} == {"/start.bin", "/signed-1", "/signed-2"}


def test_an_address_that_is_gone_for_good_ends_it(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    server.before_sending = lambda sent: server.pages.clear() if sent >= 3 * PIECE else None
    server.faults.extend(["short"] * 40)
    assert fetch_here(url, tmp_path)["refused"] == 404
    assert not (tmp_path / "data.bin").exists()


def test_machines_that_each_name_another_version(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    count = iter(range(10_000))

    class EachAnother(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            page.etag = f'"{next(count)}"'
            return page

    page = server.pages["/data.bin"]
    server.pages = EachAnother()
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    page.data = b""


def test_of_a_file_that_never_rests_one_version_is_fetched(server: FaultyServer, tmp_path: Path) -> None:
    url, versions = server.serve(DATA), [DATA]

    def change(_sent: int) -> None:
        versions.append(random.Random(len(versions)).randbytes(len(DATA)))
        page = server.pages["/data.bin"]
        page.data, page.etag, page.modified = versions[-1], f'"{len(versions)}"', None

    server.before_sending = change
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() in versions


def test_a_file_that_became_shorter_is_fetched_anew(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)

    server.before_sending = lambda _sent: server.serve(DATA[:PIECE], etag=None, modified=None)
    fetch_here(url, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA[:PIECE]


def test_a_file_that_lacks_nothing_but_its_name_is_finished(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve(DATA)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "differing", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch_here(url, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["data.bin.part", "data.bin.part-journal"]
    assert fetch_here(url, tmp_path)["resumed"] == len(DATA)
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_a_wrong_checksum_leaves_nothing(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    with pytest.raises(InputError, match="does not have the sha256 that was given"):
        fetch_here(url, tmp_path, sha256="0" * 64)
    assert os.listdir(tmp_path) == []
    right: dict[str, Any] = {"sha256": hashlib.sha256(DATA).hexdigest().upper(), "md5": hashlib.md5(DATA).hexdigest()}
    assert fetch_here(url, tmp_path, **right)["checked"] == ["size", "sha256", "md5"]
    assert fetch_here(url, tmp_path, **right)["reused"]
    assert not fetch_here(url, tmp_path, overwrite="always", **right)["reused"]


def test_a_checksum_vouches_for_what_is_there_from_before(server: FaultyServer, tmp_path: Path) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    url = server.serve(DATA, etag=None, modified=None)
    server.faults.extend(["", "", "", "", *["503"] * 500])
    with pytest.raises(SourceLostError):
        fetch_here(url, tmp_path, sha256=digest)
    server.faults.clear()
    assert fetch_here(url, tmp_path, sha256=digest)["resumed"] > 0


def test_pieces_of_another_version_do_not_stay_under_a_checksum(server: FaultyServer, tmp_path: Path) -> None:
    other = DATA[::-1]
    url = server.serve(DATA)
    server.faults.extend(["", "", "", "", *["503"] * 500])
    with pytest.raises(SourceLostError):
        fetch_here(url, tmp_path, sha256=hashlib.sha256(other).hexdigest())
    server.faults.clear()
    server.serve(other, etag='"two"')
    assert fetch_here(url, tmp_path, sha256=hashlib.sha256(other).hexdigest())["resumed"] == 0
    assert (tmp_path / "data.bin").read_bytes() == other


def test_checksums_that_the_server_states(server: FaultyServer, tmp_path: Path) -> None:
    right = hashlib.sha256(DATA).hexdigest()
    server.serve(DATA, "/cdn")
    url = server.serve(b"", "/model.bin", location="/cdn", headers={"X-Linked-ETag": f'"{right}"'})
    assert fetch_here(url, tmp_path)["checked"] == ["size", "sha256"]
    server.pages["/model.bin"].headers["X-Linked-ETag"] = f'"{"0" * 64}"'
    with pytest.raises(InputError, match="sha256 that was stated"):
        fetch_here(url, tmp_path, name="other.bin")


def test_the_same_file_is_not_fetched_twice(server: FaultyServer, tmp_path: Path) -> None:
    url, state = server.serve(DATA), str(tmp_path / "state")
    (tmp_path / "state").mkdir()
    goal = tmp_path / "goal"
    assert not fetch_here(url, goal, state_dir=state)["reused"]
    asked = len(server.asked)
    assert fetch_here(url, goal, state_dir=state)["reused"]
    assert len(server.asked) == asked + 1
    os.utime(goal / "data.bin", (5, 5))
    assert not fetch_here(url, goal, state_dir=state)["reused"]
    server.serve(DATA[::-1], etag='"two"')
    assert not fetch_here(url, goal, state_dir=state)["reused"]
    assert (goal / "data.bin").read_bytes() == DATA[::-1]
    (tmp_path / "state/fetched.json").write_text("[]")
    assert not fetch_here(url, goal, state_dir=state)["reused"]


def test_places_that_cannot_be_used(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    (tmp_path / "file").write_bytes(b"f")
    with pytest.raises(PathError, match="is a file, not a folder"):
        fetch_here(url, tmp_path / "file")
    (tmp_path / "a/data.bin").mkdir(parents=True)
    with pytest.raises(PathError, match="is a folder"):
        fetch_here(url, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/data.bin").write_bytes(b"mine")
    with pytest.raises(PathError, match="exists already"):
        fetch_here(url, tmp_path / "b", overwrite="never")
    (tmp_path / "b/data.bin.part").write_bytes(b"mine")
    with pytest.raises(PathError, match="is in the way"):
        fetch_here(url, tmp_path / "b")
    assert (tmp_path / "b/data.bin").read_bytes() == (tmp_path / "b/data.bin.part").read_bytes() == b"mine"
    with pytest.raises(PathError, match="name cannot be used"):
        fetch_here(url, tmp_path, name="../x")
    with pytest.raises(PathError, match="outside"):
        fetch_here(url, tmp_path / "..", root=str(tmp_path))


def test_two_fetches_of_one_file_do_not_mix(server: FaultyServer, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with one_at_a_time(state, tmp_path / "data.bin"), pytest.raises(JobBusyError, match="is being fetched already"):
        fetch_here(server.serve(DATA), tmp_path, state_dir=state)


def test_a_disk_that_is_too_small_is_noticed_before(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "free_bytes", lambda _: 10)
    with pytest.raises(SpaceError, match="10 bytes are free"):
        fetch_here(server.serve(DATA), tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_is_no_matter_of_the_server(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "write_at", full)
    with pytest.raises(StorageError, match="full"):
        fetch_here(server.serve(DATA), tmp_path)
    assert len(server.asked) <= 9


def test_a_far_away_folder_gets_the_whole_file_at_once(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = tmp_path / "drive"
    monkeypatch.setattr(engine, "is_remote", lambda path: path == goal)
    goal.mkdir()
    server.before_sending = lambda _sent: seen.append(os.listdir(goal))
    seen: list[list[str]] = []
    fetch_here(server.serve(DATA), goal, state_dir=str(tmp_path / "state"))
    assert (goal / "data.bin").read_bytes() == DATA
    assert os.listdir(goal) == ["data.bin"]
    assert os.listdir(tmp_path / "state/fetches") == []
    assert not any(seen)


@pytest.mark.parametrize("ranges", [True, False])
def test_cancelling_ends_it_and_a_resume_goes_on(server: FaultyServer, tmp_path: Path, ranges: bool) -> None:
    url = server.serve(DATA, ranges=ranges)
    halfway = threading.Event()
    held = threading.Event()

    def hold(sent: int) -> None:
        if sent >= len(DATA) // 2:
            halfway.set()
            held.wait(60)

    class Cancelling(RecordingProgress):
        def advance(self, amount: int = 1) -> None:
            super().advance(amount)
            if halfway.is_set() and self.done >= 2 * PIECE:
                raise JobCancelledError

    server.before_sending = hold
    with pytest.raises(JobCancelledError):
        fetch_here(url, tmp_path, Cancelling())
    held.set()
    assert not (tmp_path / "data.bin").exists()
    server.before_sending = lambda _: None
    progress = RecordingProgress()
    found = fetch_here(url, tmp_path, progress)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert (found["resumed"] > 0) == ranges
    assert progress.done >= len(DATA)


def test_progress_tells_every_byte_once(server: FaultyServer, tmp_path: Path) -> None:
    progress = RecordingProgress()
    fetch_here(server.serve(DATA), tmp_path, progress)
    assert progress.phases == [(None, "Asking 127.0.0.1"), (len(DATA), "Fetching from 127.0.0.1")]
    assert progress.done == len(DATA)


def test_redirects_have_an_end_and_lead_to_servers_only(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(b"", "/round", location="/round")
    with pytest.raises(InputError, match="without end"):
        fetch_here(url, tmp_path)
    for location in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"):
        with pytest.raises(InputError, match="not fetched"):
            fetch_here(server.serve(b"", "/away", location=location), tmp_path)
    assert os.listdir(tmp_path) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schedule=st.lists(st.sampled_from(["", *FAULTS]), max_size=24),
    size=st.integers(0, 20 * PIECE),
    ranges=st.booleans(),
    tagged=st.booleans(),
)
def test_whatever_the_server_does_the_bytes_are_right_or_there_is_an_error(
    schedule: list[str], size: int, ranges: bool, tagged: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving() as server, pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        patch.setattr(opening, "_MOST_TRIES", 4)
        data, folder = random.Random(size).randbytes(size), tmp_path_factory.mktemp("fetched")
        url = server.serve(data, ranges=ranges, etag='"one"' if tagged else None)
        server.faults.extend(schedule)
        for _ in range(3):  # a later call goes on
            with contextlib.suppress(ColabPanelError), pytest.MonkeyPatch.context() as while_it_fails:
                make_impatient(while_it_fails)
                found = fetch_here(url, folder, Progress())
                if "refused" not in found:
                    assert (folder / "data.bin").read_bytes() in {data, data[::-1]}
                    assert os.listdir(folder) == ["data.bin"]
                    break
            assert not (folder / "data.bin").exists()
        server.faults.clear()
        fetch_here(url, folder, overwrite="always")
        assert (folder / "data.bin").read_bytes() == server.pages["/data.bin"].data
