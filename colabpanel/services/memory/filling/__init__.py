"""Filling memory on purpose: to try the guard, or until a Colab runtime restarts."""
