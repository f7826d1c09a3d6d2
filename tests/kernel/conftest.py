"""A real kernel of this interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

Run = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start a kernel in a folder of its own; it ends with the test."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    manager = KernelManager(shutdown_wait_time=60)
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@pytest.fixture
def run(kernel: Any) -> Run:
    """Run a cell and return what it printed; an error in it fails the test."""

    def cell(code: str) -> str:
        printed: list[str] = []

        def note(message: dict[str, Any]) -> None:
            if message["msg_type"] == "error":
                pytest.fail("\n".join(message["content"]["traceback"]))
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = kernel.execute_interactive(code, output_hook=note, timeout=120)
        assert reply["content"]["status"] == "ok"
        return "".join(printed)

    return cell


@pytest.fixture
def error_of(kernel: Any) -> Run:
    """Run a cell and return the name of its error, or nothing."""

    def cell(code: str) -> str:
        # with stop_on_error the kernel would drop a cell that comes right after the error
        reply = kernel.execute_interactive(code, output_hook=lambda _: None, timeout=120, stop_on_error=False)
        return str(reply["content"].get("ename", ""))

    return cell
