"""ipykernel 6, as on Colab: a thread borrows the shell's socket while a cell runs.

A kernel of version 6 reads that socket on the main thread, which a cell keeps busy. The
loan goes from the cell's start until the main thread is free again, so that one thread uses
the socket at a time; messages of others are put into the kernel's own queue, where they would have waited.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import zmq

from colabpanel.live._route import Route, deliver

__all__ = ["PumpRoute"]

_HEAD_START = 0.05
"""Seconds a cell runs before the socket is borrowed: short cells are not slowed down."""

_LOOK_MS = 10
"""Milliseconds of one look at the socket, and so the most that the end of a cell waits."""

_HANDLER_S = 2.0
"""Seconds the end of a cell waits for a click that is being handled, to keep clicks in order."""


class PumpRoute(Route):
    """Reads the shell's socket of an ipykernel 6 while a cell keeps the main thread busy.

    Args:
        shell: The kernel's IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        super().__init__()
        self._shell, self._kernel = shell, shell.kernel
        self._stream = self._kernel.shell_stream
        self._depth, self._borrowed, self._unsifted = 0, False, False
        self._lent, self._closed = threading.Event(), False
        self._reading, self._handling = threading.Lock(), threading.Lock()
        shell.events.register("pre_run_cell", self._cell_started)
        shell.events.register("post_run_cell", self._cell_ended)
        threading.Thread(target=self._run, name="colabpanel-pump", daemon=True).start()

    def close(self) -> None:
        """Take no more messages; on the main thread, as everything that runs around a cell."""
        self._shell.events.unregister("pre_run_cell", self._cell_started)
        self._shell.events.unregister("post_run_cell", self._cell_ended)
        self._closed = True
        self._take_back()
        self._lent.set()

    def _cell_started(self, *_: object) -> None:
        self._depth += 1
        if self._depth == 1:
            loop = self._stream.io_loop
            loop.remove_handler(self._stream.socket)
            self._borrowed = self._unsifted = True
            self._lent.set()
            loop.add_callback(self._take_back)  # a cell that awaits leaves the kernel free to read by itself

    def _cell_ended(self, *_: object) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0:
            self._take_back()

    def _take_back(self) -> None:
        """Let the kernel read again; may be interrupted at any line and called anew."""
        if not self._borrowed:
            return
        self._lent.clear()
        with self._reading:
            pass
        if self._handling.acquire(timeout=_HANDLER_S):
            self._handling.release()
        stream = self._stream
        stream.io_loop.remove_handler(stream.socket)
        stream._init_io_state()  # noqa: SLF001 - the counterpart of remove_handler
        stream._rebuild_io_state()  # noqa: SLF001 - what came meanwhile raises no event of its own
        self._borrowed = False

    def _run(self) -> None:
        while True:
            self._lent.wait()
            if self._closed:
                return
            time.sleep(_HEAD_START)
            while self._lent.is_set() and not self._closed:
                self._look()

    def _look(self) -> None:
        with self._handling:
            if self._unsifted:
                self._unsifted = False
                self._sift()
            with self._reading:
                frames = self._receive()
            if frames is not None and not self._answered(frames):
                self._kernel.schedule_dispatch(self._kernel.dispatch_shell, frames)

    def _sift(self) -> None:
        """Answer ours of the messages that the kernel had read already, and that wait behind other cells."""
        queue, waiting = self._kernel.msg_queue, []
        while self._lent.is_set() and not queue.empty():
            waiting.append(queue.get_nowait())
        for item in waiting:
            _, dispatch, arguments = item
            if dispatch != self._kernel.dispatch_shell or not self._answered(arguments[0]):
                queue.put_nowait(item)

    def _receive(self) -> list[Any] | None:
        if not self._lent.is_set():
            return None
        socket = self._stream.socket
        if not socket.poll(_LOOK_MS):
            return None
        frames: list[Any] = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        return frames

    def _answered(self, frames: list[Any]) -> bool:
        """Hand a message to its widget, if that is ours."""
        try:
            session = self._kernel.session
            _, parts = session.feed_identities(list(frames), copy=False)
            message = session.deserialize(parts, content=False, copy=False)
            comm_id = session.unpack(message["content"]).get("comm_id") if message["msg_type"] == "comm_msg" else None
            if comm_id is None or not self.owns(comm_id):
                return False
            message = session.deserialize(parts, content=True, copy=False)
        except Exception:  # noqa: BLE001 - the kernel says what is wrong with it
            return False
        self._publish("busy", message)
        deliver(self._kernel.comm_manager.get_comm(comm_id), message)
        self._publish("idle", message)
        self._publish("busy", self._kernel.get_parent("shell"))
        return True

    def _publish(self, state: str, parent: dict[str, Any]) -> None:
        """Tell the page how its message fares: it sends the next one once this is idle."""
        kernel = self._kernel
        kernel.session.send(
            kernel.iopub_socket,
            "status",
            {"execution_state": state},
            parent=parent,
            ident=kernel._topic("status"),  # noqa: SLF001
        )
