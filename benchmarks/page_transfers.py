"""Files between the runtime and a real browser: the dashboard's channel, beside what a Jupyter server does by itself.

The page is a headless Chromium on this machine, so the network costs nothing, and browser, server and kernel
share its processors.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from raw_page import RawPage, raw_page

from tests.browser import servers
from tests.browser.servers import Server

MB = 1 << 20
DOWN, UP = 200 * MB, 100 * MB
RUNS = 3
TARGET = 25.0
URL = r"at (?P<url>http://[\d.:]+/)\?token=(?P<token>[\w-]+)"

# As JupyterLab's file browser does it: pieces of 1 MB in base64, one after another.
UPLOAD_AS_LAB = """async ({url, token, size}) => {
    const block = new Uint8Array(1 << 20), started = performance.now();
    for (let at = 0; at < block.length; at += 65536) crypto.getRandomValues(block.subarray(at, at + 65536));
    for (let number = 1, sent = 0; sent < size; number++, sent += block.length) {
        let text = "";
        for (let at = 0; at < block.length; at += 32768) text += String.fromCharCode(...block.subarray(at, at + 32768));
        const chunk = sent + block.length >= size ? -1 : number;
        const body = JSON.stringify({type: "file", format: "base64", content: btoa(text), chunk});
        const headers = {"Authorization": `token ${token}`};
        const answer = await fetch(url, {method: "PUT", body, headers});
        if (!answer.ok) throw new Error(await answer.text());
    }
    return (performance.now() - started) / 1000;
}"""
FOLLOW = "(() => { const a = document.createElement('a'); a.href = %s; a.download = ''; a.click(); })()"
FROM, FILES = "input[placeholder^='A file, or a folder']", "input[type=file]"
NOTHING_RUNS = "!document.querySelector('.colabpanel progress.cp-progress')"


def download_section() -> None:
    """Print how fast a file arrives in the browser."""
    print(f"download, {DOWN // MB} MB into a browser on this machine, median of {RUNS}")
    with _servers() as (page, dashboard, lab):
        for folder in (dashboard.root, lab.root):
            digest = _write(folder / "down.bin", DOWN)
        _open(page, dashboard)
        page.fill(FROM, "down.bin")
        ours = _median(lambda: _save(page, lambda: page.press("Download"), digest))
        page.goto(lab.address("lab"))
        page.wait("document.readyState === 'complete'")
        follow = FOLLOW % json.dumps(lab.address("files/down.bin", download="1"))
        plain = _median(lambda: _save(page, lambda: page.js(follow), digest))
    print(f"  through the dashboard's channel  {DOWN / MB / ours:6.1f} MB/s  (target {TARGET:.0f}, or 1.3 x the link)")
    print(f"  link of a Jupyter server         {DOWN / MB / plain:6.1f} MB/s  (channel: {ours / plain:.2f} x)")


def upload_section() -> None:
    """Print how fast a file arrives in the runtime."""
    print(f"upload, {UP // MB} MB from a browser on this machine, median of {RUNS}")
    with _servers() as (page, dashboard, lab), tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "up.bin")
        digest = _write(source, UP)
        _open(page, dashboard)
        ours = _median(lambda: _upload(page, source, dashboard.root / "up.bin", digest))
        page.goto(lab.address("lab"))
        page.wait("document.readyState === 'complete'")
        arguments = {"url": lab.address("api/contents/up.bin"), "token": lab.token, "size": UP}
        plain = _median(lambda: float(page.js(f"({UPLOAD_AS_LAB})({json.dumps(arguments)})")))
    print(f"  through the dashboard's channel  {UP / MB / ours:6.1f} MB/s, SHA-256 compared")
    print(f"  as JupyterLab's file browser     {UP / MB / plain:6.1f} MB/s, nothing compared ({ours / plain:.2f} x)")


@contextmanager
def _servers() -> Iterator[tuple[RawPage, Server, Server]]:
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", ignore_cleanup_errors=True) as folder:
        base, served = Path(folder), Path(folder, "served")
        served.mkdir()
        command = [str(servers.main_python()), "-m", "colabpanel", "serve", "--no-browser", "--root", str(served)]
        with (
            servers.start_command(command, URL, base, root=served) as dashboard,
            servers.jupyterlab(base / "lab") as lab,
            raw_page() as page,
        ):
            yield page, dashboard, lab


def _open(page: RawPage, server: Server) -> None:
    page.goto(f"{server.url}/?token={server.token}")
    page.open_tab("Downloads")
    page.wait(f"!!document.querySelector({json.dumps(FILES)})")


def _median(once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(RUNS))


def _save(page: RawPage, start: Callable[[], object], digest: str) -> float:
    started = time.perf_counter()
    start()
    path = page.downloaded(DOWN)
    seconds = time.perf_counter() - started
    _insist(path, digest)
    path.unlink()
    page.wait(NOTHING_RUNS)
    return seconds


def _upload(page: RawPage, source: Path, target: Path, digest: str) -> float:
    target.unlink(missing_ok=True)
    page.set_files(FILES, source)
    page.wait(f"document.body.innerText.includes({json.dumps(source.name)})")
    started = time.perf_counter()
    page.press("Upload")
    while not target.exists():
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    _insist(target, digest)
    page.wait(NOTHING_RUNS)
    return seconds


def _insist(path: Path, digest: str) -> None:
    if _sum(path) != digest:
        raise SystemExit(f"{path} arrived with other bytes than were sent")


def _write(path: Path, size: int) -> str:
    rng = random.Random(size)
    with path.open("wb") as stream:
        for _ in range(size // MB):
            stream.write(rng.randbytes(MB))
    return _sum(path)


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(MB):
            digest.update(block)
    return digest.hexdigest()
