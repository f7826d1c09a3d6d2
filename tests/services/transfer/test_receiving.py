from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import HostError, InputError, JobCancelledError, OutsideRootError, PathError, SpaceError
from colabpanel.services.transfer import incoming
from colabpanel.services.transfer.chosen import ChosenFiles, watch_choices
from colabpanel.services.transfer.incoming import plan_upload, safe_path
from colabpanel.services.transfer.link import Patience
from colabpanel.services.transfer.models import OfferedFile, Overwrite, Received
from colabpanel.services.transfer.receiving import PART, receive
from tests.archives import tree_of
from tests.fakes import RecordingProgress
from tests.page import PAGE, FakePage

HASTY = Patience(again=0.01, greeting=0.01, silence=30)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page() -> Iterator[FakePage]:
    made = FakePage()
    yield made
    made.close()


def _offer(page: FakePage, files: dict[str, bytes]) -> list[OfferedFile]:
    page.files = [(OfferedFile(name, len(data), 5), data) for name, data in files.items()]
    return [offered for offered, _ in page.files]


def _upload(
    page: FakePage,
    folder: Path,
    files: dict[str, bytes],
    *,
    overwrite: Overwrite = "ask",
    progress: RecordingProgress | None = None,
    patience: Patience = HASTY,
) -> Received:
    plan = plan_upload(_offer(page, files), folder, overwrite=overwrite)
    return receive(page, plan, transfer="t", page=PAGE, progress=progress, patience=patience)


def test_files_arrive_where_they_belong(page: FakePage, tmp_path: Path) -> None:
    files = {
        "model.bin": random.Random(1).randbytes(3 * PART + 5),
        "empty": b"",
        f"data/{EVIL}.txt": b"evil",
        **{f"data/{number}": bytes([number]) * number for number in range(200)},
    }
    progress = RecordingProgress()
    received = _upload(page, tmp_path / "new" / "up", files, progress=progress)
    wanted = {name.replace("<", "_").replace(">", "_"): data for name, data in files.items()}
    assert tree_of(tmp_path / "new" / "up") == wanted
    assert (received.status, received.size, received.resumed) == ("ok", sum(map(len, files.values())), 0)
    assert set(received.files) == set(wanted)
    assert progress.done == received.size
    assert page.largest <= PART
    page.close()
    assert page.forgotten == ["t"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=8),
    part=st.integers(100, 1500),
    lost=st.sets(st.integers(0, 30), max_size=8),
)
def test_whatever_is_lost_is_asked_for_again(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[int],
    part: int,
    lost: set[int],
) -> None:
    monkeypatch.setattr("colabpanel.services.transfer.receiving.PART", part)
    counted = iter(range(1_000_000))
    page = FakePage(lose=lambda message: message["kind"] != "forget" and next(counted) in lost)
    files = {f"{number}": random.Random(number).randbytes(size) for number, size in enumerate(sizes)}
    folder = tmp_path_factory.mktemp("up")
    assert _upload(page, folder, files).status == "ok"
    page.close()
    assert tree_of(folder) == files
    assert page.largest <= part


@pytest.mark.parametrize("lost_part", [False, True])
def test_a_cancelled_upload_goes_on_where_it_stopped(page: FakePage, tmp_path: Path, lost_part: bool) -> None:
    data = random.Random(4).randbytes(9 * PART)
    with pytest.raises(JobCancelledError):
        _upload(page, tmp_path, {"big": data}, progress=RecordingProgress(4 * PART))
    (part,) = tmp_path.iterdir()
    held = part.stat().st_size
    assert part.name.startswith(".big.")
    assert 0 < held < len(data)
    if lost_part:
        part.write_bytes(bytes(len(data) + 1))
        held = 0
    progress = RecordingProgress()
    received = _upload(page, tmp_path, {"big": data}, progress=progress)
    assert (received.resumed, progress.done) == (held, len(data))
    assert tree_of(tmp_path) == {"big": data}


def test_a_part_that_is_wrong_is_found_out(page: FakePage, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(3 * PART)
    plan = plan_upload(_offer(page, {"big": data}), tmp_path)
    plan.files[0].part.write_bytes(bytes(PART))
    received = _upload(page, tmp_path, {"big": data})
    assert received.status == "partial"
    assert "other bytes than the browser read" in received.skipped[0].reason
    assert tree_of(tmp_path) == {}
    assert _upload(page, tmp_path, {"big": data}).status == "ok"


def test_what_cannot_be_read_is_left_out_and_named(page: FakePage, tmp_path: Path) -> None:
    page.unreadable = frozenset({1})
    received = _upload(page, tmp_path, {"a": b"a", "b": bytes(2 * PART), "c": b"c"})
    assert (received.status, received.files) == ("partial", ("a", "c"))
    assert [tuple(left) for left in received.skipped] == [("b", "the browser could not read it")]


def test_spoiled_bytes_never_get_a_name(page: FakePage, tmp_path: Path) -> None:
    page.spoils = True
    assert _upload(page, tmp_path, {"a": b"a"}).files == ()
    assert tree_of(tmp_path) == {}


def test_the_rules_for_files_that_are_there(page: FakePage, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"old")
    with pytest.raises(InputError, match=r"1 file of these names are there already, such as a.tar.gz"):
        _upload(page, tmp_path, {"a.tar.gz": b"new"})
    assert tree_of(tmp_path) == {"a.tar.gz": b"old"}
    assert _upload(page, tmp_path, {"a.tar.gz": b"new"}, overwrite="rename").files == ("a.tar (1).gz",)
    assert _upload(page, tmp_path, {"a.tar.gz": b"newest"}, overwrite="replace").status == "ok"
    assert tree_of(tmp_path) == {"a.tar.gz": b"newest", "a.tar (1).gz": b"new"}
    assert _upload(page, tmp_path / "x", {"b:": b"1", "b?": b"2"}).files == ("b_", "b_ (1)")


def test_names_as_long_as_disks_take_arrive(page: FakePage, tmp_path: Path) -> None:
    names = ["\u6587" * 80, "\u6587" * 80 + ".png", "x" * 255]
    received = _upload(page, tmp_path, dict.fromkeys(names, b"1"))
    assert (received.status, len(tree_of(tmp_path))) == ("ok", 3)


def test_a_file_that_appears_meanwhile_is_not_replaced(page: FakePage, tmp_path: Path) -> None:
    plan = plan_upload(_offer(page, {"a": b"new"}), tmp_path)
    (tmp_path / "a").write_bytes(b"mine")
    received = receive(page, plan, transfer="t", page=PAGE)
    assert "appeared meanwhile" in received.skipped[0].reason
    assert (tmp_path / "a").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/x", "abs/x"),
        ("C:\\x\\y", "C__x_y"),
        ("a/./b//c", "a/b/c"),
        ("nul\0\n\x1b", "nul___"),
        (" spaced. ", "spaced."),
        ("..", ""),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "_gpj.exe"),
    ],
)
def test_names_are_made_safe(path: str, safe: str) -> None:
    assert safe_path(path) == safe.rstrip(".")


@given(st.text(max_size=300))
def test_no_name_leads_out(path: str) -> None:
    parts = safe_path(path).split("/")
    assert not {"..", "."} & set(parts)
    assert all(len(os.fsencode(part)) <= 255 and "\\" not in part for part in parts)
    assert "\0" not in safe_path(path)


def test_long_names_and_names_of_nothing(page: FakePage, tmp_path: Path) -> None:
    received = _upload(page, tmp_path, {"ä" * 400 + ".txt": b"long", "..": b"none"})
    (name,) = received.files
    assert name.endswith(".txt")
    assert received.skipped[0].reason == "it has no name"


def test_links_in_the_way_are_not_followed(page: FakePage, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "up"
    outside.mkdir()
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "near").symlink_to(folder / "else")
    (folder / "sub").mkdir()
    (folder / "file").touch()
    received = _upload(page, folder, {"link/x": b"x", "near": b"x", "sub": b"x", "file/y": b"y", "ok": b"ok"})
    assert received.files == ("ok",)
    assert len(received.skipped) == 4
    assert list(outside.iterdir()) == []


def test_folders_that_cannot_be_used(page: FakePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = _offer(page, {"a": b"a"})
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="is a file, not a folder"):
        plan_upload(offered, tmp_path / "file")
    with pytest.raises(OutsideRootError):
        plan_upload(offered, tmp_path / "..", root=tmp_path)
    with pytest.raises(InputError, match="No files are chosen"):
        plan_upload([], tmp_path)
    monkeypatch.setattr(incoming, "_MOST_FILES", 0)
    with pytest.raises(InputError, match="too many"):
        plan_upload(offered, tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr(incoming, "_MOST_FILES", 5)
    with pytest.raises(PathError, match="may not write"):
        plan_upload(offered, tmp_path)


def test_what_does_not_fit_is_refused_before_the_first_byte(page: FakePage, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="would not fit"):
        plan_upload([OfferedFile("huge", 1 << 60, 0)], tmp_path)
    assert page.heard == []


def test_a_page_that_is_gone_is_told_and_the_part_stays(page: FakePage, tmp_path: Path) -> None:
    data, told, lost = bytes(9 * PART), itertools.count(), threading.Event()

    def lose(message: dict[str, Any]) -> bool:
        if message["kind"] == "parts" and next(told) >= 3:
            lost.set()
        return lost.is_set()

    page.lose = lose
    with pytest.raises(HostError, match="does not answer"):
        _upload(page, tmp_path, {"big": data}, patience=Patience(again=0.01, silence=1, deaf=lambda: not lost.is_set()))
    (part,) = tmp_path.iterdir()
    assert part.stat().st_size == 3 * PART


def test_what_is_no_answer_is_passed_over(page: FakePage, tmp_path: Path) -> None:
    plan = plan_upload(_offer(page, {"a": b"a"}), tmp_path)
    real = page.tell

    def tell(message: dict[str, Any], *buffers: bytes) -> None:
        wrongs: list[dict[str, Any]] = [{"number": 9}, {"sums": None}, {"sums": []}]
        for wrong in wrongs:
            real({**message, **wrong}, *buffers)
        real(message, *buffers)

    page.tell = tell  # type: ignore[method-assign]
    assert receive(page, plan, transfer="t", page=PAGE).files == ("a",)


def test_long_lists_come_in_slices(page: FakePage) -> None:
    seen: list[ChosenFiles] = []
    stop = watch_choices(page, seen.append)
    rows = [[f"{number}", number, -number] for number in range(7)]

    def tell(first: int, files: Any, *, transfer: str = "t", total: Any = 7) -> None:
        page.tell({"kind": "chosen", "transfer": transfer, "page": "p", "total": total, "first": first, "files": files})

    tell(0, rows[:3], transfer="given up")
    tell(0, rows[:5])
    page.tell({"kind": "ack", "transfer": "t", "page": "p"})
    assert seen == []
    tell(5, rows[5:])
    (chosen,) = seen
    assert (len(chosen.files), chosen.size, chosen.files[6]) == (7, 21, OfferedFile("6", 6, -6))
    for wrong in ("x", ["x"], [["x", -1, 0]], [["x", True, 0]], [[b"x", 1, 0]], [["x", 1, "y"]]):
        tell(0, wrong, total=1)
    tell(3, rows[:1], total=1)
    tell(0, rows[:1], total="1")
    assert len(seen) == 1
    stop()
    tell(0, rows[:1], total=1)
    assert len(seen) == 1
