"""Modules of one's own: found anywhere, put on the import path, and reloaded when they change."""
