"""When hosts end a session by themselves, as far as that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "COLAB_ENTERPRISE_LIMITS",
    "COLAB_LIMITS",
    "DASHBOARD_LIMITS",
    "SERVER_LIMITS",
    "KeepAliveWay",
    "TimeLimit",
]

KeepAliveWay = Literal["heartbeat", "console", ""]
"""How a session is kept alive: by messages of its page, by a line in the page's console, or not at all."""

_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class TimeLimit:
    """When a host ends a session by itself; None stands for what nobody publishes.

    Attributes:
        plan: For whom it holds ("Free of charge"); the kernel cannot see which one applies.
        idle: Seconds without activity after which the session ends.
        longest: Seconds that a session lasts at most; infinite where there is no such limit.
        source: Who says so, and when.
    """

    plan: str
    idle: float | None
    longest: float | None
    source: str


COLAB_LIMITS = (
    TimeLimit(
        "Free of charge",
        90 * _MINUTE,
        12 * _HOUR,
        "At most 12 h, as Colab's FAQ was quoted in October 2026. The idle time is not published and varies; "
        "users report about 90 min.",
    ),
    TimeLimit(
        "Pro, or pay as you go",
        None,
        None,
        "Not published: longer than free of charge, while compute units last. In 2021 Colab wrote of up to 24 h.",
    ),
    TimeLimit(
        "Pro+",
        None,
        24 * _HOUR,
        "Up to 24 h of execution, also with the page closed, as Colab's FAQ was quoted in October 2026.",
    ),
)

COLAB_ENTERPRISE_LIMITS = (
    TimeLimit(
        "Default runtime",
        180 * _MINUTE,
        18 * _HOUR,
        "As published by Google Cloud, September 2025; a runtime template may set other times.",
    ),
)

SERVER_LIMITS = (
    TimeLimit(
        "This server",
        None,
        None,
        "Set by whoever runs the server, and not visible from a kernel. Jupyter ends no idle kernel unless it is told "
        "to (cull_idle_timeout); hubs often are.",
    ),
)

DASHBOARD_LIMITS = (
    TimeLimit(
        "This dashboard",
        300.0,
        math.inf,
        "Counted once the page is closed, and not while it is open; colabpanel serve --cull-after sets another time.",
    ),
)
