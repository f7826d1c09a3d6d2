"""Checkpoints that other libraries wrote: which there are, and which tensors they hold."""
