"""What these parts do is seen best where they are used: in a fetch."""

from __future__ import annotations

from tests.services.fetching.conftest import impatient, server, small

__all__ = ["impatient", "server", "small"]
