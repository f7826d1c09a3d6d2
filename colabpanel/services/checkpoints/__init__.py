"""Checkpoints of training: saved in the background, verified, kept by rule, and resumed exactly."""
