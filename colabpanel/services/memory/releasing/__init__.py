"""Memory given back: chosen variables, outputs, the last error, figures, caches; each only when it is asked for."""

from __future__ import annotations

from colabpanel.services.memory.releasing.models import Released, Step, StillHeld
from colabpanel.services.memory.releasing.service import release

__all__ = ["Released", "Step", "StillHeld", "release"]
