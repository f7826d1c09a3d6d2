"""The Downloads tab, used as a user does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.tabs import _registry, _transfer_line
from colabpanel.tabs._registry import TabEntry
from colabpanel.tabs._transfer_view import TransferView
from colabpanel.tabs.downloads import DownloadsTab
from colabpanel.widgets import browser_link
from colabpanel.widgets.browser_link import BrowserLink
from colabpanel.widgets.refresher import Refresher
from tests.fakes import FakeClock, FakeHost, HeldWork, run_inline
from tests.page import PAGE, FakePage

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = TabEntry("downloads", "Downloads", "colabpanel.tabs.downloads:DownloadsTab")
    monkeypatch.setattr(_registry, "TABS", (entry,))


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePage]:
    """A page at the other end of the widget."""
    made = FakePage()

    def say(link: BrowserLink, message: dict[str, Any], buffers: list[bytes]) -> None:
        made.say(message, buffers)

    def init(link: BrowserLink, original: Callable[..., None] = BrowserLink.__init__, **options: Any) -> None:
        original(link, **options)
        made.listen(lambda message, buffers: link._heard(None, message, buffers))

    monkeypatch.setattr(BrowserLink, "send", say)
    monkeypatch.setattr(BrowserLink, "__init__", init)
    yield made
    made.close()


@pytest.fixture
def own_host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.custom_widgets = True
    (host.workspace / f"{EVIL}.txt").write_bytes(b"evil")
    return host


def _tab(panel: Panel) -> DownloadsTab:
    panel.select("downloads")
    tab = panel.tabs["downloads"]
    assert isinstance(tab, DownloadsTab)
    return tab


@pytest.fixture
def tab(make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost) -> DownloadsTab:
    return _tab(make_panel(own_host))


def _shown(widget: Any) -> bool:
    return bool(widget.layout.display != "none")


def test_a_file_is_downloaded_and_again(tab: DownloadsTab, page: FakePage) -> None:
    card, transfers = tab.download, tab.transfers
    assert not _shown(transfers.controls)
    card.source.text.value = f"{EVIL}.txt"
    assert "colabpanel.download(&#x27;&lt;img" in card.code.value
    tab.context.host.root = tab.context.host.workspace
    card.download_button.click()
    assert page.saved == {f"{EVIL}.txt": b"evil"}
    transfers.update()
    assert "Downloaded &lt;img" in transfers.message.value
    assert "done" in transfers.table.value
    assert EVIL not in transfers.table.value + transfers.message.value + card.more.value
    assert (_shown(transfers.remove_button), _shown(transfers.cancel_button), _shown(transfers.retry_button)) == (
        True,
        False,
        False,
    )
    transfers.remove_button.click()
    transfers.refresh_history()
    assert transfers.queue.items() == ()
    assert "just now" in transfers.past_table.value
    page.saved.clear()
    transfers.again_button.click()
    assert page.saved == {f"{EVIL}.txt": b"evil"}
    transfers.clear_button.click()
    assert "No earlier transfers." in transfers.past_table.value
    assert not _shown(transfers.past_row)


def test_several_go_as_one_zip(tab: DownloadsTab, own_host: FakeHost, page: FakePage) -> None:
    card = tab.download
    for name in ("a.txt", "b.txt"):
        (own_host.workspace / name).write_text(name)
    card.add_button.click()
    assert "No path is chosen." in tab.notice.value
    card.download_button.click()
    assert "Nothing to download is chosen." in tab.notice.value
    card.source.text.value = str(own_host.workspace / "a.txt")
    card.add_button.click()
    assert card.source.path == ""
    assert "a.txt" in card.more.value
    card.clear_button.click()
    assert card.more.value == ""
    for name in ("a.txt", "b.txt"):
        card.source.text.value = str(own_host.workspace / name)
        card.add_button.click()
    card.only.value, card.route.value = "*.txt", "comm"
    assert "only=&#x27;*.txt&#x27;, route=&#x27;comm&#x27;" in card.code.value
    card.download_button.click()
    assert list(page.saved) == ["work.zip"]


def test_routes_are_those_of_the_host(make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost) -> None:
    assert [value for _, value in _tab(make_panel(own_host)).download.route.options] == [None, "files", "comm"]
    own_host.is_served = True
    assert [value for _, value in _tab(make_panel(own_host)).download.route.options] == [None, "comm"]
    own_host.is_served = own_host.custom_widgets = False
    own_host.sends_up_to, own_host.drive_mountpoint = 5, own_host.workspace
    assert [value for _, value in _tab(make_panel(own_host)).download.route.options] == [None, "colab", "drive"]


def test_a_failure_is_told_and_tried_again(tab: DownloadsTab, own_host: FakeHost, page: FakePage) -> None:
    card, transfers = tab.download, tab.transfers
    card.source.text.value = str(own_host.workspace / "later.txt")
    card.download_button.click()
    transfers.update()
    assert "does not exist" in transfers.message.value
    assert "rejected" in transfers.table.value
    (own_host.workspace / "later.txt").write_text("now")
    transfers.retry_button.click()
    assert page.saved == {"later.txt": b"now"}


def test_waiting_transfers_are_held_moved_and_cancelled(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost
) -> None:
    held = HeldWork()
    tab = _tab(make_panel(own_host, runner=JobRunner(held)))
    card, transfers = tab.download, tab.transfers
    for name in ("a", "b", "c"):
        (own_host.workspace / name).write_text(name)
        card.source.text.value = str(own_host.workspace / name)
        card.download_button.click()
    transfers.update()
    assert [item.status for item in transfers.queue.items()] == ["running", "waiting", "waiting"]
    assert "<progress" in transfers.bar.value
    assert [title for title, _ in transfers.chosen.options] == ["↓ a", "↓ b", "↓ c"]
    transfers.up_button.click()
    assert [item.transfer.title for item in transfers.queue.items()] == ["a", "c", "b"]
    transfers.pause_button.click()
    assert _shown(transfers.resume_button)
    assert not _shown(transfers.pause_button)
    transfers.resume_button.click()
    transfers.cancel_button.click()
    held.release()
    held.release()
    transfers.update()
    assert {item.transfer.title: item.status for item in transfers.queue.items()} == {
        "a": "ok",
        "b": "ok",
        "c": "cancelled",
    }


def test_a_button_without_a_transfer_says_so(tab: DownloadsTab) -> None:
    tab.transfers.cancel_button.click()
    assert "No transfer is chosen." in tab.notice.value
    tab.transfers.again_button.click()
    assert "No earlier transfer is chosen." in tab.notice.value


def _choose(page: FakePage, files: dict[str, bytes], *, by: str = PAGE, transfer: str = "t") -> None:
    from colabpanel.services.transfer.models import OfferedFile

    page.files = [(OfferedFile(name, len(data), 1), data) for name, data in files.items()]
    rows = [list(offered) for offered, _ in page.files]
    page.tell({"kind": "chosen", "transfer": transfer, "page": by, "total": len(rows), "first": 0, "files": rows})


def test_files_are_uploaded(tab: DownloadsTab, own_host: FakeHost, page: FakePage) -> None:
    card, transfers = tab.upload, tab.transfers
    card.upload_button.click()
    assert "No files are chosen." in tab.notice.value
    _choose(page, {"a.txt": b"new", f"{EVIL}": b"evil"})
    assert "2 files, 7 bytes: a.txt" in card.told.value
    card.target.text.value = str(own_host.workspace / "up")
    card.upload_button.click()
    assert sorted(path.name for path in (own_host.workspace / "up").iterdir()) == [
        "_img src=x onerror=alert(1)_",
        "a.txt",
    ]
    assert card.told.value == ""
    card.upload_button.click()
    assert "No files are chosen." in tab.notice.value
    _choose(page, {"a.txt": b"new", f"{EVIL}": b"evil"})
    card.upload_button.click()
    transfers.update()
    assert "2 files of these names are there already" in transfers.message.value
    card.overwrite.value = "rename"
    assert "colabpanel.upload(&#x27;" in card.code.value
    assert "overwrite=&#x27;rename&#x27;" in card.code.value
    card.upload_button.click()
    assert len(list((own_host.workspace / "up").iterdir())) == 4


def test_a_reloaded_page_ends_the_uploads_of_the_old_one(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost
) -> None:
    held = HeldWork()
    tab = _tab(make_panel(own_host, runner=JobRunner(held)))
    _choose(page, {"a": b"a"})
    tab.upload.upload_button.click()
    _choose(page, {"b": b"b"})
    assert [item.status for item in tab.transfers.queue.items()] == ["running"]
    _choose(page, {"b": b"b"}, by="another", transfer="u")
    held.release()
    assert [item.status for item in tab.transfers.queue.items()] == ["cancelled"]


def test_a_file_is_downloaded_when_it_changes(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = threading.Event()
    monkeypatch.setattr("colabpanel.services.transfer.watching._LOOK_EVERY", 0.01)
    monkeypatch.setattr("colabpanel.services.transfer.watching._CANCEL_EVERY", 0.01)
    tab = _tab(make_panel(own_host, runner=JobRunner()))
    card = tab.download
    card.watch_button.click()
    assert "No file is chosen." in tab.notice.value
    card.source.text.value = str(own_host.workspace / "plot.png")
    card.watch_button.click()
    assert card.watching.job is not None
    while "Watching" not in card.watching.job.snapshot().description:
        pause.wait(0.001)
    (own_host.workspace / "beside").write_bytes(b"first")
    (own_host.workspace / "beside").replace(own_host.workspace / "plot.png")
    while "plot.png" not in page.saved:
        pause.wait(0.001)
    assert page.saved["plot.png"] == b"first"
    card.watching.cancel_button.click()
    card.watching.job.exception(60)
    tab.update()
    assert "Cancelled." in card.watching.message.value


def test_what_cannot_be_watched_is_told(tab: DownloadsTab, own_host: FakeHost) -> None:
    tab.download.source.text.value = str(own_host.workspace)
    tab.download.watch_button.click()
    tab.update()
    assert "is a folder" in tab.download.watching.message.value


def test_where_custom_widgets_do_not_load_the_page_calls(make_panel: Callable[..., Panel], tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.page_calls = {}
    panel = make_panel(host)
    tab = _tab(panel)
    (name,) = host.page_calls
    assert name in tab.line.widget.value
    assert "invokeFunction" in tab.line.widget.value
    assert tab.line.down is None
    rows = [["a", 1, 1]]
    chosen = {"kind": "chosen", "transfer": "t", "page": "p", "total": 1, "first": 0, "files": rows}
    assert host.page_calls[name]([[chosen, []]]) == []
    assert "1 file, 1 byte: a" in tab.upload.told.value
    panel.close()
    assert host.page_calls == {}
    assert host.watchers == []


def test_where_the_page_has_no_way_it_says_so(
    make_panel: Callable[..., Panel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = FakeHost(tmp_path)
    tab = _tab(make_panel(host))
    assert "no way to take files from your browser" in tab.line.widget.value
    assert not _shown(tab.upload.upload_button)

    def fail(**_: object) -> None:
        raise RuntimeError("no anywidget")

    host.custom_widgets = True
    monkeypatch.setattr(browser_link, "BrowserLink", fail)
    assert "no way to take files" in _tab(make_panel(host)).line.widget.value
    assert "not available" in caplog.text


def test_time_in_which_a_cell_runs_is_no_silence(own_host: FakeHost, page: FakePage) -> None:
    line = _transfer_line.TransferLine(own_host, chooser=False)
    ((started, ended),) = own_host.watchers
    assert not line.patience.deaf()
    started()
    assert line.patience.deaf()
    ended()
    ended()
    assert not line.patience.deaf()
    line.widget.close()
    assert own_host.watchers == []


def test_the_dashboard_shows_no_transfers_of_others(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    tab = _tab(make_panel(own_host))
    tab.download.source.text.value = str(tmp_path / "secret")
    tab.download.download_button.click()
    own_host.root, own_host.is_served = own_host.workspace, True
    other = _tab(make_panel(own_host))
    assert "secret" not in other.transfers.past_table.value
    own_host.root = tmp_path
    assert "secret" in _tab(make_panel(own_host)).transfers.past_table.value


def _view(host: FakeHost, **options: Any) -> TransferView:
    refresher = Refresher(clock=FakeClock(), interval=3600)
    return TransferView(host, runner=JobRunner(run_inline), refresher=refresher, **options)


def test_one_download_without_a_panel(own_host: FakeHost, page: FakePage) -> None:
    view = _view(own_host)
    assert not view.busy
    view.download([str(own_host.workspace / f"{EVIL}.txt")])
    assert page.saved == {f"{EVIL}.txt": b"evil"}
    assert not view.busy
    assert not hasattr(view.tab, "download")
    assert "Test host" in repr(view)
    view.close()
    view.close()
    assert own_host.watchers == []


def test_one_upload_without_a_panel(own_host: FakeHost, page: FakePage) -> None:
    view = _view(own_host, directory=str(own_host.workspace / "up"), overwrite="replace")
    assert view.tab.upload is not None
    _choose(page, {"a": b"a"})
    view.tab.upload.upload_button.click()
    assert (own_host.workspace / "up" / "a").read_bytes() == b"a"
    assert view.tab.upload.overwrite.value == "replace"
    view.close()


def test_the_link_hands_messages_to_those_who_listen() -> None:
    link = BrowserLink()
    heard: list[Any] = []
    stop = link.listen(lambda message, buffers: heard.append((message, list(buffers))))
    link._heard(link, {"kind": "x"}, None)
    link._handle_custom_msg({"kind": "y"}, [b"z"])
    stop()
    link._heard(link, {"kind": "x"}, None)
    assert heard == [({"kind": "x"}, []), ({"kind": "y"}, [b"z"])]
    assert not link.chooser
    link.close()


def test_files_are_not_sent_twice(make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost) -> None:
    held = HeldWork()
    tab = _tab(make_panel(own_host, runner=JobRunner(held)))
    _choose(page, {"a": b"a"})
    tab.upload.upload_button.click()
    tab.upload.upload_button.click()
    assert "These files are on their way already." in tab.notice.value
    assert len(tab.transfers.queue.items()) == 1
    tab.transfers.cancel_button.click()
    held.release()
    tab.upload.upload_button.click()
    assert tab.notice.value == ""
    assert len(tab.transfers.queue.items()) == 2


def test_a_transfer_that_nobody_clicked_for_is_not_chosen(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost
) -> None:
    held = HeldWork()
    tab = _tab(make_panel(own_host, runner=JobRunner(held)))
    card, transfers = tab.download, tab.transfers
    for name in ("a", "b"):
        (own_host.workspace / name).write_text(name)
    card.source.text.value = str(own_host.workspace / "a")
    card.download_button.click()
    chosen = transfers.chosen.value
    card._add_unasked(card.transfer([str(own_host.workspace / "b")]))
    transfers.update()
    assert len(transfers.chosen.options) == 2
    assert transfers.chosen.value == chosen
    held.release()
    held.release()
    transfers.update()
    transfers.remove_button.click()
    transfers.remove_button.click()
    assert "No transfer is chosen." in tab.notice.value
    assert [item.transfer.title for item in transfers.queue.items()] == ["b"]


def test_the_empty_field_means_the_folder_it_names(
    make_panel: Callable[..., Panel], page: FakePage, own_host: FakeHost, tmp_path: Path
) -> None:
    tab = _tab(make_panel(own_host))
    named = tab.upload.target.text.placeholder
    own_host.workspace = tmp_path / "another"
    assert tab.upload.directory == tab.fetch.directory == named
