"""ipykernel 7.4 and later: a subshell of our own takes the messages of our comms.

A subshell is a thread of the kernel with a queue of its own. The kernel asks each comm
where its messages go and would answer "the main shell" for one that was made in a cell.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from colabpanel.live._route import Route, deliver

__all__ = ["SubshellRoute", "possible"]

_TIMEOUT = 5.0
"""Seconds to wait for the kernel's thread that makes subshells; it does nothing slow."""


def possible() -> bool:
    """Tell whether this ipykernel asks its comms where their messages go."""
    from ipykernel.comm.comm import BaseComm

    return hasattr(BaseComm, "_reply_subshell_for")


class SubshellRoute(Route):
    """Sends the messages of our comms to a subshell.

    Args:
        kernel: An ipykernel with subshells.
    """

    def __init__(self, kernel: Any) -> None:
        super().__init__()
        self._channel = kernel.shell_channel_thread
        self._subshell: str = self._call(self._channel.manager._create_subshell).result(_TIMEOUT)  # noqa: SLF001
        self._restore = [_replace("_reply_subshell_for", self._routed), _replace("handle_msg", self._handled)]

    def _routed(self, original: Callable[..., Any], comm: Any, data: Any, default: str | None) -> str | None:
        routed: str | None = self._subshell if self.owns(comm.comm_id) else original(comm, data, default)
        return routed

    def _handled(self, original: Callable[..., Any], comm: Any, message: dict[str, Any]) -> None:
        if self.owns(comm.comm_id):
            deliver(comm, message)
        else:
            original(comm, message)

    def _call(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Call a function on the kernel's thread that reads the shell's socket."""
        future: Future[Any] = Future()

        def call() -> None:
            try:
                future.set_result(function(*arguments))
            except Exception as error:  # noqa: BLE001 - for the waiting thread
                future.set_exception(error)

        self._channel.io_loop.add_callback(call)
        return future

    def close(self) -> None:
        """Give our messages back to the main shell and end the subshell."""
        for restore in self._restore:
            restore()
        gone = self._call(self._channel.manager._delete_subshell, self._subshell)  # noqa: SLF001
        if threading.current_thread().name != f"subshell-{self._subshell}":
            gone.result(_TIMEOUT)


def _replace(name: str, method: Callable[..., Any]) -> Callable[[], None]:
    """Put a method of ours before one of every comm; returns what takes it away again."""
    from ipykernel.comm.comm import BaseComm

    original = getattr(BaseComm, name)
    inherited = name not in vars(BaseComm)

    @functools.wraps(original)
    def replaced(comm: Any, *arguments: Any) -> Any:
        return method(original, comm, *arguments)

    setattr(BaseComm, name, replaced)

    def restore() -> None:
        if inherited:
            delattr(BaseComm, name)
        else:
            setattr(BaseComm, name, original)

    return restore
