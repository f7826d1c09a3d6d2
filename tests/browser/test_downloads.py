"""Files out of the runtime and into it by clicking: JupyterLab 4, the classic Notebook with Colab's versions, Voila."""

from __future__ import annotations

import hashlib
import os
import random
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Download, Page, expect

from colabpanel.jobs import JobRunner
from colabpanel.services.transfer.chosen import ChosenFiles, watch_choices
from colabpanel.services.transfer.incoming import plan_upload
from colabpanel.services.transfer.polling import PollingLink
from colabpanel.services.transfer.receiving import receive
from colabpanel.widgets.image_view import resource
from colabpanel.widgets.upload_fallback import UploadFallback
from tests.children import command_of
from tests.waiting import wait_until

from .archives import EVIL, HACKED
from .axe import grave_violations
from .browser_tools import CHROMIUM, Shots
from .notebooks import BUSY_CELL, HostPage
from .panel_view import PanelView
from .servers import Server
from .test_dashboard import _open, _serve

MB = 1 << 20
ARRIVES_MS = 120_000
CANCELLED_S = 2
SHOW = "import colabpanel\npanel = colabpanel.show(['downloads'])"
HOSTS = pytest.mark.parametrize("host", ["jupyterlab", "classic"], indirect=True)


def _bytes_of(path: Path, size: int) -> str:
    """Write a file that does not compress, and return its SHA-256."""
    random_bytes, digest = random.Random(size), hashlib.sha256()
    with path.open("wb") as stream:
        for start in range(0, size, MB):
            block = random_bytes.randbytes(min(MB, size - start))
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(MB):
            digest.update(block)
    return digest.hexdigest()


def _download(panel: PanelView, path: str | Path, *, route: str = "") -> Download:
    panel.fill("Download", path)
    if route:
        panel.root.get_by_label("Route", exact=True).select_option(route)
    with panel.page.expect_download(timeout=ARRIVES_MS) as caught:
        panel.button("Download").click()
    return caught.value


def _notebook(host: HostPage, *more: str) -> tuple[PanelView, Path]:
    folder = host.open_cells(SHOW, *more)
    host.run_cell(0)
    return PanelView(host.page).wait(), folder


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("serve-downloads")
    (base / "root").mkdir()
    with _serve(base, base / "root") as server:
        yield server


@pytest.fixture
def dashboard(voila: Server, page: Page) -> tuple[PanelView, Path]:
    panel = _open(page, voila)
    panel.open_tab("Downloads")
    expect(panel.button("Choose files")).to_be_visible()
    return panel, voila.root


def _kernel_of(server: Server) -> psutil.Process:
    """Return the youngest kernel: the page's own."""
    children = psutil.Process(server.process.popen.pid).children(recursive=True)
    kernels = [child for child in children if "ipykernel" in command_of(child)]
    return max(kernels, key=lambda kernel: kernel.create_time())


@HOSTS
@pytest.mark.parametrize(("size", "route"), [(MB, ""), (50 * MB, ""), (MB, "Through the notebook, verified")])
def test_a_file_arrives_in_a_notebook(host: HostPage, size: int, route: str) -> None:
    panel, folder = _notebook(host)
    digest = _bytes_of(folder / f"{EVIL}.bin", size)
    download = _download(panel, folder / f"{EVIL}.bin", route=route)
    assert _sum(download.path()) == digest
    panel.says("verified" if route else "was handed to your browser")
    assert not host.page.evaluate(HACKED)


@HOSTS
def test_50_mb_through_the_notebook_take_little_memory(host: HostPage) -> None:
    panel, folder = _notebook(host)
    digest = _bytes_of(folder / "model.bin", 50 * MB)
    kernel = _kernel_of(host.server)
    before = kernel.memory_info().rss
    download = _download(panel, folder / "model.bin", route="Through the notebook, verified")
    assert _sum(download.path()) == digest
    panel.says("Downloaded model.bin, 50.0 MB")
    assert kernel.memory_info().rss - before < 100 * MB


@pytest.mark.parametrize("size", [MB, 50 * MB])
def test_a_file_arrives_from_the_dashboard(dashboard: tuple[PanelView, Path], voila: Server, size: int) -> None:
    panel, root = dashboard
    digest = _bytes_of(root / f"{size}.bin", size)
    kernel = _kernel_of(voila)
    before = kernel.memory_info().rss
    assert _sum(_download(panel, f"{size}.bin").path()) == digest
    panel.says(f"Downloaded {size}.bin")
    assert kernel.memory_info().rss - before < 100 * MB


@pytest.fixture
def profile_page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser with a profile on disk, as people have: in a private window a page's disk is memory."""
    context = browser.browser_type.launch_persistent_context(
        tmp_path / "profile", executable_path=CHROMIUM, headless=True, args=["--no-sandbox", "--disable-gpu"]
    )
    yield context.new_page()
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", [200 * MB, 2048 * MB])
def test_a_large_file_arrives_from_the_dashboard(profile_page: Page, voila: Server, size: int) -> None:
    panel, root = _open(profile_page, voila), voila.root
    panel.open_tab("Downloads")
    expect(panel.button("Choose files")).to_be_visible()
    digest = _bytes_of(root / "large.bin", size)
    kernel = _kernel_of(voila)
    before, peak = kernel.memory_info().rss, 0
    panel.fill("Download", "large.bin")
    downloads: list[Download] = []

    def keep(download: Download) -> None:
        downloads.append(download)

    profile_page.on("download", keep)
    panel.button("Download").click()
    while not panel.root.locator(".cp-message:visible").count():
        peak = max(peak, kernel.memory_info().rss)
        profile_page.wait_for_timeout(500)
    panel.says("Downloaded large.bin")
    (download,) = downloads
    assert _sum(download.path()) == digest
    assert peak - before < 100 * MB
    left = profile_page.evaluate(
        "async () => { let n = 0;"
        " for await (const _ of (await navigator.storage.getDirectory()).keys()) n++; return n; }"
    )
    assert left == 1


def test_a_folder_of_10000_files_arrives_as_one_zip(dashboard: tuple[PanelView, Path]) -> None:
    panel, root = dashboard
    folder = root / "pictures"
    for number in range(10_000):
        path = folder / f"class{number % 10}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"picture {number}" * (number % 7))
    download = _download(panel, "pictures")
    assert download.suggested_filename == "pictures.zip"
    with zipfile.ZipFile(download.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 10_000
        assert archive.read("class3/3.txt") == b"picture 3" * 3
    panel.says("Downloaded pictures.zip with 10,000 files")
    assert not list(root.glob("*.zip"))


def _cancel(panel: PanelView) -> float:
    expect(panel.root.locator("progress[value]:visible")).to_have_count(1)
    panel.button("Cancel").click()
    started = time.monotonic()
    panel.page.wait_for_function(  # looks at each frame: expect waits longer and longer between its looks
        "() => [...document.querySelectorAll('.cp-message')].some(told => told.innerText.includes('Cancelled.'))"
    )
    return time.monotonic() - started


def test_cancel_takes_two_seconds_at_most(dashboard: tuple[PanelView, Path]) -> None:
    panel, root = dashboard
    (root / "long.bin").touch()
    os.truncate(root / "long.bin", 2048 * MB)
    panel.fill("Download", "long.bin")
    panel.button("Download").click()
    assert _cancel(panel) < CANCELLED_S
    panel.button("Try again").click()
    assert _cancel(panel) < CANCELLED_S


def _upload(panel: PanelView, files: list[Path], into: str | Path) -> None:
    panel.fill("Upload to", into)
    with panel.page.expect_file_chooser() as chooser:
        panel.button("Choose files").click()
    chooser.value.set_files(files)
    expect(panel.root.locator(".cp-note", has_text=files[0].name)).to_be_visible()
    panel.button("Upload").click()


@HOSTS
def test_50_mb_are_uploaded_into_a_notebook(host: HostPage, tmp_path: Path) -> None:
    panel, folder = _notebook(host)
    digest = _bytes_of(tmp_path / f"{EVIL}.bin", 50 * MB - 1)
    (tmp_path / "small.txt").write_text("")
    _upload(panel, [tmp_path / f"{EVIL}.bin", tmp_path / "small.txt"], folder / "up")
    panel.says("Uploaded 2 files, 50.0 MB")
    large, small = sorted((folder / "up").iterdir())
    assert (_sum(large), small.read_text()) == (digest, "")
    assert not host.page.evaluate(HACKED)


def test_an_upload_into_the_dashboard_goes_on_after_a_reload(
    dashboard: tuple[PanelView, Path], voila: Server, tmp_path: Path
) -> None:
    panel, root = dashboard
    digest = _bytes_of(tmp_path / "large.bin", 100 * MB)
    _upload(panel, [tmp_path / "large.bin"], "up")
    wait_until(lambda: next((path.stat().st_size for path in (root / "up").glob(".*.part")), 0) > MB)
    panel = _open(panel.page, voila)
    panel.open_tab("Downloads")
    expect(panel.button("Choose files")).to_be_visible()
    _upload(panel, [tmp_path / "large.bin"], "up")
    panel.says("had come before")
    assert [path.name for path in (root / "up").iterdir()] == ["large.bin"]
    assert _sum(root / "up" / "large.bin") == digest


def test_a_folder_is_uploaded_and_what_is_there_is_not_replaced(
    dashboard: tuple[PanelView, Path], tmp_path: Path
) -> None:
    panel, root = dashboard
    for number in range(300):
        path = tmp_path / "data" / f"{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}" * number)
    panel.fill("Upload to", "folder")
    with panel.page.expect_file_chooser() as chooser:
        panel.button("Choose a folder").click()
    chooser.value.set_files(tmp_path / "data")
    expect(panel.root.locator(".cp-note", has_text="300 files")).to_be_visible()
    panel.button("Upload").click()
    panel.says("Uploaded 300 files")
    names = {os.path.relpath(path, tmp_path) for path in (tmp_path / "data").rglob("*.txt")}
    assert {os.path.relpath(path, root / "folder") for path in (root / "folder").rglob("*.txt")} == names
    assert (root / "folder/data/2/299.txt").read_text() == "299" * 299


def test_nothing_outside_of_the_root_goes_out_or_in(dashboard: tuple[PanelView, Path], tmp_path: Path) -> None:
    panel, _ = dashboard
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    panel.fill("Download", secret)
    panel.button("Download").click()
    panel.says("lies outside the folder that this panel may touch")
    _upload(panel, [secret], tmp_path / "in")
    panel.says("lies outside the folder that this panel may touch")
    assert not (tmp_path / "in").exists()


@HOSTS
def test_both_ways_while_a_cell_runs(host: HostPage, tmp_path: Path) -> None:
    panel, folder = _notebook(host, BUSY_CELL)
    down, up = _bytes_of(folder / "down.bin", 3 * MB), _bytes_of(tmp_path / "up.bin", 2 * MB)
    host.run_cell(1)
    download = _download(panel, folder / "down.bin", route="Through the notebook, verified")
    assert _sum(download.path()) == down
    panel.says("Downloaded down.bin")
    _upload(panel, [tmp_path / "up.bin"], folder)
    panel.says("Uploaded 1 file")
    assert _sum(folder / "up.bin") == up
    assert host.is_running(1)


COLAB = """window.google = {colab: {kernel: {invokeFunction: async (name, [messages]) =>
    ({data: {"application/json": {answer: await window.callKernel(name, messages)}}})}}}"""


def test_where_custom_widgets_do_not_load_plain_html_uploads(page: Page, tmp_path: Path) -> None:
    link, chosen, calls = PollingLink(), list[ChosenFiles](), list[str]()
    watch_choices(link, chosen.append)

    def call(name: str, messages: list[Any]) -> list[Any]:
        calls.append(name)
        return link.call(messages)

    page.expose_function("callKernel", call)
    page.set_content(f'<div class="colabpanel">{UploadFallback("up").value}</div>')
    page.evaluate(COLAB)
    digest = _bytes_of(tmp_path / "large.bin", 5 * MB + 1)
    (tmp_path / "small.txt").write_text("small")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files([tmp_path / "large.bin", tmp_path / "small.txt"])
    while not chosen:
        page.wait_for_timeout(20)
    plan = plan_upload(chosen[0].files, tmp_path / "up")
    job = JobRunner().submit(
        "up", lambda progress: receive(link, plan, transfer=chosen[0].transfer, page=chosen[0].page, progress=progress)
    )
    while not job.done():
        page.wait_for_timeout(20)
    assert job.result().files == ("large.bin", "small.txt")
    assert _sum(tmp_path / "up" / "large.bin") == digest
    assert set(calls) == {"up"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_looks_as_it_should(page: Page, tmp_path: Path, shots: Shots, theme: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / f"{EVIL}.txt").write_text("evil")
    (tmp_path / f"{EVIL} up.txt").write_text("evil")
    with _serve(tmp_path, root, "--theme", theme) as server:
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 1400})
            panel = _open(page, server)
            panel.open_tab("Downloads")
            expect(panel.button("Choose files")).to_be_visible()
            _download(panel, f"{EVIL}.txt")
            panel.says("Downloaded")
            _upload(panel, [tmp_path / f"{EVIL} up.txt"], f"up-{width}")
            panel.says("Uploaded 1 file")
            assert grave_violations(page, ".colabpanel") == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert not page.evaluate(HACKED)
            shots.save(page, f"dashboard-{theme}-{width}-downloads")


UPLOADS = """async () => {
  const sent = [], uploads = makeUploads((message) => sent.push(message));
  const bytes = (size, seed) => Uint8Array.from({ length: size }, (_, at) => (at * 31 + seed) % 251);
  const file = (name, size, seed) => new File([bytes(size, seed)], name);
  const truth = (size, seed) => { const sum = new Sha256(); sum.update(bytes(size, seed)); return sum.hex(); };
  const ask = async (transfer, ...parts) => {
    sent.length = 0;
    uploads.hear({ kind: "want", transfer, page: PAGE, number: 0, parts });
    await uploads.settled();
    return sent[0];
  };
  uploads.choose([file("first", 300, 1), file("second", 800, 2)]);
  const first = sent[0].transfer;
  uploads.choose([file("later", 20, 3)]);
  const again = [];
  for (const parts of [[[0, 0, 300], [1, 0, 212]], [[1, 212, 512]], [[0, 0, 300], [1, 212, 212]], [[1, 424, 376]]])
    again.push((await ask(first, ...parts)).sums.at(-1));
  const lost = await ask("unknown", [0, 0, 1]);
  return [again.at(-1) === truth(800, 2), again[1], lost.kind, lost.message];
}"""


def test_files_chosen_later_leave_an_upload_alone_and_a_retry_sums_up_all_of_it(page: Page) -> None:
    page.add_script_tag(content=resource("browser_transfer.js"))
    sums_up, unfinished, kind, message = page.evaluate(UPLOADS)
    assert (sums_up, unfinished, kind) == (True, None, "error")
    assert "no longer knows these files" in message
