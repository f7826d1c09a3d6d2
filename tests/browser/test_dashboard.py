"""The dashboard: `colabpanel serve` in a real browser."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from colabpanel.app.sample import write_sample
from tests.archives import TREE, make_zip, tree_of

from .archives import EVIL, HACKED, evil_zip, slow_tar
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import OPEN_MS
from .panel_view import PanelView
from .servers import Server, main_python, start_command

URL = r"at (?P<url>http://[\d.:]+/)\?token=(?P<token>[\w-]+)"


def _serve(base: Path, root: Path, *options: str) -> AbstractContextManager[Server]:
    command = [str(main_python()), "-m", "colabpanel", "serve", "--no-browser", "--root", str(root), *options]
    return start_command(command, URL, base, root=root)


@pytest.fixture(scope="module", params=["light", "dark"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    base = tmp_path_factory.mktemp("serve")
    with _serve(base, base / "root", "--sample", "--theme", request.param) as server:
        yield server, request.param


def _open(page: Page, server: Server) -> PanelView:
    page.goto(f"{server.url}/?token={server.token}", timeout=OPEN_MS)
    return PanelView(page).wait()


@pytest.mark.parametrize("width", [390, 1280])
def test_staging_at_both_widths_is_fine_for_everybody(
    dashboard: tuple[Server, str], page: Page, shots: Shots, width: int
) -> None:
    server, theme = dashboard
    page.set_viewport_size({"width": width, "height": 1000})
    panel = _open(page, server)
    assert grave_violations(page, ".colabpanel") == []
    shots.save(page, f"dashboard-{theme}-{width}-drive")
    source, target = evil_zip(server.root), server.root / f"data-{width}"
    panel.stage(source.name, target.name)
    panel.says("1 member was skipped")
    assert tree_of(target) == {**TREE, f"{EVIL}.txt": b"evil"}
    panel.root.get_by_text("Which, and why").click()
    panel.button("Browse").first.click()
    panel.button("Options").click()
    expect(panel.root.locator(".cp-note")).to_contain_text("entr")
    assert grave_violations(page, ".colabpanel") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shots.save(panel.root, f"dashboard-{theme}-{width}-staged")
    assert not page.evaluate(HACKED)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_folder_is_packed_by_clicking(dashboard: tuple[Server, str], page: Page, shots: Shots, width: int) -> None:
    server, theme = dashboard
    page.set_viewport_size({"width": width, "height": 2400})
    folder = server.root / f"pictures-{width}"
    folder.mkdir(exist_ok=True)
    (folder / f"{EVIL}.txt").write_bytes(b"evil " * 1000)
    panel = _open(page, server)
    panel.open_tab("Data staging")
    panel.fill("Files in", folder.name)
    expect(panel.root.get_by_label("Archive", exact=True)).to_have_attribute("placeholder", f"{folder.name}.zip")
    panel.button("Pack").click()
    panel.says("Packed 1 file, 4.9 KB")
    assert (server.root / f"{folder.name}.zip").exists()
    assert grave_violations(page, ".colabpanel") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shots.save(page, f"dashboard-{theme}-{width}-packed")
    assert not page.evaluate(HACKED)


def test_a_folder_is_copied_by_clicking(dashboard: tuple[Server, str], page: Page, shots: Shots) -> None:
    server, theme = dashboard
    page.set_viewport_size({"width": 390, "height": 2400})
    (server.root / "results").mkdir(exist_ok=True)
    (server.root / "results" / f"{EVIL}.txt").write_bytes(b"evil " * 1000)
    panel = _open(page, server)
    panel.open_tab("Data staging")
    panel.fill("Copy from", "results")
    panel.fill("Copy to", f"safe-{theme}")
    panel.button("Copy").click()
    panel.says("Copied 1 file, 4.9 KB")
    assert (server.root / f"safe-{theme}" / f"{EVIL}.txt").exists()
    panel.fill("Repeat", "5")
    panel.button("Copy").click()
    panel.says("Nothing has changed: 1 file is in")
    expect(panel.root.get_by_text("again at")).to_be_visible()
    shots.save(page, f"dashboard-{theme}-390-copied")
    panel.button("Cancel").click()
    panel.says("Cancelled.")
    assert grave_violations(page, ".colabpanel") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_outside_of_the_root_is_touched(dashboard: tuple[Server, str], page: Page, tmp_path: Path) -> None:
    server, _ = dashboard
    secret = make_zip(tmp_path / "secret.zip")
    panel = _open(page, server)
    for source, target in ((secret, "x"), ("sample-images.zip", tmp_path / "x")):
        panel.stage(source, target)
        panel.says("lies outside the folder that this panel may touch")
    assert [path.name for path in tmp_path.iterdir()] == ["secret.zip"]
    expect(panel.button("Work here")).to_have_count(0)


@pytest.mark.parametrize(
    "path", ["", "voila/files/launcher.py", "voila/files/dashboard.ipynb", "api/kernels/x/channels"]
)
def test_without_the_token_nothing_is_served(dashboard: tuple[Server, str], path: str) -> None:
    server, _ = dashboard
    for query in ("", "?token=wrong"):
        try:
            with urllib.request.urlopen(f"{server.url}/{path}{query}") as answer:
                assert "/login" in answer.url
        except urllib.error.HTTPError as error:
            with error:
                assert error.code in {400, 403, 404}  # noqa: PT017 - either refusal is right


def test_with_the_token_no_file_is_handed_out_either(dashboard: tuple[Server, str]) -> None:
    server, _ = dashboard
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server.url}/voila/files/launcher.py?token={server.token}")
    with caught.value:
        assert caught.value.code == 403


def test_cancel_and_resume_by_clicking(page: Page, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    slow_tar(root)
    with _serve(tmp_path, root) as server:
        panel = _open(page, server)
        panel.stage("slow.tar.bz2", "data")
        expect(panel.root.locator("progress[value]:visible")).to_have_count(1)
        panel.button("Cancel").click()
        panel.says("Cancelled.")
        assert not (root / "data").exists()
        assert (root / "data.partial").exists()
        panel.button("Resume").click()
        panel.says("Unpacked 45 files")
        assert len(tree_of(root / "data")) == 45
        assert not (root / "data.partial").exists()


def test_the_kernel_of_a_closed_page_ends(page: Page, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write_sample(root)
    with _serve(tmp_path, root, "--cull-after", "20") as server:
        _open(page, server)
        kernels = psutil.Process(server.process.popen.pid).children()
        assert len(kernels) == 1
        page.goto("about:blank")
        _, alive = psutil.wait_procs(kernels, timeout=120)
        assert alive == []


def test_a_port_that_is_taken_meanwhile_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = (
            "from colabpanel.app import launcher\n"
            f"launcher._free_port = lambda *_: {port}\n"
            f"launcher.serve({str(tmp_path / 'root')!r}, lambda url: print('at', url, flush=True), open_browser=False)"
        )
        with start_command([str(main_python()), "-c", code], URL, tmp_path, root=tmp_path / "root") as server:
            assert not server.url.endswith(f":{port}")
            urllib.request.urlopen(f"{server.url}/?token={server.token}", timeout=60).close()
