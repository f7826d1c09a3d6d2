"""What in a notebook would take less memory in another form, and the change itself where it is safe."""

from __future__ import annotations

from colabpanel.services.memory.shrinking.models import How, Saving, Shrunk
from colabpanel.services.memory.shrinking.service import savings, shrink

__all__ = ["How", "Saving", "Shrunk", "savings", "shrink"]
