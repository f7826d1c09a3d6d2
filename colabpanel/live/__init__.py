"""Answers the panel's own clicks while a cell runs: one module per kernel's way of taking messages.

A kernel takes messages of widgets one after another with cells, so a stock panel is dead
while a model trains. Kernels before ipykernel 7 are served by `pump`, those from 7.4 on by
`subshell`; for 7.0 to 7.3 JupyterLab does it by itself. Messages of other people's widgets
go their usual way.
"""

from colabpanel.live._route import Owns
from colabpanel.live._start import start

__all__ = ["Owns", "start"]
