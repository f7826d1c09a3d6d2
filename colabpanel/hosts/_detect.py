"""Finding out which host this process runs under, when a panel is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from colabpanel.hosts._base import Host, IPythonHost

__all__ = ["detect"]


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


def _on_colab() -> bool:
    return "COLAB_RELEASE_TAG" in os.environ or Path("/var/colab/hostname").exists()


def _behind_voila() -> bool:
    served = os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
    return served or "VOILA_PREHEAT" in os.environ or "COLABPANEL_ROOT" in os.environ


def detect() -> Host:
    """Return the host of this process, looked up anew at every call."""
    shell = _shell()
    if getattr(shell, "kernel", None) is None:
        return IPythonHost(shell)
    if _behind_voila():
        from colabpanel.hosts.voila import VoilaHost

        return VoilaHost(shell)
    if _on_colab():
        from colabpanel.hosts.colab import ColabHost

        return ColabHost(shell)
    from colabpanel.hosts.jupyter import JupyterHost

    return JupyterHost(shell)
