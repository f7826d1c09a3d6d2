"""Fixtures of the browser tests; servers start when a test first asks for one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import servers
from .browser_tools import CHROMIUM, VIEWPORTS, Shots, chromium, collect_errors
from .notebooks import ClassicPage, HostPage, JupyterLabPage, Notebook7Page

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Page

_HERE = Path(__file__).resolve().parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests and move them to the end.

    Playwright's sync API keeps an event loop running in the main thread, in
    which `asyncio.run` fails: no other test may follow.
    """
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: _HERE in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what the page of a failed test showed, and keep its picture in `build/failures`."""
    report = yield
    page: Page | None = getattr(item, "funcargs", {}).get("page")
    if page is not None and report.failed:
        report.sections.append(("what the page showed", _what_it_shows(page, item.name)))
    return report


def _what_it_shows(page: Page, name: str) -> str:
    folder = servers.REPOSITORY / "build" / "failures"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        page.screenshot(path=folder / f"{name}.png")
        return page.locator(".colabpanel:visible, body").last.inner_text(timeout=2000)
    except Exception as error:  # a page that is gone must not hide why the test failed
        return str(error)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own, of a laptop's size."""
    context = browser.new_context(viewport=VIEWPORTS["laptop"], reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture
def console_errors(page: Page) -> list[str]:
    """Console errors and uncaught exceptions of `page`, growing as they come."""
    return collect_errors(page)


@pytest.fixture(scope="session")
def shots() -> Shots:
    """Where screenshots go: `build/screenshots` in the repository."""
    folder = servers.REPOSITORY / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return Shots(folder)


@pytest.fixture(scope="session")
def jupyterlab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """JupyterLab 4 on the newest stack."""
    with servers.jupyterlab(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook7_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """Notebook 7 on the newest stack."""
    with servers.notebook7(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def classic_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """The classic Notebook with Colab's pins."""
    if not servers.colab_python().exists():
        pytest.skip(f"{servers.colab_python()} is missing")
    with servers.classic(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def jupyterlab(page: Page, jupyterlab_server: servers.Server) -> Iterator[JupyterLabPage]:
    """A page for notebooks in JupyterLab; its kernels end with the test."""
    yield JupyterLabPage(page, jupyterlab_server)
    jupyterlab_server.start_over()


@pytest.fixture
def notebook7(page: Page, notebook7_server: servers.Server) -> Iterator[Notebook7Page]:
    """A page for notebooks in Notebook 7; its kernels end with the test."""
    yield Notebook7Page(page, notebook7_server)
    notebook7_server.start_over()


@pytest.fixture
def classic(page: Page, classic_server: servers.Server) -> Iterator[ClassicPage]:
    """A page for notebooks in the classic Notebook; its kernels end with the test."""
    yield ClassicPage(page, classic_server)
    classic_server.start_over()


@pytest.fixture(params=["jupyterlab", "notebook7", "classic"])
def host(request: pytest.FixtureRequest) -> HostPage:
    """Each host in turn; parametrize it indirectly to pick some."""
    chosen: HostPage = request.getfixturevalue(request.param)
    return chosen
