"""How much memory and disk there is, and how much of it is used."""

from __future__ import annotations

from colabpanel.services.memory.gauges import Amount, Usage, usage

__all__ = ["Amount", "Usage", "usage"]
