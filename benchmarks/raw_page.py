"""A page of Chromium driven over its own protocol, a few calls at a time.

Playwright listens to every message of every websocket, which costs a page more than receiving files does.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket  # websocket-client, which jupyter_server brings

from tests.browser.browser_tools import CHROMIUM

PATIENCE = 300.0  # seconds


class RawPage:
    """The one page of a Chromium; what it downloads lies in `downloads`."""

    def __init__(self, browser: Channel, page: Channel, downloads: Path) -> None:
        self._page, self.downloads = page, downloads
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def goto(self, url: str) -> None:
        self._page.call("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """Return the value of an expression, which may be a promise."""
        answer = self._page.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression holds."""
        deadline = time.monotonic() + PATIENCE
        while not self.js(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def open_tab(self, title: str) -> None:
        self._click(_with_text("[role=tab]", title))

    def press(self, words: str) -> None:
        found = _with_text("button", words)
        self.wait(f"!!{found} && !{found}.disabled")
        self._click(found)

    def _click(self, found: str) -> None:
        """Click with the mouse: a page that nobody clicks in may not download twice."""
        self.wait(f"!!{found}")
        place = f"const e = {found}; e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect()"
        x, y = self.js(f"(() => {{ {place}; return [r.x + r.width / 2, r.y + r.height / 2]; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self._page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, or choose in a list."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.js(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.value = {json.dumps(text)};"
            "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def set_files(self, selector: str, path: Path) -> None:
        """Choose a file, as its chooser would; the one of before is taken back first."""
        self.js(f"document.querySelector({json.dumps(selector)}).value = ''")
        root = self._page.call("DOM.getDocument")["root"]["nodeId"]
        node = self._page.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._page.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def downloaded(self, size: int) -> Path:
        """Wait for a whole file of this size, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for path in self.downloads.iterdir():
                if path.suffix != ".crdownload" and path.stat().st_size == size:
                    return path
            time.sleep(0.005)
        raise TimeoutError("nothing was downloaded")


class Channel:
    """A connection to the browser or one page."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, suppress_origin=True)
        self._calls = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv())
            if answer.get("id") == self._calls:
                found: dict[str, Any] = answer.get("result", {})
                return found


@contextmanager
def raw_page() -> Iterator[RawPage]:
    """Start Chromium with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", ignore_cleanup_errors=True) as folder:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
        command = [str(CHROMIUM), *options, "--remote-debugging-port=0", f"--user-data-dir={folder}/profile"]
        browser = subprocess.Popen([*command, "about:blank"], stderr=subprocess.PIPE, text=True)
        try:
            assert browser.stderr
            addresses = (re.search(r"ws://([\d.:]+)/devtools/browser/\S+", line) for line in browser.stderr)
            found = next(address for address in addresses if address)
            with urllib.request.urlopen(f"http://{found[1]}/json") as answer:
                targets = json.load(answer)
            page = next(target for target in targets if target["type"] == "page")
            downloads = Path(folder, "downloads")
            downloads.mkdir()
            yield RawPage(Channel(found[0]), Channel(page["webSocketDebuggerUrl"]), downloads)
        finally:
            browser.terminate()
            browser.wait()


def _with_text(selector: str, words: str) -> str:
    found = f"[...document.querySelectorAll({json.dumps(selector)})]"
    return f"{found}.find(e => e.textContent.trim() === {json.dumps(words)})"
