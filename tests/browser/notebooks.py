"""Notebooks in a browser page: one class per host, all with the same methods."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import nbformat

from .servers import set_lab_theme

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from .servers import Server

OPEN_MS = 60_000
"""How long a page may take until its notebook and its kernel are ready."""

RUN_MS = 60_000
"""How long `wait_done` waits for a cell by default."""


BUSY_CELL = "import time\nfor _ in range(1800):\n    time.sleep(0.1)"
"""A cell that runs longer than a test; the kernel ends with it."""


def write_notebook(path: Path, *sources: str) -> None:
    """Write a notebook with one code cell per source to `path`."""
    v4 = nbformat.v4
    cells = [v4.new_code_cell(source) for source in sources]  # type: ignore[no-untyped-call]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": spec})  # type: ignore[no-untyped-call]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


class HostPage(ABC):
    """A notebook opened in one host.

    A subclass supplies the JavaScript that drives its front end; cells are
    counted from 0.

    Attributes:
        name: The host's short name.
        page: The Playwright page that shows it.
        server: The server it comes from.
    """

    name: ClassVar[str]

    # JavaScript functions; the first takes the notebook's path, the others a
    # cell's index, and none of them waits for a cell to end.
    _READY: ClassVar[str]
    _RUN_CELL: ClassVar[str]
    _RUN_ALL: ClassVar[str]
    _IS_RUNNING: ClassVar[str]
    _IS_DONE: ClassVar[str]

    def __init__(self, page: Page, server: Server) -> None:
        """Prepare to open notebooks of `server` in `page`."""
        self.page = page
        self.server = server

    def open_cells(self, *sources: str, dark: bool = False) -> Path:
        """Write a notebook into a folder of its own and open it.

        Returns:
            The folder, which is also the kernel's working directory.
        """
        folder = self.server.root / uuid.uuid4().hex[:8]
        folder.mkdir()
        write_notebook(folder / "test.ipynb", *sources)
        self.open(f"{folder.name}/test.ipynb", dark=dark)
        return folder

    def open(self, path: str, *, dark: bool = False) -> None:
        """Open a notebook and wait until its kernel is idle.

        Args:
            path: The notebook, relative to the server's root.
            dark: Show the host in its dark theme.
        """
        self._prepare(dark=dark)
        self.page.goto(self._address(path), timeout=OPEN_MS)
        self.page.wait_for_function(self._READY, arg=path, timeout=OPEN_MS)

    def run_cell(self, index: int) -> None:
        """Start a cell without waiting for its end."""
        self.page.evaluate(self._RUN_CELL, index)

    def run_all(self) -> None:
        """Start all cells in order, without waiting for their end."""
        self.page.evaluate(self._RUN_ALL)

    def is_running(self, index: int) -> bool:
        """Tell whether a cell is queued or running."""
        return bool(self.page.evaluate(self._IS_RUNNING, index))

    def wait_done(self, index: int, *, timeout_ms: float = RUN_MS) -> None:
        """Wait until a cell has been run and is no longer running."""
        self.page.wait_for_function(self._IS_DONE, arg=index, timeout=timeout_ms)

    @abstractmethod
    def output(self, index: int) -> Locator:
        """Return the output area of a cell."""

    @abstractmethod
    def _address(self, path: str) -> str:
        """Return the address that shows the notebook at `path`."""

    @abstractmethod
    def _prepare(self, *, dark: bool) -> None:
        """Set the theme, and what else the page needs, before it is loaded."""


class _LabFamilyPage(HostPage):
    """What JupyterLab and Notebook 7 share: the same application object."""

    _READY = """path => {
        const panel = window.jupyterapp?.shell.currentWidget;
        const kernel = panel?.sessionContext?.session?.kernel;
        return panel?.context?.path === path && panel.context.isReady
            && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
    }"""
    _RUN_CELL = """async index => {
        const app = window.jupyterapp;
        const notebook = app.shell.currentWidget.content;
        notebook.deselectAll();
        notebook.activeCellIndex = index;
        await notebook.scrollToItem(index);
        void app.commands.execute('notebook:run-cell');
    }"""
    _RUN_ALL = "() => void window.jupyterapp.commands.execute('notebook:run-all-cells')"
    _MODEL = "window.jupyterapp.shell.currentWidget.content.widgets[index].model"
    _IS_RUNNING = f"index => {_MODEL}.executionState === 'running'"
    _IS_DONE = f"""index => {{
        const cell = {_MODEL};
        return cell.executionState !== 'running' && cell.executionCount !== null;
    }}"""

    def output(self, index: int) -> Locator:
        # Cells out of view may be detached, so a cell's place in the page
        # says nothing; the attribute holds its index in the notebook.
        cell = f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']"
        return self.page.locator(f"{cell} .jp-Cell-outputArea")

    def _prepare(self, *, dark: bool) -> None:
        set_lab_theme(self.server, dark=dark)


class JupyterLabPage(_LabFamilyPage):
    """A notebook in JupyterLab 4, in a workspace of its own."""

    name = "jupyterlab"

    def _address(self, path: str) -> str:
        workspace = uuid.uuid4().hex[:8]
        return self.server.address(f"lab/workspaces/{workspace}/tree/{path}")


class Notebook7Page(_LabFamilyPage):
    """A notebook in Notebook 7."""

    name = "notebook7"

    def _address(self, path: str) -> str:
        return self.server.address(f"notebooks/{path}")


class ClassicPage(HostPage):
    """A notebook in the classic Notebook 6.5 with Colab's pins."""

    name = "classic"

    _READY = """path => {
        const notebook = window.Jupyter?.notebook;
        const kernel = notebook?.kernel;
        return notebook?.notebook_path === path && notebook._fully_loaded
            && kernel?.is_connected() && kernel.info_reply.protocol_version
            && !notebook.kernel_busy && 'jupyter.widget' in kernel.comm_manager.targets;
    }"""
    _RUN_CELL = "index => Jupyter.notebook.execute_cells([index])"
    _RUN_ALL = "() => Jupyter.notebook.execute_all_cells()"
    _PROMPT = "Jupyter.notebook.get_cell(index).input_prompt_number"
    _IS_RUNNING = f"index => {_PROMPT} === '*'"
    _IS_DONE = f"index => Number.isInteger({_PROMPT})"

    # Hides the advice to move to Notebook 7 as a click on its button would;
    # with the server's own option for it the page raises an error.
    _NO_NEWS = "localStorage.setItem('showNotebookNews', 'false')"

    # Now and then Notebook 6 is not woken for a message of the kernel and leaves
    # it until the next one comes (a zmq socket tells of its messages once), so
    # that an output waited for alone never shows. This makes a next one.
    _NEXT_MESSAGE = """setInterval(() => {
        const kernel = window.Jupyter?.notebook?.kernel;
        if (kernel?.is_connected()) kernel.kernel_info();
    }, 2000)"""

    # Colab marks its dark theme on <html>. The classic Notebook has no dark
    # theme, so the test darkens what lies behind the outputs; the colours are
    # near Colab's, not measured there.
    _DARK = """document.addEventListener('DOMContentLoaded', () => {
        document.documentElement.setAttribute('theme', 'dark');
        const style = document.createElement('style');
        style.textContent = `
            body, #site, #notebook, #notebook-container, div.cell {
                background: #383838 !important; color: #e3e3e3; }`;
        document.head.append(style);
    })"""

    def output(self, index: int) -> Locator:
        """Return the output area of a cell."""
        cells = self.page.locator("#notebook-container > .cell")
        return cells.nth(index).locator(".output_wrapper")

    def _address(self, path: str) -> str:
        return self.server.address(f"notebooks/{path}")

    def _prepare(self, *, dark: bool) -> None:
        self.page.add_init_script(self._NO_NEWS)
        self.page.add_init_script(self._NEXT_MESSAGE)
        if dark:
            self.page.add_init_script(self._DARK)
